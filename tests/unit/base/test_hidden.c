/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/coffer-hidden-XXXXXX";

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	return chdir("/") == 0 ? rmdir(folder) : -1;
}

/* Whatever gave one up, nothing is left: remove_folder finds the folder empty. */
static void given_up(void **state)
{
	(void)state;
	CLEANUP_FD int at = -1;
	CLEANUP_HIDDEN struct hidden h = HIDDEN_NONE;
	assert_int_equal(hidden_open_beside("image", &at, &h), 0);
	assert_int_equal(hidden_link(&h, "image"), 0);
	assert_int_equal(h.name[0], '.');
	assert_int_equal(faccessat(h.folder, h.name, F_OK, 0), 0);
	/* It has one already. */
	const char *name = h.name;
	assert_int_equal(hidden_link(&h, "image"), 0);
	assert_ptr_equal(h.name, name);
}

static void placed(void **state)
{
	(void)state;
	for (int linked = 0; linked < 2; linked++) {
		CLEANUP_FD int at = -1;
		CLEANUP_HIDDEN struct hidden h = HIDDEN_NONE;
		struct stat st;
		assert_int_equal(hidden_open_beside("./image", &at, &h), 0);
		assert_int_equal(fstat(h.fd, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
		if (linked)
			assert_int_equal(hidden_link(&h, "image"), 0);
		assert_int_equal(hidden_place_new(&h, "image"), 0);
		assert_null(h.name);
		/* What is there stays. */
		CLEANUP_FD int other_at = -1;
		CLEANUP_HIDDEN struct hidden other = HIDDEN_NONE;
		assert_int_equal(hidden_open_beside("image", &other_at, &other), 0);
		if (linked)
			assert_int_equal(hidden_link(&other, "image"), 0);
		assert_int_equal(hidden_place_new(&other, "image"), -EEXIST);
		struct stat now;
		assert_int_equal(stat("image", &now), 0);
		assert_int_equal(now.st_ino, st.st_ino);
		assert_int_equal(unlink("image"), 0);
	}
}

static void names(void **state)
{
	(void)state;
	char longest[256];
	struct error *err = NULL;
	memset(longest, 'a', 255);
	longest[255] = '\0';
	CLEANUP_TEXT char *one = hidden_name(longest, &err), *two = hidden_name(longest, &err);
	assert_non_null(one);
	assert_non_null(two);
	assert_true(strlen(one) <= 255);
	assert_string_not_equal(one, two);
}

static void nowhere(void **state)
{
	(void)state;
	CLEANUP_FD int at = -1;
	CLEANUP_HIDDEN struct hidden h = HIDDEN_NONE;
	assert_int_equal(hidden_open_beside("missing/image", &at, &h), -ENOENT);
	assert_int_equal(h.fd, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(given_up),
		cmocka_unit_test(placed),
		cmocka_unit_test(names),
		cmocka_unit_test(nowhere),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
