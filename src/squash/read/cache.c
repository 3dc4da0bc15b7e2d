/* SPDX-License-Identifier: Apache-2.0 */
#include "squash/read/internal.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * The cache is cut into shards, each with its own lock, its own fixed number of blocks and a
 * clock hand that goes round them to find one to give up: blocks used since the hand last came
 * by are spared once. A hit costs one lock that hardly anybody else wants.
 *
 * A shard whose blocks are all in use gives out a loose block, which lives until it is put back:
 * so nobody ever waits for a block to become free, and there are never more loose ones than
 * threads hold at that moment.
 *
 * What was read ahead is fresh until somebody gets it. Of those there are at most a quarter of all:
 * a wrong guess displaces little, and in the end makes room for the next one.
 */
/*
 * Who may do what: a block's data is written by the thread that claimed it, while it is LOADING and
 * without the lock; it is read by whoever got it, without the lock, until it is put back. All else
 * of a block, and the chains, belong to the shard's lock. The load itself decrypts and unpacks, so
 * no lock is held meanwhile; whoever wants the same block sleeps until it is READY, or gone when
 * the load failed, and then tries for itself, so that each gets an error of its own.
 *
 * A block is found by its place and its word: an image whose two inodes give the same place two
 * lengths has two blocks, not one that is right for one of them.
 */
#define SHARDS_MAX 16
#define SHARD_BLOCKS_MIN 8
#define FRESH_PART 4
#define STRAIGHT_MAX 8 /* as many threads as the server has (serve/serve.c, THREADS_MAX) */

enum state { EMPTY, LOADING, READY };

struct shard {
	pthread_mutex_t lock;
	pthread_cond_t loaded; /* some block is no longer LOADING */
	struct cached *blocks; /* owned: count of them */
	size_t count;
	size_t hand;
	struct cached **heads; /* owned: chains by hash, count of them */
	struct cached *spent;  /* put back last by one who does not want it again; or NULL */
	uint64_t fresh_serial; /* of the block that was read ahead last */
} __attribute__((aligned(64)));

struct cache {
	struct shard *shards; /* owned */
	size_t shard_count;
	size_t block_cap;
	cache_load load;
	size_t fresh_max;
	_Atomic size_t fresh; /* how many there are */
	/* Positions of what is decoded straight into an answer; 0, where no block is: none. */
	_Atomic uint64_t straight[STRAIGHT_MAX];
};

static uint64_t hash(uint64_t position)
{
	/* Fibonacci hashing: positions are often multiples of one another. */
	position *= UINT64_C(0x9e3779b97f4a7c15);
	return position ^ position >> 32;
}

/* The shard by the low part of the hash, the chain in it by the rest: they are independent. */
static struct shard *shard_of(struct cache *c, uint64_t position)
{
	return &c->shards[hash(position) % c->shard_count];
}

static struct cached **head_of(struct cache *c, struct shard *s, uint64_t position)
{
	return &s->heads[hash(position) / c->shard_count % s->count];
}

/* All of a large block is written at once: the kernel is asked for it once, not at each page. */
static void *block_new(size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	if (len < 16 * page)
		return malloc(len);
	void *p;
	if (posix_memalign(&p, page, len) != 0)
		return NULL;
	(void)madvise(p, len & ~(page - 1), MADV_POPULATE_WRITE);
	return p;
}

/* The shard's lock is held here, and in unlink_block, evict, evict_fresh and claim. */
static struct cached *find(struct cache *c, struct shard *s, uint64_t position, uint32_t word)
{
	for (struct cached *b = *head_of(c, s, position); b; b = b->chain)
		if (b->position == position && b->word == word)
			return b;
	return NULL;
}

/* Takes it out of its chain, which it is in. */
static void unlink_block(struct cache *c, struct shard *s, struct cached *block)
{
	struct cached **at = head_of(c, s, block->position);
	while (*at != block)
		at = &(*at)->chain;
	*at = take_pointer(&block->chain);
	block->state = EMPTY;
}

/* The block is no longer fresh: it was used, or is given up. */
static void settle(struct cache *c, struct cached *block)
{
	if (block->fresh)
		atomic_fetch_sub_explicit(&c->fresh, 1, memory_order_relaxed);
	block->fresh = 0;
}

/* An unused block of the shard, taken out of it, or NULL. */
static struct cached *evict(struct cache *c, struct shard *s)
{
	/* Its memory is in the CPU's cache still, and that of an unused one not even there. */
	struct cached *spent = take_pointer(&s->spent);
	if (spent && !spent->users && !spent->recent && spent->state == READY) {
		settle(c, spent);
		unlink_block(c, s, spent);
		return spent;
	}
	for (size_t i = 0; i < 2 * s->count; i++) {
		struct cached *b = &s->blocks[s->hand];
		s->hand = (s->hand + 1) % s->count;
		if (b->users)
			continue;
		if (b->state == EMPTY)
			return b;
		if (b->recent) {
			b->recent = false;
			continue;
		}
		settle(c, b);
		unlink_block(c, s, b);
		return b;
	}
	return NULL;
}

/* The block that has waited longest for somebody to get it, taken out of the shard, or NULL. */
static struct cached *evict_fresh(struct cache *c, struct shard *s)
{
	struct cached *oldest = NULL;
	for (size_t i = 0; i < s->count; i++) {
		struct cached *b = &s->blocks[i];
		if (b->fresh && !b->users && (!oldest || b->fresh < oldest->fresh))
			oldest = b;
	}
	if (oldest) {
		settle(c, oldest);
		unlink_block(c, s, oldest);
	}
	return oldest;
}

/*
 * At least SHARD_BLOCKS_MIN blocks, whatever `bytes` says: with fewer the threads would drive out
 * each other's. Memory for a block is taken when it is first used.
 */
int cache_new(size_t bytes, size_t block_cap, cache_load load, struct cache **ret,
	      struct error **err)
{
	size_t total = bytes / block_cap;
	if (total < SHARD_BLOCKS_MIN)
		total = SHARD_BLOCKS_MIN;
	size_t shards = total / SHARD_BLOCKS_MIN;
	if (shards > SHARDS_MAX)
		shards = SHARDS_MAX;

	struct cache *c = calloc(1, sizeof(*c));
	if (c)
		c->shards = aligned_alloc(64, shards * sizeof(*c->shards));
	if (!c || !c->shards) {
		free(c);
		return error_no_memory(err);
	}
	c->block_cap = block_cap;
	c->load = load;
	for (size_t i = 0; i < shards; i++) {
		struct shard *s = &c->shards[i];
		*s = (struct shard){ .count = total / shards };
		pthread_mutex_init(&s->lock, NULL);
		pthread_cond_init(&s->loaded, NULL);
		s->blocks = calloc(s->count, sizeof(*s->blocks));
		s->heads = calloc(s->count, sizeof(struct cached *));
		c->shard_count++;
		c->fresh_max += s->count;
		if (!s->blocks || !s->heads) {
			cache_free(&c);
			return error_no_memory(err);
		}
	}
	c->fresh_max /= FRESH_PART;
	*ret = c;
	return 0;
}

void cache_free(struct cache **c)
{
	if (!*c)
		return;
	for (size_t i = 0; i < (*c)->shard_count; i++) {
		struct shard *s = &(*c)->shards[i];
		for (size_t k = 0; s->blocks && k < s->count; k++)
			free(s->blocks[k].data);
		free(s->blocks);
		free(s->heads);
		pthread_cond_destroy(&s->loaded);
		pthread_mutex_destroy(&s->lock);
	}
	free((*c)->shards);
	free(*c);
	*c = NULL;
}

/* A block that is in no shard: nobody else finds it, and it is freed when it is put back. */
static struct cached *loose_new(void)
{
	struct cached *b = calloc(1, sizeof(*b));
	if (b)
		b->loose = true;
	return b;
}

/* Makes it the block of this position, which somebody now loads; the shard's lock is held. */
static void claim(struct cache *c, struct shard *s, struct cached *b, uint64_t position,
		  uint32_t word)
{
	if (s->spent == b)
		s->spent = NULL;
	b->position = position;
	b->word = word;
	b->users = 1;
	b->state = LOADING;
	b->recent = false;
	b->len = 0;
	if (!b->loose) {
		struct cached **head = head_of(c, s, position);
		b->chain = *head;
		*head = b;
	}
}

/* Loads a claimed block; on failure it is gone, and its waiters try for themselves. */
static int fill(struct cache *c, struct shard *s, struct squash *sq, struct cached *b, bool ahead,
		struct error **err)
{
	int r = 0;
	if (!b->data && !(b->data = block_new(c->block_cap)))
		r = error_no_memory(err);
	if (r == 0)
		r = c->load(sq, b, err);

	pthread_mutex_lock(&s->lock);
	if (r == 0)
		b->state = READY;
	else if (!b->loose)
		unlink_block(c, s, b);
	if (r < 0 || ahead)
		b->users = 0;
	if (ahead && r == 0) {
		b->recent = true;
		b->fresh = ++s->fresh_serial;
	} else if (ahead) {
		atomic_fetch_sub_explicit(&c->fresh, 1, memory_order_relaxed);
	}
	pthread_cond_broadcast(&s->loaded);
	pthread_mutex_unlock(&s->lock);
	if (r < 0 && b->loose) {
		free(b->data);
		free(b);
	}
	return r;
}

/* The block when it is there, once it is loaded, with one more user; the lock is held. */
static struct cached *wait_for(struct cache *c, struct shard *s, uint64_t position, uint32_t word)
{
	struct cached *b;
	/* A block that could not be loaded is gone when its waiters wake: each tries for itself. */
	while ((b = find(c, s, position, word)) && b->state == LOADING)
		pthread_cond_wait(&s->loaded, &s->lock);
	if (b) {
		settle(c, b);
		b->users++;
		b->recent = true;
	}
	return b;
}

struct cached *cache_get(struct cache *c, struct squash *sq, uint64_t position, uint32_t word,
			 struct error **err)
{
	struct shard *s = shard_of(c, position);
	pthread_mutex_lock(&s->lock);
	struct cached *b = wait_for(c, s, position, word);
	bool there = b;
	if (!b && ((b = evict(c, s)) || (b = loose_new())))
		claim(c, s, b, position, word);
	pthread_mutex_unlock(&s->lock);
	if (there)
		return b;
	if (!b) {
		error_no_memory(err);
		return NULL;
	}
	return fill(c, s, sq, b, false, err) < 0 ? NULL : b;
}

struct cached *cache_peek(struct cache *c, uint64_t position, uint32_t word)
{
	struct shard *s = shard_of(c, position);
	pthread_mutex_lock(&s->lock);
	struct cached *b = wait_for(c, s, position, word);
	pthread_mutex_unlock(&s->lock);
	return b;
}

_Atomic uint64_t *cache_straight_begin(struct cache *c, uint64_t position)
{
	for (size_t i = 0; i < STRAIGHT_MAX; i++) {
		uint64_t none = 0;
		if (atomic_compare_exchange_strong(&c->straight[i], &none, position))
			return &c->straight[i];
	}
	return NULL;
}

void cache_straight_end(_Atomic uint64_t *note)
{
	if (note)
		atomic_store(note, 0);
}

static bool is_straight(struct cache *c, uint64_t position)
{
	for (size_t i = 0; i < STRAIGHT_MAX; i++)
		if (atomic_load(&c->straight[i]) == position)
			return true;
	return false;
}

void cache_ahead(struct cache *c, struct squash *sq, uint64_t position, uint32_t word)
{
	CLEANUP_ERROR struct error *ignored = NULL;
	struct shard *s = shard_of(c, position);
	struct cached *b = NULL;
	/* Counted before it is loaded, so that several threads keep to the bound together. */
	bool room = atomic_fetch_add_explicit(&c->fresh, 1, memory_order_relaxed) < c->fresh_max;
	pthread_mutex_lock(&s->lock);
	if (!find(c, s, position, word) && !is_straight(c, position))
		b = room ? evict(c, s) : evict_fresh(c, s);
	if (b)
		claim(c, s, b, position, word);
	pthread_mutex_unlock(&s->lock);
	if (b)
		(void)fill(c, s, sq, b, true, &ignored);
	else
		atomic_fetch_sub_explicit(&c->fresh, 1, memory_order_relaxed);
}

void cache_put(struct cache *c, struct cached *block, bool again)
{
	if (block->loose) {
		free(block->data);
		free(block);
		return;
	}
	struct shard *s = shard_of(c, block->position);
	pthread_mutex_lock(&s->lock);
	block->users--;
	if (!again) {
		block->recent = false;
		s->spent = block;
	}
	pthread_mutex_unlock(&s->lock);
}
