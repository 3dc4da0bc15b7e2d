/* SPDX-License-Identifier: Apache-2.0 */
#include "squash/write/codec/codec.h"

#include <stdlib.h>
#include <string.h>

/*
 * Defaults are mksquashfs' own but for two. gzip: libdeflate at 6 is as small as zlib at 9, and at
 * 5 it is not. zstd: who takes it wants speed, and 15 takes ten times as long as gzip.
 */
static const struct {
	const char *name;
	enum squash_codec codec;
	int level, level_max; /* 0: it has no levels */
} codecs[] = {
	{ "gzip", SQUASH_GZIP, 6, 12 }, { "lzo", SQUASH_LZO, 8, 9 },	{ "xz", SQUASH_XZ, 6, 9 },
	{ "lz4", SQUASH_LZ4, 0, 0 },	{ "zstd", SQUASH_ZSTD, 2, 22 },
};

int squash_codec_by_name(const char *name)
{
	for (size_t i = 0; i < sizeof(codecs) / sizeof(codecs[0]); i++)
		if (strcmp(name, codecs[i].name) == 0)
			return (int)codecs[i].codec;
	return -1;
}

/*
 * libsquashfs' LZ4 gives out results that are longer than what went in, where its interface wants
 * 0; a reader takes such a block for a damaged one. All of its compressors go through here.
 */
struct guarded {
	sqfs_compressor_t base;
	sqfs_compressor_t *inner; /* owned */
};

static sqfs_compressor_t *inner_of(const void *c)
{
	return ((const struct guarded *)c)->inner;
}

static void get_configuration(const sqfs_compressor_t *c, sqfs_compressor_config_t *config)
{
	inner_of(c)->get_configuration(inner_of(c), config);
}

static int write_options(sqfs_compressor_t *c, sqfs_file_t *file)
{
	return inner_of(c)->write_options(inner_of(c), file);
}

static int read_options(sqfs_compressor_t *c, sqfs_file_t *file)
{
	return inner_of(c)->read_options(inner_of(c), file);
}

static sqfs_s32 do_block(sqfs_compressor_t *c, const sqfs_u8 *in, sqfs_u32 len, sqfs_u8 *out,
			 sqfs_u32 cap)
{
	sqfs_s32 r = inner_of(c)->do_block(inner_of(c), in, len, out, cap);
	return r > 0 && (sqfs_u32)r >= len ? 0 : r;
}

static void destroy(sqfs_object_t *object)
{
	sqfs_destroy(inner_of(object));
	free(object);
}

/* Takes inner over. NULL when out of memory. */
static sqfs_compressor_t *guard(sqfs_compressor_t *inner);

static sqfs_object_t *copy(const sqfs_object_t *object)
{
	return (sqfs_object_t *)guard(sqfs_copy(inner_of(object)));
}

static sqfs_compressor_t *guard(sqfs_compressor_t *inner)
{
	struct guarded *g = inner ? calloc(1, sizeof(*g)) : NULL;
	if (!g) {
		sqfs_destroy(inner);
		return NULL;
	}
	g->base = (sqfs_compressor_t){
		.base = { .destroy = destroy, .copy = copy },
		.get_configuration = get_configuration,
		.write_options = write_options,
		.read_options = read_options,
		.do_block = do_block,
	};
	g->inner = inner;
	return &g->base;
}

/* Its place in the table, or -1 with *err set. */
static int find_codec(enum squash_codec codec, int level, struct error **err)
{
	int i = 0, count = (int)(sizeof(codecs) / sizeof(codecs[0]));
	while (i < count && codecs[i].codec != codec)
		i++;
	if (i == count)
		return error_set(err, ERROR_USAGE, "no such compression: number %d", (int)codec);
	if (level && !codecs[i].level_max)
		return error_set(err, ERROR_USAGE, "%s compression has no levels", codecs[i].name);
	if (level < 0 || level > codecs[i].level_max)
		return error_set(err, ERROR_USAGE, "%s compression has levels 1 to %d, not %d",
				 codecs[i].name, codecs[i].level_max, level);
	return i;
}

int squash_check_level(enum squash_codec codec, int level, struct error **err)
{
	return find_codec(codec, level, err) < 0 ? -1 : 0;
}

int squash_compressor(enum squash_codec codec, int level, uint32_t block_size,
		      sqfs_compressor_t **ret, struct error **err)
{
	int i = find_codec(codec, level, err);
	if (i < 0)
		return -1;
	if (!level)
		level = codecs[i].level;

	if (codec == SQUASH_GZIP || codec == SQUASH_LZO) {
		sqfs_compressor_t *c = codec == SQUASH_GZIP ? squash_deflate(level)
							    : squash_lzo(level, block_size);
		if (!c)
			return error_no_memory(err);
		*ret = c;
		return 0;
	}
	sqfs_compressor_config_t config;
	int r = sqfs_compressor_config_init(&config, (SQFS_COMPRESSOR)codec, block_size, 0);
	if (level)
		config.level = (sqfs_u32)level;
	sqfs_compressor_t *inner = NULL;
	if (r == 0)
		r = sqfs_compressor_create(&config, &inner);
	if (r < 0)
		return error_set(err, ERROR_UNSUPPORTED, "this libsquashfs has no %s compression",
				 codecs[i].name);
	sqfs_compressor_t *c = guard(inner);
	if (!c)
		return error_no_memory(err);
	*ret = c;
	return 0;
}
