/* SPDX-License-Identifier: Apache-2.0 */
#include "squash/read/data.h"

#include <stdlib.h>

/*
 * Read-ahead. Whoever packs an image stores files in the order of their directories, and whoever
 * reads a tree asks for them in that order. So what comes next is known without any table: the
 * next blocks of the file; after its end those of the next file in the table of inodes; and after a
 * block of fragments the next one.
 *
 * In the midst of a long file the kernel reads ahead itself, and has two reads under way: the next
 * block is decoded by another thread while the reader is at this one, straight into the answer. The
 * thread that has answered would have nothing to do until the reader comes: it decodes the one
 * after all that was asked for, unless another thread is at it.
 *
 * Nothing is read ahead until a read begins where an earlier one ended. The ends are kept in a ring
 * that is small: a guess that is wrong costs a block, never more memory.
 */
#define ENDS 16	       /* readers that are followed at once */
#define FRAGMENTS 16   /* blocks of fragments that were used lately */
#define BLOCKS 2       /* of a file, that are decoded ahead of a reader: at its beginning, */
#define BLOCKS_MIDST 1 /* and later */
#define EARLY 2	       /* blocks of a file, after which the kernel's own read-ahead has begun */
#define SKIP_MAX 16    /* inodes without data that are passed to find the next file */

struct ahead {
	pthread_mutex_t lock;
	struct {
		squash_ref file; /* UINT64_MAX: none */
		uint64_t off;
	} ends[ENDS];
	uint32_t fragments[FRAGMENTS];
	unsigned next_end, next_fragment;
};

int ahead_new(struct ahead **ret, struct error **err)
{
	struct ahead *a = calloc(1, sizeof(*a));
	if (!a)
		return error_no_memory(err);
	pthread_mutex_init(&a->lock, NULL);
	for (size_t i = 0; i < ENDS; i++)
		a->ends[i].file = UINT64_MAX;
	for (size_t i = 0; i < FRAGMENTS; i++)
		a->fragments[i] = SQUASH_NONE;
	*ret = a;
	return 0;
}

void ahead_free(struct ahead **a)
{
	if (!*a)
		return;
	pthread_mutex_destroy(&(*a)->lock);
	free(*a);
	*a = NULL;
}

/*
 * Whether a read goes on where one ended, and keeps where this one ends; *end becomes the end of
 * what was asked for. The kernel reads ahead itself, so reads of a file that follow one another may
 * come in another order: a block too early or too late is near enough.
 */
static bool goes_on(struct squash *sq, squash_ref file, uint64_t off, uint64_t *end)
{
	struct ahead *a = sq->ahead;
	bool near = false;
	size_t slot = ENDS;
	pthread_mutex_lock(&a->lock);
	for (size_t i = 0; i < ENDS && slot == ENDS; i++)
		if (a->ends[i].file == file)
			slot = i;
	if (slot < ENDS) {
		uint64_t at = a->ends[slot].off;
		near = off <= at ? at - off <= (uint64_t)2 * sq->block_size
				 : off - at <= sq->block_size;
		if (near && *end < at)
			*end = at;
	} else {
		slot = a->next_end++ % ENDS;
	}
	a->ends[slot].file = file;
	a->ends[slot].off = *end;
	pthread_mutex_unlock(&a->lock);
	return near;
}

/* The reader of one file is expected at the beginning of another from now on. */
static void goes_over(struct ahead *a, squash_ref file, squash_ref next)
{
	pthread_mutex_lock(&a->lock);
	for (size_t i = 0; i < ENDS; i++)
		if (a->ends[i].file == file) {
			a->ends[i].file = next;
			a->ends[i].off = 0;
		}
	pthread_mutex_unlock(&a->lock);
}

/* Whether the block of fragments before this one was used lately; keeps that this one is. */
static bool fragment_goes_on(struct ahead *a, uint32_t fragment)
{
	bool here = false, before = false;
	pthread_mutex_lock(&a->lock);
	for (size_t i = 0; i < FRAGMENTS; i++) {
		here |= a->fragments[i] == fragment;
		/* What stands for no fragment is 0 - 1. */
		before |= fragment && a->fragments[i] == fragment - 1;
	}
	if (!here)
		a->fragments[a->next_fragment++ % FRAGMENTS] = fragment;
	pthread_mutex_unlock(&a->lock);
	return before;
}

/*
 * The file behind this one in the table of inodes. What stands between is passed over as long as
 * it is short; a guess that goes astray there ends in an error, or in a block read for nothing.
 */
static bool next_file(struct squash *sq, const struct squash_inode *inode, struct squash_inode *ret)
{
	CLEANUP_ERROR struct error *ignored = NULL;
	struct squash_inode in = *inode;
	for (unsigned i = 0; i < SKIP_MAX; i++) {
		struct meta m CLEANUP_META = { 0 };
		uint64_t blocks = S_ISREG(in.mode) ? data_blocks(sq, &in) : 0, position;
		uint64_t rest = S_ISLNK(in.mode) ? in.size : 0;
		int r;
		if (in.index_count)
			return false;
		/* The list of blocks is as long as the file: near its end is a place that is kept.
		 */
		if (blocks)
			r = positions_find(sq, &in, blocks - 1, &m, &position, &ignored);
		else
			r = meta_open(sq, &sq->inodes, in.blocks_at, &m, &ignored);
		if (r < 0 || meta_skip(&m, blocks ? 4 : rest, &ignored) < 0 ||
		    meta_settle(&m, &ignored) < 0 ||
		    squash_inode(sq, meta_ref(&m, &sq->inodes), &in, &ignored) < 0)
			return false;
		if (S_ISREG(in.mode) && in.size) {
			*ret = in;
			return true;
		}
	}
	return false;
}

static void fragment_ahead(struct squash *sq, uint32_t fragment)
{
	CLEANUP_ERROR struct error *ignored = NULL;
	uint64_t position = 0;
	uint32_t word = 0;
	if (fragment < sq->fragment_count &&
	    data_fragment(sq, fragment, &position, &word, &ignored) == 0)
		cache_ahead(sq->data, sq, position, word);
}

/* Up to n blocks of a file from a block on, and its tail; returns how many are still to go. */
static unsigned blocks_ahead(struct squash *sq, const struct squash_inode *inode, uint64_t index,
			     unsigned n)
{
	CLEANUP_ERROR struct error *ignored = NULL;
	struct meta words CLEANUP_META = { 0 };
	uint64_t blocks = data_blocks(sq, inode), position = 0;
	if (index < blocks && positions_find(sq, inode, index, &words, &position, &ignored) < 0)
		return 0;
	for (; n && index < blocks; index++, n--) {
		uint32_t word, stored = 0;
		if (data_next(sq, &words, &word, &stored, &ignored) < 0)
			return 0;
		if (stored)
			cache_ahead(sq->data, sq, position, word);
		position += stored;
	}
	if (n && inode->fragment != SQUASH_NONE) {
		fragment_ahead(sq, inode->fragment);
		n--;
	}
	return n;
}

void squash_ahead(struct squash *sq, const struct squash_inode *inode, size_t len, uint64_t off)
{
	if (!S_ISREG(inode->mode) || off >= inode->size)
		return;
	uint64_t end = len < inode->size - off ? off + len : inode->size, asked = end;
	struct squash_inode next;
	bool on = goes_on(sq, inode->ref, off, &asked);
	bool over = end == inode->size && next_file(sq, inode, &next);
	if (over)
		goes_over(sq->ahead, inode->ref, next.ref);
	if (on) {
		/* A block in which a read ends is kept by then. */
		uint64_t index = (asked + sq->block_size - 1) >> sq->block_log;
		unsigned n = over || index <= EARLY ? BLOCKS : BLOCKS_MIDST;
		if (!over)
			n = blocks_ahead(sq, inode, index, n);
		if (n && (over || next_file(sq, inode, &next)))
			(void)blocks_ahead(sq, &next, 0, n);
	}
	/* Small files of several directories share these blocks, whatever order they are read in.
	 */
	if (inode->fragment != SQUASH_NONE && end > data_blocks(sq, inode) << sq->block_log &&
	    fragment_goes_on(sq->ahead, inode->fragment))
		fragment_ahead(sq, inode->fragment + 1);
}
