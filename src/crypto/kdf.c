/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key derivation by OpenSSL's EVP_KDF: scrypt (RFC 7914), HKDF (RFC 5869), PBKDF2 (RFC 8018).
 *
 * Costs are bounded by the callers, who know the format; this file takes any. What it sees to is
 * where secrets come to lie: the result is a struct secret, and OpenSSL's own state is allocated
 * within the guard. scrypt's large vector is not: it is made and wiped inside the library, and
 * would not fit.
 */
#include "crypto/internal.h"

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <string.h>

/* Parameters are read only, but OSSL_PARAM has one type for both ways. */
static void *unconst(const void *p)
{
	return (void *)(uintptr_t)p;
}

static int derive(const char *name, const char *digest, const OSSL_PARAM *params, size_t len,
		  struct secret **ret, struct error **err)
{
	crypto_start();
	struct secret *out CLEANUP_SECRET = NULL;
	if (secret_new(len, &out, err) < 0)
		return -1;
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, name, NULL);
	crypto_library_warm(digest, "HMAC");
	crypto_guard_begin();
	EVP_KDF_CTX *context = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	bool done = context && EVP_KDF_derive(context, secret_data(out), len, params) == 1;
	EVP_KDF_CTX_free(context);
	crypto_guard_end();
	EVP_KDF_free(kdf);
	if (!done)
		return crypto_fail(err, "derive a key");
	*ret = take_pointer(&out);
	return 0;
}

int crypto_scrypt(const struct secret *password, const void *salt, size_t salt_len, uint64_t n,
		  uint32_t r, uint32_t p, size_t len, struct secret **ret, struct error **err)
{
	/* The caller has set the bounds; OpenSSL's own, 32 MiB, is below gocryptfs' default. */
	uint64_t memory = UINT64_MAX;
	OSSL_PARAM params[] = {
		OSSL_PARAM_octet_string(OSSL_KDF_PARAM_PASSWORD, unconst(secret_bytes(password)),
					secret_size(password)),
		OSSL_PARAM_octet_string(OSSL_KDF_PARAM_SALT, unconst(salt), salt_len),
		OSSL_PARAM_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
		OSSL_PARAM_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r),
		OSSL_PARAM_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p),
		OSSL_PARAM_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &memory),
		OSSL_PARAM_END,
	};
	return derive("SCRYPT", "SHA256", params, len, ret, err);
}

int crypto_hkdf_sha256(const struct secret *in, const void *salt, size_t salt_len, const char *info,
		       size_t len, struct secret **ret, struct error **err)
{
	const void *key = in ? (const void *)secret_bytes(in) : "";
	OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_string(OSSL_KDF_PARAM_DIGEST, unconst("SHA256"), 6),
		OSSL_PARAM_octet_string(OSSL_KDF_PARAM_KEY, unconst(key), in ? secret_size(in) : 0),
		OSSL_PARAM_octet_string(OSSL_KDF_PARAM_INFO, unconst(info), strlen(info)),
		OSSL_PARAM_octet_string(OSSL_KDF_PARAM_SALT, unconst(salt), salt_len),
		OSSL_PARAM_END,
	};
	if (!salt_len)
		params[3] = OSSL_PARAM_construct_end();
	return derive("HKDF", "SHA256", params, len, ret, err);
}

int crypto_hmac_sha256(const struct secret *key, const void *data, size_t len,
		       uint8_t ret[CRYPTO_SHA256_LEN], struct error **err)
{
	size_t ret_len;
	crypto_start();
	crypto_library_warm("SHA256", "HMAC");
	crypto_guard_begin();
	bool done = EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, secret_bytes(key),
			      secret_size(key), data, len, ret, CRYPTO_SHA256_LEN, &ret_len) &&
		    ret_len == CRYPTO_SHA256_LEN;
	crypto_guard_end();
	return done ? 0 : crypto_fail(err, "authenticate");
}

int crypto_pbkdf2(enum crypto_hash hash, const struct secret *password, const void *salt,
		  size_t salt_len, uint32_t iterations, size_t len, struct secret **ret,
		  struct error **err)
{
	const char *name = crypto_hash_name(hash);
	/* 1: without the minimum lengths and counts of NIST SP 800-132; the caller has its own. */
	int unchecked = 1;
	uint64_t count = iterations;
	OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_string(OSSL_KDF_PARAM_DIGEST, unconst(name), strlen(name)),
		OSSL_PARAM_octet_string(OSSL_KDF_PARAM_PASSWORD, unconst(secret_bytes(password)),
					secret_size(password)),
		OSSL_PARAM_octet_string(OSSL_KDF_PARAM_SALT, unconst(salt), salt_len),
		OSSL_PARAM_uint64(OSSL_KDF_PARAM_ITER, &count),
		OSSL_PARAM_int(OSSL_KDF_PARAM_PKCS5, &unchecked),
		OSSL_PARAM_END,
	};
	return derive("PBKDF2", name, params, len, ret, err);
}
