/* SPDX-License-Identifier: Apache-2.0 */
#include "squash/write/internal.h"

#include <sqfs/error.h>
#include <stdlib.h>
#include <string.h>

/*
 * Blocks arrive in the order of the files, one file's in a row (fragment blocks between files),
 * each with its checksum. They are written at once; after a file's last one it is looked up by its
 * first block, and if an earlier file begins with just these blocks, byte for byte as read back,
 * they are cut off again.
 *
 * `starts` is a hash table of the blocks that begin a file, by checksum and size; those of equal
 * hash are chained through `before`.
 */

#define COMPARE_CHUNK ((size_t)65536)
#define CANDIDATES_MAX \
	64 /* files of equal first blocks that are looked at: keeps the time linear */

struct block {
	uint64_t off;
	uint32_t word;	   /* size and bit 24, as in an inode */
	uint32_t checksum; /* of the data before compression */
	uint32_t before;   /* an earlier file's first block in the same slot, or SQUASH_NONE */
};

struct block_writer {
	sqfs_block_writer_t base;
	struct squash_output *out;    /* borrowed */
	sqfs_frag_table_t *fragments; /* borrowed */
	struct block *blocks;
	size_t count, cap;
	size_t file_first; /* the current file's first block */
	uint64_t file_off; /* the output's size before it */
	uint32_t *starts;  /* starts_cap slots, a power of two */
	size_t starts_cap, starts_len;
	uint8_t *compare; /* two chunks */
};

static size_t slot_of(const struct block_writer *w, const struct block *b)
{
	uint64_t h = ((uint64_t)b->checksum << 32 | b->word) * 0x9E3779B97F4A7C15u;
	return (size_t)(h >> 20) & (w->starts_cap - 1);
}

static int grow_starts(struct block_writer *w)
{
	size_t cap = w->starts_cap ? w->starts_cap * 2 : 1024;
	uint32_t *starts = malloc(cap * sizeof(*starts));
	if (!starts)
		return SQFS_ERROR_ALLOC;
	memset(starts, 0xFF, cap * sizeof(*starts));
	uint32_t *old = w->starts;
	size_t old_cap = w->starts_cap;
	w->starts = starts;
	w->starts_cap = cap;
	for (size_t i = 0; i < old_cap; i++) {
		for (uint32_t n = old[i], before; n != SQUASH_NONE; n = before) {
			size_t slot = slot_of(w, &w->blocks[n]);
			before = w->blocks[n].before;
			w->blocks[n].before = starts[slot];
			starts[slot] = n;
		}
	}
	free(old);
	return 0;
}

static int remember(struct block_writer *w, size_t first)
{
	if (w->starts_len >= w->starts_cap) {
		int r = grow_starts(w);
		if (r)
			return r;
	}
	size_t slot = slot_of(w, &w->blocks[first]);
	w->blocks[first].before = w->starts[slot];
	w->starts[slot] = (uint32_t)first;
	w->starts_len++;
	return 0;
}

/* The same sizes and checksums, lying in a row. */
static bool looks_equal(const struct block_writer *w, size_t start)
{
	const struct block *a = w->blocks + start, *b = w->blocks + w->file_first;
	size_t count = w->count - w->file_first;
	if (count > w->file_first - start)
		return false;
	for (size_t i = 0; i < count; i++)
		if (a[i].word != b[i].word || a[i].checksum != b[i].checksum ||
		    a[i].off - a[0].off != b[i].off - b[0].off)
			return false;
	return true;
}

/* 1: the bytes are the same, 0: they are not. */
static int is_equal(struct block_writer *w, size_t start)
{
	sqfs_file_t *file = &w->out->file;
	uint64_t a = w->blocks[start].off, b = w->file_off;
	uint64_t left = file->get_size(file) - b;
	if (!w->compare && !(w->compare = malloc(2 * COMPARE_CHUNK)))
		return SQFS_ERROR_ALLOC;
	while (left) {
		size_t n = left < COMPARE_CHUNK ? (size_t)left : COMPARE_CHUNK;
		int r = file->read_at(file, a, w->compare, n);
		if (r == 0)
			r = file->read_at(file, b, w->compare + COMPARE_CHUNK, n);
		if (r)
			return r;
		if (memcmp(w->compare, w->compare + COMPARE_CHUNK, n) != 0)
			return 0;
		a += n;
		b += n;
		left -= n;
	}
	return 1;
}

static int end_file(struct block_writer *w, uint64_t *location)
{
	if (w->count == w->file_first) { /* holes only */
		*location = 0;
		return 0;
	}
	*location = w->blocks[w->file_first].off;
	uint32_t n = SQUASH_NONE;
	if (w->starts_cap)
		n = w->starts[slot_of(w, &w->blocks[w->file_first])];
	for (int tries = 0; n != SQUASH_NONE && tries < CANDIDATES_MAX;
	     n = w->blocks[n].before, tries++) {
		if (!looks_equal(w, n))
			continue;
		int r = is_equal(w, n);
		if (r < 0)
			return r;
		if (r == 0)
			continue;
		w->count = w->file_first;
		*location = w->blocks[n].off;
		return w->out->file.truncate(&w->out->file, w->file_off);
	}
	return remember(w, w->file_first);
}

static int put_block(struct block_writer *w, uint32_t size, uint32_t word, uint32_t checksum,
		     const uint8_t *data)
{
	sqfs_file_t *file = &w->out->file;
	if (w->count >= SQUASH_NONE)
		return SQFS_ERROR_OVERFLOW;
	if (w->count == w->cap) {
		size_t cap = w->cap ? w->cap * 2 : 256;
		struct block *blocks = realloc(w->blocks, cap * sizeof(*blocks));
		if (!blocks)
			return SQFS_ERROR_ALLOC;
		w->blocks = blocks;
		w->cap = cap;
	}
	struct block *b = &w->blocks[w->count];
	*b = (struct block){ .off = file->get_size(file),
			     .word = word,
			     .checksum = checksum,
			     .before = SQUASH_NONE };
	int r = file->write_at(file, b->off, data, size);
	if (r == 0)
		w->count++;
	return r;
}

/* libsquashfs sees single blocks only: the block list is ours to fill. */
static void note_block(struct squash_blocks *b, uint32_t word)
{
	sqfs_inode_generic_t *inode = b->inode;
	uint32_t index = b->submitted ? b->submitted[b->written] : (uint32_t)b->written;
	b->written++;
	inode->extra[index] = word;
	if (!word) {
		uint64_t size, left;
		sqfs_inode_get_file_size(inode, &size);
		left = size - (uint64_t)index * b->block_size;
		b->holes += left < b->block_size ? left : b->block_size;
	}
}

/* After the last block: the place of the file, and what of it is nowhere. */
static int note_file(struct squash_blocks *b, uint64_t location)
{
	int r = sqfs_inode_set_file_block_start(b->inode, location);
	if (r == 0 && b->holes) {
		r = sqfs_inode_make_extended(b->inode);
		b->inode->data.file_ext.sparse = b->holes;
	}
	return r;
}

static int write_data_block(sqfs_block_writer_t *base, void *user, sqfs_u32 size, sqfs_u32 checksum,
			    sqfs_u32 flags, const sqfs_u8 *data, sqfs_u64 *location)
{
	struct block_writer *w = (struct block_writer *)base;
	struct squash_blocks *blocks = user;
	int r = 0;
	*location = 0;
	if (w->out->draining)
		return 0;
	if (flags & SQFS_BLK_FIRST_BLOCK) {
		w->file_first = w->count;
		w->file_off = w->out->file.get_size(&w->out->file);
	}
	bool stored = size && !(flags & SQFS_BLK_IS_SPARSE);
	uint32_t word = size | (flags & SQFS_BLK_IS_COMPRESSED ? 0 : SQUASH_DATA_RAW);
	if (stored) {
		*location = w->out->file.get_size(&w->out->file);
		r = put_block(w, size, word, checksum, data);
	}
	if (r == 0 && !blocks->inode)
		return sqfs_frag_table_set(w->fragments, blocks->fragment, *location, word);
	if (r == 0 && size)
		note_block(blocks, stored ? word : 0);
	if (r == 0 && flags & SQFS_BLK_LAST_BLOCK)
		r = end_file(w, location);
	if (r == 0 && flags & SQFS_BLK_LAST_BLOCK)
		r = note_file(blocks, *location);
	return r;
}

static sqfs_u64 get_block_count(const sqfs_block_writer_t *base)
{
	return ((const struct block_writer *)base)->count;
}

static void destroy(sqfs_object_t *object)
{
	struct block_writer *w = (struct block_writer *)object;
	free(w->blocks);
	free(w->starts);
	free(w->compare);
	free(w);
}

sqfs_block_writer_t *squash_block_writer(struct squash_output *out, sqfs_frag_table_t *fragments)
{
	struct block_writer *w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	w->base = (sqfs_block_writer_t){
		.base = { .destroy = destroy },
		.write_data_block = write_data_block,
		.get_block_count = get_block_count,
	};
	w->out = out;
	w->fragments = fragments;
	return &w->base;
}
