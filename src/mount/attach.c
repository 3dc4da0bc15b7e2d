/* SPDX-License-Identifier: Apache-2.0 */
#include "mount/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "os/os.h"

/*
 * The container's half of a FUSE mount. The kernel lets a user mount in a user namespace only what
 * was opened in it, so this runs in the container's process, and the descriptor is then given to
 * the command for the server. Until a server answers on it, whoever looks below the target waits.
 */
#define FUSE_DEVICE "/dev/fuse"

static int open_device(int *ret, struct error **err)
{
	int fd = open(FUSE_DEVICE, O_RDWR | O_CLOEXEC);
	if (fd >= 0) {
		*ret = fd;
		return 0;
	}
	int errnum = errno;
	error_errno(err, errnum, "open " FUSE_DEVICE);
	error_set_kind(err, ERROR_SYSTEM);
	if (errnum == EACCES || errnum == EPERM)
		return error_hint(err, "let users open it, as root: chmod 0666 " FUSE_DEVICE);
	return error_hint(err, "have the kernel's FUSE loaded, as root: modprobe fuse");
}

/*
 * default_permissions: the kernel checks modes and owners itself, so the server is never asked and
 * never trusted with it. user_id and group_id are numbers of the mounter's user namespace. rootmode
 * is octal: a directory.
 */
static int new_mount(int fd, bool all_users, bool writable)
{
	char device[16], uid[16], gid[16];
	const char *others = all_users ? "allow_other" : NULL;
	const char *const options[] = { "ro",	    NULL,      "default_permissions",
					NULL,	    "subtype", "coffer",
					"fd",	    device,    "rootmode",
					"40000",    "user_id", uid,
					"group_id", gid,       others,
					NULL,	    NULL };
	const struct mnt_filesystem fs = {
		.type = "fuse",
		.source = "coffer",
		.options = writable ? options + 2 : options,
		.attributes =
			MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (writable ? 0 : MOUNT_ATTR_RDONLY),
	};
	struct mnt_refusal refusal;
	snprintf(device, sizeof(device), "%d", fd);
	snprintf(uid, sizeof(uid), "%u", (unsigned)geteuid());
	snprintf(gid, sizeof(gid), "%u", (unsigned)getegid());
	return mnt_new(&fs, &refusal);
}

int mount_attach(const char *target, bool all_users, bool writable, int *ret_fd, struct error **err)
{
	CLEANUP_FD int fd = -1;
	if (open_device(&fd, err) < 0)
		return -1;
	CLEANUP_FD int tree = new_mount(fd, all_users, writable);
	int r = tree < 0 ? tree : mnt_place(tree, AT_FDCWD, target);
	if (r < 0) {
		error_errno(err, -r, "mount the image on %s", target);
		if (r == -ENODEV)
			return error_hint(err,
					  "have the kernel's FUSE loaded, as root: modprobe fuse");
		if (r == -EINVAL)
			return error_hint(err,
					  "is " FUSE_DEVICE " the device? As root: rm " FUSE_DEVICE
					  "; mknod -m 0666 " FUSE_DEVICE " c 10 229");
		if (r == -EPERM)
			return error_hint(err, "mounting FUSE in a user namespace needs Linux 4.18 "
					       "or newer and a site that allows it");
		return -1;
	}
	*ret_fd = fd_steal(&fd);
	return 0;
}
