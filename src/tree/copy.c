/* SPDX-License-Identifier: Apache-2.0 */
#include "tree/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tree/format.h"

/*
 * Trees are walked by descriptors, one of each side a level, so that nothing that is renamed or
 * linked meanwhile leads elsewhere.
 */

struct hard_link {
	dev_t device;
	ino_t inode;
	char path[]; /* below the root of the copy */
};

struct copy {
	const struct copy_rules *rules;
	struct error **err;
	int to_root;
	struct stat to_stat;
	void *links;	    /* a tree of struct hard_link */
	struct buffer path; /* where we are, for messages and links; begins with '/' */
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
	size_t len = c->path.len + 1;
	if (st->st_nlink < 2 || len > PATH_MAX)
		return 0;
	struct hard_link *new = malloc(sizeof(*new) + len);
	if (!new)
		return -ENOMEM;
	new->device = st->st_dev;
	new->inode = st->st_ino;
	memcpy(new->path, c->path.data, len);
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
		if (strcmp(*path, c->path.data) == 0)
			return true;
	return false;
}

/*
 * Mounts `from`, and all that is mounted below it, on `to`. Read-only before it is anywhere: it
 * is not ours to change.
 */
static int graft(int from, int to)
{
	struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };
	CLEANUP_FD int tree =
		(int)syscall(SYS_open_tree, from, "",
			     OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);
	if (tree < 0 ||
	    mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &read_only, sizeof(read_only)) <
		    0 ||
	    syscall(SYS_move_mount, tree, "", to, "",
		    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return -errno;
	return 0;
}

/* ------------------------------------------------------------------ walking */

static int copy_directory(struct copy *c, int from, int to, size_t depth);

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
			log_warning("%s is a device and left out: making it needs root",
				    c->path.data);
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
static int make_room(struct copy *c, int to, const char *name, bool folder)
{
	struct stat st;
	if (!c->rules->merge || fstatat(to, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (folder && S_ISDIR(st.st_mode))
		return 1;
	return copy_remove(to, name, c->err);
}

static int copy_folder(struct copy *c, int from, int to, const char *name, size_t depth)
{
	struct stat st;
	CLEANUP_FD int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (in < 0 || fstat(in, &st) < 0)
		return error_errno(c->err, errno, "read %s of the source", c->path.data);
	if (st.st_dev == c->to_stat.st_dev && st.st_ino == c->to_stat.st_ino)
		return error_set(c->err, ERROR_USAGE,
				 "the source holds the folder that it is "
				 "copied to");
	int there = make_room(c, to, name, true);
	if (there < 0)
		return -1;
	if (!there && mkdirat(to, name, 0700) < 0)
		return error_errno(c->err, errno, "make %s", c->path.data);
	CLEANUP_FD int out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (out < 0)
		return error_errno(c->err, errno, "make %s", c->path.data);
	int r;
	/* On the file system of the copy there may be the copy: to be found, and refused. */
	if (c->rules->changed && !is_changed(c) && st.st_dev != c->to_stat.st_dev) {
		r = graft(in, out);
	} else {
		if (copy_directory(c, in, out, depth + 1) < 0)
			return -1;
		r = finish(c, in, out, &st);
	}
	return r < 0 ? error_errno(c->err, -r, "copy %s", c->path.data) : 0;
}

static int copy_entry(struct copy *c, int from, int to, const char *name, size_t depth)
{
	struct stat st;
	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(c->err, errno, "read %s of the source", c->path.data);
	if (S_ISDIR(st.st_mode))
		return copy_folder(c, from, to, name, depth);
	if (make_room(c, to, name, false) < 0)
		return -1;
	int r = link_again(c, &st, to, name);
	if (r == 0) {
		if (S_ISREG(st.st_mode))
			r = copy_regular(c, from, to, name, &st);
		else if (S_ISLNK(st.st_mode))
			r = copy_symlink(c, from, to, name, &st);
		else
			r = copy_special(c, from, to, name, &st);
	}
	if (r >= 0)
		return 0;
	error_errno(c->err, -r, "copy %s of the source", c->path.data);
	if (r == -EACCES)
		error_hint(c->err, "an image must be complete: make the file readable for you or "
				   "remove it from the source");
	return -1;
}

static int copy_directory(struct copy *c, int from, int to, size_t depth)
{
	if (depth > TREE_DEPTH_MAX)
		return error_set(c->err, ERROR_LIMIT, "folders are nested deeper than %d",
				 TREE_DEPTH_MAX);
	CLEANUP_STRINGS struct strings names = { 0 };
	CLEANUP_FD int again = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = again < 0 ? NULL : fdopendir(again);
	if (!dir)
		return error_errno(c->err, errno, "read %s of the source", c->path.data);
	(void)fd_steal(&again);
	int result = 0;
	struct dirent *entry;
	while (result == 0 && (errno = 0, entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			result = strings_add(&names, entry->d_name, c->err);
	if (result == 0 && errno)
		result = error_errno(c->err, errno, "read %s of the source", c->path.data);
	(void)closedir(dir);
	for (size_t i = 0; result == 0 && i < names.len; i++) {
		size_t len = c->path.len;
		result = buffer_printf(&c->path, c->err, "/%s", names.items[i]);
		if (result == 0)
			result = copy_entry(c, from, to, names.items[i], depth);
		c->path.len = len;
		c->path.data[len] = '\0';
	}
	return result;
}

int copy_tree(int from, int to, const struct copy_rules *rules, struct error **err)
{
	struct copy c = { .rules = rules, .err = err, .buffer = malloc(COPY_BUFFER_LEN) };
	struct rlimit old = copy_raise_descriptors();
	struct stat st = { 0 };
	CLEANUP_FD int in = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_FD int out = openat(to, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int result = c.buffer ? 0 : error_no_memory(err);
	if (result == 0 && (in < 0 || out < 0 || fstat(in, &st) < 0 || fstat(out, &c.to_stat) < 0))
		result = error_errno(err, errno, "open the folder to copy");
	c.to_root = out;
	if (result == 0)
		result = buffer_puts(&c.path, "", err);
	if (result == 0)
		result = copy_directory(&c, in, out, 0);
	if (result == 0 && !rules->merge) {
		int r = finish(&c, in, out, &st);
		if (r < 0)
			result = error_errno(err, -r, "copy the top folder's mode");
	}
	if (result < 0 && c.owner_refused)
		fd_hint_owner(err);
	tdestroy(c.links, free);
	buffer_free(&c.path);
	free(c.buffer);
	(void)setrlimit(RLIMIT_NOFILE, &old);
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
	struct copy c = { .rules = &merging, .err = err };
	CLEANUP_FD int at = path_open_in_root(root, path, O_PATH, 0);
	if (at < 0)
		return error_errno(err, -at, "stat %s", path);
	if (fstat(at, &st) < 0)
		return error_errno(err, errno, "stat %s", path);
	bool folder = S_ISDIR(st.st_mode);
	int there = make_room(&c, to, name, folder);
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
	if (buffer_puts(&c.path, path, err) < 0)
		return -1;
	int r = file_from_root(&c, root, path, to, name, &st);
	buffer_free(&c.path);
	return r < 0 ? error_errno(err, -r, "copy %s", path) : 0;
}
