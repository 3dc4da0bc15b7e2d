/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an instance leaves for others: its state file, and the facts that its keeper hands to who
 * joins. Both lie where only the user can write, but a container's payload may be that user. The
 * first byte says which; what a reader takes is written again and read as the same.
 */
#include "fuzz.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "instance/internal.h"
#include "run/internal.h"

static int file_of(const char *text, size_t len, struct error **err)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	int r = fd < 0 ? -errno : fd_pwrite(fd, text, len, 0);
	if (r == 0)
		return fd;
	fd_close(&fd);
	return error_errno(err, -r, "make the fuzzer's file");
}

static void saw_text(const char *text)
{
	fuzz_saw(text, strlen(text) + 1);
}

static bool same(const struct instance *a, const struct instance *b)
{
	return !strcmp(a->name, b->name) && !strcmp(a->image, b->image) &&
	       !strcmp(a->out, b->out) && !strcmp(a->err, b->err) && a->init == b->init &&
	       a->born == b->born;
}

static int read_again(const struct instance *i, struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	struct instance again = { 0 };
	CLEANUP_FD int fd = file_of("", 0, err);
	if (fd < 0 || instance_state_write(fd, i, err) < 0 ||
	    fd_read_all(fd, (size_t)1 << 20, "fuzz", &text, err) < 0)
		return -1;
	int r = instance_state_parse(text.data, text.len, &again, err);
	if (r == 0 && !same(i, &again))
		fuzz_bug("what was written is read as something else");
	if (r < 0 && error_kind(*err) != ERROR_MEMORY && error_kind(*err) != ERROR_LIMIT)
		fuzz_bug("what was written is refused");
	instance_free(&again);
	return r;
}

static int state(const char *text, size_t len, struct error **err)
{
	struct instance i = { 0 };
	int r = instance_state_parse(text, len, &i, err);
	if (r == 0 && i.init <= 0)
		fuzz_bug("a state with the pid %d", (int)i.init);
	if (r == 0) {
		saw_text(i.name);
		saw_text(i.image);
		fuzz_saw_number((uint64_t)i.init);
		fuzz_saw_number(i.born);
		r = read_again(&i, err);
	}
	instance_free(&i);
	return r;
}

static int facts(const char *text, size_t len, struct error **err)
{
	struct run_facts f = { 0 };
	struct run_plan plan = { 0 };
	CLEANUP_FD int fd = file_of(text, len, err);
	if (fd < 0)
		return -1;
	int r = run_facts_read(fd, &f, &plan, err);
	if (r == 0) {
		saw_text(f.name);
		saw_text(plan.home);
		fuzz_saw(plan.profile.data, plan.profile.len);
		for (size_t i = 0; i < plan.binds.len; i++)
			saw_text(plan.binds.items[i].target);
	}
	run_plan_free(&plan);
	run_facts_free(&f);
	return r;
}

int fuzz_run(const uint8_t *data, size_t len, struct error **err)
{
	const char *text = len ? (const char *)data + 1 : "";
	size_t left = len ? len - 1 : 0;
	return len && data[0] == 's' ? state(text, left, err) : facts(text, left, err);
}

int fuzz_seed(struct buffer *ret, struct error **err)
{
	static char program[] = "sixteen bytes of";
	static struct run_bind binds[] = {
		{ .source = (char *)"/a", .target = (char *)"/b \"c", .nested = true },
		{ .source = (char *)"/d", .target = (char *)"/e" },
	};
	struct run_stay stay = { .name = "one", .door = -1 };
	struct run_wish wish = { .stay = &stay, .allow_setuid = true };
	struct image image = { .path = (char *)"/x/y.sif", .fd = -1, .directory = -1 };
	struct run_plan plan = {
		.wish = &wish,
		.image = &image,
		.home = (char *)"/home/u",
		.user_namespace = true,
		.map = USERNS_ROOT_SUBIDS,
		.profile = { .data = program, .len = 16 },
		.binds = { .items = binds, .len = 2 },
	};
	CLEANUP_BUFFER struct buffer text = { 0 };
	CLEANUP_FD int fd = run_facts_write(&plan, err);
	if (fd < 0 || fd_read_all(fd, (size_t)1 << 20, "seed", &text, err) < 0 ||
	    buffer_append(ret, "f", 1, err) < 0)
		return -1;
	return buffer_append(ret, text.data, text.len, err);
}
