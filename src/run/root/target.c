/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a mount goes. The image's links decide what a path means, and the kernel keeps every step
 * inside the container's root (RESOLVE_IN_ROOT).
 *
 * What the image lacks is there already, shown by its server or in the layer (layer.c). What is
 * missing below an earlier mount is made here: in the session's memory for any row, and on the
 * caller's disk for one that was asked for, as the caller, where that may write. There the image
 * has no say: the row's path must begin with that of the earlier row by its text, and the last
 * folder that is there must lie in that very mount. Else a link in the image could have folders
 * made in any place that is mounted.
 */
#include "run/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The mount that the descriptor's object is seen in; 0: unknown. */
static uint64_t mount_of(int fd)
{
	struct statx st;
	if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &st) < 0 || !(st.stx_mask & STATX_MNT_ID))
		return 0;
	return st.stx_mnt_id;
}

/* The last of the earlier rows whose folder the target lies in by its text, or NULL. */
static const struct run_mount *find_outer(const struct run_plan *plan, const struct run_mount *m)
{
	for (size_t i = (size_t)(m - plan->mounts); i-- > 0;) {
		const struct run_mount *outer = &plan->mounts[i];
		size_t len = strlen(outer->target);
		if (outer->directory && !strncmp(m->target, outer->target, len) &&
		    m->target[len] == '/')
			return outer;
	}
	return NULL;
}

/* Whether a folder or file for the row may be made in the folder `there`. */
static bool may_make(const struct run_plan *plan, const struct run_session *session,
		     const struct run_mount *m, int there)
{
	struct stat st;
	if (fstat(there, &st) == 0 && st.st_dev == session->device)
		return true;
	const struct run_mount *outer = m->needed ? find_outer(plan, m) : NULL;
	/* The kernel's own file systems, and the devices, are no place for folders. */
	if (!outer || (outer->kind != RUN_MOUNT_BIND && outer->kind != RUN_MOUNT_WORK) ||
	    !strcmp(outer->target, "/dev") || !strcmp(outer->target, "/proc") ||
	    !strcmp(outer->target, "/sys"))
		return false;
	CLEANUP_FD int fd = path_open_in_root(session->final, outer->target, O_PATH, 0);
	uint64_t mount = fd < 0 ? 0 : mount_of(fd), root = mount_of(session->final);
	return mount && mount != root && mount == mount_of(there);
}

static int make_target(const struct run_plan *plan, const struct run_session *session,
		       const struct run_mount *m)
{
	CLEANUP_ERROR struct error *ignored = NULL;
	CLEANUP_TEXT char *parent = text_dup(m->target, &ignored);
	if (!parent)
		return -ENOMEM;
	char *slash = strrchr(parent, '/');
	while (slash && slash > parent) {
		*slash = '\0';
		CLEANUP_FD int fd = path_open_in_root(session->final, parent, O_PATH, 0);
		if (fd >= 0) {
			if (!may_make(plan, session, m, fd))
				return -ENOENT;
			break;
		}
		slash = strrchr(parent, '/');
	}
	if (!slash || slash == parent)
		return -ENOENT;
	if (m->directory)
		return path_make_directories(session->final, m->target, 0755);
	slash = strrchr(m->target, '/');
	CLEANUP_TEXT char *dir = text_dup_len(m->target, (size_t)(slash - m->target), &ignored);
	CLEANUP_FD int at = dir ? path_make_directories(session->final, dir, 0755) : -ENOMEM;
	if (at < 0)
		return at;
	int fd = openat(at, slash + 1, O_CREAT | O_EXCL | O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0644);
	/* Another container may have made the same one. */
	return fd >= 0		 ? fd
	       : errno != EEXIST ? -errno
				 : path_open_in_root(session->final, m->target, O_PATH, 0);
}

int run_target_open(const struct run_plan *plan, const struct run_session *session,
		    const struct run_mount *m)
{
	int fd = path_open_in_root(session->final, m->target, O_PATH, 0);
	return fd == -ENOENT ? make_target(plan, session, m) : fd;
}
