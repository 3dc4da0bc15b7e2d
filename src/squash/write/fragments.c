/* SPDX-License-Identifier: Apache-2.0 */
#include "squash/write/internal.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/crypto.h"

/*
 * Tails are copied into a block in the order of the files, so that those of one folder lie
 * together; a full block is submitted as it is. libsquashfs would do that too, but passes each
 * tail to a thread for its checksum, which costs more than the tail.
 *
 * A tail that was there before is known by its GMAC (NIST SP 800-38D) under a key that this run
 * alone has and shows nobody: two different ones have the same with a chance of 2^-115 at most,
 * whoever made them, so that nothing is read back, decrypted and inflated to be compared. All
 * under one nonce, which is what must not be where tags are seen by others.
 */

struct tail {
	uint8_t tag[CRYPTO_GCM_TAG_LEN];
	uint32_t fragment; /* SQUASH_NONE: an empty slot */
	uint32_t offset;
};

struct squash_tails {
	uint8_t *block; /* block_size bytes */
	size_t len;
	uint32_t fragment; /* the block's number, when len is not 0 */
	struct crypto_gcm *hash;
	struct tail *table; /* open addressing, cap is a power of two */
	size_t count, cap;
};

#define TABLE_FIRST 1024

static struct tail *table_new(size_t cap)
{
	struct tail *table = calloc(cap, sizeof(*table));
	for (size_t i = 0; table && i < cap; i++)
		table[i].fragment = SQUASH_NONE;
	return table;
}

int squash_tails_new(struct squash_packer *p, struct error **err)
{
	CLEANUP_SECRET struct secret *key = NULL;
	struct squash_tails *t = p->tails = calloc(1, sizeof(*t));
	if (!t || !(t->block = malloc(p->block_size)) || !(t->table = table_new(TABLE_FIRST)))
		return error_no_memory(err);
	t->cap = TABLE_FIRST;
	if (secret_new(32, &key, err) < 0 || crypto_random(secret_data(key), 32, err) < 0)
		return -1;
	return crypto_gcm_new(key, CRYPTO_ENCRYPT, &t->hash, err);
}

void squash_tails_free(struct squash_packer *p)
{
	struct squash_tails *t = p->tails;
	if (!t)
		return;
	crypto_gcm_free(&t->hash);
	free(t->block);
	free(t->table);
	free(t);
	p->tails = NULL;
}

/* The slot that has this tag, or the empty one where it belongs. */
static struct tail *find_slot(struct tail *table, size_t cap, const uint8_t *tag)
{
	uint64_t at;
	memcpy(&at, tag, sizeof(at));
	for (;; at++) {
		struct tail *slot = &table[at & (cap - 1)];
		if (slot->fragment == SQUASH_NONE || memcmp(slot->tag, tag, sizeof(slot->tag)) == 0)
			return slot;
	}
}

static int make_room(struct squash_tails *t, struct error **err)
{
	if (t->count < t->cap - t->cap / 4)
		return 0;
	struct tail *table = table_new(t->cap * 2);
	if (!table)
		return error_no_memory(err);
	for (size_t i = 0; i < t->cap; i++)
		if (t->table[i].fragment != SQUASH_NONE)
			*find_slot(table, t->cap * 2, t->table[i].tag) = t->table[i];
	free(t->table);
	t->table = table;
	t->cap *= 2;
	return 0;
}

int squash_flush_tails(struct squash_packer *p, struct error **err)
{
	struct squash_tails *t = p->tails;
	if (!t->len)
		return 0;
	struct squash_blocks *b = squash_blocks_new(p, err);
	if (!b)
		return -1;
	b->fragment = t->fragment;
	size_t len = t->len;
	t->len = 0;
	/* A block of zeros is no hole here: it has a place in the table. */
	return squash_submit(p, b, SQFS_BLK_IGNORE_SPARSE, t->block, len, err);
}

int squash_add_tail(struct squash_packer *p, sqfs_inode_generic_t *inode, const void *data,
		    size_t len, struct error **err)
{
	static const uint8_t nonce[CRYPTO_GCM_NONCE_LEN];
	struct squash_tails *t = p->tails;
	uint8_t tag[CRYPTO_GCM_TAG_LEN];
	if (crypto_gcm_seal(t->hash, nonce, data, len, NULL, 0, NULL, tag, err) < 0 ||
	    make_room(t, err) < 0)
		return -1;
	struct tail *slot = find_slot(t->table, t->cap, tag);
	if (slot->fragment == SQUASH_NONE) {
		if (t->len + len > p->block_size && squash_flush_tails(p, err) < 0)
			return -1;
		if (!t->len &&
		    squash_check(&p->out, sqfs_frag_table_append(p->fragments, 0, 0, &t->fragment),
				 "keep the fragments", err) < 0)
			return -1;
		memcpy(slot->tag, tag, sizeof(tag));
		slot->fragment = t->fragment;
		slot->offset = (uint32_t)t->len;
		t->count++;
		memcpy(t->block + t->len, data, len);
		t->len += len;
	}
	return squash_check(&p->out,
			    sqfs_inode_set_frag_location(inode, slot->fragment, slot->offset),
			    "keep the fragments", err);
}
