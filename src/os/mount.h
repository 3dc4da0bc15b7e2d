/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_OS_MOUNT_H
#define COFFER_OS_MOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/base.h"

/*
 * Mounts, by descriptor: the one place that asks the kernel for them (tests/checks/mounts).
 *
 * A mount is made, or copied from one that is there, detached: it has no place in any tree, only
 * its descriptor leads to it, and when that is closed it goes. Its options are set while nobody
 * else can reach it; then it gets its place.
 *
 * The calls need Linux 5.12. There is no second way where they are missing: -ENOSYS then, for which
 * error_errno has the remedy.
 *
 * Each returns 0 or -errno, or a descriptor, close-on-exec and the caller's, or -errno. The words
 * are the caller's, who knows what is mounted, and what for. Attributes are those of
 * mount_setattr(2), MOUNT_ATTR_...
 */

/*
 * From here on mounts of this namespace go nowhere else, and those made elsewhere still come here
 * (MS_SLAVE) or do not (MS_PRIVATE).
 */
int mnt_propagate(unsigned long propagation);

/* A file system to be made; all of it borrowed. */
struct mnt_filesystem {
	const char *type;
	const char *source;	    /* as the list of mounts calls it, or what is mounted */
	const char *const *options; /* name, value, name, value, NULL; a flag has the value NULL */
	uint64_t attributes;	    /* of the mount */
};

/* What the kernel refused of one. */
struct mnt_refusal {
	enum mnt_step {
		MNT_STEP_TYPE = 1, /* it has no such type, or not for this process */
		MNT_STEP_OPTION,   /* an option, which is named */
		MNT_STEP_CREATE,   /* the file system, with these options */
		MNT_STEP_MOUNT,	   /* the mount of it */
	} step;
	const char *option; /* borrowed; NULL but for MNT_STEP_OPTION */
};

/*
 * Makes a file system, and a detached mount of it. -ENOSPC at MNT_STEP_MOUNT: a detached mount has
 * a mount namespace of its own, and the user's are used up (namespace_hint). *ret_refusal is
 * written on failure only.
 */
int mnt_new(const struct mnt_filesystem *fs, struct mnt_refusal *ret_refusal);

/*
 * A detached copy of what is mounted at a path below dirfd ("": dirfd itself), and of all that is
 * mounted below it: in a user namespace the kernel refuses to uncover what a mount may hide. The
 * path's last link is followed, unless flags has AT_SYMLINK_NOFOLLOW. -ENOSPC as above; -EINVAL
 * where dirfd was opened in another mount namespace.
 */
int mnt_clone(int dirfd, const char *path, unsigned flags);

/* Sets and takes away attributes of this mount alone. */
int mnt_set(int mount, uint64_t set, uint64_t clear);
/* Sets attributes of it and of all that is mounted below it: of each, or of none. */
int mnt_set_all(int mount, uint64_t set);
/*
 * Shows owners as the user namespace maps them, and sets attributes, of a detached mount alone.
 * -EINVAL where its file system cannot.
 */
int mnt_map_owners(int mount, int user_namespace, uint64_t set);

/*
 * Puts a mount at a path below dirfd ("": on dirfd itself), which is in this mount namespace. The
 * path's last link is not followed. One that has its place already is moved.
 */
int mnt_place(int mount, int dirfd, const char *path);

/*
 * Makes a mount this process's root and working directory, and lets go of all other mounts of this
 * namespace. It must have its place: over "/", or, with `within`, in what is mounted over "/".
 */
int mnt_change_root(int mount, bool within);

#endif
