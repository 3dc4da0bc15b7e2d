/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who has CAP_SYS_ADMIN over a mount namespace may remount and unmount what is in it. So root of a
 * container gets another, owned by a user namespace below the one that made the mounts: copied into
 * a less privileged mount namespace they are one unit, and their flags stay (mount_namespaces(7),
 * "Restrictions on mount namespaces"). Its own mounts root makes and takes away as before.
 *
 * The inner user namespace has the ids of the outer one, each as itself. It is made first, with
 * those namespaces that its root shall have power over; the container's process, being root of the
 * outer one, has it as well, and enters at the end. Its pid namespace stays the outer one's, as a
 * process cannot change its own.
 */
#include "run/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INNER_FLAGS ((unsigned long long)(CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC))

/* Others have no capabilities, and in a user namespace below theirs the kernel locks by itself. */
static bool is_locked(const struct run_plan *plan)
{
	return plan->user_namespace && plan->inside_uid == 0;
}

unsigned long long run_lock_outer_flags(const struct run_plan *plan)
{
	return is_locked(plan) ? plan->clone_flags & ~INNER_FLAGS : plan->clone_flags;
}

/* The map `name` of this process, with each id as itself, becomes that of the process `pid`. */
static int copy_map(const char *name, pid_t pid, struct error **err)
{
	char path[64];
	CLEANUP_BUFFER struct buffer outer = { 0 };
	CLEANUP_BUFFER struct buffer inner = { 0 };
	snprintf(path, sizeof(path), "/proc/self/%s", name);
	if (fd_read_file(AT_FDCWD, path, 65536, &outer, err) < 0)
		return -1;
	char *rest = outer.data;
	for (char *line; rest && (line = strsep(&rest, "\n"));) {
		if (!*line)
			continue;
		unsigned long inside = strtoul(line, &line, 10);
		(void)strtoul(line, &line, 10);
		unsigned long count = strtoul(line, &line, 10);
		if (buffer_printf(&inner, err, "%lu %lu %lu\n", inside, inside, count) < 0)
			return -1;
	}
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	CLEANUP_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
	/* The kernel takes it in one piece or not at all. */
	int r = fd < 0 ? -errno : fd_write(fd, inner.data, inner.len);
	return r < 0 ? error_errno(err, -r, "map the ids of the container's root: %s", name) : 0;
}

int run_lock_prepare(const struct run_plan *plan, struct process *ret, struct error **err)
{
	pid_t name;
	unsigned long long flags = plan->clone_flags & INNER_FLAGS;
	if (!is_locked(plan))
		return 0;
	if (member_start(CLONE_NEWUSER | flags, ret, &name, err) < 0 ||
	    copy_map("gid_map", name, err) < 0 || copy_map("uid_map", name, err) < 0)
		return -1;
	if (flags && setns(ret->pid_fd, (int)flags) < 0)
		return error_errno(err, errno, "enter the container's namespaces");
	return 0;
}

int run_lock_enter(const struct run_plan *plan, struct process *member, struct error **err)
{
	if (!is_locked(plan))
		return 0;
	if (setns(member->pid_fd, CLONE_NEWUSER) < 0)
		return error_errno(err, errno, "enter the user namespace of the container's root");
	if (unshare(CLONE_NEWNS) < 0)
		return namespace_error(errno, CLONE_NEWNS, err);
	process_kill(member);
	return 0;
}
