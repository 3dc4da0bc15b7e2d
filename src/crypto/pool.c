/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cipher contexts, one key and one direction to a pool; see internal.h for what a pool is.
 *
 * One word of bits says which are idle, so to take or give back a context is one atomic operation
 * and no thread waits for another. Whoever has cleared a bit owns the slot: only that thread reads
 * or writes it until the bit is set again, which orders its writes before the next owner's reads.
 *
 * A context holds the key schedule, which is as good as the key. It is made within the guard, so it
 * lies in locked memory, and EVP_CIPHER_CTX_free wipes it there.
 */
#include "crypto/internal.h"

#include <string.h>

int pool_init(struct pool *p, const char *cipher, const struct secret *key, int nonce_len,
	      int encrypt, struct error **err)
{
	crypto_start();
	p->nonce_len = nonce_len;
	p->encrypt = encrypt;
	atomic_init(&p->idle, UINT64_MAX);
	p->cipher = EVP_CIPHER_fetch(NULL, cipher, NULL);
	if (!p->cipher)
		return crypto_fail(err, "find a cipher");
	if ((size_t)EVP_CIPHER_get_key_length(p->cipher) != secret_size(key))
		return error_set(err, ERROR_INTERNAL, "a key of %zu bytes", secret_size(key));
	return secret_copy(secret_bytes(key), secret_size(key), &p->key, err);
}

void pool_done(struct pool *p)
{
	for (size_t i = 0; i < POOL_CONTEXTS; i++)
		EVP_CIPHER_CTX_free(p->contexts[i]);
	EVP_CIPHER_free(p->cipher);
	secret_free(&p->key);
}

/*
 * Step by step: the length of the nonce must be set after the cipher and before the key, which is
 * scheduled with it. No padding: lengths are whole blocks, or the mode needs none.
 */
static bool schedule_key(const struct pool *p, EVP_CIPHER_CTX *context)
{
	return EVP_CipherInit_ex2(context, p->cipher, NULL, NULL, p->encrypt, NULL) == 1 &&
	       (!p->nonce_len ||
		EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_IVLEN, p->nonce_len, NULL) == 1) &&
	       EVP_CipherInit_ex2(context, NULL, secret_bytes(p->key), NULL, p->encrypt, NULL) ==
		       1 &&
	       EVP_CIPHER_CTX_set_padding(context, 0) == 1;
}

static EVP_CIPHER_CTX *context_new(struct pool *p, struct error **err)
{
	crypto_guard_begin();
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	bool done = context && schedule_key(p, context);
	crypto_guard_end();
	if (done)
		return context;
	EVP_CIPHER_CTX_free(context);
	crypto_fail(err, "set up a cipher");
	return NULL;
}

/* The lowest idle slot, as its context was used last and is the warmest. */
EVP_CIPHER_CTX *pool_get(struct pool *p, int *ret_slot, struct error **err)
{
	/* Set up for the other direction alone: there is no key here, which is the point of it. */
	if (!p->key) {
		error_set(err, ERROR_INTERNAL, "a cipher that was not keyed for this direction");
		return NULL;
	}
	uint64_t idle = atomic_load_explicit(&p->idle, memory_order_relaxed);
	while (idle) {
		int slot = __builtin_ctzll(idle);
		if (!atomic_compare_exchange_weak_explicit(
			    &p->idle, &idle, idle & ~(UINT64_C(1) << slot), memory_order_acquire,
			    memory_order_relaxed))
			continue;
		if (!p->contexts[slot])
			p->contexts[slot] = context_new(p, err);
		if (!p->contexts[slot]) {
			pool_put(p, NULL, slot);
			return NULL;
		}
		*ret_slot = slot;
		return p->contexts[slot];
	}
	*ret_slot = -1;
	return context_new(p, err);
}

void pool_put(struct pool *p, EVP_CIPHER_CTX *context, int slot)
{
	if (slot < 0)
		EVP_CIPHER_CTX_free(context);
	else
		atomic_fetch_or_explicit(&p->idle, UINT64_C(1) << slot, memory_order_release);
}
