/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_SQUASH_READ_DATA_H
#define COFFER_SQUASH_READ_DATA_H

#include "squash/read/internal.h"

/* Where the data of a file is stored: data.c, and positions.c. */

int data_load(struct squash *sq, struct cached *block, struct error **err);
static inline uint64_t data_blocks(const struct squash *sq, const struct squash_inode *inode)
{
	uint64_t whole = inode->size >> sq->block_log;
	if (inode->fragment == SQUASH_NONE && inode->size & (sq->block_size - 1))
		whole++;
	return whole;
}

/*
 * Where the blocks of large files are. The position of a block is the sum of all stored lengths
 * before it, so some sums on the way are kept, for some files.
 */
int positions_new(struct positions **ret, struct error **err);
void positions_free(struct positions **p);
/*
 * Finds a block of a file: its position, and a cursor that stands at its word. index is less than
 * data_blocks().
 */
int positions_find(struct squash *sq, const struct squash_inode *inode, uint64_t index,
		   struct meta *ret_words, uint64_t *ret_position, struct error **err);
/* From a block on, how many are holes. */
int data_holes(struct squash *sq, const struct squash_inode *inode, uint64_t index, uint64_t *ret,
	       struct error **err);
/* Where a fragment is stored. */
int data_fragment(struct squash *sq, uint32_t fragment, uint64_t *ret_position, uint32_t *ret_word,
		  struct error **err);
/* Vets a block's word: how many bytes it is stored in. */
int data_word(const struct squash *sq, uint32_t word, uint32_t *ret_stored, struct error **err);
/* The next word of a list of blocks, vetted. */
int data_next(struct squash *sq, struct meta *words, uint32_t *ret_word, uint32_t *ret_stored,
	      struct error **err);

#endif
