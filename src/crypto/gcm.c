/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-256-GCM with nonces of 16 bytes (NIST SP 800-38D; gocryptfs' GCMIV128, encryption.md 4.4).
 *
 * Two things make or break it, and neither is decided here: a nonce must never be used twice with
 * one key (seal/gocryptfs/blocks.c draws each at random, of 128 bits), and what is not
 * authenticated must never be used. The latter this file sees to: the text is decrypted before its
 * tag can be compared, so when that does not fit the output is wiped before the error is returned.
 *
 * OpenSSL keeps the direction with a context though GCM's key schedule is the same for both; hence
 * two pools (pool.c), of which those are set up that the object was asked for; each makes its
 * contexts when they are first needed.
 */
#include "crypto/internal.h"

#include <limits.h>
#include <openssl/err.h>
#include <stdlib.h>

#define KEY_LEN 32

struct crypto_gcm {
	struct pool seal, open;
};

/* The key is copied; contexts with their schedules are made when they are first needed. */
int crypto_gcm_new(const struct secret *key, enum crypto_direction directions,
		   struct crypto_gcm **ret, struct error **err)
{
	if (secret_size(key) != KEY_LEN)
		return error_set(err, ERROR_INTERNAL, "a GCM key of %zu bytes", secret_size(key));
	struct crypto_gcm *g = calloc(1, sizeof(*g));
	if (!g)
		return error_no_memory(err);
	if ((directions & CRYPTO_ENCRYPT &&
	     pool_init(&g->seal, "AES-256-GCM", key, CRYPTO_GCM_NONCE_LEN, 1, err) < 0) ||
	    (directions & CRYPTO_DECRYPT &&
	     pool_init(&g->open, "AES-256-GCM", key, CRYPTO_GCM_NONCE_LEN, 0, err) < 0)) {
		crypto_gcm_free(&g);
		return -1;
	}
	*ret = g;
	return 0;
}

void crypto_gcm_free(struct crypto_gcm **g)
{
	if (!*g)
		return;
	pool_done(&(*g)->seal);
	pool_done(&(*g)->open);
	free(*g);
	*g = NULL;
}

/* Everything but the tag. The length is at most INT_MAX: OpenSSL counts in int. */
static bool run(EVP_CIPHER_CTX *context, const uint8_t *nonce, const void *aad, size_t aad_len,
		const void *in, size_t len, void *out)
{
	int n;
	return EVP_CipherInit_ex2(context, NULL, NULL, nonce, -1, NULL) == 1 &&
	       (!aad_len || EVP_CipherUpdate(context, NULL, &n, aad, (int)aad_len) == 1) &&
	       (!len || EVP_CipherUpdate(context, out, &n, in, (int)len) == 1);
}

int crypto_gcm_seal(struct crypto_gcm *g, const uint8_t nonce[CRYPTO_GCM_NONCE_LEN],
		    const void *aad, size_t aad_len, const void *in, size_t len, void *out,
		    uint8_t tag[CRYPTO_GCM_TAG_LEN], struct error **err)
{
	if (len > INT_MAX || aad_len > INT_MAX)
		return error_set(err, ERROR_INTERNAL, "%zu bytes in one GCM message", len);
	int slot, n;
	EVP_CIPHER_CTX *context = pool_get(&g->seal, &slot, err);
	if (!context)
		return -1;
	/* GCM holds nothing back: Final gives no byte, and only makes the tag. */
	uint8_t none[1];
	bool done =
		run(context, nonce, aad, aad_len, in, len, out) &&
		EVP_CipherFinal_ex(context, none, &n) == 1 &&
		EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, CRYPTO_GCM_TAG_LEN, tag) == 1;
	pool_put(&g->seal, context, slot);
	return done ? 0 : crypto_fail(err, "encrypt");
}

int crypto_gcm_open(struct crypto_gcm *g, const uint8_t nonce[CRYPTO_GCM_NONCE_LEN],
		    const void *aad, size_t aad_len, const void *in, size_t len,
		    const uint8_t tag[CRYPTO_GCM_TAG_LEN], void *out, struct error **err)
{
	if (len > INT_MAX || aad_len > INT_MAX)
		return error_set(err, ERROR_INTERNAL, "%zu bytes in one GCM message", len);
	int slot, n;
	EVP_CIPHER_CTX *context = pool_get(&g->open, &slot, err);
	if (!context)
		return -1;
	uint8_t none[1];
	bool ran = run(context, nonce, aad, aad_len, in, len, out) &&
		   EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, CRYPTO_GCM_TAG_LEN,
				       (void *)(uintptr_t)tag) == 1;
	/* Here the tag is compared, in constant time. */
	bool fits = ran && EVP_CipherFinal_ex(context, none, &n) == 1;
	pool_put(&g->open, context, slot);
	if (fits)
		return 0;
	secret_wipe(out, len);
	if (!ran)
		return crypto_fail(err, "decrypt");
	ERR_clear_error();
	return error_set(err, ERROR_DAMAGED,
			 "the data is damaged or was altered (it does not authenticate)");
}
