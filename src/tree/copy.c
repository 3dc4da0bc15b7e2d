/* SPDX-License-Identifier: Apache-2.0 */
#include "tree/files.h"

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
#include <sys/xattr.h>
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
	bool devices_left_out;
	char *buffer;
};
#define BUFFER_LEN ((size_t)256 << 10)
#define GRAFT_MIN (64 << 10) /* a smaller file is copied in less time than a mount is made */

/* Two descriptors a level: the usual 1024 would end at 500 folders. */
static struct rlimit raise_descriptors(void)
{
	struct rlimit old = { 0 }, new;
	(void)getrlimit(RLIMIT_NOFILE, &old);
	new = old;
	rlim_t want = 2 * TREE_DEPTH_MAX + 64;
	if (new.rlim_cur < want)
		new.rlim_cur = want < new.rlim_max ? want : new.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &new);
	return old;
}

/* ------------------------------------------------------------------ one file */

static int copy_range(int from, int to, char *buffer, off_t begin, off_t end)
{
	while (begin < end) {
		size_t want =
			(uint64_t)(end - begin) < BUFFER_LEN ? (size_t)(end - begin) : BUFFER_LEN;
		ssize_t n = fd_pread(from, buffer, want, (uint64_t)begin);
		if (n < 0)
			return (int)n;
		if (n == 0)
			return 0; /* it has become shorter */
		int r = fd_pwrite(to, buffer, (size_t)n, (uint64_t)begin);
		if (r < 0)
			return r;
		begin += n;
	}
	return 0;
}

static int copy_data_with(int from, int to, char *buffer)
{
	struct stat st;
	if (fstat(from, &st) < 0)
		return -errno;
	off_t at = 0;
	while (at < st.st_size) {
		off_t data = lseek(from, at, SEEK_DATA), hole;
		if (data < 0 && errno == ENXIO)
			break;
		if (data < 0) /* the file system knows no holes */
			data = at;
		hole = lseek(from, data, SEEK_HOLE);
		if (hole < 0)
			hole = st.st_size;
		int r = copy_range(from, to, buffer, data, hole);
		if (r < 0)
			return r;
		at = hole;
	}
	return ftruncate(to, st.st_size) < 0 ? -errno : 0;
}

int copy_data(int from, int to)
{
	char *buffer = malloc(BUFFER_LEN);
	int r = buffer ? copy_data_with(from, to, buffer) : -ENOMEM;
	free(buffer);
	return r;
}

/* Attributes of what `link` (a path through /proc) stands for. Some are not ours to set. */
static int copy_attributes(const char *from, const char *to)
{
	char names[4096], value[65536];
	ssize_t len = listxattr(from, names, sizeof(names));
	if (len < 0)
		return errno == ENOTSUP || errno == EPERM || errno == EACCES ? 0 : -errno;
	for (char *name = names; name < names + len; name += strlen(name) + 1) {
		ssize_t n = getxattr(from, name, value, sizeof(value));
		if (n < 0 && (errno == ENODATA || errno == EPERM || errno == EACCES))
			continue;
		if (n < 0)
			return -errno;
		if (setxattr(to, name, value, (size_t)n, 0) < 0 && errno != ENOTSUP &&
		    errno != EPERM && errno != EACCES && errno != EINVAL)
			return -errno;
	}
	return 0;
}

/* from: the source, or the folder that it is in. */
static int set_owner(struct copy *c, int from, int dirfd, const char *name, const struct stat *st)
{
	uid_t uid = st->st_uid;
	gid_t gid = st->st_gid;
	if (!c->rules->owners)
		return 0;
	if (c->rules->unmapped_to_root)
		fd_unmapped_to_root(from, &uid, &gid);
	return fchownat(dirfd, name, uid, gid, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) < 0 ? -errno
											: 0;
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
		r = copy_attributes(from_path, to_path);
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
	int r = copy_data_with(in, out, c->buffer);
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
	if (mkdirat(to, name, 0700) < 0)
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
	struct copy c = { .rules = rules, .err = err, .buffer = malloc(BUFFER_LEN) };
	struct rlimit old = raise_descriptors();
	struct stat st = { 0 };
	CLEANUP_FD int in = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_FD int out = openat(to, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int result = 0;
	if (!c.buffer)
		result = error_no_memory(err);
	else if (in < 0 || out < 0 || fstat(in, &st) < 0 || fstat(out, &c.to_stat) < 0)
		result = error_errno(err, errno, "open the folder to copy");
	c.to_root = out;
	if (result == 0)
		result = buffer_puts(&c.path, "", err);
	if (result == 0)
		result = copy_directory(&c, in, out, 0);
	if (result == 0) {
		int r = finish(&c, in, out, &st);
		if (r < 0)
			result = error_errno(err, -r, "copy the top folder's mode");
	}
	tdestroy(c.links, free);
	buffer_free(&c.path);
	free(c.buffer);
	(void)setrlimit(RLIMIT_NOFILE, &old);
	return result;
}

/* ------------------------------------------------------------------ removing, mending */

static int remove_below(int fd, size_t depth)
{
	if (depth > TREE_DEPTH_MAX)
		return -ELOOP;
	(void)fchmod(fd, 0700);
	CLEANUP_FD int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = again < 0 ? NULL : fdopendir(again);
	if (!dir)
		return -errno;
	(void)fd_steal(&again);
	int result = 0;
	struct dirent *entry;
	while (result == 0 && (errno = 0, entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") ||
		    unlinkat(fd, entry->d_name, 0) == 0)
			continue;
		if (errno != EISDIR && errno != EPERM) {
			result = -errno;
			break;
		}
		CLEANUP_FD int path =
			openat(fd, entry->d_name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		char link[32];
		snprintf(link, sizeof(link), "/proc/self/fd/%d", path);
		/* Before it can be opened: it may have no permission for its owner. */
		if (path >= 0)
			(void)chmod(link, 0700);
		CLEANUP_FD int inner =
			openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		result = inner < 0 ? -errno : remove_below(inner, depth + 1);
		if (result == 0 && unlinkat(fd, entry->d_name, AT_REMOVEDIR) < 0)
			result = -errno;
	}
	if (result == 0 && errno)
		result = -errno;
	(void)closedir(dir);
	return result;
}

int copy_remove(int parent, const char *name, struct error **err)
{
	if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
		return 0;
	struct rlimit old = raise_descriptors();
	CLEANUP_FD int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r = fd < 0 ? -errno : remove_below(fd, 0);
	if (r == 0 && unlinkat(parent, name, AT_REMOVEDIR) < 0)
		r = -errno;
	(void)setrlimit(RLIMIT_NOFILE, &old);
	return r < 0 ? error_errno(err, -r, "remove %s", name) : 0;
}

static int fix_below(int fd, size_t depth)
{
	if (depth > TREE_DEPTH_MAX)
		return -ELOOP;
	CLEANUP_FD int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = again < 0 ? NULL : fdopendir(again);
	if (!dir)
		return -errno;
	(void)fd_steal(&again);
	int result = 0;
	struct dirent *entry;
	while (result == 0 && (errno = 0, entry = readdir(dir))) {
		struct stat st;
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			result = -errno;
			break;
		}
		mode_t want = S_ISDIR(st.st_mode) ? 0700 : S_ISREG(st.st_mode) ? 0600 : 0;
		if ((st.st_mode & want) != want &&
		    fchmodat(fd, entry->d_name, (st.st_mode & 07777) | want, 0) < 0)
			result = -errno;
		if (result == 0 && S_ISDIR(st.st_mode)) {
			CLEANUP_FD int inner = openat(
				fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			result = inner < 0 ? -errno : fix_below(inner, depth + 1);
		}
		errno = 0;
	}
	if (result == 0 && errno)
		result = -errno;
	(void)closedir(dir);
	return result;
}

int copy_fix_permissions(int root, struct error **err)
{
	struct rlimit old = raise_descriptors();
	int r = fix_below(root, 0);
	(void)setrlimit(RLIMIT_NOFILE, &old);
	return r < 0 ? error_errno(err, -r, "give permissions to the owner") : 0;
}
