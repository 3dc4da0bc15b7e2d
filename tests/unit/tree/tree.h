/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_TESTS_BUILD_TREE_H
#define COFFER_TESTS_BUILD_TREE_H

#include "unit.h"

/* A folder of each test's own: the current directory while it runs. */
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

static char test_directory[64];

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static inline int enter_directory(void **state)
{
	(void)state;
	strcpy(test_directory, "/tmp/coffer-test-XXXXXX");
	umask(0002);
	return mkdtemp(test_directory) ? chdir(test_directory) : -1;
}

static inline int leave_directory(void **state)
{
	(void)state;
	return chdir("/") < 0 ? -1 : nftw(test_directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, enter_directory, leave_directory)

static inline void put_file(const char *path, mode_t mode, const char *text)
{
	CLEANUP_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fd_write(fd, text, strlen(text)), 0);
	assert_int_equal(fchmod(fd, mode), 0);
}

static inline void file_is(const char *path, mode_t mode, const char *want)
{
	CLEANUP_BUFFER struct buffer got = { 0 };
	struct stat st;
	if (lstat(path, &st) < 0 || !S_ISREG(st.st_mode))
		fail_msg("%s is no file", path);
	assert_ok(fd_read_file(AT_FDCWD, path, 1 << 20, &got, err));
	assert_string_equal(got.data ? got.data : "", want);
	if ((st.st_mode & 07777) != mode)
		fail_msg("%s has mode %o, not %o", path, st.st_mode & 07777, mode);
}

#endif
