/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks of 32 bytes to 16 KiB, each size twice the one before; a freed block waits in the list of
 * its size. The chunks that they are cut from are secrets like others: guarded, locked, moved and
 * wiped with them. They are never given back, and a process needs one or two.
 *
 * What is known of the blocks lies beside the chunks, not in them: so wiping all secrets
 * (secret_wipe_all) harms nothing, and pages whose blocks are free are all zeros, which makes them
 * cheap to move (secret_keep_all).
 */
#include "base/base.h"

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
#define LOG2_MAX 14
#define UNITS (CHUNK_LEN >> LOG2_MIN) /* the smallest blocks in a chunk */
_Static_assert((size_t)1 << LOG2_MAX == SECRET_HEAP_MAX, "the largest block");

struct chunk {
	struct secret *memory;
	uint8_t log2[UNITS];  /* for the first unit of a block: its size */
	uint32_t next[UNITS]; /* for the first unit of a block that waits: the one after it */
};

static struct chunk *chunks[CHUNKS_MAX];
static atomic_uint chunk_count;
static size_t last_used; /* bytes of the last chunk that have been cut */
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
		if (off < CHUNK_LEN)
			return (uint32_t)(i * UNITS + (off >> LOG2_MIN) + 1);
	}
	return 0;
}

static struct chunk *chunk_of(uint32_t number, size_t *ret_unit)
{
	*ret_unit = (number - 1) % UNITS;
	return chunks[(number - 1) / UNITS];
}

static bool add_chunk(void)
{
	CLEANUP_ERROR struct error *err = NULL;
	unsigned count = atomic_load_explicit(&chunk_count, memory_order_relaxed);
	struct chunk *c = count < CHUNKS_MAX ? calloc(1, sizeof(*c)) : NULL;
	if (!c)
		return false;
	if (secret_new(CHUNK_LEN, &c->memory, &err) < 0) {
		free(c);
		return false;
	}
	/* LeakSanitizer knows only malloc's memory: what is reached from here alone is no leak. */
	__lsan_register_root_region(secret_bytes(c->memory), CHUNK_LEN);
	chunks[count] = c;
	atomic_store_explicit(&chunk_count, count + 1, memory_order_release);
	last_used = 0;
	return true;
}

static void *take(unsigned log2)
{
	size_t unit, len = (size_t)1 << log2;
	if (waiting[log2]) {
		const struct chunk *c = chunk_of(waiting[log2], &unit);
		waiting[log2] = c->next[unit];
		return secret_data(c->memory) + (unit << LOG2_MIN);
	}
	unsigned count = atomic_load_explicit(&chunk_count, memory_order_relaxed);
	if (!count || CHUNK_LEN - last_used < len) {
		if (!add_chunk())
			return NULL;
		count++;
	}
	struct chunk *c = chunks[count - 1];
	c->log2[last_used >> LOG2_MIN] = (uint8_t)log2;
	void *p = secret_data(c->memory) + last_used;
	last_used += len;
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
