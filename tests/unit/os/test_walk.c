/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/os.h"

static char folder[] = "/tmp/coffer-test-XXXXXX";

/* What a walk has shown: "+path" of an entry, "-path" of a folder that it has left. */
struct record {
	struct buffer seen;
	size_t deepest, depth;
	const char *spare; /* the path of a folder that is not entered */
	size_t few;	   /* the most descriptors that may be open */
};

static int make_folder(void **state)
{
	(void)state;
	return !mkdtemp(folder) || chdir(folder) < 0 || mkdir("t", 0700) < 0 ||
	       mkdir("t/a", 0700) < 0 || mkdir("t/a/b", 0700) < 0 ||
	       mknod("t/a/b/file", S_IFREG | 0600, 0) < 0 || symlink("/", "t/a/out") < 0;
}

static int remove_folder(void **state)
{
	(void)state;
	CLEANUP_TEXT char *command = text_printf(&(struct error *){ NULL }, "rm -rf %s", folder);
	return chdir("/") < 0 || !command || system(command) != 0;
}

static int shown(void *context, const struct walk_at *at, struct error **err)
{
	struct record *r = context;
	struct stat st, inside;
	assert_int_equal(fstatat(at->folder, at->name, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(fstat(at->folder, &inside), 0);
	assert_true(inside.st_ino == at->inside->st_ino);
	if (buffer_printf(&r->seen, err, "+%s ", at->path) < 0)
		return -1;
	return S_ISDIR(st.st_mode) ? WALK_ENTER : WALK_ON;
}

static int entered(void *context, const struct walk_at *at, int fd, const struct stat *st,
		   struct error **err)
{
	struct record *r = context;
	struct stat same;
	(void)err;
	assert_int_equal(fstat(fd, &same), 0);
	assert_true(same.st_ino == st->st_ino);
	if (r->spare && !strcmp(at->path, r->spare))
		return WALK_ON;
	if (++r->depth > r->deepest)
		r->deepest = r->depth;
	if (r->few)
		assert_true((size_t)fd < r->few);
	return WALK_ENTER;
}

static int left(void *context, const struct walk_at *at, int fd, const struct stat *st,
		struct error **err)
{
	struct record *r = context;
	struct stat named;
	(void)fd;
	r->depth--;
	assert_int_equal(fstatat(at->folder, at->name, &named, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(named.st_ino == st->st_ino);
	return buffer_printf(&r->seen, err, "-%s ", at->path);
}

static const struct walk_visitor recorder = {
	.entry = shown,
	.enter = entered,
	.leave = left,
	.of = " of the test",
	.depth_max = 2000,
};

static int walk(const char *path, struct record *r, const struct walk_visitor *v,
		struct error **err)
{
	CLEANUP_FD int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return walk_tree(fd, v, r, err);
}

static void before(const char *text, const char *one, const char *other)
{
	const char *x = strstr(text, one), *y = strstr(text, other);
	if (!x || !y || x > y)
		fail_msg("%s: no '%s' before '%s'", text, one, other);
}

static void all_is_shown_in_its_place(void **state)
{
	(void)state;
	struct record r = { 0 };
	assert_ok(walk("t", &r, &recorder, err));
	before(r.seen.data, "+/a ", "+/a/b ");
	before(r.seen.data, "+/a/b ", "+/a/b/file ");
	before(r.seen.data, "+/a/b/file ", "-/a/b ");
	before(r.seen.data, "-/a/b ", "-/a ");
	before(r.seen.data, "+/a/out ", "-/a ");
	assert_int_equal(r.seen.len, strlen("+/a +/a/b +/a/b/file -/a/b +/a/out -/a "));
	assert_int_equal(r.depth, 0);
	buffer_free(&r.seen);
}

static void a_folder_may_be_left_out(void **state)
{
	(void)state;
	struct record r = { .spare = "/a/b" };
	assert_ok(walk("t", &r, &recorder, err));
	assert_null(strstr(r.seen.data, "file"));
	assert_null(strstr(r.seen.data, "-/a/b "));
	before(r.seen.data, "+/a/b ", "-/a ");
	buffer_free(&r.seen);
}

static void one_entry_is_shown_first(void **state)
{
	(void)state;
	struct record r = { 0 };
	assert_ok(walk_entry(AT_FDCWD, "t/a/b", &recorder, &r, err));
	assert_string_equal(r.seen.data, "+t/a/b +t/a/b/file -t/a/b ");
	buffer_free(&r.seen);
}

static void make_deep(const char *top, int depth)
{
	assert_int_equal(mkdir(top, 0700), 0);
	CLEANUP_FD int fd = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < depth; i++) {
		assert_int_equal(mkdirat(fd, "d", 0700), 0);
		int next = openat(fd, "d", O_PATH | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		fd_close(&fd);
		fd = next;
	}
}

/* Two leaves a level would be no proof: the way back has to find the folders again. */
static void depth_costs_no_descriptors(void **state)
{
	(void)state;
	struct record r = { .few = WAY_OPEN + 24 };
	make_deep("deep", 1500);
	assert_ok(walk("deep", &r, &recorder, err));
	assert_int_equal(r.deepest, 1500);
	assert_int_equal(r.depth, 0);
	buffer_free(&r.seen);
}

static void depth_has_a_limit(void **state)
{
	(void)state;
	struct walk_visitor shallow = recorder;
	struct record r = { 0 };
	shallow.depth_max = 3;
	make_deep("three", 3);
	assert_ok(walk("three", &r, &shallow, err));
	make_deep("four", 4);
	assert_fails(ERROR_LIMIT, walk("four", &r, &shallow, err));
	buffer_free(&r.seen);
}

static int moves(void *context, const struct walk_at *at, int fd, const struct stat *st,
		 struct error **err)
{
	struct record *r = context;
	(void)at, (void)fd, (void)st, (void)err;
	if (++r->depth == WAY_OPEN + 8)
		assert_int_equal(rename("stolen/d/d/d", "elsewhere"), 0);
	return WALK_ENTER;
}

/* Who moves a folder away does not lead the walk to where it is now. */
static void a_folder_that_was_moved_is_noticed(void **state)
{
	(void)state;
	struct record r = { 0 };
	const struct walk_visitor v = { shown, moves, NULL, "", 2000 };
	make_deep("stolen", WAY_OPEN + 10);
	assert_fails(ERROR_IO, walk("stolen", &r, &v, err));
	buffer_free(&r.seen);
}

static int refuses(void *context, const struct walk_at *at, struct error **err)
{
	(void)context;
	return !strcmp(at->name, "file") ? error_set(err, ERROR_POLICY, "no") : WALK_ENTER;
}

static int only_folders(void *context, const struct walk_at *at, struct error **err)
{
	return !strcmp(at->name, "out") ? WALK_ON : refuses(context, at, err);
}

static void errors_end_it(void **state)
{
	(void)state;
	struct record r = { 0 };
	const struct walk_visitor refusing = { only_folders, NULL, NULL, "", 10 };
	/* A link is no folder, whatever a visitor says. */
	const struct walk_visitor following = { refuses, NULL, NULL, " of the test", 10 };
	CLEANUP_ERROR struct error *why = NULL;
	assert_fails(ERROR_POLICY, walk("t", &r, &refusing, err));
	assert_int_equal(unlink("t/a/b/file"), 0);
	assert_int_equal(walk("t", &r, &following, &why), -1);
	assert_string_equal(error_message(why), "read /a/out of the test: not a directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_is_shown_in_its_place),
		cmocka_unit_test(a_folder_may_be_left_out),
		cmocka_unit_test(one_entry_is_shown_first),
		cmocka_unit_test(depth_costs_no_descriptors),
		cmocka_unit_test(depth_has_a_limit),
		cmocka_unit_test(a_folder_that_was_moved_is_noticed),
		cmocka_unit_test(errors_end_it),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
