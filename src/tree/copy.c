/* SPDX-License-Identifier: Apache-2.0 */
#include "tree/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/os.h"
#include "tree/format.h"

/*
 * The source is walked (os/walk.h), and the copy grows beside it by a way of its own: `to` is
 * always in the folder that becomes the one the walk is in.
 */

struct hard_link {
	dev_t device;
	ino_t inode;
	char path[]; /* below the root of the copy */
};

struct copy {
	const struct copy_rules *rules;
	struct way to;
	int to_root;
	struct stat to_stat;
	void *links;	  /* a tree of struct hard_link */
	const char *path; /* where we are, for messages and links; begins with '/' */
	bool devices_left_out, owner_refused;
	char *buffer;
};
#define GRAFT_MIN (64 << 10) /* a smaller file is copied in less time than a mount is made */

/* ------------------------------------------------------------------ one file */

/* from: the source, or the folder that it is in. */
static int set_owner(struct copy *c, int from, int dirfd, const char *name, const struct stat *st)
{
	uid_t uid = st->st_uid;
	gid_t gid = st->st_gid;
	if (!c->rules->owners)
		return 0;
	if (c->rules->unmapped_to_root)
		fd_unmapped_to_root(from, &uid, &gid);
	int r = fchownat(dirfd, name, uid, gid, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) < 0 ? -errno
											 : 0;
	c->owner_refused |= r == -EPERM;
	return r;
}

/* Owner, mode, attributes and times, in the order in which none undoes another. */
static int finish(struct copy *c, int from, int to, const struct stat *st)
{
	char from_path[32], to_path[32];
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	snprintf(from_path, sizeof(from_path), "/proc/self/fd/%d", from);
	snprintf(to_path, sizeof(to_path), "/proc/self/fd/%d", to);
	int r = set_owner(c, from, to, "", st);
	if (r == 0 && fchmod(to, st->st_mode & 07777) < 0)
		r = -errno;
	if (r == 0)
		r = copy_attributes_of(from_path, to_path);
	if (r == 0 && futimens(to, times) < 0)
		r = -errno;
	return r;
}

/* ------------------------------------------------------------------ links */

static int compare_links(const void *a, const void *b)
{
	const struct hard_link *x = a, *y = b;
	if (x->device != y->device)
		return x->device < y->device ? -1 : 1;
	return x->inode < y->inode ? -1 : x->inode > y->inode;
}

/* 1 when the file was there under another name and has been linked. */
static int link_again(struct copy *c, const struct stat *st, int to, const char *name)
{
	size_t len = strlen(c->path) + 1;
	if (st->st_nlink < 2 || len > PATH_MAX)
		return 0;
	struct hard_link *new = malloc(sizeof(*new) + len);
	if (!new)
		return -ENOMEM;
	new->device = st->st_dev;
	new->inode = st->st_ino;
	memcpy(new->path, c->path, len);
	struct hard_link **found = tsearch(new, &c->links, compare_links);
	if (!found || *found == new) {
		if (!found)
			free(new);
		return found ? 0 : -ENOMEM;
	}
	free(new);
	return linkat(c->to_root, (*found)->path + 1, to, name, 0) < 0 ? -errno : 1;
}

/* ------------------------------------------------------------------ grafts */

/* Whether the folder at c->path is one that the rules want to have as a copy. */
static bool is_changed(const struct copy *c)
{
	for (const char *const *path = c->rules->changed; *path; path++)
		if (strcmp(*path, c->path) == 0)
			return true;
	return false;
}

/*
 * Mounts `from`, and all that is mounted below it, on `to`. Read-only before it is anywhere: it
 * is not ours to change.
 */
static int graft(int from, int to)
{
	CLEANUP_FD int tree = mnt_clone(from, "", 0);
	int r = tree < 0 ? tree : mnt_set_all(tree, MOUNT_ATTR_RDONLY);
	return r < 0 ? r : mnt_place(tree, to, "");
}

/* ------------------------------------------------------------------ walking */

static int copy_regular(struct copy *c, int from, int to, const char *name, struct stat *st)
{
	CLEANUP_FD int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (in < 0 || fstat(in, st) < 0)
		return -errno;
	if (!S_ISREG(st->st_mode))
		return -EBUSY; /* it was another a moment ago */
	CLEANUP_FD int out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (out < 0)
		return -errno;
	if (c->rules->changed && st->st_size >= GRAFT_MIN)
		return graft(in, out);
	int r = copy_data_by(in, out, c->buffer);
	return r < 0 ? r : finish(c, in, out, st);
}

static int copy_symlink(struct copy *c, int from, int to, const char *name, const struct stat *st)
{
	char target[PATH_MAX];
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	ssize_t len = readlinkat(from, name, target, sizeof(target) - 1);
	if (len < 0)
		return -errno;
	target[len] = '\0';
	if (symlinkat(target, to, name) < 0)
		return -errno;
	int r = set_owner(c, from, to, name, st);
	if (r == 0 && utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	return r;
}

static int copy_special(struct copy *c, int from, int to, const char *name, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	bool device = S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode);
	if (S_ISSOCK(st->st_mode))
		return 0;
	if (device && !c->rules->devices) {
		if (!c->devices_left_out)
			log_warning("%s is a device and left out: making it needs root", c->path);
		c->devices_left_out = true;
		return 0;
	}
	if (mknodat(to, name, (st->st_mode & S_IFMT) | 0600, st->st_rdev) < 0)
		return -errno;
	int r = set_owner(c, from, to, name, st);
	if (r == 0 && fchmodat(to, name, st->st_mode & 07777, 0) < 0)
		r = -errno;
	if (r == 0 && utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	return r;
}

/*
 * Where something may be already: 1 when it is a folder that goes on as one, 0 when there is
 * nothing (any more).
 */
static int make_room(struct copy *c, int to, const char *name, bool folder, struct error **err)
{
	struct stat st;
	if (!c->rules->merge || fstatat(to, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (folder && S_ISDIR(st.st_mode))
		return 1;
	return copy_remove(to, name, err);
}

static int copy_entry(void *context, const struct walk_at *at, struct error **err)
{
	struct copy *c = context;
	struct stat st;
	int from = at->folder, to = way_here(&c->to);
	c->path = at->path;
	if (fstatat(from, at->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, errno, "read %s of the source", c->path);
	if (S_ISDIR(st.st_mode))
		return WALK_ENTER;
	if (make_room(c, to, at->name, false, err) < 0)
		return -1;
	int r = link_again(c, &st, to, at->name);
	if (r == 0) {
		if (S_ISREG(st.st_mode))
			r = copy_regular(c, from, to, at->name, &st);
		else if (S_ISLNK(st.st_mode))
			r = copy_symlink(c, from, to, at->name, &st);
		else
			r = copy_special(c, from, to, at->name, &st);
	}
	if (r >= 0)
		return WALK_ON;
	error_errno(err, -r, "copy %s of the source", c->path);
	if (r == -EACCES)
		error_hint(err, "an image must be complete: make the file readable for you or "
				"remove it from the source");
	return -1;
}

/* Makes the folder that the walk is about to enter, and enters it; or mounts it (WALK_ON). */
static int enter_folder(void *context, const struct walk_at *at, int in, const struct stat *st,
			struct error **err)
{
	struct copy *c = context;
	struct stat made;
	int to = way_here(&c->to);
	if (st->st_dev == c->to_stat.st_dev && st->st_ino == c->to_stat.st_ino)
		return error_set(err, ERROR_USAGE,
				 "the source holds the folder that it is copied to");
	int there = make_room(c, to, at->name, true, err);
	if (there < 0)
		return -1;
	if (!there && mkdirat(to, at->name, 0700) < 0)
		return error_errno(err, errno, "make %s", c->path);
	CLEANUP_FD int out = openat(to, at->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (out < 0)
		return error_errno(err, errno, "make %s", c->path);
	/* On the file system of the copy there may be the copy: to be found, and refused. */
	bool mounted = c->rules->changed && !is_changed(c) && st->st_dev != c->to_stat.st_dev;
	int r = mounted ? graft(in, out) : way_enter(&c->to, fd_steal(&out), &made);
	if (r < 0)
		return error_errno(err, -r, "copy %s", c->path);
	return mounted ? WALK_ON : WALK_ENTER;
}

static int leave_folder(void *context, const struct walk_at *at, int in, const struct stat *st,
			struct error **err)
{
	struct copy *c = context;
	/* The way back first: the folder's own mode may not let us through. */
	int r = way_above(&c->to);
	if (r >= 0)
		r = finish(c, in, way_here(&c->to), st);
	if (r == 0)
		r = way_leave(&c->to);
	return r < 0 ? error_errno(err, -r, "copy %s", at->path) : WALK_ON;
}

int copy_tree(int from, int to, const struct copy_rules *rules, struct error **err)
{
	static const struct walk_visitor copier = {
		.entry = copy_entry,
		.enter = enter_folder,
		.leave = leave_folder,
		.of = " of the source",
		.depth_max = TREE_DEPTH_MAX,
	};
	struct copy c = { .rules = rules, .buffer = malloc(COPY_BUFFER_LEN) };
	struct stat st;
	CLEANUP_FD int in = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_FD int out = openat(to, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int result = c.buffer ? 0 : error_no_memory(err);
	if (result == 0 && (in < 0 || out < 0 || fstat(in, &st) < 0))
		result = error_errno(err, errno, "open the folder to copy");
	if (result == 0) {
		/* The first folder of a way is never closed before its end. */
		c.to_root = out;
		int r = way_enter(&c.to, fd_steal(&out), &c.to_stat);
		if (r < 0)
			result = error_errno(err, -r, "open the folder to copy");
	}
	if (result == 0)
		result = walk_tree(in, &copier, &c, err);
	if (result == 0 && !rules->merge) {
		int r = finish(&c, in, c.to_root, &st);
		if (r < 0)
			result = error_errno(err, -r, "copy the top folder's mode");
	}
	if (result < 0 && c.owner_refused)
		fd_hint_owner(err);
	tdestroy(c.links, free);
	way_free(&c.to);
	free(c.buffer);
	return result;
}

static int file_from_root(struct copy *c, int root, const char *path, int to, const char *name,
			  const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return copy_special(c, root, to, name, st);
	CLEANUP_FD int in = path_open_in_root(root, path, O_RDONLY | O_NONBLOCK, 0);
	if (in < 0)
		return in;
	CLEANUP_FD int out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (out < 0)
		return -errno;
	int r = copy_data(in, out);
	return r < 0 ? r : finish(c, in, out, st);
}

int copy_from_root(int root, const char *path, int to, const char *name,
		   const struct copy_rules *rules, struct error **err)
{
	struct stat st;
	struct copy_rules merging = *rules;
	merging.merge = true;
	struct copy c = { .rules = &merging, .path = path };
	CLEANUP_FD int at = path_open_in_root(root, path, O_PATH, 0);
	if (at < 0)
		return error_errno(err, -at, "stat %s", path);
	if (fstat(at, &st) < 0)
		return error_errno(err, errno, "stat %s", path);
	bool folder = S_ISDIR(st.st_mode);
	int there = make_room(&c, to, name, folder, err);
	if (there < 0)
		return -1;
	if (folder) {
		if (!there && mkdirat(to, name, 0755) < 0)
			return error_errno(err, errno, "make %s", name);
		CLEANUP_FD int in = path_open_in_root(root, path, O_RDONLY | O_DIRECTORY, 0);
		CLEANUP_FD int out =
			openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (in < 0 || out < 0)
			return error_errno(err, in < 0 ? -in : errno, "open %s", path);
		return copy_tree(in, out, &merging, err);
	}
	int r = file_from_root(&c, root, path, to, name, &st);
	return r < 0 ? error_errno(err, -r, "copy %s", path) : 0;
}
