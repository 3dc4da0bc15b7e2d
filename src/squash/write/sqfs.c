/* SPDX-License-Identifier: Apache-2.0 */
#include "squash/write/sqfs.h"

#include "squash/libraries.h"

struct squash_sqfs squash_sqfs;

static struct library sqfs = LIBRARY("libsquashfs.so.1", SQUASH_SQFS_FUNCTIONS, squash_sqfs);

int squash_pack_load(enum squash_codec codec, struct error **err)
{
	/* LZO's compressor is ours; the others are libsquashfs' or linked. */
	if (codec == SQUASH_LZO && squash_load_codec(codec, err) < 0)
		return -1;
	return library_load(&sqfs, err);
}
