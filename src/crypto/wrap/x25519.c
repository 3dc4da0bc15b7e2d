/* SPDX-License-Identifier: Apache-2.0 */
/*
 * X25519 (RFC 7748): OpenSSL's, which runs in a time that does not depend on the numbers. The
 * private number lies in guarded memory on either side, and so does what OpenSSL computes.
 */
#include "crypto/internal.h"

#include <openssl/err.h>

/* Loads what a key of this name needs outside of guarded memory: see crypto_library_warm. */
static void warm(const char *name)
{
	crypto_start();
	EVP_KEYMGMT_free(EVP_KEYMGMT_fetch(NULL, name, NULL));
	EVP_KEYEXCH_free(EVP_KEYEXCH_fetch(NULL, "X25519", NULL));
	ERR_clear_error();
}

int crypto_curve_public(const char *name, const struct secret *private,
			uint8_t ret[CRYPTO_X25519_LEN], struct error **err)
{
	size_t len = CRYPTO_X25519_LEN;
	if (secret_size(private) != CRYPTO_X25519_LEN)
		return error_set(err, ERROR_INTERNAL, "a private key of %zu bytes",
				 secret_size(private));
	warm(name);
	crypto_guard_begin();
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key_ex(NULL, name, NULL, secret_bytes(private),
							secret_size(private));
	bool done =
		key && EVP_PKEY_get_raw_public_key(key, ret, &len) == 1 && len == CRYPTO_X25519_LEN;
	EVP_PKEY_free(key);
	crypto_guard_end();
	return done ? 0 : crypto_fail(err, "compute a public key");
}

int crypto_x25519_public(const struct secret *scalar, uint8_t ret[CRYPTO_X25519_LEN],
			 struct error **err)
{
	return crypto_curve_public("X25519", scalar, ret, err);
}

/* -1 with *err NULL where the result is the point of order 1, which OpenSSL refuses. */
static int derive(const struct secret *scalar, const uint8_t *point, struct secret *to,
		  struct error **err)
{
	size_t len = CRYPTO_X25519_LEN;
	EVP_PKEY *mine = EVP_PKEY_new_raw_private_key_ex(NULL, "X25519", NULL, secret_bytes(scalar),
							 secret_size(scalar));
	EVP_PKEY *theirs =
		EVP_PKEY_new_raw_public_key_ex(NULL, "X25519", NULL, point, CRYPTO_X25519_LEN);
	EVP_PKEY_CTX *context = mine ? EVP_PKEY_CTX_new_from_pkey(NULL, mine, NULL) : NULL;
	bool ready = theirs && context && EVP_PKEY_derive_init(context) == 1 &&
		     EVP_PKEY_derive_set_peer(context, theirs) == 1;
	int r = !ready ? crypto_fail(err, "prepare X25519")
		: EVP_PKEY_derive(context, secret_data(to), &len) == 1 && len == CRYPTO_X25519_LEN
			? 0
			: -1;
	EVP_PKEY_CTX_free(context);
	EVP_PKEY_free(theirs);
	EVP_PKEY_free(mine);
	return r;
}

int crypto_x25519(const struct secret *scalar, const uint8_t point[CRYPTO_X25519_LEN],
		  struct secret **ret, struct error **err)
{
	struct secret *shared CLEANUP_SECRET = NULL;
	if (secret_size(scalar) != CRYPTO_X25519_LEN)
		return error_set(err, ERROR_INTERNAL, "a scalar of %zu bytes", secret_size(scalar));
	if (secret_new(CRYPTO_X25519_LEN, &shared, err) < 0)
		return -1;
	warm("X25519");
	crypto_guard_begin();
	int r = derive(scalar, point, shared, err);
	crypto_guard_end();
	if (r < 0)
		return *err ? -1
			    : crypto_refuse(
				      err, ERROR_DAMAGED,
				      "a point of low order stands where a public key belongs");
	*ret = take_pointer(&shared);
	return 0;
}
