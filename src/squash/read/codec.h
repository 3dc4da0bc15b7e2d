/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_SQUASH_READ_CODEC_H
#define COFFER_SQUASH_READ_CODEC_H

#include "base/base.h"

/* Decompressors with their scratch memory, lent to one caller at a time. */
struct codec;
struct decoder {
	struct decoder *next; /* while nobody has it */
	uint8_t *stored;      /* stored_cap bytes for what is to be decoded */
	size_t stored_cap;
	void *state; /* of the library */
};

/* id: as in the superblock. ERROR_UNSUPPORTED when it is not one we read. */
int codec_new(unsigned id, size_t stored_cap, struct codec **ret, struct error **err);
void codec_free(struct codec **c);
struct decoder *codec_borrow(struct codec *c, struct error **err); /* NULL on failure */
void codec_return(struct codec *c, struct decoder *d);
/* Decodes len bytes into at most cap; *ret_len says how many came out. */
int codec_decode(struct codec *c, struct decoder *d, const void *in, size_t len, void *out,
		 size_t cap, size_t *ret_len, struct error **err);

#endif
