/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sinks: files, and all of another from an offset on. As in source.c the checks and the size are
 * here, in what is called, and not in each implementation.
 */
#include "io/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int sink_write(struct sink *s, const void *buf, size_t len, uint64_t off, struct error **err)
{
	uint64_t end;
	if (!checked_add(off, (uint64_t)len, &end) || end > INT64_MAX)
		return error_set(err, ERROR_LIMIT, "a write past the largest possible file");
	/* Nothing written moves no end, as with pwrite(2). */
	if (!len)
		return 0;
	if (s->ops->write(s, buf, len, off, err) < 0)
		return -1;
	if (end > s->size)
		s->size = end;
	return 0;
}

int sink_read(struct sink *s, void *buf, size_t len, uint64_t off, struct error **err)
{
	if (!range_within(off, len, s->size))
		return error_set(err, ERROR_INTERNAL, "reading back past the end of the output");
	return len ? s->ops->read(s, buf, len, off, err) : 0;
}

int sink_truncate(struct sink *s, uint64_t size, struct error **err)
{
	if (s->ops->truncate(s, size, err) < 0)
		return -1;
	s->size = size;
	return 0;
}

int sink_finish(struct sink *s, struct error **err)
{
	return s->ops->finish(s, err);
}

void sink_free(struct sink **s)
{
	if (*s)
		(*s)->ops->free(*s);
	*s = NULL;
}

/*
 * The disk begins to write when so much is there for it, and not when all is: what calls fsync at
 * the end then waits for the last of it alone.
 */
#define WRITE_BEHIND ((uint64_t)8 << 20)

struct file_sink {
	struct sink sink;
	int fd;		/* borrowed */
	uint64_t begun; /* what lies before was given to the disk */
};

static int file_write(struct sink *s, const void *buf, size_t len, uint64_t off, struct error **err)
{
	struct file_sink *f = (struct file_sink *)s;
	int r = fd_pwrite(f->fd, buf, len, off);
	if (r < 0)
		return error_errno(err, -r, "write the image file");
	uint64_t end = off + len;
	if (end >= f->begun + WRITE_BEHIND) {
		/* A wish: whether it was written is for fsync to say. */
		(void)sync_file_range(f->fd, (off_t)f->begun, (off_t)(end - f->begun),
				      SYNC_FILE_RANGE_WRITE);
		f->begun = end;
	}
	return 0;
}

static int file_read(struct sink *s, void *buf, size_t len, uint64_t off, struct error **err)
{
	ssize_t n = fd_pread(((struct file_sink *)s)->fd, buf, len, off);
	if (n < 0)
		return error_errno(err, (int)-n, "read the image file back");
	if ((size_t)n < len)
		return error_set(err, ERROR_IO, "the image file was cut while being written");
	return 0;
}

static int file_truncate(struct sink *s, uint64_t size, struct error **err)
{
	struct file_sink *f = (struct file_sink *)s;
	int r;
	do
		r = ftruncate(f->fd, (off_t)size);
	while (r < 0 && errno == EINTR);
	if (f->begun > size)
		f->begun = size;
	return r < 0 ? error_errno(err, errno, "set the size of the image file") : 0;
}

static int nothing_to_finish(struct sink *s, struct error **err)
{
	(void)s;
	(void)err;
	return 0;
}

static void plain_free(struct sink *s)
{
	free(s);
}

static const struct sink_ops file_ops = {
	.write = file_write,
	.read = file_read,
	.truncate = file_truncate,
	.finish = nothing_to_finish,
	.free = plain_free,
};

int sink_from_fd(int fd, struct sink **ret, struct error **err)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "look at the image file");
	struct file_sink *f = calloc(1, sizeof(*f));
	if (!f)
		return error_no_memory(err);
	f->sink = (struct sink){ .ops = &file_ops, .size = (uint64_t)st.st_size };
	f->fd = fd;
	*ret = &f->sink;
	return 0;
}

struct offset_sink {
	struct sink sink;
	struct sink *below; /* borrowed */
	uint64_t base;
};

static int offset_write(struct sink *s, const void *buf, size_t len, uint64_t off,
			struct error **err)
{
	struct offset_sink *o = (struct offset_sink *)s;
	return sink_write(o->below, buf, len, o->base + off, err);
}

static int offset_read(struct sink *s, void *buf, size_t len, uint64_t off, struct error **err)
{
	struct offset_sink *o = (struct offset_sink *)s;
	return sink_read(o->below, buf, len, o->base + off, err);
}

static int offset_truncate(struct sink *s, uint64_t size, struct error **err)
{
	struct offset_sink *o = (struct offset_sink *)s;
	return sink_truncate(o->below, o->base + size, err);
}

static const struct sink_ops offset_ops = {
	.write = offset_write,
	.read = offset_read,
	.truncate = offset_truncate,
	.finish = nothing_to_finish,
	.free = plain_free,
};

int sink_offset(struct sink *below, uint64_t base, struct sink **ret, struct error **err)
{
	struct offset_sink *o = calloc(1, sizeof(*o));
	if (!o)
		return error_no_memory(err);
	o->sink = (struct sink){ .ops = &offset_ops };
	o->below = below;
	o->base = base;
	*ret = &o->sink;
	return 0;
}
