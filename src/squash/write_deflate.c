/* SPDX-License-Identifier: Apache-2.0 */
#include "squash/write_internal.h"

#include <libdeflate.h>
#include <sqfs/error.h>
#include <stdlib.h>

/*
 * The gzip compressor of the format, which is zlib's format (RFC 1950), on libdeflate: the same
 * kind of bytes as zlib's at a multiple of its speed.
 */
struct deflate {
	sqfs_compressor_t base;
	int level;
	struct libdeflate_compressor *compressor;
};

static void get_configuration(const sqfs_compressor_t *c, sqfs_compressor_config_t *config)
{
	const struct deflate *d = (const struct deflate *)c;
	*config = (sqfs_compressor_config_t){
		.id = SQFS_COMP_GZIP,
		.block_size = SQFS_DEFAULT_BLOCK_SIZE,
		.level = (sqfs_u32)d->level,
		.opt.gzip.window_size = SQFS_GZIP_DEFAULT_WINDOW,
	};
}

/* A reader needs no options to inflate, and the level that would stand there is zlib's. */
static int no_options(sqfs_compressor_t *c, sqfs_file_t *file)
{
	(void)c;
	(void)file;
	return 0;
}

static sqfs_s32 compress(sqfs_compressor_t *c, const sqfs_u8 *in, sqfs_u32 len, sqfs_u8 *out,
			 sqfs_u32 cap)
{
	/* 0 is libdeflate's answer too when the result does not fit: it shall be shorter than len.
	 */
	if (len < 2)
		return 0;
	if (cap > len - 1)
		cap = len - 1;
	return (sqfs_s32)libdeflate_zlib_compress(((struct deflate *)c)->compressor, in, len, out,
						  cap);
}

static void destroy(sqfs_object_t *object)
{
	struct deflate *d = (struct deflate *)object;
	libdeflate_free_compressor(d->compressor);
	free(d);
}

static sqfs_object_t *copy(const sqfs_object_t *object)
{
	const struct deflate *d = (const struct deflate *)object;
	return (sqfs_object_t *)squash_deflate(d->level);
}

sqfs_compressor_t *squash_deflate(int level)
{
	struct deflate *d = calloc(1, sizeof(*d));
	if (!d)
		return NULL;
	d->base = (sqfs_compressor_t){
		.base = { .destroy = destroy, .copy = copy },
		.get_configuration = get_configuration,
		.write_options = no_options,
		.read_options = no_options,
		.do_block = compress,
	};
	d->level = level;
	d->compressor = libdeflate_alloc_compressor(level);
	if (!d->compressor) {
		free(d);
		return NULL;
	}
	return &d->base;
}
