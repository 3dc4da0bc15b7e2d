/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metadata: the streams that inodes, listings and all tables are written as (encryption.md 7).
 *
 * A stream is cut into pieces of 8 KiB, and each piece is stored as a block: two bytes of header
 * (how long, and whether packed), then the content. Blocks follow one another, so a stream has no
 * index: a place in it is the position of a block, and an offset in what that block decodes to. A
 * cursor (struct meta) goes forward only. It takes the next block when its own has been read to the
 * end, and stops at the end of its table. That is all that bounds a stream: nothing else says its
 * length.
 *
 * Each step forward passes at least three bytes of the image (a header and a byte), so no cursor
 * goes round, and none goes on longer than the image. An item may begin in one block and go on in
 * the next; nobody but meta_read has to know.
 *
 * A block that a cursor stands in cannot be given up by the cache (cache.c) until the cursor moves
 * on or is closed: so every cursor is closed by the cleanup attribute.
 */
#include "squash/read/internal.h"

#include <string.h>

/* The one function that reads a stored metadata block: header of two bytes, then the content. */
int meta_load(struct squash *sq, struct cached *block, struct error **err)
{
	/* Header and content in one read: below us each read may decrypt a whole block anew. */
	size_t len = 2 + SQUASH_META_LEN;
	if (!range_within(block->position, 2, sq->bytes_used))
		return error_set(err, ERROR_DAMAGED, "a metadata block lies outside the image");
	if (len > sq->bytes_used - block->position)
		len = sq->bytes_used - block->position;
	struct decoder *d = codec_borrow(sq->codec, err);
	if (!d)
		return -1;
	int r = source_read(sq->source, d->stored, len, block->position, err);
	if (r == 0) {
		struct bytes b = bytes_of(d->stored, len);
		uint16_t header = bytes_le16(&b);
		size_t stored = header & SQUASH_META_LEN_MASK;
		const void *content = bytes_take(&b, stored);
		if (!bytes_ok(&b) || stored == 0 || stored > SQUASH_META_LEN) {
			r = error_set(err, ERROR_DAMAGED,
				      "a metadata block has no possible length");
		} else if (header & SQUASH_META_RAW) {
			memcpy(block->data, content, stored);
			block->len = stored;
		} else {
			r = codec_decode(sq->codec, d, content, stored, block->data,
					 SQUASH_META_LEN, &block->len, err);
			if (r == 0 && block->len == 0)
				r = error_set(err, ERROR_DAMAGED, "a metadata block is empty");
		}
		block->next = block->position + 2 + stored;
	}
	codec_return(sq->codec, d);
	return r;
}

int meta_open(struct squash *sq, const struct squash_table *table, uint64_t ref, struct meta *ret,
	      struct error **err)
{
	/* Whether the offset is in the block is known when that is decoded: meta_settle. */
	uint64_t block = ref >> 16;
	size_t off = ref & 0xffff;
	if (block >= table->end - table->start || off > SQUASH_META_LEN)
		return error_set(err, ERROR_DAMAGED, "a reference points outside its table");
	*ret = (struct meta){
		.sq = sq, .position = table->start + block, .end = table->end, .off = off
	};
	return 0;
}

void meta_close(struct meta *m)
{
	if (m->block)
		cache_put(m->sq->meta, m->block, !m->once);
	m->block = NULL;
}

/* Has the block that holds the next byte. */
int meta_settle(struct meta *m, struct error **err)
{
	for (;;) {
		if (!m->block) {
			if (m->position >= m->end)
				return error_set(err, ERROR_DAMAGED,
						 "metadata goes on past its table's end");
			m->block = cache_get(m->sq->meta, m->sq, m->position, 0, err);
			if (!m->block)
				return -1;
			if (m->off > m->block->len)
				return error_set(err, ERROR_DAMAGED,
						 "a reference points outside its block");
		}
		if (m->off < m->block->len)
			return 0;
		m->position = m->block->next;
		m->off = 0;
		meta_close(m);
	}
}

int meta_read(struct meta *m, void *buf, size_t len, struct error **err)
{
	uint8_t *to = buf;
	while (len > 0) {
		if (meta_settle(m, err) < 0)
			return -1;
		size_t n = m->block->len - m->off;
		if (n > len)
			n = len;
		/* No buffer: the bytes are passed over. */
		if (to) {
			memcpy(to, m->block->data + m->off, n);
			to += n;
		}
		m->off += n;
		len -= n;
	}
	return 0;
}

int meta_skip(struct meta *m, uint64_t len, struct error **err)
{
	return meta_read(m, NULL, len, err);
}

uint64_t meta_ref(const struct meta *m, const struct squash_table *table)
{
	return (m->position - table->start) << 16 | m->off;
}

int meta_element(struct squash *sq, const uint64_t *blocks, uint64_t index, size_t len, void *buf,
		 struct error **err)
{
	/* Elements never lie across two blocks: their lengths divide 8192. */
	size_t per_block = SQUASH_META_LEN / len;
	struct meta m CLEANUP_META = {
		.sq = sq,
		.position = blocks[index / per_block],
		.end = sq->bytes_used,
		.off = index % per_block * len,
	};
	return meta_read(&m, buf, len, err);
}
