/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_SQUASH_READ_INTERNAL_H
#define COFFER_SQUASH_READ_INTERNAL_H

#include <pthread.h>

#include "squash/format.h"
#include "squash/read/cache.h"
#include "squash/read/codec.h"
#include "squash/read/refs.h"
#include "squash/squash.h"

/* The file system as its readers see it, and what they share. */

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

/* ------------------------------------------------------------------ ahead.c */

/* What read-ahead remembers of the reads before. */
struct ahead;
int ahead_new(struct ahead **ret, struct error **err);
void ahead_free(struct ahead **a);

#endif
