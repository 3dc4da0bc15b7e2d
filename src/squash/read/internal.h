/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_SQUASH_READ_INTERNAL_H
#define COFFER_SQUASH_READ_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "squash/format.h"
#include "squash/squash.h"

/* ------------------------------------------------------------------ codec.c */

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

/* ------------------------------------------------------------------ cache.c */

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

/* ------------------------------------------------------------------ the file system */

struct squash_table {
	uint64_t start, end; /* positions in the source */
};

/* Where a reader of a directory stopped: the next call begins there and need not count up to it. */
#define SQUASH_RESUMES 64
struct squash_resume {
	squash_ref directory;
	uint64_t off; /* of a run's header in the listing; 0: nothing kept */
	uint64_t at;  /* the same as a reference */
};

struct squash {
	struct source *source; /* borrowed */
	uint64_t bytes_used;
	uint64_t inode_count;
	squash_ref root;
	uint32_t block_size;
	unsigned block_log;
	struct squash_table inodes, directories;
	uint32_t *ids; /* owned */
	uint32_t id_count;
	uint64_t *fragments; /* owned: the blocks of the fragment table */
	uint32_t fragment_count;
	uint64_t *xattr_ids; /* owned: the blocks of the table of attribute lists; NULL: none */
	uint32_t xattr_count;
	struct squash_table xattrs;
	struct codec *codec;
	struct cache *meta, *data;
	struct positions *positions;
	struct ahead *ahead;
	pthread_mutex_t resume_lock;
	struct squash_resume resumes[SQUASH_RESUMES]; /* under the lock; by the directory's ref */
};

/* ------------------------------------------------------------------ meta.c */

/*
 * A cursor over a stream of metadata, that is over what a chain of metadata blocks holds. Blocks
 * follow one another on disk, so it only ever moves forward and ends at the end of its table.
 */
struct meta {
	struct squash *sq;
	struct cached *block; /* NULL: not got yet */
	uint64_t position;    /* of that block */
	uint64_t end;	      /* of the table */
	size_t off;	      /* in the block */
	bool once;	      /* what is passed is not likely to be read again */
};
#define CLEANUP_META __attribute__((cleanup(meta_close)))

int meta_load(struct squash *sq, struct cached *block, struct error **err);
/* Begins at a reference relative to the table's start. */
int meta_open(struct squash *sq, const struct squash_table *table, uint64_t ref, struct meta *ret,
	      struct error **err);
void meta_close(struct meta *m);
int meta_read(struct meta *m, void *buf, size_t len, struct error **err);
int meta_skip(struct meta *m, uint64_t len, struct error **err);
/* Where it is, as a reference relative to the table's start. */
uint64_t meta_ref(const struct meta *m, const struct squash_table *table);
/* One fixed-size element of a table that is reached through an array of block positions. */
int meta_element(struct squash *sq, const uint64_t *blocks, uint64_t index, size_t len, void *buf,
		 struct error **err);

/* Moves to the next byte's block if it stands at the end of one: then meta_ref says what others
 * call the place. An error at the end of the table. */
int meta_settle(struct meta *m, struct error **err);

/* ------------------------------------------------------------------ data.c, positions.c */

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

/* ------------------------------------------------------------------ ahead.c */

/* What read-ahead remembers of the reads before. */
struct ahead;
int ahead_new(struct ahead **ret, struct error **err);
void ahead_free(struct ahead **a);

/* ------------------------------------------------------------------ refs.c */

/* Inodes met before, each with a text that the caller may set (freed with the set). */
struct refs_slot {
	squash_ref ref;
	char *path; /* owned */
};
struct refs {
	struct refs_slot *slots; /* owned */
	size_t len, cap;
};
void refs_free(struct refs *r);
/* Returns 1 when it is new, 0 when it was met before, -1 on failure. *ret lasts until the next. */
int refs_add(struct refs *r, squash_ref ref, struct refs_slot **ret, struct error **err);

#endif
