/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ChaCha20-Poly1305 (RFC 8439) of a message at a time. Each key seals a handful of messages at
 * most, so a context is made for each and nothing is kept.
 *
 * As with GCM the text is decrypted before its tag can be compared; when that does not fit the
 * output is wiped before the error is returned.
 */
#include "crypto/internal.h"

#include <limits.h>
#include <openssl/err.h>

/* Loads the cipher outside of guarded memory: its tables stay. */
static EVP_CIPHER *fetch(void)
{
	crypto_start();
	return EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
}

static int check(const struct secret *key, size_t len, struct error **err)
{
	if (secret_size(key) != CRYPTO_CHACHA_KEY_LEN || len > INT_MAX)
		return error_set(err, ERROR_INTERNAL, "a ChaCha20 key of %zu bytes, %zu bytes",
				 secret_size(key), len);
	return 0;
}

int crypto_chacha_seal(const struct secret *key, const uint8_t nonce[CRYPTO_CHACHA_NONCE_LEN],
		       const void *in, size_t len, void *out, struct error **err)
{
	int n;
	uint8_t none[1], *tag = (uint8_t *)out + len;
	if (check(key, len, err) < 0)
		return -1;
	EVP_CIPHER *cipher = fetch();
	crypto_guard_begin();
	EVP_CIPHER_CTX *context = cipher ? EVP_CIPHER_CTX_new() : NULL;
	bool done = context &&
		    EVP_CipherInit_ex2(context, cipher, secret_bytes(key), nonce, 1, NULL) == 1 &&
		    (!len || EVP_CipherUpdate(context, out, &n, in, (int)len) == 1) &&
		    EVP_CipherFinal_ex(context, none, &n) == 1 &&
		    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, CRYPTO_CHACHA_TAG_LEN,
					tag) == 1;
	EVP_CIPHER_CTX_free(context);
	crypto_guard_end();
	EVP_CIPHER_free(cipher);
	return done ? 0 : crypto_fail(err, "encrypt");
}

int crypto_chacha_open(const struct secret *key, const uint8_t nonce[CRYPTO_CHACHA_NONCE_LEN],
		       const void *in, size_t len, void *out, struct error **err)
{
	int n;
	uint8_t none[1];
	if (check(key, len, err) < 0)
		return -1;
	if (len < CRYPTO_CHACHA_TAG_LEN)
		return error_set(err, ERROR_DAMAGED, "an encrypted text is too short");
	len -= CRYPTO_CHACHA_TAG_LEN;
	EVP_CIPHER *cipher = fetch();
	crypto_guard_begin();
	EVP_CIPHER_CTX *context = cipher ? EVP_CIPHER_CTX_new() : NULL;
	bool ran = context &&
		   EVP_CipherInit_ex2(context, cipher, secret_bytes(key), nonce, 0, NULL) == 1 &&
		   EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, CRYPTO_CHACHA_TAG_LEN,
				       (void *)((uintptr_t)in + len)) == 1 &&
		   (!len || EVP_CipherUpdate(context, out, &n, in, (int)len) == 1);
	/* Here the tag is compared, in constant time. */
	bool fits = ran && EVP_CipherFinal_ex(context, none, &n) == 1;
	EVP_CIPHER_CTX_free(context);
	crypto_guard_end();
	EVP_CIPHER_free(cipher);
	if (fits)
		return 0;
	secret_wipe(out, len);
	if (!ran)
		return crypto_fail(err, "decrypt");
	ERR_clear_error();
	return error_set(err, ERROR_DAMAGED, "an encrypted text does not authenticate");
}
