/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_SQUASH_LIBRARIES_H
#define COFFER_SQUASH_LIBRARIES_H

#include <lz4.h>
#include <lzma.h>
#include <lzo/lzo1x.h>
#include <zstd.h>

#include "base/base.h"
#include "squash/squash.h"

/* The decompressors that an image may need one of; libdeflate, which most need, is linked. */
#define SQUASH_LZ4_FUNCTIONS(F) F(LZ4_decompress_safe)
#define SQUASH_LZMA_FUNCTIONS(F) \
	F(lzma_stream_decoder)   \
	F(lzma_code)             \
	F(lzma_end)
#define SQUASH_LZO_FUNCTIONS(F)  \
	F(lzo1x_decompress_safe) \
	F(lzo1x_999_compress_level)
#define SQUASH_ZSTD_FUNCTIONS(F) \
	F(ZSTD_createDCtx)       \
	F(ZSTD_freeDCtx)         \
	F(ZSTD_decompressDCtx)   \
	F(ZSTD_isError)

struct squash_libraries {
	struct {
		SQUASH_LZ4_FUNCTIONS(LIBRARY_MEMBER)
	} lz4;
	struct {
		SQUASH_LZMA_FUNCTIONS(LIBRARY_MEMBER)
	} lzma;
	struct {
		SQUASH_LZO_FUNCTIONS(LIBRARY_MEMBER)
	} lzo;
	struct {
		SQUASH_ZSTD_FUNCTIONS(LIBRARY_MEMBER)
	} zstd;
};
extern struct squash_libraries squash_libraries;

/* Loads what reads, or for LZO writes, blocks of this kind. */
int squash_load_codec(enum squash_codec codec, struct error **err);

#endif
