/* SPDX-License-Identifier: Apache-2.0 */
#include "tree/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* What is in one file, and its attributes. */

#define OFF_MAX ((off_t)INT64_MAX)

/*
 * Returns where it came to: before `end` where the file ends sooner, which is what those of sysfs
 * do, and a file that has become shorter. Or -errno.
 */
static off_t copy_range(int from, int to, char *buffer, off_t begin, off_t end)
{
	while (begin < end) {
		size_t want = (uint64_t)(end - begin) < COPY_BUFFER_LEN ? (size_t)(end - begin)
									: COPY_BUFFER_LEN;
		ssize_t n = fd_pread(from, buffer, want, (uint64_t)begin);
		if (n < 0)
			return n;
		if (n == 0)
			break;
		int r = fd_pwrite(to, buffer, (size_t)n, (uint64_t)begin);
		if (r < 0)
			return r;
		begin += n;
	}
	return begin;
}

/* What can only be read from its beginning to its end. Returns its length, or -errno. */
static off_t copy_stream(int from, int to, char *buffer)
{
	off_t at = 0;
	for (;;) {
		ssize_t n = read(from, buffer, COPY_BUFFER_LEN);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : at;
		int r = fd_pwrite(to, buffer, (size_t)n, (uint64_t)at);
		if (r < 0)
			return r;
		at += n;
	}
}

/* The extents that a file says it has. Returns where it ends, or -errno. */
static off_t copy_extents(int from, int to, char *buffer, off_t size)
{
	off_t at = 0;
	while (at < size) {
		off_t data = lseek(from, at, SEEK_DATA), hole;
		if (data < 0 && errno == ENXIO)
			break;
		if (data < 0) /* the file system knows no holes */
			data = at;
		hole = lseek(from, data, SEEK_HOLE);
		if (hole < 0)
			hole = size;
		off_t end = copy_range(from, to, buffer, data, hole);
		if (end < hole)
			return end;
		at = hole;
	}
	return size;
}

/* Read to its end whatever size it has said to have: files of procfs say 0. */
int copy_data_by(int from, int to, char *buffer)
{
	struct stat st;
	if (fstat(from, &st) < 0)
		return -errno;
	off_t size = copy_extents(from, to, buffer, st.st_size);
	if (size == st.st_size)
		size = copy_range(from, to, buffer, size, OFF_MAX);
	if (size == -ESPIPE)
		size = copy_stream(from, to, buffer);
	if (size < 0)
		return (int)size;
	return ftruncate(to, size) < 0 ? -errno : 0;
}

int copy_data(int from, int to)
{
	char *buffer = malloc(COPY_BUFFER_LEN);
	int r = buffer ? copy_data_by(from, to, buffer) : -ENOMEM;
	free(buffer);
	return r;
}

/* Attributes of what `link` (a path through /proc) stands for. Some are not ours to set. */
int copy_attributes_of(const char *from, const char *to)
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
