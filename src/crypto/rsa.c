/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RSA: keys from DER, and one message wrapped or unwrapped (RFC 8017; encryption.md 3).
 *
 * The SEQUENCE of numbers that all RSA keys have inside (shape.c) is taken apart here, and the
 * numbers are given to OpenSSL one by one.
 *
 * The key file is the user's own. It may still be damaged, or come from somebody else: the numbers
 * are held to what a key must be (check_parts) before any arithmetic is done with them, as OpenSSL
 * neither promises an answer in bounded time for absurd ones nor always says no.
 *
 * The message that is unwrapped is the image's. However it fails to open, the error is the same,
 * ERROR_KEY_WRONG: an oracle that told how would help to open messages of others.
 *
 * Everything with a private number in it is done between crypto_guard_begin and crypto_guard_end,
 * so that OpenSSL's own copies lie in guarded memory; warm() before has it load its tables outside
 * of it.
 */
#include "crypto/internal.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#define BITS_MIN_PUBLIC 2048  /* what we wrap with */
#define BITS_MIN_PRIVATE 1024 /* what others have wrapped with */
#define BITS_MAX 16384
#define EXPONENT_MAX 64 /* bits; OpenSSL's own bound for large keys */

/*
 * OpenSSL gets the key at its first use: to find and set up its algorithms takes it longer than all
 * else that a command does before it forks, and children need no copy of that.
 */
struct crypto_rsa {
	struct secret *der; /* the SEQUENCE of PKCS#1 */
	size_t size;
	enum crypto_rsa_form form;
	EVP_PKEY *key;	       /* NULL before the first use */
	EVP_PKEY_CTX *context; /* set up for the one operation of its form */
};

/* The next INTEGER, or NULL; the caller frees it, wiped. */
static BIGNUM *take_integer(struct bytes *b)
{
	/* Not negative (X.690 8.3: the top bit is the sign), and no longer than the largest modulus
	 * with the zero that keeps it positive. */
	struct bytes i;
	if (!crypto_der_take(b, CRYPTO_DER_INTEGER, &i) || !i.len || i.data[0] & 0x80 ||
	    i.len > BITS_MAX / 8 + 1)
		return NULL;
	return BN_bin2bn(i.data, (int)i.len, NULL);
}

/* In the order of RFC 8017 A.1.2, after the version. */
static const char *const part_names[] = {
	OSSL_PKEY_PARAM_RSA_N,	       OSSL_PKEY_PARAM_RSA_E,
	OSSL_PKEY_PARAM_RSA_D,	       OSSL_PKEY_PARAM_RSA_FACTOR1,
	OSSL_PKEY_PARAM_RSA_FACTOR2,   OSSL_PKEY_PARAM_RSA_EXPONENT1,
	OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
};
#define PARTS_PUBLIC 2
#define PARTS_PRIVATE 8

/*
 * What can be told of the numbers without knowing their factors: sizes, and which of them must be
 * odd. An even modulus would have OpenSSL's Montgomery arithmetic fail, a public exponent of 1
 * would wrap nothing, a huge one would take for ever. That they belong together is not looked at: a
 * key whose parts do not simply does not open the message.
 */
static int check_parts(BIGNUM *const *parts, size_t count, enum crypto_rsa_form form,
		       struct error **err)
{
	/* parts: modulus, public exponent, private exponent, the two primes, and so on. */
	int bits = BN_num_bits(parts[0]);
	int least = form == CRYPTO_RSA_PUBLIC ? BITS_MIN_PUBLIC : BITS_MIN_PRIVATE;
	if (bits < least || bits > BITS_MAX) {
		error_set(err, ERROR_KEY_INVALID,
			  "the RSA key has %d bits, and must have from %d to %d", bits, least,
			  BITS_MAX);
		return crypto_rsa_hint(form, err);
	}
	if (!BN_is_odd(parts[0]) || !BN_is_odd(parts[1]) || BN_is_one(parts[1]) ||
	    BN_num_bits(parts[1]) > EXPONENT_MAX)
		return crypto_rsa_no_key(err);
	/* The primes are moduli of their own and thus odd; nothing is as large as the modulus. */
	for (size_t i = PARTS_PUBLIC; i < count; i++)
		if (BN_is_zero(parts[i]) || BN_cmp(parts[i], parts[0]) >= 0)
			return crypto_rsa_no_key(err);
	if (count == PARTS_PRIVATE && (!BN_is_odd(parts[3]) || !BN_is_odd(parts[4])))
		return crypto_rsa_no_key(err);
	return 0;
}

/* NULL on failure; *parts stay the caller's. */
static EVP_PKEY *key_of_parts(BIGNUM *const *parts, size_t count)
{
	EVP_PKEY *key = NULL;
	OSSL_PARAM *params = NULL;
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	bool ok = build && context && EVP_PKEY_fromdata_init(context) == 1;
	for (size_t i = 0; ok && i < count; i++)
		ok = OSSL_PARAM_BLD_push_BN(build, part_names[i], parts[i]) == 1;
	if (ok)
		params = OSSL_PARAM_BLD_to_param(build);
	if (params &&
	    EVP_PKEY_fromdata(context, &key,
			      count == PARTS_PUBLIC ? EVP_PKEY_PUBLIC_KEY : EVP_PKEY_KEYPAIR,
			      params) != 1)
		key = NULL;
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	EVP_PKEY_CTX_free(context);
	return key;
}

static void free_parts(BIGNUM **parts)
{
	for (size_t i = 0; i < PARTS_PRIVATE; i++) {
		BN_clear_free(parts[i]);
		parts[i] = NULL;
	}
}

/* Takes the numbers out of the SEQUENCE and checks them. Returns how many they are, or -1. */
static int parse(struct bytes b, enum crypto_rsa_form form, BIGNUM *parts[PARTS_PRIVATE],
		 struct error **err)
{
	size_t count = form == CRYPTO_RSA_PUBLIC ? PARTS_PUBLIC : PARTS_PRIVATE;
	struct bytes all, version;
	if (!crypto_der_take(&b, CRYPTO_DER_SEQUENCE, &all))
		return crypto_rsa_no_key(err);
	if (form == CRYPTO_RSA_PRIVATE) {
		if (!crypto_der_take(&all, CRYPTO_DER_INTEGER, &version) || version.len != 1)
			return crypto_rsa_no_key(err);
		if (version.data[0] != 0)
			return error_set(err, ERROR_KEY_INVALID,
					 "an RSA key with more than two primes is not supported");
	}
	for (size_t i = 0; i < count; i++) {
		parts[i] = take_integer(&all);
		if (!parts[i])
			return crypto_rsa_no_key(err);
	}
	if (bytes_left(&all))
		return crypto_rsa_no_key(err);
	return check_parts(parts, count, form, err) < 0 ? -1 : (int)count;
}

int crypto_rsa_numbers(const struct crypto_rsa *rsa, struct bytes *ret_modulus,
		       struct bytes *ret_exponent, struct error **err)
{
	struct bytes b = bytes_of(secret_bytes(rsa->der), secret_size(rsa->der));
	struct bytes all, modulus, exponent;
	if (!crypto_der_take(&b, CRYPTO_DER_SEQUENCE, &all))
		return crypto_rsa_no_key(err);
	/* A private key begins with its version. */
	if (rsa->form == CRYPTO_RSA_PRIVATE && !crypto_der_take(&all, CRYPTO_DER_INTEGER, &modulus))
		return crypto_rsa_no_key(err);
	if (!crypto_der_take(&all, CRYPTO_DER_INTEGER, &modulus) ||
	    !crypto_der_take(&all, CRYPTO_DER_INTEGER, &exponent))
		return crypto_rsa_no_key(err);
	*ret_modulus = modulus;
	*ret_exponent = exponent;
	return 0;
}

int crypto_rsa_fingerprint(const struct crypto_rsa *rsa, uint8_t ret[CRYPTO_SHA256_LEN],
			   struct error **err)
{
	struct bytes modulus = { 0 }, exponent = { 0 };
	if (crypto_rsa_numbers(rsa, &modulus, &exponent, err) < 0)
		return -1;
	return crypto_spki_fingerprint(modulus, exponent, ret, err);
}

/* Parses once more: between the two only the DER is kept, in guarded memory. */
static int give_key(struct crypto_rsa *rsa, struct error **err)
{
	BIGNUM *parts[PARTS_PRIVATE] = { NULL };
	int count = parse(bytes_of(secret_bytes(rsa->der), secret_size(rsa->der)), rsa->form, parts,
			  err);
	if (count > 0 && !rsa->key)
		rsa->key = key_of_parts(parts, (size_t)count);
	free_parts(parts);
	if (count < 0)
		return -1;
	if (!rsa->key)
		return crypto_rsa_no_key(err);
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, rsa->key, NULL);
	bool ok = context && (rsa->form == CRYPTO_RSA_PUBLIC ? EVP_PKEY_encrypt_init(context)
							     : EVP_PKEY_decrypt_init(context)) == 1;
	/* encryption.md 3.3, step 2 */
	ok = ok && EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) == 1 &&
	     EVP_PKEY_CTX_set_rsa_oaep_md(context, EVP_sha256()) == 1 &&
	     EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha256()) == 1;
	if (!ok) {
		EVP_PKEY_CTX_free(context);
		return crypto_fail(err, "set up RSA");
	}
	rsa->context = context;
	return 0;
}

/* See crypto_library_warm. The random numbers are those that blind the private key. */
static void warm(void)
{
	unsigned char byte;
	EVP_KEYMGMT_free(EVP_KEYMGMT_fetch(NULL, "RSA", NULL));
	EVP_ASYM_CIPHER_free(EVP_ASYM_CIPHER_fetch(NULL, "RSA", NULL));
	(void)RAND_priv_bytes(&byte, 1);
	crypto_library_warm("SHA256", NULL);
}

static int set_up(struct crypto_rsa *rsa, struct error **err)
{
	if (rsa->context)
		return 0;
	warm();
	crypto_guard_begin();
	int r = give_key(rsa, err);
	crypto_guard_end();
	return r;
}

/* Everything about the key that can be wrong is found here, before any work; see set_up. */
int crypto_rsa_from_der(const void *der, size_t len, enum crypto_rsa_form form,
			struct crypto_rsa **ret, struct error **err)
{
	crypto_start();
	struct bytes b = bytes_of(der, len);
	if (crypto_rsa_unwrap(&b, form, err) < 0)
		return -1;
	struct crypto_rsa *rsa = calloc(1, sizeof(*rsa));
	if (!rsa)
		return error_no_memory(err);
	rsa->form = form;
	BIGNUM *parts[PARTS_PRIVATE] = { NULL };
	crypto_guard_begin();
	int r = parse(b, form, parts, err);
	crypto_guard_end();
	if (r > 0) {
		rsa->size = (size_t)BN_num_bytes(parts[0]);
		r = secret_copy(b.data + b.off, bytes_left(&b), &rsa->der, err);
	}
	free_parts(parts);
	if (r < 0) {
		crypto_rsa_free(&rsa);
		return -1;
	}
	*ret = rsa;
	return 0;
}

int crypto_rsa_copy(const struct crypto_rsa *rsa, struct crypto_rsa **ret, struct error **err)
{
	return crypto_rsa_from_der(secret_bytes(rsa->der), secret_size(rsa->der), rsa->form, ret,
				   err);
}

void crypto_rsa_free(struct crypto_rsa **rsa)
{
	if (!*rsa)
		return;
	EVP_PKEY_CTX_free((*rsa)->context);
	EVP_PKEY_free((*rsa)->key);
	secret_free(&(*rsa)->der);
	free(*rsa);
	*rsa = NULL;
}

size_t crypto_rsa_size(const struct crypto_rsa *rsa)
{
	return rsa->size;
}

/* The label is that of one message: a key may be used with several. */
static bool set_label(struct crypto_rsa *rsa, const char *label)
{
	size_t len = strlen(label);
	if (!len)
		return EVP_PKEY_CTX_set0_rsa_oaep_label(rsa->context, NULL, 0) == 1;
	void *copy = OPENSSL_memdup(label, len);
	if (copy && EVP_PKEY_CTX_set0_rsa_oaep_label(rsa->context, copy, (int)len) == 1)
		return true;
	OPENSSL_free(copy);
	return false;
}

/* Of the random secret of an image: no more than one message holds. */
int crypto_rsa_encrypt(struct crypto_rsa *rsa, const char *label, const void *in, size_t len,
		       void *out, struct error **err)
{
	if (rsa->form != CRYPTO_RSA_PUBLIC || len > rsa->size - CRYPTO_RSA_OVERHEAD)
		return error_set(err, ERROR_INTERNAL, "%zu bytes for one RSA message", len);
	size_t out_len = rsa->size;
	if (set_up(rsa, err) < 0)
		return -1;
	crypto_guard_begin();
	bool done = set_label(rsa, label) &&
		    EVP_PKEY_encrypt(rsa->context, out, &out_len, in, len) == 1;
	crypto_guard_end();
	if (!done || out_len != rsa->size)
		return crypto_fail(err, "encrypt with the RSA key");
	return 0;
}

/* Into guarded memory as large as the modulus, and then cut to what came out. */
int crypto_rsa_decrypt(struct crypto_rsa *rsa, const char *label, const void *in,
		       struct secret **ret, struct error **err)
{
	if (rsa->form != CRYPTO_RSA_PRIVATE)
		return error_set(err, ERROR_INTERNAL, "decrypting with a public key");
	struct secret *out CLEANUP_SECRET = NULL;
	size_t len = rsa->size;
	if (set_up(rsa, err) < 0 || secret_new(len, &out, err) < 0)
		return -1;
	crypto_guard_begin();
	bool ready = set_label(rsa, label);
	bool done =
		ready && EVP_PKEY_decrypt(rsa->context, secret_data(out), &len, in, rsa->size) == 1;
	crypto_guard_end();
	if (!ready)
		return crypto_fail(err, "set up RSA");
	if (!done)
		return crypto_refuse(err, ERROR_KEY_WRONG, "the private key does not open it");
	/* OAEP says how long the message was; the rest was padding. */
	secret_shorten(out, len);
	*ret = take_pointer(&out);
	return 0;
}
