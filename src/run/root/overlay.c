/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What --overlay names, as layers of the overlay that layer.c makes. What is in such a folder
 * is not trusted: it may come from others, and whoever can write into it may change it while we
 * look. So it is cloned to a tree of our own, once and as the object that was planned, in which no
 * link is followed by anybody (nosymfollow), the kernel included, which is told names and not
 * descriptors: "upper" and "work" are folders of that tree or nothing. It has no devices and no
 * set-user-ID files (nodev, nosuid), and neither has the overlay. What the folder may say to the
 * overlay by attributes is what mount_overlay in layer.c allows: no redirects, no data from
 * elsewhere.
 *
 * The layout is the peer's: with a folder that is written to, "upper" has the changes, and "work"
 * is the kernel's own place beside it. One that is only read may also be a plain tree, without
 * "upper". Of a squashfs image it is the whole tree, from a server of its own (extra/).
 */
#include "run/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define SETUP "container creation failed: setup of overlay upper dir failed: "

/* `name` in the tree, made where it is missing. Returns its descriptor, or -1 with *err. */
static int make_part(int tree, const struct run_overlay *o, const char *name, struct error **err)
{
	if (mkdirat(tree, name, 0755) < 0 && errno != EEXIST) {
		error_errno(err, errno, SETUP "failed to create %s/%s directory: mkdir %s/%s",
			    o->path, name, o->path, name);
		return error_hint(err, "append ':ro' to the overlay, or use --fakeroot if it is "
				       "yours as root's");
	}
	int fd = openat(tree, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	error_set(err, ERROR_DAMAGED, SETUP "%s/%s is not a directory", o->path, name);
	return error_hint(err, "no link is followed there: put the folder itself in its place");
}

static int make_parts(int tree, const struct run_overlay *o, struct error **err)
{
	CLEANUP_FD int upper = make_part(tree, o, "upper", err);
	CLEANUP_FD int work = upper < 0 ? -1 : make_part(tree, o, "work", err);
	if (work < 0)
		return -1;
	if (faccessat(upper, ".", W_OK, AT_EACCESS) < 0 ||
	    faccessat(work, ".", W_OK, AT_EACCESS) < 0) {
		error_errno(err, errno, SETUP "%s/upper is not writable", o->path);
		return error_hint(err, "append ':ro' to the overlay, or use --fakeroot if it was "
				       "written to with that");
	}
	return 0;
}

/* Whether it is laid out as one that was written to. */
static int has_upper(int tree, const struct run_overlay *o, bool *ret, struct error **err)
{
	struct stat st;
	bool there = fstatat(tree, "upper", &st, AT_SYMLINK_NOFOLLOW) == 0;
	*ret = there;
	if (!there || S_ISDIR(st.st_mode))
		return 0;
	error_set(err, ERROR_DAMAGED, SETUP "%s/upper is not a directory", o->path);
	return error_hint(err, "no link is followed there: put the folder itself in its place");
}

/* ------------------------------------------------------------------ marks of another overlay */

#define MARK ".wh."
#define MARKS_LOOKED_AT 256 /* names, in all */

/*
 * Whether a mark is among the names of a folder, and of those in it where `below`; *left is how
 * many are still looked at. Neither sizes nor kinds are asked for: of an ext3 image each question
 * is answered by a program that does one thing at a time, and each container's start waits for it.
 */
static bool has_mark(int at, const char *path, bool below, unsigned *left)
{
	CLEANUP_DIRECTORY struct directory d = { 0 };
	CLEANUP_FD int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	const struct dirent *e;
	if (fd < 0 || directory_open(fd, ".", &d) < 0)
		return false;
	while (*left > 0 && (e = directory_next(&d))) {
		--*left;
		bool known = e->d_type != DT_UNKNOWN;
		if (!strncmp(e->d_name, MARK, strlen(MARK)) && (!known || e->d_type == DT_REG))
			return true;
		if (below && (!known || e->d_type == DT_DIR) &&
		    has_mark(fd, e->d_name, false, left))
			return true;
	}
	return false;
}

/*
 * fuse-overlayfs, by which Apptainer lets a user's container write to an image, marks what was
 * deleted by files with names of its own, which mean nothing to the kernel's overlay: what was
 * deleted is there again. That is said where it is seen at the first glance.
 */
static void warn_of_marks(int tree, const struct run_overlay *o)
{
	unsigned left = MARKS_LOOKED_AT;
	if (has_mark(tree, "upper", true, &left))
		log_warning("Overlay %s was written to by fuse-overlayfs (Apptainer): what was "
			    "deleted in it shows again here",
			    o->path);
}

/* ------------------------------------------------------------------ layers */

/* One that is mounted below the session's directory already. */
static int add_image(const struct run_plan *plan, const struct run_session *session,
		     const struct run_overlay *o, struct buffer *ret_lower, struct error **err)
{
	char name[RUN_EXTRA_NAME_LEN];
	bool whole = false;
	run_extra_name(o->extra, name);
	/* A squashfs is laid over as it is; an ext3 may be one that was written to. */
	if (plan->extras[o->extra].part->filesystem == IMAGE_EXT3 &&
	    has_upper(session->extras[o->extra], o, &whole, err) < 0)
		return -1;
	if (whole)
		warn_of_marks(session->extras[o->extra], o);
	int r = mnt_set(session->extras[o->extra], MOUNT_ATTR_NOSYMFOLLOW, 0);
	if (r < 0)
		return error_errno(err, -r, "set the options of the overlay %s", o->path);
	return buffer_printf(ret_lower, err, "%s%s:", name, whole ? "/upper" : "");
}

static int place(const struct run_plan *plan, struct run_session *session, size_t i,
		 const char *name, struct error **err)
{
	const struct run_overlay *o = &plan->overlays[i];
	uint64_t set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSYMFOLLOW |
		       (o->read_only ? MOUNT_ATTR_RDONLY : 0);
	CLEANUP_FD int tree = session->overlays[i] >= 0
				      ? fd_steal(&session->overlays[i])
				      : run_witness_clone(&o->witness, o->path, err);
	if (tree < 0)
		return -1;
	if (mkdirat(session->dir, name, 0755) < 0)
		return error_errno(err, errno, "make %s in the session directory", name);
	CLEANUP_FD int at = openat(session->dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return error_errno(err, errno, "open %s in the session directory", name);
	if (run_tree_attributes(tree, set, err) < 0 || run_tree_place(tree, at, err) < 0)
		return -1;
	return fd_steal(&tree);
}

int run_overlays_place(const struct run_plan *plan, struct run_session *session,
		       struct buffer *ret_lower, struct buffer *ret_upper, struct error **err)
{
	for (size_t i = plan->overlay_count; i-- > 0;) {
		const struct run_overlay *o = &plan->overlays[i];
		char name[24];
		bool whole = false;
		if (o->image) {
			if (add_image(plan, session, o, ret_lower, err) < 0)
				return -1;
			continue;
		}
		/* Short ones: an option of the kernel's has room for 255 bytes. */
		snprintf(name, sizeof(name), "%zu", i);
		CLEANUP_FD int tree = place(plan, session, i, name, err);
		if (tree < 0)
			return error_wrap(err, "while mounting the overlay %s", o->path);
		if (o == plan->upper) {
			if (make_parts(tree, o, err) < 0 ||
			    buffer_printf(ret_upper, err, "%s/", name) < 0)
				return -1;
			warn_of_marks(tree, o);
			continue;
		}
		if (has_upper(tree, o, &whole, err) < 0 ||
		    buffer_printf(ret_lower, err, "%s%s:", name, whole ? "/upper" : "") < 0)
			return -1;
		if (whole)
			warn_of_marks(tree, o);
	}
	return 0;
}
