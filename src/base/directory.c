/* SPDX-License-Identifier: Apache-2.0 */
#include "base/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"

int directory_open(int at, const char *path, struct directory *ret)
{
	CLEANUP_FD int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	if (!stream)
		return -errno;
	(void)fd_steal(&fd); /* closedir closes it */
	*ret = (struct directory){ .stream = stream };
	return 0;
}

const struct dirent *directory_next(struct directory *d)
{
	struct dirent *entry;
	do {
		errno = 0;
		entry = readdir(d->stream);
	} while (entry && (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")));
	d->errnum = entry ? 0 : errno;
	return entry;
}

void directory_close(struct directory *d)
{
	if (d->stream)
		(void)closedir(d->stream);
	d->stream = NULL;
}

int directory_names(int at, const char *path, struct strings *ret)
{
	CLEANUP_DIRECTORY struct directory d = { 0 };
	int r = directory_open(at, path, &d);
	if (!d.stream)
		return r;
	for (const struct dirent *entry; (entry = directory_next(&d));) {
		CLEANUP_ERROR struct error *failed = NULL;
		if (strings_add(ret, entry->d_name, &failed) < 0)
			return -ENOMEM;
	}
	return -d.errnum;
}
