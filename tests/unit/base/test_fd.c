/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/os.h"

static int make(const char *name)
{
	CLEANUP_FD int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return fd < 0 ? -1 : 0;
}

static bool is_there(const char *name)
{
	struct stat st;
	return lstat(name, &st) == 0;
}

/* In an empty folder: to a free name, and not to one that a file, or a link to nothing, has. */
static int rename_all(void)
{
	if (make("a") || fd_rename_new(AT_FDCWD, "a", AT_FDCWD, "b") || is_there("a") ||
	    !is_there("b"))
		return 1;
	if (make("a") || fd_rename_new(AT_FDCWD, "a", AT_FDCWD, "b") != -EEXIST || !is_there("a"))
		return 2;
	if (symlink("nothing", "c") || fd_rename_new(AT_FDCWD, "a", AT_FDCWD, "c") != -EEXIST ||
	    is_there("nothing") || !is_there("a"))
		return 3;
	if (fd_rename_new(AT_FDCWD, "none", AT_FDCWD, "d") != -ENOENT)
		return 4;
	return unlink("a") || unlink("b") || unlink("c") ? 5 : 0;
}

/* How it goes on a file system that lacks the rename (EINVAL), and links as well (EPERM). */
static void rename_with(const int *lacks, size_t count, const int *errnums)
{
	char folder[] = "/tmp/coffer-fd-XXXXXX";
	int status = -1;
	assert_non_null(mkdtemp(folder));
	pid_t pid = fork();
	if (pid == 0) {
		struct error *err = NULL;
		if (chdir(folder) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
			_exit(99);
		for (size_t i = 0; i < count; i++) {
			void *filter = confine_refuse(&lacks[i], 1, errnums[i], &err);
			if (!filter || confine_load(filter, 0, "the test", &err) < 0)
				_exit(98);
		}
		_exit(rename_all());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_return_code(rmdir(folder), errno);
}

static void rename_new(void **state)
{
	(void)state;
	static const int lacks[] = { SCMP_SYS(renameat2), SCMP_SYS(linkat) };
	static const int errnums[] = { EINVAL, EPERM };
	for (size_t count = 0; count <= 2; count++)
		rename_with(lacks, count, errnums);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(rename_new) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
