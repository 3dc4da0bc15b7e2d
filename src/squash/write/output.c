/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libsquashfs writes to what it takes for a file; here that is a sink, so that the image is sealed
 * as it is written, in its final place.
 *
 * The library reports an error as a number. The sink's error object, which knows the cause, is kept
 * beside it until squash_check asks. After an error its worker threads are still to be waited for,
 * and may write again: `draining` turns all of that away, so that nothing follows the error.
 */
#include "squash/write/internal.h"

#include <sqfs/error.h>

static struct squash_output *output_of(sqfs_file_t *file)
{
	return (struct squash_output *)file;
}

/* libsquashfs knows no causes but its own numbers, so the sink's error waits here. */
static int keep(struct squash_output *o, int r, struct error **err)
{
	if (r == 0)
		return 0;
	if (o->error)
		error_free(err);
	else
		o->error = *err;
	return SQFS_ERROR_IO;
}

static int read_at(sqfs_file_t *file, sqfs_u64 off, void *buf, size_t len)
{
	struct squash_output *o = output_of(file);
	struct error *err = NULL;
	if (o->draining)
		return SQFS_ERROR_IO;
	return keep(o, sink_read(o->sink, buf, len, off, &err), &err);
}

static int write_at(sqfs_file_t *file, sqfs_u64 off, const void *buf, size_t len)
{
	struct squash_output *o = output_of(file);
	struct error *err = NULL;
	if (o->draining)
		return SQFS_ERROR_IO;
	return keep(o, sink_write(o->sink, buf, len, off, &err), &err);
}

static int truncate_to(sqfs_file_t *file, sqfs_u64 size)
{
	struct squash_output *o = output_of(file);
	struct error *err = NULL;
	if (o->draining)
		return SQFS_ERROR_IO;
	return keep(o, sink_truncate(o->sink, size, &err), &err);
}

static sqfs_u64 get_size(const sqfs_file_t *file)
{
	return ((const struct squash_output *)file)->sink->size;
}

static void destroy(sqfs_object_t *object)
{
	(void)object; /* lives in its owner */
}

void squash_output_init(struct squash_output *o, struct sink *sink)
{
	*o = (struct squash_output){
		.file = { .base = { .destroy = destroy },
			  .read_at = read_at,
			  .write_at = write_at,
			  .get_size = get_size,
			  .truncate = truncate_to },
		.sink = sink,
	};
}

void squash_output_done(struct squash_output *o)
{
	error_free(&o->error);
}

int squash_check(struct squash_output *o, int returned, const char *what, struct error **err)
{
	if (returned >= 0)
		return 0;
	if (returned == SQFS_ERROR_IO && o->error) {
		*err = take_pointer(&o->error);
		return -1;
	}
	switch (returned) {
	case SQFS_ERROR_ALLOC:
		return error_set(err, ERROR_MEMORY, "%s: out of memory", what);
	case SQFS_ERROR_IO:
		return error_set(err, ERROR_IO, "%s: input or output failed", what);
	case SQFS_ERROR_OVERFLOW:
		return error_set(err, ERROR_LIMIT, "%s: more than a squashfs can hold", what);
	case SQFS_ERROR_UNSUPPORTED:
		return error_set(err, ERROR_UNSUPPORTED, "%s: libsquashfs cannot do it", what);
	case SQFS_ERROR_COMPRESSOR:
		return error_set(err, ERROR_INTERNAL, "%s: the compressor failed", what);
	default:
		return error_set(err, ERROR_INTERNAL, "%s: libsquashfs error %d", what, returned);
	}
}

int squash_output_pad(struct squash_output *o, struct error **err)
{
	static const uint8_t zeros[SQUASH_WRITE_PAD];
	size_t over = o->sink->size % SQUASH_WRITE_PAD;
	if (!over)
		return 0;
	return sink_write(o->sink, zeros, SQUASH_WRITE_PAD - over, o->sink->size, err);
}
