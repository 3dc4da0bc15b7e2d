/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((weak)) const unsigned fuzz_faults = 1500;

static uint64_t digest;

void fuzz_saw(const void *data, size_t len)
{
	const uint8_t *p = data;
	for (size_t i = 0; i < len; i++)
		digest = (digest ^ p[i]) * UINT64_C(0x100000001b3);
	digest ^= digest >> 29;
}

void fuzz_saw_number(uint64_t v)
{
	fuzz_saw(&v, sizeof(v));
}

void fuzz_bug(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	(void)fputs("BUG: ", stderr);
	(void)vfprintf(stderr, fmt, ap);
	(void)fputc('\n', stderr);
	va_end(ap);
	abort();
}

/*
 * Bytes are damaged, unsupported, over a limit or the wrong key's. That they make the kernel
 * refuse, the memory end or coffer contradict itself is a finding, unless a fault was asked for.
 */
static void check(const struct error *e)
{
	if (fault_armed())
		return;
	switch (error_kind(e)) {
	case ERROR_IO:
	case ERROR_SYSTEM:
	case ERROR_MEMORY:
	case ERROR_INTERNAL:
		fuzz_bug("an input made an error of kind %d: %s", (int)error_kind(e),
			 error_message(e));
	default:
		return;
	}
}

void fuzz_note(struct error **first, struct error **err)
{
	if (!*err)
		return;
	check(*err);
	if (*first) {
		error_free(err);
		return;
	}
	*first = *err;
	*err = NULL;
}

void fuzz_once(const uint8_t *data, size_t len, struct fuzz_outcome *ret)
{
	struct error *err CLEANUP_ERROR = NULL;
	digest = UINT64_C(0xcbf29ce484222325);
	fault_count_begin();
	int r = fuzz_run(data, len, &err);
	*ret = (struct fuzz_outcome){ .result = r, .calls = fault_count_end() };
	if ((r < 0) != (err != NULL))
		fuzz_bug("result %d, error %s", r, err ? error_message(err) : "none");
	ret->digest = digest;
	if (!err)
		return;
	check(err);
	ret->kind = error_kind(err);
	(void)snprintf(ret->words, sizeof(ret->words), "%s", error_message(err));
}

struct fuzz_source {
	struct source source;
	const uint8_t *data; /* borrowed */
};

static int read_memory(struct source *s, void *buf, size_t len, uint64_t off, struct error **err)
{
	if (fault_now())
		return error_set(err, ERROR_IO, "a read that shall fail");
	memcpy(buf, ((struct fuzz_source *)s)->data + off, len);
	return 0;
}

static void free_memory(struct source *s)
{
	free(s);
}

static const struct source_ops memory_ops = { .read = read_memory, .free = free_memory };

int fuzz_source(const void *data, size_t len, struct source **ret, struct error **err)
{
	struct fuzz_source *s = malloc(sizeof(*s));
	if (!s)
		return error_no_memory(err);
	*s = (struct fuzz_source){ .source = { .ops = &memory_ops, .size = len }, .data = data };
	*ret = &s->source;
	return 0;
}

__attribute__((weak)) void fuzz_start(void)
{
}

__attribute__((weak)) int fuzz_seed(struct buffer *ret, struct error **err)
{
	(void)ret;
	return error_set(err, ERROR_USAGE, "this target makes no seeds");
}
