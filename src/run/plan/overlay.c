/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --overlay (runtime.md 9): folders and images that the container's root shows above its own image,
 * the last that is named uppermost. One folder at most is written to, and keeps what the container
 * changes; images are only read. Here they are looked at and remembered; run/root/overlay.c opens
 * the folders in the container's process, and makes what they lack, and extra/ has the images.
 */
#include "run/plan/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define LOADING "while loading overlay images: "

/* `enable overlay = no`: the words of the peer for each that would need one. */
static int check_site(const struct run_plan *plan, struct error **err)
{
	const char *what = plan->wish->overlay.len ? "overlay images"
			   : plan->writable_tmpfs  ? "--writable-tmpfs"
						   : NULL;
	if (plan->config->overlay != CONFIG_OVERLAY_NO || !what)
		return 0;
	error_set(err, ERROR_POLICY,
		  "%s requires 'enable overlay', but set to 'no' by administrator", what);
	error_at(err, PLACE_POLICY);
	return error_hint(err, "`enable overlay = no` in the site configuration: ask the "
			       "administrator");
}

static int no_overlay(const char *given, int errnum, const char *path, struct error **err)
{
	if (errnum == ENOENT) {
		error_errno(err, errnum,
			    LOADING "failed to open overlay image %s: failed to retrieve path for "
				    "%s: lstat %s",
			    given, given, path);
		return error_hint(err, "check the name; a new overlay begins as a folder: mkdir %s",
				  path);
	}
	error_errno(err, errnum, LOADING "failed to open overlay image %s", given);
	return error_hint(err, "coffer must be able to read it");
}

/* A folder: it must be the same still when it is mounted. */
static int look(struct run_plan *plan, int fd, struct run_overlay *o, struct error **err)
{
	struct statvfs fs;
	if (run_policy_beside(plan->config, &image_sandbox, fd, err) < 0)
		return -1;
	run_witness_look(o->path, &o->witness);
	if (!o->read_only && fstatvfs(fd, &fs) == 0 && fs.f_flag & ST_RDONLY) {
		log_warning("Overlay image %s is not writable, proceeding with read-only", o->path);
		o->read_only = true;
	}
	return 0;
}

static int too_many(struct error **err)
{
	error_set(err, ERROR_LIMIT, LOADING "there are more than %d", RUN_OVERLAYS_MAX);
	return error_hint(err, "copy some of them into one");
}

/* Takes the path over. Returns NULL with *err. */
static struct run_overlay *next(struct run_plan *plan, char **path, bool read_only,
				struct error **err)
{
	if (plan->overlay_count == RUN_OVERLAYS_MAX) {
		(void)too_many(err);
		return NULL;
	}
	struct run_overlay *o = &plan->overlays[plan->overlay_count++];
	*o = (struct run_overlay){ .path = take_pointer(path), .read_only = read_only };
	return o;
}

static int add_folder(struct run_plan *plan, int fd, char **path, bool read_only,
		      struct error **err)
{
	struct run_overlay *o = next(plan, path, read_only, err);
	if (!o || look(plan, fd, o, err) < 0)
		return -1;
	if (o->read_only)
		return 0;
	if (plan->upper) {
		error_set(err, ERROR_USAGE,
			  LOADING "you can't specify more than one writable overlay, %s contains a "
				  "writable overlay, requires to use '--overlay %s:ro'",
			  plan->upper->path, o->path);
		return error_hint(err, "the container can write to one alone");
	}
	plan->upper = o;
	return 0;
}

/* Images as layers, of which people are told this path. */
static int add_layers(struct run_plan *plan, const char *path, size_t first, size_t count,
		      struct error **err)
{
	for (size_t i = 0; i < count; i++) {
		CLEANUP_TEXT char *copy = text_dup(path, err);
		struct run_overlay *o = copy ? next(plan, &copy, true, err) : NULL;
		if (!o)
			return -1;
		o->image = true;
		o->extra = first + i;
	}
	return 0;
}

static int add_image(struct run_plan *plan, const char *given, const char *path, bool read_only,
		     struct error **err)
{
	size_t first, count;
	if (run_extra_overlays(plan, path, &first, &count, err) < 0)
		return error_kind(*err) == ERROR_POLICY
			       ? -1
			       : error_wrap(err, LOADING "failed to open overlay image %s", given);
	if (!count)
		log_warning("%s has no overlay partition", path);
	bool ext = count && plan->extras[first].part->filesystem == IMAGE_EXT3;
	/*
	 * A mount of FUSE can be the upper layer of the kernel's overlay only if its server renames
	 * with RENAME_WHITEOUT and tells the kinds of files in its lists ("upper fs missing
	 * required features"), and fuse2fs does not. fuse-overlayfs, which does without, would be
	 * one more program between the container and all of its files, made for no hostile ones.
	 */
	if (ext && !read_only) {
		error_set(err, ERROR_UNSUPPORTED,
			  LOADING "%s is an ext3 image, to which coffer does not let a container "
				  "write",
			  path);
		return error_hint(err, "append ':ro' to read what is in it, or let the container "
				       "write to a folder: mkdir CHANGES, --overlay CHANGES");
	}
	/* What of a SIF is read-only says so by its kind; of a bare one its user may not know. */
	if (count && !read_only && !plan->extras[first].image->sif)
		log_warning("Overlay image %s is not writable, proceeding with read-only", path);
	return add_layers(plan, path, first, count, err);
}

/* PATH[:ro]: as with the peer a colon cannot be part of the name. */
static int add_overlay(struct run_plan *plan, const char *given, struct error **err)
{
	struct stat st;
	if (plan->overlay_count == RUN_OVERLAYS_MAX)
		return too_many(err);
	const char *colon = strchr(given, ':');
	CLEANUP_TEXT char *name =
		text_dup_len(given, colon ? (size_t)(colon - given) : strlen(given), err);
	if (!name)
		return -1;
	if (!*name || (colon && strcmp(colon, ":ro") != 0 && strcmp(colon, ":rw") != 0)) {
		error_set(err, ERROR_USAGE, LOADING "%s is not understood", given);
		return error_hint(err, "write PATH, or PATH:ro to have it only read");
	}
	bool read_only = colon && !strcmp(colon, ":ro");
	CLEANUP_TEXT char *path = path_absolute(name, err);
	if (!path)
		return -1;
	CLEANUP_FD int fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return no_overlay(name, errno, path, err);
	return S_ISDIR(st.st_mode) ? add_folder(plan, fd, &path, read_only, err)
				   : add_image(plan, name, path, read_only, err);
}

/* The overlay partitions of the image itself lie lowest. */
static int add_own(struct run_plan *plan, struct error **err)
{
	size_t first, count;
	/* A build's section changes the root alone. */
	if (plan->wish->for_build || plan->config->overlay == CONFIG_OVERLAY_NO)
		return 0;
	if (run_extra_own(plan, &first, &count, err) < 0)
		return -1;
	return add_layers(plan, plan->image->path, first, count, err);
}

int run_choose_overlays(struct run_plan *plan, struct error **err)
{
	const struct strings *list = &plan->wish->overlay;
	if (check_site(plan, err) < 0 || add_own(plan, err) < 0)
		return -1;
	for (size_t i = 0; i < list->len; i++) {
		if (add_overlay(plan, list->items[i], err) < 0)
			return -1;
	}
	if (plan->upper && plan->writable_tmpfs) {
		error_set(err, ERROR_USAGE,
			  LOADING
			  "you can't specify --writable-tmpfs with another writable overlay "
			  "image (%s)",
			  plan->upper->path);
		return error_hint(err, "leave one of them out, or write %s:ro", plan->upper->path);
	}
	if (plan->upper && image_is_encrypted(plan->image))
		log_warning("%s is encrypted, and the overlay %s is not: what the container writes "
			    "is in clear there",
			    plan->image->path, plan->upper->path);
	return 0;
}
