/* SPDX-License-Identifier: Apache-2.0 */
#include "tree/metadata.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int tree_exists(int root, const char *path)
{
	CLEANUP_FD int fd = path_open_in_root(root, path, O_PATH | O_NOFOLLOW, 0);
	return fd >= 0;
}

/* A regular file for reading. Opening a pipe or a device could wait or act, so they are looked at
 * before. Returns a descriptor, or -errno; -EINVAL for what is no regular file. */
static int open_regular(int root, const char *path, int flags)
{
	struct stat st;
	CLEANUP_FD int at = path_open_in_root(root, path, O_PATH, 0);
	if (at < 0)
		return at;
	if (fstat(at, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	/* The tree is ours alone now: nobody can put another file there in between; O_NONBLOCK all
	 * the same. */
	return path_open_in_root(root, path, flags | O_NONBLOCK, 0);
}

int tree_read(int root, const char *path, size_t limit, struct buffer *ret, struct error **err)
{
	CLEANUP_FD int fd = open_regular(root, path, O_RDONLY);
	if (fd == -ENOENT || fd == -ENOTDIR || fd == -EINVAL || fd == -ELOOP)
		return 0;
	if (fd < 0)
		return error_errno(err, -fd, "open %s of the container", path);
	return fd_read_all(fd, limit, path, ret, err) < 0 ? -1 : 1;
}

static int open_parent(int root, const char *path, const char **ret_name, struct error **err)
{
	*ret_name = path_base_name(path);
	CLEANUP_TEXT char *parent = text_dup_len(path, (size_t)(*ret_name - path), err);
	if (!parent)
		return -1;
	int fd = path_open_in_root(root, *parent ? parent : "/", O_PATH | O_DIRECTORY, 0);
	return fd < 0 ? error_errno(err, -fd, "open %s of the container", parent) : fd;
}

static int write_all(int fd, const char *path, mode_t mode, const void *data, size_t len,
		     struct error **err)
{
	int r = fd_write(fd, data, len);
	if (r == 0 && fchmod(fd, mode) < 0)
		r = -errno;
	return r < 0 ? error_errno(err, -r, "write %s of the container", path) : 0;
}

int tree_write(int root, const char *path, mode_t mode, const void *data, size_t len,
	       struct error **err)
{
	const char *name;
	CLEANUP_FD int parent = open_parent(root, path, &name, err);
	if (parent < 0)
		return -1;
	if (unlinkat(parent, name, 0) < 0 && errno != ENOENT)
		return error_errno(err, errno, "replace %s of the container", path);
	CLEANUP_FD int fd =
		openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_errno(err, errno, "create %s of the container", path);
	return write_all(fd, path, mode, data, len, err);
}

int tree_append(int root, const char *path, mode_t mode, const void *data, size_t len,
		struct error **err)
{
	CLEANUP_FD int fd = open_regular(root, path, O_WRONLY | O_APPEND);
	return fd < 0 ? tree_write(root, path, mode, data, len, err)
		      : write_all(fd, path, mode, data, len, err);
}

int tree_make_directory(int root, const char *path, mode_t mode, struct error **err)
{
	CLEANUP_FD int fd = path_make_directories(root, path, mode);
	return fd < 0 ? error_errno(err, -fd, "make the folder %s of the container", path) : 0;
}

int tree_list(int root, const char *path, struct strings *ret, struct error **err)
{
	CLEANUP_FD int fd = path_open_in_root(root, path, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return 0;
	int r = directory_names(fd, ".", ret);
	if (r < 0)
		return error_errno(err, -r, "read the folder %s of the container", path);
	strings_sort(ret);
	return 1;
}
