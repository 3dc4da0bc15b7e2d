/* SPDX-License-Identifier: Apache-2.0 */
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

int mnt_propagate(unsigned long propagation)
{
	return mount(NULL, "/", NULL, MS_REC | propagation, NULL) < 0 ? -errno : 0;
}

static int refused(struct mnt_refusal *ret, enum mnt_step step, const char *option)
{
	*ret = (struct mnt_refusal){ .step = step, .option = option };
	return -errno;
}

static int set_option(int context, const char *name, const char *value, struct mnt_refusal *ret)
{
	unsigned command = value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;
	return fsconfig(context, command, name, value, 0) < 0 ? refused(ret, MNT_STEP_OPTION, name)
							      : 0;
}

int mnt_new(const struct mnt_filesystem *fs, struct mnt_refusal *ret_refusal)
{
	CLEANUP_FD int context = fsopen(fs->type, FSOPEN_CLOEXEC);
	if (context < 0)
		return refused(ret_refusal, MNT_STEP_TYPE, NULL);
	int r = set_option(context, "source", fs->source, ret_refusal);
	for (const char *const *o = fs->options; r == 0 && *o; o += 2)
		r = set_option(context, o[0], o[1], ret_refusal);
	if (r < 0)
		return r;
	if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return refused(ret_refusal, MNT_STEP_CREATE, NULL);
	int fd = fsmount(context, FSMOUNT_CLOEXEC, (unsigned)fs->attributes);
	return fd < 0 ? refused(ret_refusal, MNT_STEP_MOUNT, NULL) : fd;
}

int mnt_clone(int dirfd, const char *path, unsigned flags)
{
	flags |= OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | (*path ? 0 : AT_EMPTY_PATH);
	int fd = open_tree(dirfd, path, flags);
	return fd < 0 ? -errno : fd;
}

static int set_attributes(int mount, unsigned flags, struct mount_attr attr)
{
	return mount_setattr(mount, "", AT_EMPTY_PATH | flags, &attr, sizeof(attr)) < 0 ? -errno
											: 0;
}

int mnt_set(int mount, uint64_t set, uint64_t clear)
{
	return set_attributes(mount, 0, (struct mount_attr){ .attr_set = set, .attr_clr = clear });
}

int mnt_set_all(int mount, uint64_t set)
{
	return set_attributes(mount, AT_RECURSIVE, (struct mount_attr){ .attr_set = set });
}

int mnt_map_owners(int mount, int user_namespace, uint64_t set)
{
	return set_attributes(mount, 0,
			      (struct mount_attr){ .attr_set = MOUNT_ATTR_IDMAP | set,
						   .userns_fd = (uint64_t)user_namespace });
}

int mnt_place(int mount, int dirfd, const char *path)
{
	unsigned flags = MOVE_MOUNT_F_EMPTY_PATH | (*path ? 0 : MOVE_MOUNT_T_EMPTY_PATH);
	return move_mount(mount, "", dirfd, path, flags) < 0 ? -errno : 0;
}

int mnt_change_root(int mount, bool within)
{
	if (fchdir(mount) < 0)
		return -errno;
	/* With the same folder for both no place for the old root is needed: pivot_root(2). */
	if (syscall(SYS_pivot_root, ".", ".") == 0) {
		/* The old root now lies upon the new one, and upon that what it was within. */
		if (umount2(".", MNT_DETACH) < 0 || (within && umount2(".", MNT_DETACH) < 0))
			return -errno;
	} else {
		/*
		 * A chroot, or the memory file system that a kernel starts from, cannot be pivoted
		 * away. To leave a changed root takes a capability, which is dropped later.
		 */
		int r = errno == EINVAL ? 0 : -errno;
		if (r == 0 && within)
			r = mnt_place(mount, AT_FDCWD, "/");
		if (r < 0)
			return r;
		if (chroot(".") < 0)
			return -errno;
	}
	return chdir("/") < 0 ? -errno : 0;
}
