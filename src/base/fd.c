/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void fd_close(int *fd)
{
	if (*fd < 0)
		return;
	int saved = errno;
	/* Not repeated on EINTR: Linux has closed it all the same. */
	/* server-calls: close */
	(void)close(*fd);
	*fd = -1;
	errno = saved;
}

ssize_t fd_pread(int fd, void *buf, size_t len, uint64_t off)
{
	size_t done = 0;
	if (off > INT64_MAX || len > INT64_MAX - off)
		return -EINVAL;
	while (done < len) {
		/* server-calls: pread64 */
		ssize_t n = pread(fd, (char *)buf + done, len - done, (off_t)(off + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int fd_pwrite(int fd, const void *buf, size_t len, uint64_t off)
{
	size_t done = 0;
	if (off > INT64_MAX || len > INT64_MAX - off)
		return -EINVAL;
	while (done < len) {
		ssize_t n = pwrite(fd, (const char *)buf + done, len - done, (off_t)(off + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

ssize_t fd_read(int fd, void *buf, size_t len)
{
	size_t done = 0;
	while (done < len) {
		ssize_t n = read(fd, (char *)buf + done, len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int fd_write(int fd, const void *buf, size_t len)
{
	size_t done = 0;
	while (done < len) {
		/* server-calls: write */
		ssize_t n = write(fd, (const char *)buf + done, len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

int fd_read_all(int fd, size_t limit, const char *name, struct buffer *ret, struct error **err)
{
	size_t total = 0;
	for (;;) {
		char *to = buffer_reserve(ret, 4096, err);
		if (!to)
			return -1;
		ssize_t n = fd_read(fd, to, 4096);
		if (n < 0)
			return error_errno(err, (int)-n, "read %s", name);
		total += (size_t)n;
		if (total > limit)
			return error_set(err, ERROR_LIMIT, "%s is larger than %zu bytes", name,
					 limit);
		ret->len += (size_t)n;
		ret->data[ret->len] = '\0';
		if (n < 4096)
			return 0;
	}
}

int fd_read_file(int dirfd, const char *path, size_t limit, struct buffer *ret, struct error **err)
{
	CLEANUP_FD int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "open %s", path);
	return fd_read_all(fd, limit, path, ret, err);
}

/* How the kernel shows ids that a user namespace does not map: /proc/sys/kernel/overflowuid. */
#define UNMAPPED 65534

void fd_unmapped_to_root(int fd, uid_t *uid, gid_t *gid)
{
	if (*uid != UNMAPPED && *gid != UNMAPPED)
		return;
	/* Root of a namespace may ask for this where the owner is mapped (open(2)). Nothing else
	 * tells both apart, and looks only. */
	int flags = fcntl(fd, F_GETFL);
	bool mapped = flags >= 0 && fcntl(fd, F_SETFL, flags | O_NOATIME) == 0;
	/* Our own files may have any group that we are in. Another's, if he is mapped, have one
	 * that is: else nobody here could have given them to him. */
	if (*gid == UNMAPPED && (!mapped || *uid == geteuid()))
		*gid = 0;
	if (*uid == UNMAPPED && !mapped)
		*uid = 0;
}

int fd_hint_owner(struct error **err)
{
	return error_hint(err, "this file system keeps no owners of other numbers, as those over a "
			       "network and by FUSE: build in a folder of another one, or with "
			       "--ignore-subuid, by which all files are yours");
}

int fd_rename_new(int from, const char *name, int to, const char *target)
{
	if (renameat2(from, name, to, target, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL)
		return -errno;
	if (linkat(from, name, to, target, 0) == 0)
		return unlinkat(from, name, 0) < 0 ? -errno : 0;
	if (errno == EEXIST || faccessat(to, target, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	return renameat(from, name, to, target) < 0 ? -errno : 0;
}
