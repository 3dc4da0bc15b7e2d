/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_TESTS_UNIT_SIF_CUT_H
#define COFFER_TESTS_UNIT_SIF_CUT_H

/*
 * A change of a file that is there, cut off at each moment. The writes are recorded here instead of
 * the C library's functions, with where they were synced; then files are made as a power failure
 * may leave them: of the writes since the last sync any may be missing, and one may be there in
 * part.
 */
#include "unit.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sif/internal.h"

/* ------------------------------------------------------------------ what was written */

#define OPS_MAX 64
#define IMAGE_MAX 65536

static struct op {
	bool sync;
	uint64_t off;
	size_t len;
	uint8_t data[8192];
} ops[OPS_MAX];
static size_t op_count;
static bool record;
static size_t fail_at = SIZE_MAX; /* this op, and what comes after it */

static bool fails(void)
{
	if (!record || op_count < fail_at)
		return false;
	errno = ENOSPC;
	return true;
}

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): the C library's */
ssize_t pwrite(int fd, const void *buf, size_t len, off_t off)
{
	if (fails())
		return -1;
	if (record) {
		struct op *op = &ops[op_count++];
		assert_true(op_count < OPS_MAX && len <= sizeof(op->data));
		*op = (struct op){ .off = (uint64_t)off, .len = len };
		memcpy(op->data, buf, len);
	}
	return (ssize_t)syscall(SYS_pwrite64, fd, buf, len, off);
}

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): the C library's */
int fdatasync(int fd)
{
	(void)fd;
	if (fails())
		return -1;
	if (record)
		ops[op_count++] = (struct op){ .sync = true };
	return 0;
}

static void record_begin(void)
{
	op_count = 0;
	record = true;
}

/* ------------------------------------------------------------------ what is left of it */

typedef void (*cut_check)(int fd, void *context);

static void apply(int fd, const struct op *op, size_t len)
{
	assert_int_equal(fd_pwrite(fd, op->data, len < op->len ? len : op->len, op->off), 0);
}

/* As the file was, with all ops before `begin`. */
static int copy_until(const uint8_t *before, size_t size, size_t begin)
{
	int fd = memfd_create("cut", MFD_CLOEXEC);
	assert_int_equal(fd_pwrite(fd, before, size, 0), 0);
	for (size_t i = 0; i < begin; i++)
		if (!ops[i].sync)
			apply(fd, &ops[i], SIZE_MAX);
	return fd;
}

/* Of the ops from begin to end, which nothing has synced, those of the mask; the last one in part.
 */
static void cut(const uint8_t *before, size_t size, size_t begin, size_t end, cut_check check,
		void *context)
{
	static const size_t parts[] = { 1, 25, 512, SIZE_MAX };
	for (unsigned mask = 1; mask < 1u << (end - begin); mask++)
		for (size_t part = 0; part < sizeof(parts) / sizeof(*parts); part++) {
			CLEANUP_FD int fd = copy_until(before, size, begin);
			unsigned last = 31 - (unsigned)__builtin_clz(mask);
			for (unsigned i = 0; i <= last; i++)
				if (mask & 1u << i)
					apply(fd, &ops[begin + i],
					      i == last ? parts[part] : SIZE_MAX);
			check(fd, context);
		}
}

/* What was recorded, cut off everywhere; before: the file as it was. */
static void cut_everywhere(const uint8_t *before, size_t size, cut_check check, void *context)
{
	assert_true(op_count && ops[op_count - 1].sync);
	for (size_t i = 0, begin = 0; i < op_count; i++)
		if (ops[i].sync) {
			cut(before, size, begin, i, check, context);
			begin = i + 1;
		}
}

#endif
