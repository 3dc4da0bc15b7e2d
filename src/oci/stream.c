/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "crypto/crypto.h"

/*
 * The bytes of a layer: the file is read once, and while it is decompressed both digests are
 * computed. Which compression it is its first bytes tell: media types are wrong in the field.
 */

#define STREAM_BUFFER ((size_t)256 << 10)

#define ZLIB_FUNCTIONS(F) F(inflateInit2_) F(inflate) F(inflateReset) F(inflateEnd)
#define ZSTD_FUNCTIONS(F) \
	F(ZSTD_createDCtx) F(ZSTD_freeDCtx) F(ZSTD_decompressStream) F(ZSTD_isError)

static struct {
	ZLIB_FUNCTIONS(LIBRARY_MEMBER)
} zlib;
static struct {
	ZSTD_FUNCTIONS(LIBRARY_MEMBER)
} zstd;
static struct library zlib_library = LIBRARY("libz.so.1", ZLIB_FUNCTIONS, zlib);
static struct library zstd_library = LIBRARY("libzstd.so.1", ZSTD_FUNCTIONS, zstd);

int oci_load(struct error **err)
{
	return library_load(&zlib_library, err) < 0 ? -1 : library_load(&zstd_library, err);
}

enum packing { PLAIN, GZIP, ZSTANDARD };

struct stream {
	int fd;
	const struct oci_layer *layer; /* borrowed */
	enum packing packing;
	struct crypto_digest *raw, *content; /* content: NULL where it is the file itself */
	uint64_t raw_len;		     /* so far */
	uint64_t *left;			     /* borrowed: of the content of all layers */
	uint8_t *buffer;
	size_t at, len;	 /* of the buffer */
	bool eof, ended; /* of the file; of the content */
	bool whole;	 /* between two members or frames: the file may end here */
	bool inflating;
	z_stream z;
	ZSTD_DCtx *frames;
};

static int fill(struct stream *s, struct error **err)
{
	ssize_t n = fd_read(s->fd, s->buffer, STREAM_BUFFER);
	if (n < 0)
		return error_errno(err, (int)-n, "read a layer");
	s->at = 0;
	s->len = (size_t)n;
	s->eof = n == 0;
	s->raw_len += (uint64_t)n;
	if (s->raw_len > s->layer->blob.size)
		return error_set(err, ERROR_DAMAGED, "a layer grows while it is read");
	return crypto_digest_add(s->raw, s->buffer, s->len, err);
}

static int start_packing(struct stream *s, struct error **err)
{
	static const uint8_t gzip[] = { 0x1f, 0x8b }, frame[] = { 0x28, 0xb5, 0x2f, 0xfd };
	static const uint8_t bzip2[] = { 'B', 'Z', 'h' }, xz[] = { 0xfd, '7', 'z', 'X', 'Z' };
#define BEGINS(magic) (s->len >= sizeof(magic) && !memcmp(s->buffer, magic, sizeof(magic)))
	if (BEGINS(bzip2) || BEGINS(xz))
		return error_set(err, ERROR_UNSUPPORTED,
				 "a layer is packed with bzip2 or xz, which image layers are not");
	if (BEGINS(gzip)) {
		/* 16: with gzip's own frame; RFC 1952. */
		if (zlib.inflateInit2_(&s->z, 16 + MAX_WBITS, ZLIB_VERSION, (int)sizeof(s->z)) !=
		    Z_OK)
			return error_no_memory(err);
		s->inflating = true;
		s->packing = GZIP;
	} else if (BEGINS(frame)) {
		s->frames = zstd.ZSTD_createDCtx();
		if (!s->frames)
			return error_no_memory(err);
		s->packing = ZSTANDARD;
	}
#undef BEGINS
	if (s->packing == PLAIN)
		return 0;
	return crypto_digest_new(CRYPTO_SHA256, &s->content, err) < 0
		       ? -1
		       : crypto_digest_begin(s->content, err);
}

int oci_stream_open(int fd, const struct oci_layer *layer, uint64_t *left, struct stream **ret,
		    struct error **err)
{
	CLEANUP_STREAM struct stream *s = calloc(1, sizeof(*s));
	if (!s) {
		fd_close(&fd);
		return error_no_memory(err);
	}
	s->fd = fd;
	s->layer = layer;
	s->left = left;
	s->buffer = malloc(STREAM_BUFFER);
	if (!s->buffer)
		return error_no_memory(err);
	if (oci_load(err) < 0 || crypto_digest_new(CRYPTO_SHA256, &s->raw, err) < 0 ||
	    crypto_digest_begin(s->raw, err) < 0 || fill(s, err) < 0 || start_packing(s, err) < 0)
		return -1;
	*ret = take_pointer(&s);
	return 0;
}

void oci_stream_free(struct stream **stream)
{
	struct stream *s = *stream;
	if (!s)
		return;
	fd_close(&s->fd);
	if (s->inflating)
		(void)zlib.inflateEnd(&s->z);
	if (s->frames)
		(void)zstd.ZSTD_freeDCtx(s->frames);
	crypto_digest_free(&s->raw);
	crypto_digest_free(&s->content);
	free(s->buffer);
	free(s);
	*stream = NULL;
}

/* One call of zlib. Members may follow each other (RFC 1952 2.2). */
static int inflate_some(struct stream *s, uint8_t *out, size_t cap, size_t *ret, struct error **err)
{
	if (s->whole && zlib.inflateReset(&s->z) != Z_OK)
		return error_set(err, ERROR_INTERNAL, "zlib cannot begin again");
	s->whole = false;
	s->z.next_in = s->buffer + s->at;
	s->z.avail_in = (unsigned)(s->len - s->at);
	s->z.next_out = out;
	s->z.avail_out = (unsigned)cap;
	int r = zlib.inflate(&s->z, Z_NO_FLUSH);
	s->at = s->len - s->z.avail_in;
	*ret = cap - s->z.avail_out;
	if (r == Z_MEM_ERROR)
		return error_no_memory(err);
	if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
		return error_set(err, ERROR_DAMAGED, "a layer is no whole gzip file");
	s->whole = r == Z_STREAM_END;
	return 0;
}

static int decompress_some(struct stream *s, uint8_t *out, size_t cap, size_t *ret,
			   struct error **err)
{
	ZSTD_inBuffer from = { s->buffer + s->at, s->len - s->at, 0 };
	ZSTD_outBuffer to = { out, cap, 0 };
	size_t r = zstd.ZSTD_decompressStream(s->frames, &to, &from);
	if (zstd.ZSTD_isError(r))
		return error_set(err, ERROR_DAMAGED, "a layer is no whole Zstandard file");
	s->at += from.pos;
	*ret = to.pos;
	s->whole = r == 0;
	return 0;
}

static int unpack_some(struct stream *s, uint8_t *out, size_t cap, size_t *ret, struct error **err)
{
	if (s->packing == GZIP)
		return inflate_some(s, out, cap, ret, err);
	if (s->packing == ZSTANDARD)
		return decompress_some(s, out, cap, ret, err);
	size_t n = s->len - s->at < cap ? s->len - s->at : cap;
	memcpy(out, s->buffer + s->at, n);
	s->at += n;
	*ret = n;
	s->whole = true;
	return 0;
}

int oci_stream_read(struct stream *s, void *buf, size_t len, size_t *ret_len, struct error **err)
{
	size_t done = 0;
	while (done < len && !s->ended) {
		size_t n = 0, before = s->at;
		/* zlib counts in 32 bits. */
		size_t want = len - done > STREAM_BUFFER ? STREAM_BUFFER : len - done;
		if (s->at == s->len && !s->eof && fill(s, err) < 0)
			return -1;
		if (s->eof && (s->whole || s->packing == PLAIN)) {
			s->ended = true;
			break;
		}
		if (unpack_some(s, (uint8_t *)buf + done, want, &n, err) < 0)
			return -1;
		if (s->eof && !n && s->at == before)
			return error_set(err, ERROR_DAMAGED, "a layer is cut off");
		if (s->content && crypto_digest_add(s->content, (uint8_t *)buf + done, n, err) < 0)
			return -1;
		done += n;
		if (n > *s->left)
			return error_set(err, ERROR_LIMIT, "the layers unpack to too many bytes");
		*s->left -= n;
	}
	*ret_len = done;
	return 0;
}

int oci_stream_finish(struct stream *s, struct error **err)
{
	uint8_t digest[CRYPTO_SHA256_LEN], scrap[4096];
	size_t n = 1;
	while (n)
		if (oci_stream_read(s, scrap, sizeof(scrap), &n, err) < 0)
			return -1;
	if (crypto_digest_end(s->raw, digest, err) < 0)
		return -1;
	if (s->raw_len != s->layer->blob.size ||
	    memcmp(digest, s->layer->blob.digest, sizeof(digest)) != 0)
		return error_set(err, ERROR_DAMAGED, "a layer does not have its digest");
	if (s->content && crypto_digest_end(s->content, digest, err) < 0)
		return -1;
	if (memcmp(digest, s->layer->content, sizeof(digest)) != 0)
		return error_set(err, ERROR_DAMAGED,
				 "the content of a layer does not have the digest that the "
				 "configuration gives it");
	return 0;
}
