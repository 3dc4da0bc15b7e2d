/* SPDX-License-Identifier: Apache-2.0 */
#include "tree/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tree/format.h"
#include "tree/metadata.h"

/*
 * %files, spec deffile.md 11: what `cp -fLr` would do, but with each destination resolved inside
 * the container's root. Sources are the user's own paths on the host and links there are
 * followed; in the container nothing that is no regular file is written through.
 */

/* The folders above the one being copied, so that a link to one of them is seen. */
struct above {
	const struct above *above;
	dev_t device;
	ino_t inode;
};

static mode_t current_umask(void)
{
	mode_t mask = umask(0);
	umask(mask);
	return mask;
}

int files_open_parent(int root, const char *path, const char **ret_name, struct error **err)
{
	*ret_name = path_base_name(path);
	CLEANUP_TEXT char *parent = text_dup_len(path, (size_t)(*ret_name - path), err);
	if (!parent)
		return -1;
	int fd = path_open_in_root(root, *parent ? parent : "/", O_PATH | O_DIRECTORY, 0);
	return fd < 0 ? error_errno(err, -fd, "%s", *parent ? parent : "/") : fd;
}

/* Opens an existing regular file for writing, through links inside the root; -1 when it is to be
 * made anew. */
static int open_existing(int root, const char *path)
{
	struct stat st;
	CLEANUP_FD int at = path_open_in_root(root, path, O_PATH, 0);
	if (at < 0 || fstat(at, &st) < 0 || !S_ISREG(st.st_mode))
		return -1;
	int fd = path_open_in_root(root, path, O_WRONLY | O_TRUNC | O_NONBLOCK, 0);
	return fd < 0 ? -1 : fd;
}

static int copy_regular(int root, const char *source, const char *path, mode_t mode,
			struct error **err)
{
	CLEANUP_FD int in = open(source, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (in < 0)
		return error_errno(err, errno, "%s", source);
	CLEANUP_FD int out = open_existing(root, path);
	if (out < 0) {
		const char *name;
		CLEANUP_FD int parent = files_open_parent(root, path, &name, err);
		if (parent < 0)
			return -1;
		if (unlinkat(parent, name, 0) < 0 && errno != ENOENT)
			return error_errno(err, errno, "%s", path);
		out = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			     mode & 0777);
		if (out < 0)
			return error_errno(err, errno, "%s", path);
	}
	int r = copy_data(in, out);
	return r < 0 ? error_errno(err, -r, "%s", source) : 0;
}

static int copy_special(int root, const char *source, const char *path, const struct stat *st,
			struct error **err)
{
	const char *name;
	bool device = S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode);
	if (S_ISSOCK(st->st_mode)) {
		log_warning("%s is a socket, which nobody listens to in an image: it is left out",
			    source);
		return 0;
	}
	CLEANUP_FD int parent = files_open_parent(root, path, &name, err);
	if (parent < 0)
		return -1;
	if (unlinkat(parent, name, 0) < 0 && errno != ENOENT)
		return error_errno(err, errno, "%s", path);
	if (mknodat(parent, name, st->st_mode & (S_IFMT | 0777), st->st_rdev) == 0)
		return 0;
	int errnum = errno;
	error_errno(err, errnum, device ? "%s is a device" : "%s", source);
	return device && errnum == EPERM
		       ? error_hint(err, "to make a device needs root of the machine; a container "
					 "has the usual ones of itself")
		       : -1;
}

static int copy_any(int root, const char *source, const char *path, const struct above *above,
		    struct error **err);

static int copy_inside(int root, const char *source, const char *path, const struct above *here,
		       struct error **err)
{
	CLEANUP_STRINGS struct strings names = { 0 };
	int r = directory_names(AT_FDCWD, source, &names), result = 0;
	if (r < 0)
		return error_errno(err, -r, "%s", source);
	for (size_t i = 0; result == 0 && i < names.len; i++) {
		CLEANUP_TEXT char *from = path_join(source, names.items[i], err);
		CLEANUP_TEXT char *to = from ? path_join(path, names.items[i], err) : NULL;
		result = to ? copy_any(root, from, to, here, err) : -1;
	}
	return result;
}

static int copy_folder(int root, const char *source, const char *path, const struct stat *st,
		       const struct above *above, struct error **err)
{
	struct above here = { .above = above, .device = st->st_dev, .inode = st->st_ino };
	struct stat root_st;
	size_t depth = 0;
	for (const struct above *a = above; a; a = a->above, depth++)
		if (a->device == st->st_dev && a->inode == st->st_ino)
			return error_set(err, ERROR_USAGE, "%s: a folder that contains itself",
					 source);
	if (depth > TREE_DEPTH_MAX)
		return error_set(err, ERROR_LIMIT, "%s: folders are nested too deep", source);
	if (fstat(root, &root_st) == 0 && root_st.st_dev == st->st_dev &&
	    root_st.st_ino == st->st_ino)
		return error_set(err, ERROR_USAGE, "%s: the source holds the container", source);
	CLEANUP_FD int there = path_open_in_root(root, path, O_PATH | O_DIRECTORY, 0);
	bool made = false;
	if (there == -ENOTDIR)
		return error_set(err, ERROR_EXISTS,
				 "cannot overwrite non-directory %s with "
				 "directory %s",
				 path, source);
	if (there < 0) {
		const char *name;
		CLEANUP_FD int parent = files_open_parent(root, path, &name, err);
		if (parent < 0)
			return -1;
		/* Its own permissions come last: they may forbid to fill it. */
		if (mkdirat(parent, name, 0700) < 0)
			return error_errno(err, errno, "%s", path);
		made = true;
	}
	if (copy_inside(root, source, path, &here, err) < 0)
		return -1;
	if (!made)
		return 0;
	CLEANUP_FD int folder = path_open_in_root(root, path, O_RDONLY | O_DIRECTORY, 0);
	if (folder < 0 || fchmod(folder, st->st_mode & 0777 & ~current_umask()) < 0)
		return error_errno(err, folder < 0 ? -folder : errno, "%s", path);
	return 0;
}

/*
 * A link that leads nowhere. Below a folder that is copied it stays as it is, since where it leads
 * may be there in the container; one that is named itself is a mistake.
 */
static int copy_dangling(int root, const char *source, const char *path, const struct above *above,
			 int errnum, struct error **err)
{
	char target[PATH_MAX];
	const char *name;
	ssize_t len = readlink(source, target, sizeof(target) - 1);
	if (len < 0)
		return error_errno(err, errnum, "%s", source);
	target[len] = '\0';
	if (!above) {
		error_errno(err, errnum, "%s is a link to %s", source, target);
		return error_hint(err, "name a file that is there, or a folder that holds the "
				       "link: there it is kept");
	}
	log_warning("%s is a link to %s, which is not there: it is copied as a link", source,
		    target);
	CLEANUP_FD int parent = files_open_parent(root, path, &name, err);
	if (parent < 0)
		return -1;
	if ((unlinkat(parent, name, 0) < 0 && errno != ENOENT) ||
	    symlinkat(target, parent, name) < 0)
		return error_errno(err, errno, "%s", path);
	return 0;
}

static int copy_any(int root, const char *source, const char *path, const struct above *above,
		    struct error **err)
{
	struct stat st;
	if (stat(source, &st) < 0)
		return copy_dangling(root, source, path, above, errno, err);
	if (S_ISDIR(st.st_mode))
		return copy_folder(root, source, path, &st, above, err);
	if (S_ISREG(st.st_mode))
		return copy_regular(root, source, path, st.st_mode, err);
	return copy_special(root, source, path, &st, err);
}

/* The last component of a path, slashes at its end aside. */
static char *last_name(const char *path, struct error **err)
{
	size_t len = strlen(path);
	while (len > 1 && path[len - 1] == '/')
		len--;
	CLEANUP_TEXT char *whole = text_dup_len(path, len, err);
	return whole ? text_dup(path_base_name(whole), err) : NULL;
}

char *files_place(int root, const char *source, const char *destination, struct error **err)
{
	CLEANUP_TEXT char *path = path_join("/", destination, err);
	if (!path)
		return NULL;
	CLEANUP_FD int there = path_open_in_root(root, path, O_PATH, 0);
	if (there == -ENOENT) {
		/* With a slash at its end the whole path is a folder, else only its parent. */
		const char *name = path_base_name(path);
		CLEANUP_TEXT char *parent = text_dup_len(path, (size_t)(name - path), err);
		if (!parent)
			return NULL;
		fd_close(&there);
		there = path_make_directories(root, parent, 0755);
		if (there < 0) {
			error_errno(err, -there, "%s", parent);
			return NULL;
		}
		if (*name)
			return take_pointer(&path);
	} else if (there < 0) {
		error_errno(err, -there, "%s", path);
		return NULL;
	}
	struct stat st;
	if (fstat(there, &st) < 0) {
		error_errno(err, errno, "%s", path);
		return NULL;
	}
	if (!S_ISDIR(st.st_mode))
		return take_pointer(&path);
	CLEANUP_TEXT char *name = last_name(source, err);
	return name ? path_join(path, name, err) : NULL;
}

int files_copy_one(int root, const char *source, const char *destination, struct error **err)
{
	CLEANUP_TEXT char *path = files_place(root, source, destination, err);
	return path ? copy_any(root, source, path, NULL, err) : -1;
}

char *files_same_path(const char *source, struct error **err)
{
	CLEANUP_TEXT char *rooted = path_join("/", source, err);
	return rooted ? path_absolute(rooted, err) : NULL;
}

static int copy_line(int root, const char *source, const char *destination, struct error **err)
{
	CLEANUP_STRINGS struct strings paths = { 0 };
	if (!*source) {
		log_warning("Attempt to copy file with no name, skipping.");
		return 0;
	}
	log_info("Copying %s to %s", source, destination);
	if (expand_source(-1, source, &paths, err) < 0)
		return error_wrap(err, "while expanding source path: %s", source);
	for (size_t i = 0; i < paths.len; i++) {
		CLEANUP_TEXT char *to = *destination ? text_dup(destination, err)
						     : files_same_path(paths.items[i], err);
		if (!to)
			return -1;
		if (files_copy_one(root, paths.items[i], to, err) < 0)
			return error_wrap(err, "while copying [%s] to %s", paths.items[i], to);
	}
	return 0;
}

int files_copy(int root, const struct definition_section *s, struct error **err)
{
	struct span rest = span_of(s->body.data, s->body.len), line;
	while (span_line(&rest, &line)) {
		CLEANUP_TEXT char *source = NULL, *destination = NULL;
		if (definition_files_line(line, &source, &destination, err) < 0)
			return -1;
		if (source && copy_line(root, source, destination, err) < 0)
			return error_wrap(err, "unable to copy files from host to container fs");
	}
	return 0;
}
