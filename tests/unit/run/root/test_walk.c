/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "run/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char base[] = "/tmp/coffer-walk-XXXXXX";
static int root = -1;

static int begin(void **state)
{
	(void)state;
	if (!mkdtemp(base))
		return -1;
	root = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int file = openat(root, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	if (root < 0 || file < 0 || mkdirat(root, "a", 0755) < 0 ||
	    mkdirat(root, "a/b", 0755) < 0 || symlinkat("b", root, "a/near") < 0 ||
	    symlinkat("/a/near", root, "a/b/far") < 0 ||
	    symlinkat("../../../a/..", root, "out") < 0 || symlinkat("none/x", root, "lost") < 0 ||
	    symlinkat("round", root, "round") < 0)
		return -1;
	/* to40 is the first of 40 links, to41 of 41. */
	char name[16], text[16];
	for (int i = 1; i <= 41; i++) {
		snprintf(name, sizeof(name), "to%d", i);
		snprintf(text, sizeof(text), i == 1 ? "a" : "to%d", i - 1);
		if (symlinkat(text, root, name) < 0)
			return -1;
	}
	return close(file);
}

static int end(void **state)
{
	char command[64];
	(void)state;
	(void)close(root);
	snprintf(command, sizeof(command), "rm -rf %s", base);
	return system(command);
}

/* ends: what run_walk returns; lies: where that is, or NULL. */
static void check(const char *target, bool keep_last, bool no_links, int ends, const char *lies)
{
	struct error *err = NULL;
	CLEANUP_BUFFER struct buffer path = { 0 };
	assert_int_equal(run_walk(root, target, keep_last, no_links, &path, &err), ends);
	assert_null(err);
	if (lies)
		assert_string_equal(path.data, lies);
}

static void what_is_there(void **state)
{
	(void)state;
	check("/", false, false, 1, "");
	check("//a/./b/", false, false, 1, "/a/b");
	check("/a/b/../../..", false, false, 1, "");
	check("/file", false, false, 1, "/file");
	check("/a/near", false, false, 1, "/a/b");
	check("/a/b/far/far", false, false, 1, "/a/b");
	check("/out/a", false, false, 1, "/a");
	check("/to40/b", false, false, 1, "/a/b");
}

static void what_is_missing(void **state)
{
	(void)state;
	check("/a/none", false, false, 0, "/a/none");
	check("/a/none/round/x", false, false, 0, "/a/none/round/x");
	check("/lost", false, false, 0, "/none/x");
	check("/a/none/../../a", false, false, 0, "/a");
}

static void last_name_is_kept(void **state)
{
	(void)state;
	check("/a/near", true, false, 0, "/a/near");
	check("/a/b/far/round", true, false, 0, "/a/b/round");
}

static void links_are_refused(void **state)
{
	(void)state;
	check("/a/near", false, true, -ELOOP, NULL);
	check("/a/b", false, true, 1, "/a/b");
}

static void links_without_end(void **state)
{
	(void)state;
	check("/round", false, false, -ELOOP, NULL);
	check("/to41", false, false, -ELOOP, NULL);
}

static void on_a_file(void **state)
{
	(void)state;
	check("/file/x", false, false, -ENOTDIR, NULL);
	check("/file/../a", false, false, -ENOTDIR, NULL);
}

static void name_too_long(void **state)
{
	char target[300] = "/";
	(void)state;
	memset(target + 1, 'n', 255);
	check(target, false, false, 0, target);
	target[256] = 'n';
	check(target, false, false, -ENAMETOOLONG, NULL);
	/* Below what is missing, too, where nobody else would say so. */
	char below[310];
	snprintf(below, sizeof(below), "/none%s", target);
	check(below, false, false, -ENAMETOOLONG, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_there),     cmocka_unit_test(what_is_missing),
		cmocka_unit_test(last_name_is_kept), cmocka_unit_test(links_are_refused),
		cmocka_unit_test(links_without_end), cmocka_unit_test(on_a_file),
		cmocka_unit_test(name_too_long),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
