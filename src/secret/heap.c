/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks of 32 bytes to 128 KiB, each size twice the one before; a freed block waits in the list of
 * its size. The chunks that they are cut from are secrets like others: guarded, locked, moved and
 * wiped with them. They are never given back, and a process needs one or two. Chunks are small, as
 * on some systems a user may lock 64 KiB; a block that is larger than a chunk is one of its own.
 *
 * What is known of the blocks lies beside the chunks, not in them: so wiping all secrets
 * (secret_wipe_all) harms nothing, and pages whose blocks are free are all zeros, which makes them
 * cheap to move (secret_keep_all).
 */
#include "secret/secret.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/single_threaded.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LEAKS_ARE_SOUGHT
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(LEAKS_ARE_SOUGHT)
#include <sanitizer/lsan_interface.h>
#else
#define __lsan_register_root_region(at, len) ((void)(at))
#endif

#define CHUNK_LEN ((size_t)32768)
#define CHUNKS_MAX 256
#define LOG2_MIN 5
#define LOG2_MAX 17
#define UNITS (CHUNK_LEN >> LOG2_MIN) /* the smallest blocks in a chunk */
_Static_assert((size_t)1 << LOG2_MAX == SECRET_HEAP_MAX, "the largest block");

struct chunk {
	struct secret *memory;
	uint8_t log2[UNITS];  /* for the first unit of a block: its size */
	uint32_t next[UNITS]; /* for the first unit of a block that waits: the one after it */
};

static struct chunk *chunks[CHUNKS_MAX];
static atomic_uint chunk_count;
/* So many chunks have been opened: blocks are cut from the last of them. */
static unsigned opened;
static size_t used = CHUNK_LEN; /* bytes of that one; of none: all */
/* First of those that wait. A block has the number of its first unit, counted from 1 through all
 * chunks. */
static uint32_t waiting[LOG2_MAX + 1];
static pthread_mutex_t heap_lock = PTHREAD_MUTEX_INITIALIZER;

/* The calls of one derivation are thousands, and have no second thread beside them. */
static bool lock_heap(void)
{
	if (__libc_single_threaded)
		return false;
	pthread_mutex_lock(&heap_lock);
	return true;
}

static void unlock_heap(bool locked)
{
	if (locked)
		pthread_mutex_unlock(&heap_lock);
}

/* The number of the block at p, or 0 when it is not of this heap. */
static uint32_t number_of(const void *p)
{
	unsigned count = atomic_load_explicit(&chunk_count, memory_order_acquire);
	for (unsigned i = 0; i < count; i++) {
		uintptr_t off = (uintptr_t)p - (uintptr_t)secret_bytes(chunks[i]->memory);
		if (off < secret_size(chunks[i]->memory))
			return (uint32_t)(i * UNITS + (off >> LOG2_MIN) + 1);
	}
	return 0;
}

static struct chunk *chunk_of(uint32_t number, size_t *ret_unit)
{
	*ret_unit = (number - 1) % UNITS;
	return chunks[(number - 1) / UNITS];
}

static struct chunk *add_chunk(size_t len)
{
	CLEANUP_ERROR struct error *err = NULL;
	unsigned count = atomic_load_explicit(&chunk_count, memory_order_relaxed);
	struct chunk *c = count < CHUNKS_MAX ? calloc(1, sizeof(*c)) : NULL;
	if (!c)
		return NULL;
	if (secret_new(len, &c->memory, &err) < 0) {
		free(c);
		return NULL;
	}
	/* LeakSanitizer knows only malloc's memory: what is reached from here alone is no leak. */
	__lsan_register_root_region(secret_bytes(c->memory), len);
	chunks[count] = c;
	atomic_store_explicit(&chunk_count, count + 1, memory_order_release);
	return c;
}

/* Opens a chunk: one that was reserved, or a new one. */
static bool open_chunk(void)
{
	unsigned count = atomic_load_explicit(&chunk_count, memory_order_relaxed);
	while (opened < count && secret_size(chunks[opened]->memory) != CHUNK_LEN)
		opened++;
	if (opened == count && !add_chunk(CHUNK_LEN))
		return false;
	opened++;
	used = 0;
	return true;
}

static void *take(unsigned log2)
{
	size_t unit, len = (size_t)1 << log2;
	struct chunk *c;
	if (waiting[log2]) {
		c = chunk_of(waiting[log2], &unit);
		waiting[log2] = c->next[unit];
		return secret_data(c->memory) + (unit << LOG2_MIN);
	}
	if (len > CHUNK_LEN) {
		if (!(c = add_chunk(len)))
			return NULL;
		c->log2[0] = (uint8_t)log2;
		return secret_data(c->memory);
	}
	if (CHUNK_LEN - used < len && !open_chunk())
		return NULL;
	c = chunks[opened - 1];
	c->log2[used >> LOG2_MIN] = (uint8_t)log2;
	void *p = secret_data(c->memory) + used;
	used += len;
	return p;
}

void *secret_heap_alloc(size_t len)
{
	unsigned log2 = LOG2_MIN;
	if (len > SECRET_HEAP_MAX)
		return NULL;
	while ((size_t)1 << log2 < len)
		log2++;
	bool locked = lock_heap();
	void *p = take(log2);
	unlock_heap(locked);
	return p;
}

int secret_heap_reserve(size_t len, struct error **err)
{
	bool locked = lock_heap(), done = true;
	size_t room = CHUNK_LEN - used;
	for (unsigned i = opened; i < atomic_load(&chunk_count); i++)
		if (secret_size(chunks[i]->memory) == CHUNK_LEN)
			room += CHUNK_LEN;
	for (; done && room < len; room += CHUNK_LEN)
		done = add_chunk(CHUNK_LEN);
	unlock_heap(locked);
	return done ? 0 : error_no_memory(err);
}

bool secret_heap_owns(const void *p)
{
	return number_of(p) != 0;
}

size_t secret_heap_size(const void *p)
{
	size_t unit;
	const struct chunk *c = chunk_of(number_of(p), &unit);
	return (size_t)1 << c->log2[unit];
}

void secret_heap_free(void *p)
{
	size_t unit;
	uint32_t number = number_of(p);
	struct chunk *c = chunk_of(number, &unit);
	unsigned log2 = c->log2[unit];
	secret_wipe(p, (size_t)1 << log2);
	bool locked = lock_heap();
	c->next[unit] = waiting[log2];
	waiting[log2] = number;
	unlock_heap(locked);
}
