/* SPDX-License-Identifier: Apache-2.0 */
#include "squash/write/codec/codec.h"

#include <libdeflate.h>
#include <sqfs/error.h>
#include <stdlib.h>

/*
 * The gzip compressor of the format, which is zlib's format (RFC 1950), on libdeflate: the same
 * kind of bytes as zlib's at a multiple of its speed.
 */

/* Who asks for a higher level asks for all that can be saved. */
#define LEVEL_SPARES 6

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

/*
 * Whether the bytes look as evenly spread as those of data that are packed already (.gz, .jpg,
 * .bam). libdeflate would search them for next to nothing, and a reader would have to inflate
 * them; a look at a sixteenth is a fiftieth of the work. What repeats within such data goes
 * unnoticed: it takes matches, which is what the search is for.
 */
static bool looks_packed(const uint8_t *data, size_t len)
{
	enum { ALL = 32768, STEP = 256, RUN = 16 }; /* fewer bytes than ALL say too little */
	uint32_t counts[256] = { 0 };
	uint64_t taken = 0, squares = 0;
	if (len < ALL)
		return false;
	for (size_t off = 0; off + RUN <= len; off += STEP, taken += RUN)
		for (size_t i = 0; i < RUN; i++)
			counts[data[off + i]]++;
	for (size_t i = 0; i < 256; i++)
		squares += (uint64_t)counts[i] * counts[i];
	/* Even bytes give taken² / 256 + taken on average; up to 1.5 % more is let pass. */
	return squares * 256 * 1000 < (taken * taken + 256 * taken) * 1015;
}

static sqfs_s32 compress(sqfs_compressor_t *c, const sqfs_u8 *in, sqfs_u32 len, sqfs_u8 *out,
			 sqfs_u32 cap)
{
	const struct deflate *d = (const struct deflate *)c;
	/* 0 is libdeflate's answer too when the result does not fit: it shall be shorter than len.
	 */
	if (len < 2 || (d->level <= LEVEL_SPARES && looks_packed(in, len)))
		return 0;
	if (cap > len - 1)
		cap = len - 1;
	return (sqfs_s32)libdeflate_zlib_compress(d->compressor, in, len, out, cap);
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
