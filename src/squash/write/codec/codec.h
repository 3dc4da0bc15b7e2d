/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_SQUASH_WRITE_CODEC_CODEC_H
#define COFFER_SQUASH_WRITE_CODEC_CODEC_H

#include "squash/format.h"
#include "squash/squash.h"
#include "squash/write/sqfs.h"

/* Compressors of libsquashfs' kind: the library's, and two of ours in its clothes. */

/* A compressor of libsquashfs' kind, which only compresses; to be destroyed with sqfs_destroy. */
int squash_compressor(enum squash_codec codec, int level, uint32_t block_size,
		      sqfs_compressor_t **ret, struct error **err);
/* deflate.c: zlib's format by libdeflate, level 1 to 12. NULL when out of memory. */
sqfs_compressor_t *squash_deflate(int level);
/* lzo.c: LZO1X-999, level 1 to 9; blocks of at most block_size. NULL when out of memory. */
sqfs_compressor_t *squash_lzo(int level, uint32_t block_size);

#endif
