/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "tree/files.h"
#include "tree/format.h"
#include "tree.h"

static void expands(const char *pattern, const char *want)
{
	CLEANUP_STRINGS struct strings got = { 0 };
	CLEANUP_BUFFER struct buffer joined = { 0 };
	assert_ok(expand_source(-1, pattern, &got, err));
	assert_ok(buffer_puts(&joined, "", err));
	for (size_t i = 0; i < got.len; i++)
		assert_ok(buffer_printf(&joined, err, "%s%s", i ? "|" : "", got.items[i]));
	assert_string_equal(joined.data, want);
}

static void test_braces(void **state)
{
	(void)state;
	expands("a", "a");
	expands("", "");
	expands("x{a,b}y{1,2}", "xay1|xay2|xby1|xby2");
	expands("{a,{b,c}d}", "a|bd|cd");
	expands("{a,}", "a|");
	expands("{a}{", "{a}{");
	expands("{1..3}", "1|2|3");
	expands("{3..1}", "3|2|1");
	expands("{08..11}", "08|09|10|11");
	expands("{1..10..4}", "1|5|9");
	expands("{a..d}", "a|b|c|d");
	expands("{a b,c}", "a b|c");
	expands("\\{a,b\\}", "{a,b}");
	expands("{a\\,b,c}", "a,b|c");
	CLEANUP_STRINGS struct strings got = { 0 };
	assert_fails(ERROR_LIMIT, expand_source(-1, "{1..9999999999}", &got, err));
	assert_fails(ERROR_LIMIT, expand_source(-1, "{1..1000}{1..1000}{1..1000}", &got, err));
	/* A short line stands for few bytes, whatever the number of paths. */
	char line[2048];
	snprintf(line, sizeof(line), "{1..%d}", TREE_EXPANSION_MAX);
	size_t len = strlen(line);
	memset(line + len, 'x', sizeof(line) - len - 1);
	line[sizeof(line) - 1] = '\0';
	strings_free(&got);
	assert_fails(ERROR_LIMIT, expand_source(-1, line, &got, err));
	assert_in_range(got.len, 1, TREE_EXPANSION_BYTES_MAX / (sizeof(line) - 16));
}

static void test_wildcards(void **state)
{
	(void)state;
	assert_int_equal(mkdir("d", 0755), 0);
	assert_int_equal(mkdir("d/e", 0755), 0);
	put_file("a1", 0600, "");
	put_file("a 2", 0600, "");
	put_file(".hidden", 0600, "");
	put_file("d/a3", 0600, "");
	put_file("d/e/a4", 0600, "");
	put_file("b*", 0600, "");
	expands("a*", "a 2|a1");
	expands("*", "a 2|a1|b*|d");
	expands(".h*", ".hidden");
	expands("a[0-9]", "a1");
	expands("a?", "a1");
	expands("a 2", "a 2");
	expands("*/a?", "d/a3");
	expands("d/*/", "d/e/");
	expands("**/a[34]", "d/a3|d/e/a4");
	expands("d/**", "d/a3|d/e|d/e/a4");
	expands("@(a1|d)", "a1|d");
	expands("!(a*|b*)", "d");
	expands("b\\*", "b*");
	expands("{a1,none}", "a1|none");
	expands("none*", "none*");
	expands("./a1", "./a1");
	CLEANUP_TEXT char *absolute = NULL;
	CLEANUP_TEXT char *want = NULL;
	assert_int_not_equal(asprintf(&absolute, "%s/d/a*", test_directory), -1);
	assert_int_not_equal(asprintf(&want, "%s/d/a3", test_directory), -1);
	expands(absolute, want);
}

/* Nothing is run and nothing is quietly something else than it says. */
static void test_no_shell(void **state)
{
	(void)state;
	static const char *const refused[] = { "$HOME/x", "a$(touch ran)", "`touch ran`", "~/x",
					       "${A}" };
	CLEANUP_STRINGS struct strings got = { 0 };
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		assert_fails(ERROR_UNSUPPORTED, expand_source(-1, refused[i], &got, err));
	assert_int_equal(got.len, 0);
	assert_int_equal(access("ran", F_OK), -1);
	expands("\\$HOME", "$HOME");
	expands("a$", "a$");
	expands("a;touch ran|b&", "a;touch ran|b&");
	assert_int_equal(access("ran", F_OK), -1);
}

/* In a root, links lead to what is in it, and .. goes no further up than to it. */
static void test_in_root(void **state)
{
	(void)state;
	CLEANUP_STRINGS struct strings got = { 0 };
	assert_int_equal(mkdir("root", 0755), 0);
	assert_int_equal(mkdir("root/in", 0755), 0);
	assert_int_equal(mkdir("outside", 0755), 0);
	put_file("root/in/a", 0644, "");
	put_file("root/in/b", 0644, "");
	put_file("outside/c", 0644, "");
	assert_int_equal(symlink("/in", "root/link"), 0);
	assert_int_equal(symlink("../outside", "root/out"), 0);
	CLEANUP_FD int root = open("root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(root >= 0);
	assert_ok(expand_source(root, "/{in,link,out,../outside}/*", &got, err));
	assert_int_equal(got.len, 6);
	static const char *const want[] = { "/in/a",   "/in/b",	 "/link/a",
					    "/link/b", "/out/*", "/../outside/*" };
	for (size_t i = 0; i < 6; i++)
		assert_string_equal(got.items[i], want[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIRECTORY(test_braces),
		IN_DIRECTORY(test_wildcards),
		IN_DIRECTORY(test_no_shell),
		IN_DIRECTORY(test_in_root),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
