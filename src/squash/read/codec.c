/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decompressors: one interface over the five libraries (docs/formats/squashfs.md).
 *
 * What comes in is an image's, so a library gets exactly the stored bytes and the room of one
 * block, and what it says it made is held against that room. While a container runs, all of this
 * happens in the server, which has locked itself in (serve/isolate.c); libraries but libdeflate are
 * loaded when an image asks for one (squash/libraries.h), before that.
 *
 * Most want a state of some size, which takes longer to make than a block to decode. So states are
 * kept, with the buffer that the stored bytes are read into, in a list of which each caller takes
 * the first: as many are made as were ever in use at once, which is the number of threads.
 */
#include "squash/read/internal.h"

#include <stdlib.h>
#include <string.h>

#include <libdeflate.h>

#include "squash/libraries.h"

/* One compressor of the format. State is what the library wants to keep between two blocks. */
struct codec_kind {
	unsigned id;
	const char *name;
	bool stateful;
	void *(*state_new)(void);
	void (*state_free)(void *state);
	/* Returns false when the bytes are no such stream, or it holds more than cap. */
	bool (*decode)(void *state, const void *in, size_t len, void *out, size_t cap,
		       size_t *ret_len);
};

struct codec {
	const struct codec_kind *kind;
	size_t stored_cap;
	pthread_mutex_t lock;
	struct decoder *free; /* as many as were ever lent at once */
};

static void *gzip_new(void)
{
	return libdeflate_alloc_decompressor();
}

static void gzip_free(void *state)
{
	libdeflate_free_decompressor(state);
}

static bool gzip_decode(void *state, const void *in, size_t len, void *out, size_t cap,
			size_t *ret_len)
{
	return libdeflate_zlib_decompress(state, in, len, out, cap, ret_len) == LIBDEFLATE_SUCCESS;
}

static void *zstd_new(void)
{
	return squash_libraries.zstd.ZSTD_createDCtx();
}

static void zstd_free(void *state)
{
	squash_libraries.zstd.ZSTD_freeDCtx(state);
}

static bool zstd_decode(void *state, const void *in, size_t len, void *out, size_t cap,
			size_t *ret_len)
{
	size_t n = squash_libraries.zstd.ZSTD_decompressDCtx(state, out, cap, in, len);
	if (squash_libraries.zstd.ZSTD_isError(n))
		return false;
	*ret_len = n;
	return true;
}

static void *xz_new(void)
{
	lzma_stream *s = malloc(sizeof(*s));
	if (s)
		*s = (lzma_stream)LZMA_STREAM_INIT;
	return s;
}

static void xz_free(void *state)
{
	if (state)
		squash_libraries.lzma.lzma_end(state);
	free(state);
}

/* The stream object is used again and again: so its memory is not asked for at every block. */
static bool xz_decode(void *state, const void *in, size_t len, void *out, size_t cap,
		      size_t *ret_len)
{
	lzma_stream *s = state;
	if (squash_libraries.lzma.lzma_stream_decoder(s, SQUASH_XZ_MEMORY,
						      LZMA_TELL_UNSUPPORTED_CHECK) != LZMA_OK)
		return false;
	s->next_in = in;
	s->avail_in = len;
	s->next_out = out;
	s->avail_out = cap;
	if (squash_libraries.lzma.lzma_code(s, LZMA_FINISH) != LZMA_STREAM_END)
		return false;
	*ret_len = cap - s->avail_out;
	return true;
}

/* Lengths fit an int: a stored block is no longer than 1 MiB. */
static bool lz4_decode(void *state, const void *in, size_t len, void *out, size_t cap,
		       size_t *ret_len)
{
	(void)state;
	int n = squash_libraries.lz4.LZ4_decompress_safe(in, out, (int)len, (int)cap);
	if (n < 0)
		return false;
	*ret_len = (size_t)n;
	return true;
}

static bool lzo_decode(void *state, const void *in, size_t len, void *out, size_t cap,
		       size_t *ret_len)
{
	(void)state;
	lzo_uint n = cap;
	if (squash_libraries.lzo.lzo1x_decompress_safe(in, len, out, &n, NULL) != LZO_E_OK)
		return false;
	*ret_len = n;
	return true;
}

static const struct codec_kind kinds[] = {
	{ SQUASH_GZIP, "gzip", true, gzip_new, gzip_free, gzip_decode },
	{ SQUASH_LZO, "lzo", false, NULL, NULL, lzo_decode },
	{ SQUASH_XZ, "xz", true, xz_new, xz_free, xz_decode },
	{ SQUASH_LZ4, "lz4", false, NULL, NULL, lz4_decode },
	{ SQUASH_ZSTD, "zstd", true, zstd_new, zstd_free, zstd_decode },
};

/* Loads the library, too: so an image whose compressor is missing fails when it is opened. */
int codec_new(unsigned id, size_t stored_cap, struct codec **ret, struct error **err)
{
	const struct codec_kind *kind = NULL;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].id == id)
			kind = &kinds[i];
	if (!kind)
		return error_set(err, id == SQUASH_LZMA ? ERROR_UNSUPPORTED : ERROR_DAMAGED,
				 id == SQUASH_LZMA ? "squashfs: old lzma compression (number %u)"
						   : "squashfs: unknown compressor %u",
				 id);
	if (squash_load_codec((enum squash_codec)id, err) < 0)
		return -1;
	struct codec *c = calloc(1, sizeof(*c));
	if (!c)
		return error_no_memory(err);
	c->kind = kind;
	c->stored_cap = stored_cap;
	pthread_mutex_init(&c->lock, NULL);
	*ret = c;
	return 0;
}

static void decoder_free(struct codec *c, struct decoder *d)
{
	if (c->kind->stateful && d->state)
		c->kind->state_free(d->state);
	free(d->stored);
	free(d);
}

void codec_free(struct codec **c)
{
	if (!*c)
		return;
	while ((*c)->free) {
		struct decoder *d = (*c)->free;
		(*c)->free = d->next;
		decoder_free(*c, d);
	}
	pthread_mutex_destroy(&(*c)->lock);
	free(*c);
	*c = NULL;
}

/* The one that was given back last, or a new one. Waits for nobody. */
struct decoder *codec_borrow(struct codec *c, struct error **err)
{
	pthread_mutex_lock(&c->lock);
	struct decoder *d = c->free;
	if (d)
		c->free = d->next;
	pthread_mutex_unlock(&c->lock);
	if (d)
		return d;

	d = calloc(1, sizeof(*d));
	if (d) {
		d->stored_cap = c->stored_cap;
		d->stored = malloc(c->stored_cap);
		if (c->kind->stateful)
			d->state = c->kind->state_new();
	}
	if (!d || !d->stored || (c->kind->stateful && !d->state)) {
		if (d)
			decoder_free(c, d);
		error_no_memory(err);
		return NULL;
	}
	return d;
}

void codec_return(struct codec *c, struct decoder *d)
{
	/* Last in, first out: the memory that was used last is the warmest. */
	pthread_mutex_lock(&c->lock);
	d->next = c->free;
	c->free = d;
	pthread_mutex_unlock(&c->lock);
}

/* The library's word for how much it wrote is not taken where it is more than it had room for. */
int codec_decode(struct codec *c, struct decoder *d, const void *in, size_t len, void *out,
		 size_t cap, size_t *ret_len, struct error **err)
{
	size_t n = 0;
	if (!c->kind->decode(d->state, in, len, out, cap, &n) || n > cap)
		return error_set(err, ERROR_DAMAGED, "a compressed block (%s) is damaged",
				 c->kind->name);
	*ret_len = n;
	return 0;
}
