/* SPDX-License-Identifier: Apache-2.0 */
#include "squash/libraries.h"

struct squash_libraries squash_libraries;

static struct library lz4 = LIBRARY("liblz4.so.1", SQUASH_LZ4_FUNCTIONS, squash_libraries.lz4);
static struct library lzma = LIBRARY("liblzma.so.5", SQUASH_LZMA_FUNCTIONS, squash_libraries.lzma);
static struct library lzo = LIBRARY("liblzo2.so.2", SQUASH_LZO_FUNCTIONS, squash_libraries.lzo);
static struct library zstd = LIBRARY("libzstd.so.1", SQUASH_ZSTD_FUNCTIONS, squash_libraries.zstd);

int squash_load_codec(enum squash_codec codec, struct error **err)
{
	switch (codec) {
	case SQUASH_LZO:
		return library_load(&lzo, err);
	case SQUASH_XZ:
		return library_load(&lzma, err);
	case SQUASH_LZ4:
		return library_load(&lz4, err);
	case SQUASH_ZSTD:
		return library_load(&zstd, err);
	case SQUASH_GZIP:
		break;
	}
	return 0;
}
