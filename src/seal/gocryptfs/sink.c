/* SPDX-License-Identifier: Apache-2.0 */
#include "seal/gocryptfs/internal.h"

#include <stdlib.h>
#include <string.h>

/*
 * A window of blocks in clear lies over the content, where the last write was. Writes go to the
 * window; when they leave it, its blocks are encrypted and written in one piece, and it moves.
 * Invariants:
 *  - window->base is a multiple of BLOCK_LEN; `have` bytes from there on are what the content is;
 *  - if `have` ends inside a block, the content ends there too;
 *  - every block in the window was changed since it was read, if it was: the file does not have
 *    it, or has it as it used to be;
 *  - the file has every block before the window, and has no gaps.
 */
#define WINDOW_LEN (RUN_BLOCKS * BLOCK_LEN)

struct gocryptfs_sink {
	struct sink sink;
	struct sink *file; /* borrowed */
	struct gocryptfs_content content;
	uint64_t size; /* of the content; sink.size follows when a call has succeeded */
	uint64_t base;
	size_t have;
	uint8_t *window; /* WINDOW_LEN */
	uint8_t *cipher; /* RUN_BLOCKS * CIPHER_LEN */
};

/* Encrypts the window's blocks under fresh nonces: a block that is written again never has its old
 * one. */
static int flush(struct gocryptfs_sink *g, struct error **err)
{
	uint64_t number = g->base / BLOCK_LEN;
	size_t cipher_len;
	if (!g->have)
		return 0;
	if (gocryptfs_blocks_seal(&g->content, number, g->window, g->have, g->cipher, &cipher_len,
				  err) < 0 ||
	    sink_write(g->file, g->cipher, cipher_len, gocryptfs_block_off(number), err) < 0)
		return -1;
	g->have = 0;
	return 0;
}

/* From the file, not the window: at most WINDOW_LEN bytes, block-wise, within the content. */
static int load(struct gocryptfs_sink *g, void *buf, size_t len, uint64_t off, struct error **err)
{
	uint64_t number = off / BLOCK_LEN, at = gocryptfs_block_off(number);
	size_t skip = off % BLOCK_LEN;
	size_t cipher_len = (skip + len + BLOCK_LEN - 1) / BLOCK_LEN * CIPHER_LEN;
	if (at > g->file->size)
		return error_set(err, ERROR_INTERNAL, "reading back what was not written");
	if (cipher_len > g->file->size - at)
		cipher_len = (size_t)(g->file->size - at);
	if (sink_read(g->file, g->cipher, cipher_len, at, err) < 0)
		return -1;
	return gocryptfs_blocks_open(&g->content, number, g->cipher, cipher_len, skip, buf, len,
				     err);
}

/*
 * Brings the block at off (a multiple of BLOCK_LEN, not beyond the content's end) into the
 * window, to be changed. Its old bytes are read unless the caller replaces them all.
 */
static int hold(struct gocryptfs_sink *g, uint64_t off, bool replaced, struct error **err)
{
	if (off >= g->base && off - g->base < g->have)
		return 0;
	if (off != g->base + g->have || g->have == WINDOW_LEN) {
		if (flush(g, err) < 0)
			return -1;
		g->base = off;
	}
	if (replaced || off >= g->size)
		return 0;
	size_t len = g->size - off < BLOCK_LEN ? (size_t)(g->size - off) : BLOCK_LEN;
	if (load(g, g->window + g->have, len, off, err) < 0)
		return -1;
	g->have += len;
	return 0;
}

/* buf NULL: zeros. */
static int put(struct gocryptfs_sink *g, const uint8_t *buf, size_t len, uint64_t off,
	       struct error **err)
{
	while (len) {
		size_t in = off % BLOCK_LEN, step = BLOCK_LEN - in < len ? BLOCK_LEN - in : len;
		bool replaced = !in && (step == BLOCK_LEN || off + step >= g->size);
		if (hold(g, off - in, replaced, err) < 0)
			return -1;
		size_t at = (size_t)(off - g->base);
		if (buf) {
			memcpy(g->window + at, buf, step);
			buf += step;
		} else {
			memset(g->window + at, 0, step);
		}
		off += step;
		len -= step;
		if (at + step > g->have)
			g->have = at + step;
		if (off > g->size)
			g->size = off;
	}
	return 0;
}

/* gocryptfs leaves holes as blocks of zeros; ours are encrypted like all else. */
static int extend(struct gocryptfs_sink *g, uint64_t size, struct error **err)
{
	while (g->size < size) {
		uint64_t step = size - g->size < WINDOW_LEN ? size - g->size : WINDOW_LEN;
		if (put(g, NULL, (size_t)step, g->size, err) < 0)
			return -1;
	}
	return 0;
}

static int sink_write_blocks(struct sink *s, const void *buf, size_t len, uint64_t off,
			     struct error **err)
{
	struct gocryptfs_sink *g = (struct gocryptfs_sink *)s;
	return extend(g, off, err) < 0 ? -1 : put(g, buf, len, off, err);
}

static int sink_read_blocks(struct sink *s, void *buf, size_t len, uint64_t off, struct error **err)
{
	struct gocryptfs_sink *g = (struct gocryptfs_sink *)s;
	uint8_t *to = buf;
	while (len) {
		size_t step = WINDOW_LEN - off % BLOCK_LEN;
		if (step > len)
			step = len;
		if (off >= g->base && off - g->base < g->have) {
			size_t at = (size_t)(off - g->base);
			if (step > g->have - at)
				step = g->have - at;
			memcpy(to, g->window + at, step);
		} else {
			if (off < g->base && step > g->base - off)
				step = (size_t)(g->base - off);
			if (load(g, to, step, off, err) < 0)
				return -1;
		}
		to += step;
		off += step;
		len -= step;
	}
	return 0;
}

/* Below the file ends before the block that is cut, which waits in the window. */
static int sink_truncate_blocks(struct sink *s, uint64_t size, struct error **err)
{
	struct gocryptfs_sink *g = (struct gocryptfs_sink *)s;
	if (size >= g->size)
		return extend(g, size, err);
	uint64_t keep = size / BLOCK_LEN * BLOCK_LEN;
	/* The block that is cut is held while its old form can still be read. */
	if (size > keep && hold(g, keep, false, err) < 0)
		return -1;
	if (size <= g->base) {
		g->base = keep;
		g->have = 0;
	} else if (size - g->base < g->have) {
		g->have = (size_t)(size - g->base);
	}
	g->size = size;
	uint64_t end = gocryptfs_block_off(keep / BLOCK_LEN);
	return g->file->size > end ? sink_truncate(g->file, end, err) : 0;
}

static int sink_finish_blocks(struct sink *s, struct error **err)
{
	struct gocryptfs_sink *g = (struct gocryptfs_sink *)s;
	if (flush(g, err) < 0)
		return -1;
	/* encryption.md 4.5: an empty file has no header. */
	return g->size ? 0 : sink_truncate(g->file, 0, err);
}

static void sink_free_blocks(struct sink *s)
{
	struct gocryptfs_sink *g = (struct gocryptfs_sink *)s;
	/* What may be left is the image's content in clear. */
	if (g->window)
		secret_wipe(g->window, WINDOW_LEN);
	free(g->window);
	free(g->cipher);
	crypto_gcm_free(&g->content.gcm);
	free(g);
}

static const struct sink_ops sink_ops = {
	.write = sink_write_blocks,
	.read = sink_read_blocks,
	.truncate = sink_truncate_blocks,
	.finish = sink_finish_blocks,
	.free = sink_free_blocks,
};

int gocryptfs_sink_new(struct sink *file, const struct secret *master, struct sink **ret,
		       struct error **err)
{
	struct gocryptfs_sink *g = calloc(1, sizeof(*g));
	if (!g)
		return error_no_memory(err);
	struct sink *made CLEANUP_SINK = &g->sink;
	uint8_t header[HEADER_LEN];
	g->sink = (struct sink){ .ops = &sink_ops };
	g->file = file;
	g->window = malloc(WINDOW_LEN);
	g->cipher = malloc(RUN_BLOCKS * CIPHER_LEN);
	if (!g->window || !g->cipher)
		return error_no_memory(err);
	if (gocryptfs_content_key(master, CRYPTO_BOTH, &g->content.gcm, err) < 0 ||
	    crypto_random(g->content.file_id, FILE_ID_LEN, err) < 0)
		return -1;
	bytes_put_be(header, VERSION, 2);
	memcpy(header + 2, g->content.file_id, FILE_ID_LEN);
	if (sink_write(file, header, HEADER_LEN, 0, err) < 0)
		return -1;
	*ret = take_pointer(&made);
	return 0;
}
