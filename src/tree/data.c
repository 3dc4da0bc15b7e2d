/* SPDX-License-Identifier: Apache-2.0 */
#include "tree/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* What is in one file, and its attributes. */

static int copy_range(int from, int to, char *buffer, off_t begin, off_t end)
{
	while (begin < end) {
		size_t want = (uint64_t)(end - begin) < COPY_BUFFER_LEN ? (size_t)(end - begin)
									: COPY_BUFFER_LEN;
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

int copy_data_by(int from, int to, char *buffer)
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
