/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --mount=kernel: the partition through loop, dm-crypt and the kernel's squashfs.
 *
 * Nothing may be left behind, whoever is killed when. So each layer is told to go with its last
 * user as soon as the next one holds it: the loop device is on autoclear from birth, the mapping is
 * marked for removal while it is held open, and the mount is one that no namespace has yet.
 */
#include "mount/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "os/os.h"
#include "seal/seal.h"

#define SECTOR_LEN 512
/* Others may take the free loop device that the kernel named before we do. */
#define LOOP_TRIES 64

static int refused(int errnum, const char *what, struct error **err)
{
	error_errno(err, errnum, "%s", what);
	error_set_kind(err, ERROR_SYSTEM);
	return error_hint(err, "--mount=kernel needs root, loop devices and the kernel's squashfs; "
			       "without it coffer serves the image itself");
}

/* A read-only loop device over the partition; path is where it is. */
static int make_loop(const struct image *img, char *path, size_t cap, int *ret_fd,
		     struct error **err)
{
	struct loop_config config = {
		.fd = (uint32_t)img->fd,
		.block_size = SECTOR_LEN,
		.info = { .lo_offset = img->root->off,
			  .lo_sizelimit = img->root->len,
			  .lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR },
	};
	if (img->root->off % SECTOR_LEN)
		return error_set(err, ERROR_UNSUPPORTED,
				 "the kernel takes no partition at offset %llu",
				 (unsigned long long)img->root->off);
	CLEANUP_FD int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		return refused(errno, "open /dev/loop-control", err);
	for (int i = 0; i < LOOP_TRIES; i++) {
		int n = ioctl(control, LOOP_CTL_GET_FREE);
		if (n < 0)
			return refused(errno, "find a free loop device", err);
		snprintf(path, cap, "/dev/loop%d", n);
		CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return refused(errno, path, err);
		if (ioctl(fd, LOOP_CONFIGURE, &config) == 0) {
			*ret_fd = fd_steal(&fd);
			return 0;
		}
		if (errno != EBUSY)
			return refused(errno, "set up a loop device", err);
	}
	return refused(EBUSY, "set up a loop device", err);
}

static int mount_squashfs(int block_fd, int *ret_fd, struct error **err)
{
	char path[64];
	/* The mapping's own name is gone from /dev once it is marked for removal. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", block_fd);
	const char *const options[] = { "ro", NULL, NULL };
	const struct mnt_filesystem fs = {
		.type = "squashfs",
		.source = path,
		.options = options,
		.attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
	};
	struct mnt_refusal refusal;
	int fd = mnt_new(&fs, &refusal);
	if ((fd == -EINVAL || fd == -EIO) && refusal.step == MNT_STEP_CREATE)
		return error_set(err, ERROR_DAMAGED, "the kernel finds no squashfs in the image");
	if (fd < 0)
		return refused(-fd,
			       refusal.step < MNT_STEP_CREATE ? "the kernel's squashfs"
							      : "mount the image",
			       err);
	*ret_fd = fd;
	return 0;
}

static int map_sealed(const struct image *img, const struct key *key, const char *loop_path,
		      int *ret_fd, struct error **err)
{
	const struct image_partition *root = img->root;
	CLEANUP_IMAGE_OPENER struct image_opener opener = { 0 };
	CLEANUP_SECRET struct secret *volume_key = NULL;
	CLEANUP_SOURCE struct source *partition = NULL;
	CLEANUP_SEAL_VOLUME struct seal_volume *volume = NULL;
	if (image_find_opener(img, key, &opener, err) < 0 ||
	    source_slice(img->file, root->off, root->len, &partition, err) < 0 ||
	    root->seal->probe(&(struct sealed){ .bytes = partition }, &volume, err) < 0 ||
	    image_unlock(&opener, volume, &volume_key, err) < 0)
		return -1;
	return root->seal->map(volume, volume_key, loop_path, ret_fd, err);
}

int mount_kernel(const struct image *img, const struct key *key, int *ret_fd, struct error **err)
{
	CLEANUP_FD int loop = -1, mapping = -1;
	char loop_path[32];
	const struct seal *seal = image_seal(img);
	if (!img->root)
		return error_set(err, ERROR_UNSUPPORTED, "a sandbox has nothing to mount");
	if (seal && !seal->map) {
		error_set(err, ERROR_UNSUPPORTED, "the kernel cannot mount a %s image",
			  seal->title);
		return error_hint(err, "leave --mount=kernel out: coffer serves the image itself");
	}
	if (make_loop(img, loop_path, sizeof(loop_path), &loop, err) < 0)
		return -1;
	if (!seal)
		return mount_squashfs(loop, ret_fd, err);
	if (map_sealed(img, key, loop_path, &mapping, err) < 0)
		return -1;
	return mount_squashfs(mapping, ret_fd, err);
}

int mount_kernel_attach(int mount_fd, const char *target, struct error **err)
{
	int r = mnt_place(mount_fd, AT_FDCWD, target);
	return r < 0 ? error_errno(err, -r, "mount the image on %s", target) : 0;
}
