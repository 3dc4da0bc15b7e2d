/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_TESTS_NAMESPACE_H
#define COFFER_TESTS_NAMESPACE_H

/* Namespaces of tests: of this process itself; and for tests that run as root a child that is root
 * of a user namespace with subordinate ids. */
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#define NAMESPACE_ROOT 1000		 /* who is root in it */
#define NAMESPACE_ID(id) (200000 + (id)) /* who is `id` in it, from 1 to 65535 */

static inline int namespace_write(const char *file, const char *text)
{
	CLEANUP_FD int fd = open(file, O_WRONLY | O_CLOEXEC);
	return fd < 0 ? -1 : fd_write(fd, text, strlen(text));
}

/* A mount namespace for this process itself, where it may mount: in a user namespace unless it is
 * root's, with its own ids. 0 or -1. */
static inline int namespace_own(void)
{
	char uids[64], gids[64];
	unsigned uid = getuid(), gid = getgid();
	if (unshare(CLONE_NEWNS | (uid ? CLONE_NEWUSER : 0)) < 0)
		return -1;
	snprintf(uids, sizeof(uids), "%u %u 1", uid, uid);
	snprintf(gids, sizeof(gids), "%u %u 1", gid, gid);
	return uid && (namespace_write("/proc/self/setgroups", "deny") < 0 ||
		       namespace_write("/proc/self/uid_map", uids) < 0 ||
		       namespace_write("/proc/self/gid_map", gids) < 0)
		       ? -1
		       : 0;
}

static inline void namespace_map(pid_t pid, const char *name)
{
	char path[64], text[64];
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	snprintf(text, sizeof(text), "0 %d 1\n1 %d 65535\n", NAMESPACE_ROOT, NAMESPACE_ID(1));
	assert_int_equal(namespace_write(path, text), 0);
}

static inline void namespace_run(void (*work)(const void *context), const void *context)
{
	int made[2], mapped[2], status;
	char byte = 0;
	assert_int_equal(pipe2(made, O_CLOEXEC), 0);
	assert_int_equal(pipe2(mapped, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWUSER) < 0 || write(made[1], &byte, 1) != 1 ||
		    read(mapped[0], &byte, 1) != 1 || setgroups(0, NULL) < 0 ||
		    setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
			_exit(2);
		work(context);
		_exit(0);
	}
	assert_int_equal(close(made[1]), 0);
	assert_int_equal(read(made[0], &byte, 1), 1);
	namespace_map(pid, "uid_map");
	namespace_map(pid, "gid_map");
	assert_int_equal(write(mapped[1], &byte, 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(made[0]);
	close(mapped[0]);
	close(mapped[1]);
}

#endif
