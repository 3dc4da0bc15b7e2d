/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The content of a gocryptfs file, in clear, at any offset (encryption.md 4.5).
 *
 *     file:   header 18 | nonce 16, ciphertext 4096, tag 16 | ... | the last block may be shorter
 *     clear:              4096 bytes                        | ...
 *
 * Each block stands for itself: its own nonce, and a tag over it, its number and the file's id. So
 * a block that was changed, moved, or taken from another image does not open, and no other block
 * has to be looked at to know. What that cannot show is an image as a whole that was replaced by an
 * older one of itself, and a file that was cut at the end of a block; the squashfs inside, whose
 * superblock tells its length, finds the latter.
 *
 * The size in clear follows from the size of the file. It is what the source states, so it is
 * worked out before a key is asked for, and a file that cannot be one is refused then.
 */
#include "seal/gocryptfs/internal.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/*
 * Any byte is reached by arithmetic alone (encryption.md 4.5): a read takes the blocks round it
 * from below in one piece and decrypts each to where it is wanted.
 *
 * The ciphertext needs a buffer of 130 KiB. malloc would fetch one of that size from the kernel
 * at each read and fault its pages in, which costs more than the decryption; so buffers are kept,
 * each for one thread at a time.
 */
#define BUFFERS 32

struct gocryptfs_source {
	struct source source;
	struct source *file; /* borrowed */
	struct gocryptfs_content content;
	_Atomic uint32_t idle;
	uint8_t *buffers[BUFFERS];
};

/* One that nobody uses; when all are in use one more, which slot -1 marks to be freed. */
static uint8_t *buffer_get(struct gocryptfs_source *g, int *ret_slot, struct error **err)
{
	uint32_t idle = atomic_load_explicit(&g->idle, memory_order_relaxed);
	int slot = -1;
	while (idle && slot < 0) {
		int lowest = __builtin_ctz(idle);
		if (atomic_compare_exchange_weak_explicit(
			    &g->idle, &idle, idle & ~(UINT32_C(1) << lowest), memory_order_acquire,
			    memory_order_relaxed))
			slot = lowest;
	}
	uint8_t *buffer =
		slot >= 0 && g->buffers[slot] ? g->buffers[slot] : malloc(RUN_BLOCKS * CIPHER_LEN);
	if (slot >= 0)
		g->buffers[slot] = buffer;
	if (!buffer) {
		if (slot >= 0)
			atomic_fetch_or(&g->idle, UINT32_C(1) << slot);
		error_no_memory(err);
		return NULL;
	}
	*ret_slot = slot;
	return buffer;
}

static void buffer_put(struct gocryptfs_source *g, uint8_t *buffer, int slot)
{
	if (slot < 0)
		free(buffer);
	else
		atomic_fetch_or_explicit(&g->idle, UINT32_C(1) << slot, memory_order_release);
}

static int source_read_blocks(struct source *s, void *buf, size_t len, uint64_t off,
			      struct error **err)
{
	/* In runs of up to RUN_BLOCKS, which is a block of the squashfs inside: one read below,
	 * then one call of the cipher for each block in it. */
	struct gocryptfs_source *g = (struct gocryptfs_source *)s;
	uint8_t *to = buf;
	int slot, r = 0;
	uint8_t *cipher = buffer_get(g, &slot, err);
	if (!cipher)
		return -1;
	while (len && r == 0) {
		uint64_t number = off / BLOCK_LEN, at = gocryptfs_block_off(number);
		size_t skip = off % BLOCK_LEN, want = RUN_BLOCKS * BLOCK_LEN - skip;
		if (want > len)
			want = len;
		size_t blocks = (skip + want + BLOCK_LEN - 1) / BLOCK_LEN;
		uint64_t rest = g->file->size - at;
		size_t cipher_len = blocks * CIPHER_LEN;
		if (cipher_len > rest)
			cipher_len = (size_t)rest;
		r = source_read(g->file, cipher, cipher_len, at, err);
		if (r == 0)
			r = gocryptfs_blocks_open(&g->content, number, cipher, cipher_len, skip, to,
						  want, err);
		to += want;
		off += want;
		len -= want;
	}
	buffer_put(g, cipher, slot);
	return r;
}

static void source_free_blocks(struct source *s)
{
	struct gocryptfs_source *g = (struct gocryptfs_source *)s;
	for (size_t i = 0; i < BUFFERS; i++)
		free(g->buffers[i]);
	crypto_gcm_free(&g->content.gcm);
	free(g);
}

static const struct source_ops source_ops = {
	.read = source_read_blocks,
	.free = source_free_blocks,
};

/* encryption.md 4.5: the header, and the size in clear from the size. */
int gocryptfs_header_read(struct source *file, struct gocryptfs_file *ret, struct error **err)
{
	static const uint8_t zeros[FILE_ID_LEN];
	uint8_t header[HEADER_LEN] = { 0 };
	*ret = (struct gocryptfs_file){ 0 };
	if (!file->size)
		return 0;
	if (file->size < HEADER_LEN)
		return error_set(err, ERROR_DAMAGED, "the encrypted file is cut off in its header");
	if (source_read(file, header, HEADER_LEN, 0, err) < 0)
		return -1;
	struct bytes b = bytes_of(header, HEADER_LEN);
	if (bytes_be16(&b) != VERSION)
		return error_set(err, ERROR_DAMAGED, "the encrypted file has a wrong header");
	bytes_copy(&b, ret->id, FILE_ID_LEN);
	if (!memcmp(ret->id, zeros, FILE_ID_LEN))
		return error_set(err, ERROR_DAMAGED, "the encrypted file has an empty id");
	uint64_t rest = file->size - HEADER_LEN, tail = rest % CIPHER_LEN;
	/* gocryptfs shows such a file one byte long, and fails when that is read. */
	if (tail && tail <= OVERHEAD_LEN)
		return error_set(err, ERROR_DAMAGED, "the encrypted file is cut off");
	ret->size = rest - rest / CIPHER_LEN * OVERHEAD_LEN - (tail ? OVERHEAD_LEN : 0);
	return 0;
}

/* From the password to the master key. Costs scrypt, with the memory and time the file asks for. */
int gocryptfs_unlock(const struct gocryptfs_config *config, const struct secret *password,
		     struct secret **ret_master, struct error **err)
{
	static const uint8_t aad[8]; /* block number 0 of no file: encryption.md 4.4 */
	struct secret *master CLEANUP_SECRET = NULL;
	struct crypto_gcm *kek = NULL;
	if (secret_new(KEY_LEN, &master, err) < 0 ||
	    gocryptfs_config_kek(config, password, CRYPTO_DECRYPT, &kek, err) < 0)
		return -1;
	const uint8_t *body = config->wrapped + CRYPTO_GCM_NONCE_LEN;
	int r = crypto_gcm_open(kek, config->wrapped, aad, sizeof(aad), body, KEY_LEN,
				body + KEY_LEN, secret_data(master), err);
	crypto_gcm_free(&kek);
	/* A damaged EncryptedKey looks the same as a wrong password; the latter is meant more
	 * often. */
	if (r < 0 && error_kind(*err) == ERROR_DAMAGED) {
		error_free(err);
		return error_set(err, ERROR_KEY_WRONG,
				 "the passphrase or key is not the right one");
	}
	if (r < 0)
		return -1;
	*ret_master = take_pointer(&master);
	return 0;
}

int gocryptfs_open_with_key(const struct gocryptfs_file *header, struct source *file,
			    const struct secret *master, struct source **ret, struct error **err)
{
	struct gocryptfs_source *g = calloc(1, sizeof(*g));
	if (!g)
		return error_no_memory(err);
	g->source = (struct source){ .ops = &source_ops, .size = header->size };
	g->file = file;
	atomic_init(&g->idle, UINT32_MAX);
	memcpy(g->content.file_id, header->id, FILE_ID_LEN);
	if (gocryptfs_content_key(master, CRYPTO_DECRYPT, &g->content.gcm, err) < 0) {
		free(g);
		return -1;
	}
	*ret = &g->source;
	return 0;
}
