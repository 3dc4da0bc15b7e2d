/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* The folders of the tree that entries go into: from the path of one to a descriptor. */

char *oci_path_clean(const char *path, struct error **err)
{
	CLEANUP_BUFFER struct buffer out = { 0 };
	unsigned depth = 0;
	for (const char *at = path; *at;) {
		size_t len = strcspn(at, "/");
		if (len == 2 && !memcmp(at, "..", 2)) {
			while (out.len && out.data[--out.len] != '/')
				;
			depth -= depth ? 1 : 0;
		} else if (len && !(len == 1 && *at == '.')) {
			if (len > OCI_NAME_MAX || out.len + len + 1 > OCI_PATH_MAX ||
			    ++depth > OCI_DEPTH_MAX) {
				error_set(err, ERROR_LIMIT, "a path in a layer is too long");
				return NULL;
			}
			if ((out.len && buffer_puts(&out, "/", err) < 0) ||
			    buffer_append(&out, at, len, err) < 0)
				return NULL;
		}
		at += len + (at[len] ? 1 : 0);
	}
	if (out.data)
		out.data[out.len] = '\0';
	return buffer_steal(&out, err);
}

const char *oci_path_part(char *path, const char **ret_folder)
{
	char *slash = strrchr(path, '/');
	*ret_folder = slash ? path : "";
	if (!slash)
		return path;
	*slash = '\0';
	return slash + 1;
}

int oci_folder_leave(struct oci_unpacker *u, struct error **err)
{
	if (u->folder < 0)
		return 0;
	const struct timespec times[2] = { u->folder_time, u->folder_time };
	/* It may be gone. */
	if (utimensat(u->folder, ".", times, 0) < 0 && errno != ENOENT)
		return error_errno(err, errno, "set the time of a folder");
	fd_close(&u->folder);
	text_free(&u->folder_path);
	return 0;
}

/* Links lead deeper than a path can say: how deep a folder really is, its way up tells. */
static int check_depth(const struct oci_unpacker *u, int folder, struct error **err)
{
	struct stat root, st;
	if (fstat(u->root, &root) < 0)
		return error_errno(err, errno, "look at the tree");
	CLEANUP_FD int at = openat(folder, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (unsigned depth = 0; depth < OCI_DEPTH_MAX; depth++) {
		if (at < 0 || fstat(at, &st) < 0)
			return error_errno(err, errno, "look at a folder of the tree");
		if (st.st_ino == root.st_ino && st.st_dev == root.st_dev)
			return 0;
		int above = openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		fd_close(&at);
		at = above;
	}
	return error_set(err, ERROR_LIMIT, "folders in a layer are too deep");
}

/* A descriptor, or -errno; -1 with *err. */
static int open_folder(struct oci_unpacker *u, const char *path, struct error **err)
{
	const char *whole = *path ? path : "/";
	/* Where no link is on the way the path says how deep it is: the usual, and quick. */
	int fd = path_open_no_links(u->root, whole, O_PATH | O_DIRECTORY, 0);
	if (fd != -ELOOP)
		return fd;
	fd = path_open_in_root(u->root, whole, O_PATH | O_DIRECTORY, 0);
	if (fd >= 0 && check_depth(u, fd, err) < 0)
		fd_close(&fd);
	return fd;
}

/* A folder that no layer has spoken of; the one above it keeps its time. */
static int make_missing(struct oci_unpacker *u, const char *path, struct error **err)
{
	const char *above;
	CLEANUP_TEXT char *copy = text_dup(path, err);
	if (!copy)
		return -1;
	const char *name = oci_path_part(copy, &above);
	if (oci_folder_enter(u, above, err) < 0)
		return -1;
	/* What is there and leads nowhere stays so, and is found out by whoever opens it. */
	if (mkdirat(u->folder, name, 0755) == 0) {
		if (oci_count_entry(u, err) < 0)
			return -1;
	} else if (errno != EEXIST) {
		return error_errno(err, errno, "make a folder of the tree");
	}
	return oci_folder_leave(u, err);
}

int oci_folder_enter(struct oci_unpacker *u, const char *path, struct error **err)
{
	struct stat st;
	if (u->folder >= 0 && !strcmp(u->folder_path, path))
		return 0;
	if (oci_folder_leave(u, err) < 0)
		return -1;
	CLEANUP_TEXT char *copy = text_dup(path, err);
	if (!copy)
		return -1;
	CLEANUP_FD int fd = open_folder(u, path, err);
	if (fd == -ENOENT && *path) {
		if (make_missing(u, path, err) < 0)
			return -1;
		fd = open_folder(u, path, err);
	}
	if (*err)
		return -1;
	if (fd == -ENOENT || fd == -ELOOP || fd == -ENOTDIR)
		return error_set(err, ERROR_DAMAGED, "a path in a layer leads nowhere");
	if (fd < 0)
		return error_errno(err, -fd, "open a folder of the tree");
	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "look at a folder of the tree");
	u->folder = fd_steal(&fd);
	u->folder_ino = st.st_ino;
	u->folder_time = st.st_mtim;
	u->folder_path = take_pointer(&copy);
	return 0;
}
