/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/coffer-test-XXXXXX";

static int make_folder(void **state)
{
	(void)state;
	if (!mkdtemp(folder) || chdir(folder) < 0 || mkdir("d", 0700) < 0 ||
	    symlink("d", "link") < 0)
		return -1;
	for (const char *const *name = (const char *const[]){ "d/b", "d/.a", "d/...", "d/c", NULL };
	     *name; name++)
		if (mknod(*name, S_IFREG | 0600, 0) < 0)
			return -1;
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	CLEANUP_TEXT char *command = text_printf(&(struct error *){ NULL }, "rm -rf %s", folder);
	return chdir("/") < 0 || !command || system(command) != 0;
}

static void names_are_all_but_two(void **state)
{
	(void)state;
	CLEANUP_STRINGS struct strings names = { 0 };
	assert_int_equal(directory_names(AT_FDCWD, "link", &names), 0);
	assert_int_equal(names.len, 4);
	strings_sort(&names);
	assert_string_equal(names.items[0], "...");
	assert_string_equal(names.items[1], ".a");
	assert_string_equal(names.items[2], "b");
	assert_string_equal(names.items[3], "c");
}

/* A descriptor may be of the path alone, and may be read again. */
static void descriptors_are_read_from_the_beginning(void **state)
{
	(void)state;
	CLEANUP_FD int fd = open("d", O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < 2; i++) {
		CLEANUP_STRINGS struct strings names = { 0 };
		assert_int_equal(directory_names(fd, ".", &names), 0);
		assert_int_equal(names.len, 4);
	}
}

static void failures_are_told(void **state)
{
	(void)state;
	CLEANUP_STRINGS struct strings names = { 0 };
	CLEANUP_DIRECTORY struct directory d = { 0 };
	assert_int_equal(directory_names(AT_FDCWD, "none", &names), -ENOENT);
	assert_int_equal(directory_names(AT_FDCWD, "d/b", &names), -ENOTDIR);
	assert_int_equal(names.len, 0);
	/* The end is not a failure, but a list that breaks off is: its descriptor is another's. */
	assert_int_equal(directory_open(AT_FDCWD, "d", &d), 0);
	while (directory_next(&d))
		;
	assert_int_equal(d.errnum, 0);
	directory_close(&d);
	assert_int_equal(directory_open(AT_FDCWD, "d", &d), 0);
	CLEANUP_FD int file = open("d/b", O_RDONLY | O_CLOEXEC);
	assert_true(dup3(file, dirfd(d.stream), O_CLOEXEC) >= 0);
	assert_null(directory_next(&d));
	assert_int_equal(d.errnum, ENOTDIR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_all_but_two),
		cmocka_unit_test(descriptors_are_read_from_the_beginning),
		cmocka_unit_test(failures_are_told),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
