/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_how(int root_fd, const char *path, int flags, mode_t mode, uint64_t resolve)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		/* The kernel refuses a mode where nothing can be created. */
		.mode = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? mode : 0,
		.resolve = resolve | RESOLVE_NO_MAGICLINKS,
	};
	for (int tries = 0;; tries++) {
		int fd = (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
		if (fd >= 0)
			return fd;
		/* EAGAIN: a rename ran across the look-up and the kernel could not prove it safe.
		 */
		if (errno != EINTR && (errno != EAGAIN || tries > 32))
			return -errno;
	}
}

int path_open_in_root(int root_fd, const char *path, int flags, mode_t mode)
{
	return open_how(root_fd, path, flags, mode, RESOLVE_IN_ROOT);
}

int path_open_no_links(int root_fd, const char *path, int flags, mode_t mode)
{
	return open_how(root_fd, path, flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
}

int path_make_directories(int root_fd, const char *path, mode_t mode)
{
	int whole = path_open_in_root(root_fd, path, O_PATH | O_DIRECTORY, 0);
	if (whole != -ENOENT)
		return whole;
	/* Each prefix is resolved from the root anew: a ".." after a link is then the kernel's to
	 * settle, and a link that appears meanwhile cannot lead out. */
	CLEANUP_ERROR struct error *ignored = NULL;
	CLEANUP_TEXT char *copy = text_dup(path, &ignored);
	if (!copy)
		return -ENOMEM;
	char *at = copy;
	for (;;) {
		while (*at == '/')
			at++;
		size_t name_len = strcspn(at, "/");
		if (!name_len)
			break;
		char *end = at + name_len, kept = *end;
		CLEANUP_FD int parent = -1;
		char first = *at;
		*at = '\0';
		parent = path_open_in_root(root_fd, *copy ? copy : ".", O_PATH | O_DIRECTORY, 0);
		*at = first;
		if (parent < 0)
			return parent;
		*end = '\0';
		bool dots = !strcmp(at, ".") || !strcmp(at, "..");
		if (!dots && mkdirat(parent, at, mode) < 0 && errno != EEXIST)
			return -errno;
		*end = kept;
		at = end;
	}
	return path_open_in_root(root_fd, path, O_PATH | O_DIRECTORY, 0);
}

const char *path_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

bool path_goes_up(const char *path)
{
	for (;;) {
		path += strspn(path, "/");
		size_t len = strcspn(path, "/");
		if (!len)
			return false;
		if (len == 2 && !memcmp(path, "..", 2))
			return true;
		path += len;
	}
}

char *path_join(const char *a, const char *b, struct error **err)
{
	size_t len = strlen(a);
	while (len && a[len - 1] == '/')
		len--;
	while (*b == '/')
		b++;
	return text_printf(err, "%.*s/%s", (int)len, a, b);
}

char *path_absolute(const char *path, struct error **err)
{
	CLEANUP_TEXT char *whole = NULL;
	if (*path == '/') {
		whole = text_dup(path, err);
	} else {
		CLEANUP_TEXT char *cwd = getcwd(NULL, 0);
		if (!cwd) {
			error_errno(err, errno, "determine the current directory");
			return NULL;
		}
		whole = path_join(cwd, path, err);
	}
	if (!whole)
		return NULL;
	CLEANUP_BUFFER struct buffer out = { 0 };
	for (char *at = whole; *at;) {
		while (*at == '/')
			at++;
		size_t len = strcspn(at, "/");
		if (len == 2 && !memcmp(at, "..", 2)) {
			while (out.len && out.data[--out.len] != '/')
				;
		} else if (len && !(len == 1 && *at == '.')) {
			if (buffer_puts(&out, "/", err) < 0 ||
			    buffer_append(&out, at, len, err) < 0)
				return NULL;
		}
		at += len;
	}
	if (!out.len && buffer_puts(&out, "/", err) < 0)
		return NULL;
	out.data[out.len] = '\0';
	return buffer_steal(&out, err);
}
