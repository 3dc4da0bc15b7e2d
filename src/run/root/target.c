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
 * made in any place that is mounted. What is made lies below the very folder that was looked at,
 * whatever has its name by then: others may rename what lies in the caller's folder.
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

/* Another container may have made the same one; but a link is none of ours. */
static int make_name(int at, const char *name, bool directory)
{
	int flags = directory ? O_PATH | O_DIRECTORY : O_PATH;
	if (directory) {
		if (mkdirat(at, name, 0755) < 0 && errno != EEXIST)
			return -errno;
	} else {
		int made = openat(at, name, O_CREAT | O_EXCL | O_RDONLY | O_NOFOLLOW | O_CLOEXEC,
				  0644);
		if (made >= 0 || errno != EEXIST)
			return made >= 0 ? made : -errno;
	}
	int fd = path_open_no_links(at, name, flags, 0);
	return fd == -ELOOP ? -ENOENT : fd;
}

/* Makes what is missing below *at, which was looked at, and takes no path from the root again. */
static int make_names(int *at, const char *names, bool directory)
{
	CLEANUP_ERROR struct error *ignored = NULL;
	CLEANUP_TEXT char *copy = text_dup(names, &ignored);
	if (!copy)
		return -ENOMEM;
	for (char *name = copy + strspn(copy, "/"); *name;) {
		char *end = name + strcspn(name, "/"), *next = end + strspn(end, "/");
		*end = '\0';
		int fd = make_name(*at, name, directory || *next);
		if (fd < 0)
			return fd;
		(void)close(*at);
		*at = fd;
		name = next;
	}
	return fd_steal(at);
}

static int make_target(const struct run_plan *plan, const struct run_session *session,
		       const struct run_mount *m)
{
	CLEANUP_ERROR struct error *ignored = NULL;
	CLEANUP_TEXT char *parent = text_dup(m->target, &ignored);
	if (!parent)
		return -ENOMEM;
	for (char *slash; (slash = strrchr(parent, '/')) && slash > parent;) {
		*slash = '\0';
		CLEANUP_FD int at = path_open_in_root(session->final, parent, O_PATH, 0);
		if (at < 0)
			continue;
		const char *names = m->target + (slash - parent);
		/* ".." would lead out of the folder that was looked at. */
		if (path_goes_up(names) || !may_make(plan, session, m, at))
			return -ENOENT;
		return make_names(&at, names, run_mount_is_directory(session, m));
	}
	return -ENOENT;
}

int run_target_open(const struct run_plan *plan, const struct run_session *session,
		    const struct run_mount *m)
{
	int fd = path_open_in_root(session->final, m->target, O_PATH, 0);
	return fd == -ENOENT ? make_target(plan, session, m) : fd;
}
