/* SPDX-License-Identifier: Apache-2.0 */
#include "squash/write/codec/codec.h"

#include <sqfs/error.h>
#include <stdlib.h>
#include <string.h>

#include "squash/libraries.h"

/* Debian's libsquashfs comes without LZO: this is LZO1X-999, what mksquashfs takes by default. */
struct lzo {
	sqfs_compressor_t base;
	int level;
	uint32_t block_size;
	uint8_t *out; /* LZO writes without bounds: room for the worst case */
	_Alignas(16) uint8_t work[];
};

/* The worst case as LZO's FAQ gives it. */
static size_t worst_case(uint32_t len)
{
	return (size_t)len + len / 16 + 64 + 3;
}

static void get_configuration(const sqfs_compressor_t *c, sqfs_compressor_config_t *config)
{
	const struct lzo *z = (const struct lzo *)c;
	*config = (sqfs_compressor_config_t){
		.id = SQFS_COMP_LZO,
		.block_size = z->block_size,
		.level = (sqfs_u32)z->level,
		.opt.lzo.algorithm = SQFS_LZO1X_999,
	};
}

static int no_options(sqfs_compressor_t *c, sqfs_file_t *file)
{
	(void)c;
	(void)file;
	return 0;
}

static sqfs_s32 compress(sqfs_compressor_t *c, const sqfs_u8 *in, sqfs_u32 len, sqfs_u8 *out,
			 sqfs_u32 cap)
{
	struct lzo *z = (struct lzo *)c;
	lzo_uint n = 0;
	if (len > z->block_size)
		return SQFS_ERROR_OVERFLOW;
	if (squash_libraries.lzo.lzo1x_999_compress_level(in, len, z->out, &n, z->work, NULL, 0, 0,
							  z->level) != LZO_E_OK)
		return SQFS_ERROR_COMPRESSOR;
	if (n >= len || n > cap)
		return 0;
	memcpy(out, z->out, n);
	return (sqfs_s32)n;
}

static void destroy(sqfs_object_t *object)
{
	struct lzo *z = (struct lzo *)object;
	free(z->out);
	free(z);
}

static sqfs_object_t *copy(const sqfs_object_t *object)
{
	const struct lzo *z = (const struct lzo *)object;
	return (sqfs_object_t *)squash_lzo(z->level, z->block_size);
}

sqfs_compressor_t *squash_lzo(int level, uint32_t block_size)
{
	/* Metadata blocks come through here too, and a data block may be smaller than they are. */
	if (block_size < SQUASH_META_LEN)
		block_size = SQUASH_META_LEN;
	struct lzo *z = calloc(1, sizeof(*z) + LZO1X_999_MEM_COMPRESS);
	if (!z)
		return NULL;
	z->base = (sqfs_compressor_t){
		.base = { .destroy = destroy, .copy = copy },
		.get_configuration = get_configuration,
		.write_options = no_options,
		.read_options = no_options,
		.do_block = compress,
	};
	z->level = level;
	z->block_size = block_size;
	if (!(z->out = malloc(worst_case(block_size)))) {
		free(z);
		return NULL;
	}
	return &z->base;
}
