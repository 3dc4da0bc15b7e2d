/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int root = -1;

static int make_root(void **state)
{
	(void)state;
	char name[] = "/tmp/coffer-test-XXXXXX";
	if (!mkdtemp(name))
		return -1;
	root = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return symlinkat("/", root, "top") || symlinkat("../../../..", root, "up") ||
			       symlinkat("/nowhere/x", root, "dangling")
		       ? -1
		       : root < 0;
}

static void same(int a, const char *name)
{
	struct stat x, y;
	assert_true(a >= 0);
	assert_int_equal(fstat(a, &x), 0);
	assert_int_equal(fstatat(root, name, &y, 0), 0);
	assert_true(x.st_ino == y.st_ino && x.st_dev == y.st_dev);
	close(a);
}

static void links_stay_inside(void **state)
{
	(void)state;
	same(path_open_in_root(root, "/", O_PATH, 0), ".");
	same(path_open_in_root(root, "top", O_PATH, 0), ".");
	same(path_open_in_root(root, "up/../..", O_PATH, 0), ".");
	assert_int_equal(path_open_in_root(root, "dangling", O_PATH, 0), -ENOENT);
	assert_int_equal(path_open_no_links(root, "top", O_RDONLY, 0), -ELOOP);
}

static void directories_are_made(void **state)
{
	(void)state;
	same(path_make_directories(root, "/a/b/../c//d/", 0755), "a/c/d");
	same(path_make_directories(root, "top/up/e", 0700), "e");
	same(path_make_directories(root, "/", 0700), ".");
	same(path_make_directories(root, "/a/b", 0700), "a/b");
	assert_int_equal(path_make_directories(root, "dangling/z", 0755), -ENOENT);
}

/* In a child whose kernel knows no openat2: nothing is opened by another way. */
static int without_openat2(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	if (!filter || seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(openat2), 0) < 0 ||
	    seccomp_load(filter) < 0)
		return 1;
	seccomp_release(filter);
	if (path_open_in_root(root, "a", O_PATH, 0) != -ENOSYS ||
	    path_open_in_root(root, "new", O_RDWR | O_CREAT, 0600) != -ENOSYS ||
	    path_open_no_links(root, "a", O_PATH, 0) != -ENOSYS ||
	    path_make_directories(root, "made/here", 0755) != -ENOSYS)
		return 2;
	if (faccessat(root, "new", F_OK, 0) == 0 || faccessat(root, "made", F_OK, 0) == 0)
		return 3;
	CLEANUP_ERROR struct error *err = NULL;
	error_errno(&err, ENOSYS, "open a");
	return error_kind(err) == ERROR_SYSTEM && error_hint_text(err) &&
			       strstr(error_hint_text(err), "Linux 5.12")
		       ? 0
		       : 4;
}

static void no_openat2(void **state)
{
	(void)state;
	int status;
	pid_t pid = fork();
	if (pid == 0)
		_exit(without_openat2());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void text_paths(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "/", "/" },	     { "//a/./b/", "/a/b" }, { "/a/../..", "/" },
		{ "/a/b/..", "/a" }, { "/..a", "/..a" },     { "/a/.../b", "/a/.../b" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct error *err = NULL;
		CLEANUP_TEXT char *got = path_absolute(cases[i].in, &err);
		assert_non_null(got);
		assert_string_equal(got, cases[i].out);
	}
	struct error *err = NULL;
	CLEANUP_TEXT char *joined = path_join("/a/", "/b", &err);
	static const char *const up[] = { "..", "/..", "/a/..", "/a/../b", "a//..//b" };
	static const char *const not_up[] = { "", "/", "/a", "/..a", "/a..", "/...", "/a/..b/." };
	for (size_t i = 0; i < sizeof(up) / sizeof(*up); i++)
		assert_true(path_goes_up(up[i]));
	for (size_t i = 0; i < sizeof(not_up) / sizeof(*not_up); i++)
		assert_false(path_goes_up(not_up[i]));
	assert_string_equal(joined, "/a/b");
	assert_string_equal(path_base_name("/x/y.sif"), "y.sif");
	assert_string_equal(path_base_name("y.sif"), "y.sif");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(links_stay_inside),
		cmocka_unit_test(directories_are_made),
		cmocka_unit_test(no_openat2),
		cmocka_unit_test(text_paths),
	};
	return cmocka_run_group_tests(tests, make_root, NULL);
}
