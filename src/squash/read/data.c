/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data of files (encryption.md 7), the hot path.
 *
 * A file is cut into blocks of the file system's block size. Behind its inode stands a word for
 * each: how many bytes the block is stored in, and whether packed; 0 is a hole. Blocks lie in a row
 * from the inode's `start`, so a block's place is the sum of the lengths before it (positions.c).
 * What is left at the end may lie in a fragment, which is a block that the tails of several files
 * share.
 *
 * Three ways to give a block to who asks:
 * - it is wanted whole, and nobody has it: decoded straight into the answer (whole_read). The
 * kernel keeps what it got in its page cache, so a copy of ours would never be asked for;
 * - a part of it is wanted, or a tail: by the cache, since the rest is likely to be wanted next;
 * - it was read ahead (ahead.c): from the cache, and then given up there first.
 *
 * A block decodes to exactly the length that its place in the file demands, or it is damaged. So no
 * byte of an answer is left as it was before: what a reader gets is the image's, or an error.
 */
#include "squash/read/data.h"

#include <limits.h>
#include <string.h>

int data_word(const struct squash *sq, uint32_t word, uint32_t *ret_stored, struct error **err)
{
	uint32_t stored = word & SQUASH_DATA_LEN_MASK;
	/* Packed, a block may not be longer either: writers store it as it is then. */
	if (word & ~(SQUASH_DATA_LEN_MASK | SQUASH_DATA_RAW) || stored > sq->block_size)
		return error_set(err, ERROR_DAMAGED, "a data block has no possible length");
	*ret_stored = stored;
	return 0;
}

int data_next(struct squash *sq, struct meta *words, uint32_t *ret_word, uint32_t *ret_stored,
	      struct error **err)
{
	uint8_t raw[4];
	if (meta_read(words, raw, sizeof(raw), err) < 0)
		return -1;
	struct bytes b = bytes_of(raw, sizeof(raw));
	*ret_word = bytes_le32(&b);
	return data_word(sq, *ret_word, ret_stored, err);
}

/* The one function that reads a stored data block, which is no hole. */
static int stored_read(struct squash *sq, uint64_t position, uint32_t word, void *out, size_t cap,
		       size_t *ret_len, struct error **err)
{
	uint32_t stored = 0;
	if (data_word(sq, word, &stored, err) < 0)
		return -1;
	/* A fragment's word comes here unseen, and a fragment cannot be a hole. */
	if (stored == 0 || position < SQUASH_SUPER_LEN ||
	    !range_within(position, stored, sq->bytes_used))
		return error_set(err, ERROR_DAMAGED, "a data block lies outside the image");
	if (word & SQUASH_DATA_RAW) {
		if (stored > cap)
			return error_set(err, ERROR_DAMAGED, "a data block is too long");
		*ret_len = stored;
		return source_read(sq->source, out, stored, position, err);
	}
	struct decoder *d = codec_borrow(sq->codec, err);
	if (!d)
		return -1;
	int r = source_read(sq->source, d->stored, stored, position, err);
	if (r == 0)
		r = codec_decode(sq->codec, d, d->stored, stored, out, cap, ret_len, err);
	codec_return(sq->codec, d);
	return r;
}

/* For the cache: the whole of a block, whatever length it turns out to have. */
int data_load(struct squash *sq, struct cached *block, struct error **err)
{
	return stored_read(sq, block->position, block->word, block->data, sq->block_size,
			   &block->len, err);
}

/*
 * Copies a part of a block, and puts it back. Of a whole one the kernel's page cache has a copy
 * from now on, so it is not likely to be asked for again.
 */
static int copy_out(struct squash *sq, struct cached *b, size_t expected, size_t off, void *buf,
		    size_t len, struct error **err)
{
	int r = 0;
	/* expected 0: a fragment, whose length is nowhere told. */
	if (expected ? b->len != expected : !range_within(off, len, b->len))
		r = error_set(err, ERROR_DAMAGED, "a data block has not the length it should have");
	else
		memcpy(buf, b->data + off, len);
	cache_put(sq->data, b, len != expected);
	return r;
}

/* Copies a part of a block that is kept, or is from now on. */
static int part_read(struct squash *sq, uint64_t position, uint32_t word, size_t expected,
		     size_t off, void *buf, size_t len, struct error **err)
{
	struct cached *b = cache_get(sq->data, sq, position, word, err);
	return b ? copy_out(sq, b, expected, off, buf, len, err) : -1;
}

int data_fragment(struct squash *sq, uint32_t fragment, uint64_t *ret_position, uint32_t *ret_word,
		  struct error **err)
{
	uint8_t raw[SQUASH_FRAGMENT_LEN];
	if (fragment >= sq->fragment_count)
		return error_set(err, ERROR_DAMAGED, "a file's fragment does not exist");
	if (meta_element(sq, sq->fragments, fragment, sizeof(raw), raw, err) < 0)
		return -1;
	struct bytes b = bytes_of(raw, sizeof(raw));
	*ret_position = bytes_le64(&b);
	*ret_word = bytes_le32(&b);
	return 0;
}

/* The tail: a part of a block that other files have their tails in, too, so by the cache. */
static int fragment_read(struct squash *sq, const struct squash_inode *inode, size_t off, void *buf,
			 size_t len, struct error **err)
{
	uint64_t position = 0;
	uint32_t word = 0;
	if (data_fragment(sq, inode->fragment, &position, &word, err) < 0)
		return -1;
	return part_read(sq, position, word, 0, inode->offset + off, buf, len, err);
}

/* A whole block that nobody has decoded yet goes straight where the caller wants it. */
static int whole_read(struct squash *sq, uint64_t position, uint32_t word, void *buf, size_t len,
		      struct error **err)
{
	size_t n = 0;
	int r = 0;
	/* Noted first: who reads ahead has begun with it by now, or will leave it alone. */
	_Atomic uint64_t *note = cache_straight_begin(sq->data, position);
	struct cached *b = cache_peek(sq->data, position, word);
	if (!b)
		r = stored_read(sq, position, word, buf, len, &n, err);
	cache_straight_end(note);
	if (b)
		return copy_out(sq, b, len, 0, buf, len, err);
	if (r == 0 && n != len)
		r = error_set(err, ERROR_DAMAGED, "a data block has not the length it should have");
	return r;
}

/* What a read wants of one block. */
struct piece {
	uint64_t position;
	uint32_t word, stored;
	size_t expected, skip, len; /* of the block when decoded; from where, how much */
	uint8_t *to;
};

static int piece_read(struct squash *sq, const struct piece *p, struct error **err)
{
	if (p->stored == 0) {
		memset(p->to, 0, p->len);
		return 0;
	}
	if (p->len == p->expected)
		return whole_read(sq, p->position, p->word, p->to, p->len, err);
	return part_read(sq, p->position, p->word, p->expected, p->skip, p->to, p->len, err);
}

/*
 * Reads len bytes at off, which lie within the file's blocks.
 *
 * A read that begins inside a block shares it with the read before, whose last piece it is and
 * which another thread may be decoding now: the kernel's reads of a file seldom begin where a block
 * does. So that piece is done last; otherwise each thread would wait for the one before it.
 */
static int blocks_read(struct squash *sq, const struct squash_inode *inode, uint8_t *buf,
		       size_t len, uint64_t off, struct error **err)
{
	struct meta words CLEANUP_META = { 0 };
	struct piece begun = { .len = 0 };
	uint64_t index = off >> sq->block_log, position = 0;
	if (positions_find(sq, inode, index, &words, &position, err) < 0)
		return -1;
	for (; len > 0; index++) {
		struct piece p = { .position = position, .to = buf };
		if (data_next(sq, &words, &p.word, &p.stored, err) < 0)
			return -1;
		uint64_t left = inode->size - (index << sq->block_log);
		p.expected = left < sq->block_size ? (size_t)left : sq->block_size;
		p.skip = off & (sq->block_size - 1);
		p.len = p.expected - p.skip < len ? p.expected - p.skip : len;
		if (p.skip > 0)
			begun = p;
		else if (piece_read(sq, &p, err) < 0)
			return -1;
		position += p.stored;
		buf += p.len;
		off += p.len;
		len -= p.len;
	}
	return begun.len ? piece_read(sq, &begun, err) : 0;
}

int data_holes(struct squash *sq, const struct squash_inode *inode, uint64_t index, uint64_t *ret,
	       struct error **err)
{
	struct meta words CLEANUP_META = { 0 };
	uint64_t blocks = data_blocks(sq, inode), position = 0, n = 0;
	if (index < blocks && positions_find(sq, inode, index, &words, &position, err) < 0)
		return -1;
	for (; index + n < blocks; n++) {
		uint32_t word, stored = 0;
		if (data_next(sq, &words, &word, &stored, err) < 0)
			return -1;
		if (stored)
			break;
	}
	*ret = n;
	return 0;
}

/*
 * A short count means the end of the file and nothing else: what cannot be read is an error, even
 * if something before it could be.
 */
ssize_t squash_read(struct squash *sq, const struct squash_inode *inode, void *buf, size_t len,
		    uint64_t off, struct error **err)
{
	if (!S_ISREG(inode->mode))
		return error_set(err, ERROR_INTERNAL, "not a regular file");
	if (off >= inode->size)
		return 0;
	if (len > inode->size - off)
		len = (size_t)(inode->size - off);
	if (len > SSIZE_MAX)
		len = SSIZE_MAX;
	/* The blocks cover whole << block_log bytes, or, when no fragment holds the tail, all. */
	uint64_t in_blocks = data_blocks(sq, inode) << sq->block_log;
	/* First what lies in blocks, then the tail from its fragment; most reads are one or the
	 * other. */
	size_t n = 0;
	if (off < in_blocks) {
		n = len < in_blocks - off ? len : (size_t)(in_blocks - off);
		if (blocks_read(sq, inode, buf, n, off, err) < 0)
			return -1;
	}
	if (n < len && fragment_read(sq, inode, (size_t)(off + n - in_blocks), (uint8_t *)buf + n,
				     len - n, err) < 0)
		return -1;
	return (ssize_t)len;
}
