/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources: files, memory, and slices of another. The one check of bounds is in source_read, so that
 * no implementation needs its own: what it is asked for lies within its size.
 */
#include "io/io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int source_read(struct source *s, void *buf, size_t len, uint64_t off, struct error **err)
{
	if (!range_within(off, len, s->size))
		return error_set(err, ERROR_DAMAGED,
				 "%zu bytes at offset %llu lie past the end at %llu", len,
				 (unsigned long long)off, (unsigned long long)s->size);
	return len ? s->ops->read(s, buf, len, off, err) : 0;
}

void source_free(struct source **s)
{
	if (*s)
		(*s)->ops->free(*s);
	*s = NULL;
}

struct file_source {
	struct source source;
	int fd; /* owned */
};

static int file_read(struct source *s, void *buf, size_t len, uint64_t off, struct error **err)
{
	ssize_t n = fd_pread(((struct file_source *)s)->fd, buf, len, off);
	if (n < 0)
		return error_errno(err, (int)-n, "read the image file");
	if ((size_t)n < len)
		return error_set(err, ERROR_IO, "the image file has become shorter while in use");
	return 0;
}

static void file_free(struct source *s)
{
	fd_close(&((struct file_source *)s)->fd);
	free(s);
}

static const struct source_ops file_ops = { .read = file_read, .free = file_free };

int source_from_fd(int fd, struct source **ret, struct error **err)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "look at the image file");
	off_t size = S_ISREG(st.st_mode) ? st.st_size : lseek(fd, 0, SEEK_END);
	if (size < 0)
		return error_errno(err, errno, "find the size of the image");
	struct file_source *f = calloc(1, sizeof(*f));
	if (!f)
		return error_no_memory(err);
	f->source = (struct source){ .ops = &file_ops, .size = (uint64_t)size };
	f->fd = fd;
	*ret = &f->source;
	return 0;
}

struct memory_source {
	struct source source;
	const uint8_t *data; /* borrowed */
};

static int memory_read(struct source *s, void *buf, size_t len, uint64_t off, struct error **err)
{
	(void)err;
	memcpy(buf, ((struct memory_source *)s)->data + off, len);
	return 0;
}

static void memory_free(struct source *s)
{
	free(s);
}

static const struct source_ops memory_ops = { .read = memory_read, .free = memory_free };

int source_from_memory(const void *data, size_t len, struct source **ret, struct error **err)
{
	struct memory_source *m = calloc(1, sizeof(*m));
	if (!m)
		return error_no_memory(err);
	m->source = (struct source){ .ops = &memory_ops, .size = len };
	m->data = data;
	*ret = &m->source;
	return 0;
}

struct slice_source {
	struct source source;
	struct source *below; /* borrowed */
	uint64_t off;
};

static int slice_read(struct source *s, void *buf, size_t len, uint64_t off, struct error **err)
{
	struct slice_source *sl = (struct slice_source *)s;
	return source_read(sl->below, buf, len, sl->off + off, err);
}

static const struct source_ops slice_ops = { .read = slice_read, .free = memory_free };

int source_slice(struct source *below, uint64_t off, uint64_t len, struct source **ret,
		 struct error **err)
{
	if (!range_within(off, len, below->size))
		return error_set(err, ERROR_DAMAGED,
				 "%llu bytes at offset %llu lie past the end at %llu",
				 (unsigned long long)len, (unsigned long long)off,
				 (unsigned long long)below->size);
	struct slice_source *sl = calloc(1, sizeof(*sl));
	if (!sl)
		return error_no_memory(err);
	sl->source = (struct source){ .ops = &slice_ops, .size = len };
	sl->below = below;
	sl->off = off;
	*ret = &sl->source;
	return 0;
}
