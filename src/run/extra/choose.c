/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which images besides the one that is run are needed, and which of their partitions. They are
 * opened now, and stay so: what is served later is what was looked at here, whatever becomes of the
 * name. Of a bare file system the one partition is meant, whatever it is for; of a SIF those whose
 * role says so, or the one that has the number.
 */
#include "run/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

void run_extra_name(size_t i, char ret[RUN_EXTRA_NAME_LEN])
{
	snprintf(ret, RUN_EXTRA_NAME_LEN, "image%zu", i);
}

void run_extras_free(struct run_plan *plan)
{
	for (size_t i = 0; i < plan->extra_count; i++) {
		fd_close(&plan->extras[i].fd);
		if (plan->extras[i].owned)
			image_free(&plan->extras[i].image);
	}
	plan->extra_count = 0;
}

/* What we can serve, and nothing that would have to be opened with a key. */
static int check_partition(const struct image *img, const struct image_partition *part,
			   struct error **err)
{
	if (part->seal) {
		error_set(err, ERROR_UNSUPPORTED,
			  "%s is encrypted (%s), and only the image that is run can be", img->path,
			  part->seal->title);
		return error_hint(err, "run it itself, or take an overlay or data in clear");
	}
	if (part->filesystem == IMAGE_SQUASHFS || part->filesystem == IMAGE_EXT3)
		return 0;
	return error_set(err, ERROR_UNSUPPORTED,
			 "could not use %s for image binding: not supported image format",
			 img->path);
}

/*
 * An ext3 that is written to is nobody else's meanwhile, and one that is read is written to by
 * nobody (runtime.md 2). The lock is the descriptor's: it lasts as long as some process has that.
 */
static int lock(struct run_extra *e, struct error **err)
{
	const char *path = e->image->path;
	struct flock range = { .l_type = e->writable ? F_WRLCK : F_RDLCK,
			       .l_whence = SEEK_SET,
			       .l_start = (off_t)e->part->off,
			       .l_len = (off_t)e->part->len };
	char name[64];
	snprintf(name, sizeof(name), "/proc/self/fd/%d", e->image->fd);
	e->fd = open(name, (e->writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	if (e->fd < 0)
		return error_errno(err, errno, "open %s", path);
	/* Some file systems have no locks. */
	if (fcntl(e->fd, F_OFD_SETLK, &range) == 0 || errno == ENOLCK)
		return 0;
	if (errno != EAGAIN && errno != EACCES)
		return error_errno(err, errno, "while locking ext3 partition from %s", path);
	error_set(err, ERROR_SYSTEM,
		  e->writable ? "while locking ext3 partition from %s: can't open %s for writing, "
				"currently in use by another process"
			      : "while locking ext3 partition from %s: can't open %s for reading, "
				"currently in use for writing by another process",
		  path, path);
	return error_hint(err, "wait for the other container, or let both only read it (:ro)");
}

/* The image becomes the plan's with its first partition, and else stays the caller's. */
static int add(struct run_plan *plan, struct image **img, const struct image_partition *part,
	       struct image *of, bool writable, struct error **err)
{
	if (plan->extra_count == RUN_EXTRAS_MAX) {
		error_set(err, ERROR_LIMIT, "there are more than %d images for overlays and binds",
			  RUN_EXTRAS_MAX);
		return error_hint(err, "put what they have into fewer images");
	}
	if (check_partition(of, part, err) < 0)
		return -1;
	bool ext = part->filesystem == IMAGE_EXT3;
	struct run_extra *e = &plan->extras[plan->extra_count++];
	*e = (struct run_extra){ .image = of,
				 .part = part,
				 .owned = *img != NULL,
				 .writable = writable && ext,
				 .fd = -1 };
	*img = NULL;
	return ext ? lock(e, err) : 0;
}

static int open_checked(struct run_plan *plan, const char *path, struct image **ret,
			struct error **err)
{
	CLEANUP_IMAGE struct image *img = NULL;
	if (image_open_beside(path, &img, err) < 0)
		return -1;
	/* What is taken of it is in clear, also of a SIF whose root is sealed: the site is asked
	 * so. */
	if (run_policy_beside(plan->config, img->format, image_descriptor(img), err) < 0)
		return -1;
	if (plan->config->require_encrypted) {
		error_set(err, ERROR_POLICY,
			  "%s is not encrypted where it is used, and only encrypted images may be",
			  path);
		return error_hint(err, "`require encrypted = yes` in the site configuration, or "
				       "--require-encrypted: leave the image out");
	}
	*ret = take_pointer(&img);
	return 0;
}

int run_extra_overlays(struct run_plan *plan, const char *path, size_t *ret_first,
		       size_t *ret_count, struct error **err)
{
	CLEANUP_IMAGE struct image *img = NULL;
	if (open_checked(plan, path, &img, err) < 0)
		return -1;
	struct image *of = img;
	const size_t first = plan->extra_count;
	for (size_t i = 0; i < of->partition_count; i++) {
		const struct image_partition *part = &of->partitions[i];
		if ((!of->sif || part->role == IMAGE_OVERLAY) &&
		    add(plan, &img, part, of, false, err) < 0)
			return -1;
	}
	*ret_first = first;
	*ret_count = plan->extra_count - first;
	return 0;
}

int run_extra_own(struct run_plan *plan, size_t *ret_first, size_t *ret_count, struct error **err)
{
	struct image *none = NULL;
	*ret_first = plan->extra_count;
	for (size_t i = 0; i < plan->image->partition_count; i++) {
		const struct image_partition *part = &plan->image->partitions[i];
		CLEANUP_ERROR struct error *why = NULL;
		if (part->role != IMAGE_OVERLAY)
			continue;
		/* Whoever can write to the file can put one there, without a key. */
		if (image_is_encrypted(plan->image))
			log_warning("An overlay partition in clear is left out, since the image is "
				    "encrypted: --overlay %s takes it",
				    plan->image->path);
		else if (check_partition(plan->image, part, &why) < 0)
			log_warning("An overlay partition is left out: %s", error_message(why));
		else if (add(plan, &none, part, plan->image, false, err) < 0)
			return -1;
	}
	*ret_count = plan->extra_count - *ret_first;
	return 0;
}

static bool is_meant(const struct image *img, const struct image_partition *part, uint32_t id)
{
	if (!img->sif)
		return id <= 1;
	return id ? part->descriptor->id == id : part->role == IMAGE_DATA;
}

/* Who may not write to the file gets it read-only, which is said (binds.c). */
static bool is_writable(const struct image *img, const struct run_bind *b)
{
	return !b->read_only && faccessat(AT_FDCWD, img->path, W_OK, AT_EACCESS) == 0;
}

int run_extra_data(struct run_plan *plan, const struct run_bind *b, size_t *ret, struct error **err)
{
	CLEANUP_IMAGE struct image *img = NULL;
	if (open_checked(plan, b->source, &img, err) < 0)
		return error_kind(*err) == ERROR_POLICY
			       ? -1
			       : error_wrap(err,
					    "while loading data bind images: failed to load data "
					    "image %s",
					    b->source);
	for (size_t i = 0; i < img->partition_count; i++) {
		struct image *of = img;
		if (!is_meant(of, &of->partitions[i], b->id))
			continue;
		*ret = plan->extra_count;
		return add(plan, &img, &of->partitions[i], of, is_writable(of, b), err);
	}
	error_set(err, ERROR_NOT_FOUND, "container creation failed: no data partition found in %s",
		  b->source);
	return error_hint(err, "`sif list` tells what is in it: choose a partition by id=N");
}
