/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_SQUASH_READ_CACHE_H
#define COFFER_SQUASH_READ_CACHE_H

#include <stdatomic.h>

#include "base/base.h"

struct squash;

/*
 * Decoded blocks of one size, at most so many, found by where they are stored. Several threads
 * that ask for the same block wait for the first to decode it. A block that was got stays as it
 * is until it is put back.
 */
struct cache;
struct cached {
	uint8_t *data;
	size_t len;    /* decoded */
	uint64_t next; /* where the stored block ends: the next one's position */
	/* The rest is the cache's. */
	uint64_t position;
	uint32_t word;
	unsigned users;
	int state;
	bool recent, loose;
	uint64_t fresh; /* 0, or which of its shard that were read ahead this is */
	struct cached *chain;
};
/* Fills data (cap bytes), len and next of the block at position that `word` describes. */
typedef int (*cache_load)(struct squash *sq, struct cached *block, struct error **err);

int cache_new(size_t bytes, size_t block_cap, cache_load load, struct cache **ret,
	      struct error **err);
void cache_free(struct cache **c);
/* NULL on failure. */
struct cached *cache_get(struct cache *c, struct squash *sq, uint64_t position, uint32_t word,
			 struct error **err);
/* Only what is there, or is being loaded by another thread; else NULL, and no error. */
struct cached *cache_peek(struct cache *c, uint64_t position, uint32_t word);
/*
 * Notes that a block is about to be decoded elsewhere than into the cache; before cache_peek. Until
 * the note is taken back, cache_ahead leaves the block alone. NULL: there are too many notes.
 */
_Atomic uint64_t *cache_straight_begin(struct cache *c, uint64_t position);
void cache_straight_end(_Atomic uint64_t *note);
/*
 * Loads what is not there, for later. Waits for nobody. Where that would take more than its share
 * of the cache, what it loaded longest ago and nobody got makes room. An error is kept nowhere: who
 * gets the block tries for itself.
 */
void cache_ahead(struct cache *c, struct squash *sq, uint64_t position, uint32_t word);
/* again: whether it is likely to be got again; if not it is the first to be given up. */
void cache_put(struct cache *c, struct cached *block, bool again);

#endif
