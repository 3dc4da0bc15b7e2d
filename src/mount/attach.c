/* SPDX-License-Identifier: Apache-2.0 */
#include "mount/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

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

int mount_attach(const char *target, bool all_users, int *ret_fd, struct error **err)
{
	CLEANUP_FD int fd = -1;
	char data[160];
	if (open_device(&fd, err) < 0)
		return -1;
	/*
	 * default_permissions: the kernel checks modes and owners itself, so the server is never
	 * asked and never trusted with it. user_id and group_id are numbers of the mounter's user
	 * namespace. rootmode is octal: a directory.
	 */
	snprintf(data, sizeof(data),
		 "fd=%d,rootmode=40000,user_id=%u,group_id=%u,default_permissions%s", fd,
		 (unsigned)geteuid(), (unsigned)getegid(), all_users ? ",allow_other" : "");
	if (mount("coffer", target, "fuse.coffer", MS_RDONLY | MS_NOSUID | MS_NODEV, data) < 0) {
		int errnum = errno;
		error_errno(err, errnum, "mount the image on %s", target);
		if (errnum == ENODEV)
			return error_hint(err,
					  "have the kernel's FUSE loaded, as root: modprobe fuse");
		if (errnum == EINVAL)
			return error_hint(err,
					  "is " FUSE_DEVICE " the device? As root: rm " FUSE_DEVICE
					  "; mknod -m 0666 " FUSE_DEVICE " c 10 229");
		if (errnum == EPERM)
			return error_hint(err, "mounting FUSE in a user namespace needs Linux 4.18 "
					       "or newer and a site that allows it");
		return -1;
	}
	*ret_fd = fd_steal(&fd);
	return 0;
}
