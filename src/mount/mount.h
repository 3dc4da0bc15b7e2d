/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_MOUNT_MOUNT_H
#define COFFER_MOUNT_MOUNT_H

#include "image/image.h"

/*
 * The door of mount/: how an image comes to be mounted, seen from the container. Either a FUSE
 * mount that a server answers (serve/ has the order of the steps), or the kernel's own.
 */

/*
 * Opens /dev/fuse, and mounts it on an existing directory, read-only unless writable. all_users:
 * others than the mounter may look in too (their uid must be mapped). Returns the descriptor in
 * *ret_fd. The errors name what to do when /dev/fuse is missing or closed.
 */
int mount_attach(const char *target, bool all_users, bool writable, int *ret_fd,
		 struct error **err);

/*
 * The kernel's own mount, for root on a kernel with dm-crypt (--mount=kernel): loop device,
 * dm-crypt for a LUKS2 image, and the kernel's own squashfs. Gives a mount that is not attached
 * anywhere yet: read-only, nosuid, nodev. Loop device and mapping go by themselves when the mount
 * goes, or when *ret_fd is closed before it was attached.
 *
 * key: NULL for a plain image. A gocryptfs image or a sandbox is ERROR_UNSUPPORTED; a kernel that
 * does not do it, or a caller who may not, ERROR_SYSTEM.
 */
int mount_kernel(const struct image *img, const struct key *key, int *ret_fd, struct error **err);
/* Attaches it at an existing directory, in the mount namespace of the caller. */
int mount_kernel_attach(int mount_fd, const char *target, struct error **err);

#endif
