/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_CRYPTO_INTERNAL_H
#define COFFER_CRYPTO_INTERNAL_H

#include <openssl/evp.h>
#include <stdatomic.h>

#include "crypto/crypto.h"

/* OpenSSL's name of it. */
const char *crypto_hash_name(enum crypto_hash hash);

/* Why OpenSSL said no, from its error queue, which is emptied; *ret_code is its last error. */
enum crypto_cause { CRYPTO_OTHER, CRYPTO_UNSUPPORTED, CRYPTO_NO_MEMORY };
enum crypto_cause crypto_cause(unsigned long *ret_code);
/* It said no to what it was given, unless memory was what it lacked. Returns -1. */
int crypto_refuse(struct error **err, enum error_kind kind, const char *words);
/* It said no where it cannot, except for memory. Returns -1. */
int crypto_fail(struct error **err, const char *what);

/*
 * Has OpenSSL load what it will look up by itself, a digest and a message authentication code, so
 * that its tables do not come to lie in guarded memory: they stay for good and hold no secret.
 */
void crypto_library_warm(const char *digest, const char *mac);

/*
 * Cipher contexts that hold one key in one direction, handed out to the threads that work at the
 * same time. Making a context computes the key schedule; so they are kept, and the next call only
 * sets the nonce. Nothing waits: when all are in use, one more is made and thrown away.
 */
#define POOL_CONTEXTS 64
struct pool {
	EVP_CIPHER *cipher;
	struct secret *key;
	int nonce_len; /* 0: the cipher's own */
	int encrypt;
	_Atomic uint64_t idle; /* one bit for each context that nobody uses */
	EVP_CIPHER_CTX *contexts[POOL_CONTEXTS];
};

int pool_init(struct pool *p, const char *cipher, const struct secret *key, int nonce_len,
	      int encrypt, struct error **err);
void pool_done(struct pool *p);
/* *ret_slot goes to pool_put with it. NULL with *err set when there is no memory. */
EVP_CIPHER_CTX *pool_get(struct pool *p, int *ret_slot, struct error **err);
void pool_put(struct pool *p, EVP_CIPHER_CTX *context, int slot);

/* crypto/wrap/x25519.c: the public half of a private key of 32 bytes of "X25519" or "ED25519". */
int crypto_curve_public(const char *name, const struct secret *private,
			uint8_t ret[CRYPTO_X25519_LEN], struct error **err);

/* shape.c: takes the wrapping off until *b is the SEQUENCE of PKCS#1. ERROR_KEY_INVALID with words
 * and a hint where it is something else than a key of this form. */
int crypto_rsa_unwrap(struct bytes *b, enum crypto_rsa_form form, struct error **err);
/* "the key is damaged, or is no key", unless memory is what OpenSSL lacked. */
int crypto_rsa_no_key(struct error **err);
/* How to make a key, where one is chosen. A new key opens nothing: who has the image says what
 * does. */
int crypto_rsa_hint(enum crypto_rsa_form form, struct error **err);

/* encode.c: the digest that crypto_rsa_fingerprint gives, of the contents of two INTEGERs. */
int crypto_spki_fingerprint(struct bytes modulus, struct bytes exponent,
			    uint8_t ret[CRYPTO_SHA256_LEN], struct error **err);

#endif
