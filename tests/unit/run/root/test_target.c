/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "namespace.h"
#include "run/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * Places that are made below an earlier mount: /data, a file system of its own in the container's
 * root, which has a folder `elsewhere` beside it, where nothing may ever be made. `fast` holds
 * what a friend of ours renames all the while.
 */

static char base[] = "/tmp/coffer-target-XXXXXX";
static int root = -1;

static int make_base(void **context)
{
	(void)context;
	if (namespace_own() < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    !mkdtemp(base) || mount("tmpfs", base, "tmpfs", 0, "mode=0755") < 0)
		return -1;
	root = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (mkdirat(root, "data", 0755) < 0 || mkdirat(root, "elsewhere", 0755) < 0 ||
	    fchdir(root) < 0 || mount("tmpfs", "data", "tmpfs", 0, "mode=0755") < 0)
		return -1;
	return symlink("/elsewhere", "data/link") < 0 ||
			       symlink("/elsewhere/no", "data/none") < 0 ||
			       mkdir("data/fast", 0755) < 0
		       ? -1
		       : 0;
}

static int remove_base(void **context)
{
	(void)context;
	return chdir("/") < 0 || umount2(base, MNT_DETACH) < 0 || rmdir(base) < 0 ? -1 : 0;
}

static int open_place(const char *target, bool directory)
{
	struct run_mount rows[] = {
		{ .kind = RUN_MOUNT_BIND, .target = (char *)"/data", .directory = true },
		{ .kind = RUN_MOUNT_BIND,
		  .target = (char *)target,
		  .directory = directory,
		  .needed = true },
	};
	const struct run_plan plan = { .mounts = rows, .mount_count = 2 };
	const struct run_session session = { .final = root };
	return run_target_open(&plan, &session, &rows[1]);
}

static void is_made(const char *target, bool directory)
{
	struct stat made, there;
	CLEANUP_FD int fd = open_place(target, directory);
	assert_true(fd >= 0 && fstat(fd, &made) == 0);
	assert_int_equal(stat(target + 1, &there), 0);
	assert_true(made.st_ino == there.st_ino && made.st_dev == there.st_dev);
	assert_int_equal(directory, S_ISDIR(there.st_mode));
}

static void missing_names_are_made(void **context)
{
	(void)context;
	is_made("/data/one", true);
	is_made("/data/a/b/c", true);
	is_made("/data/a/b/c", true);
	is_made("/data/a/d/file", false);
	is_made("/data/file", false);
	is_made("/data/file", false);
}

static void nothing_elsewhere(void **context)
{
	(void)context;
	assert_int_equal(open_place("/new", true), -ENOENT);
	assert_int_equal(open_place("/elsewhere/new", true), -ENOENT);
	assert_int_equal(open_place("/data/link/new", true), -ENOENT);
	assert_int_equal(open_place("/data/link/new/file", false), -ENOENT);
	assert_int_equal(open_place("/data/none", true), -ENOENT);
	assert_int_equal(open_place("/data/none/new", true), -ENOENT);
	assert_int_equal(open_place("/data/none", false), -ENOENT);
	/* No row has it; but what is made must not depend on that. */
	assert_int_equal(open_place("/data/no/../../elsewhere/new", true), -ENOENT);
	assert_int_equal(access("data/no", F_OK), -1);
	assert_int_equal(rmdir("elsewhere"), 0);
	assert_int_equal(mkdir("elsewhere", 0755), 0);
}

/* A folder and a link change their names all the while. */
static pid_t start_friend(void)
{
	pid_t parent = getpid(), pid = fork();
	if (pid)
		return pid;
	(void)signal(SIGALRM, SIG_DFL);
	(void)alarm(60);
	while (getppid() == parent)
		(void)renameat2(AT_FDCWD, "data/fast/d", AT_FDCWD, "data/fast/l", RENAME_EXCHANGE);
	_exit(0);
}

static void nothing_elsewhere_while_names_change(void **context)
{
	(void)context;
	unsigned made = 0, wrong = 0;
	assert_int_equal(mkdir("data/fast/d", 0755), 0);
	assert_int_equal(symlink("/elsewhere", "data/fast/l"), 0);
	CLEANUP_FD int folder = open("data/fast/d", O_PATH | O_DIRECTORY | O_CLOEXEC);
	pid_t pid = start_friend();
	assert_true(pid > 0);
	for (unsigned i = 0; i < 5000; i++) {
		CLEANUP_FD int fd = open_place("/data/fast/d/new/deep", true);
		(void)unlinkat(folder, "new/deep", AT_REMOVEDIR);
		made += unlinkat(folder, "new", AT_REMOVEDIR) == 0;
		(void)rmdir("elsewhere/new/deep");
		wrong += rmdir("elsewhere/new") == 0;
	}
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(made > 0);
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(missing_names_are_made),
		cmocka_unit_test(nothing_elsewhere),
		cmocka_unit_test(nothing_elsewhere_while_names_change),
	};
	return cmocka_run_group_tests(tests, make_base, remove_base);
}
