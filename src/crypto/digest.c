/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA digests. A context that is kept serves for many short pieces, as af.c needs thousands.
 */
#include "crypto/internal.h"

#include <stdlib.h>

static const struct {
	const char *name; /* OpenSSL's */
	size_t len;
} hashes[] = {
	[CRYPTO_SHA1] = { "SHA1", 20 },
	[CRYPTO_SHA256] = { "SHA256", CRYPTO_SHA256_LEN },
	[CRYPTO_SHA384] = { "SHA384", 48 },
	[CRYPTO_SHA512] = { "SHA512", 64 },
};

size_t crypto_hash_len(enum crypto_hash hash)
{
	return hashes[hash].len;
}

const char *crypto_hash_name(enum crypto_hash hash)
{
	return hashes[hash].name;
}

struct crypto_digest {
	EVP_MD *md;
	EVP_MD_CTX *context;
};

int crypto_digest_new(enum crypto_hash hash, struct crypto_digest **ret, struct error **err)
{
	crypto_start();
	struct crypto_digest *d = calloc(1, sizeof(*d));
	if (!d)
		return error_no_memory(err);
	d->md = EVP_MD_fetch(NULL, hashes[hash].name, NULL);
	crypto_guard_begin();
	d->context = d->md ? EVP_MD_CTX_new() : NULL;
	crypto_guard_end();
	if (!d->context) {
		crypto_digest_free(&d);
		return crypto_fail(err, "prepare a digest");
	}
	*ret = d;
	return 0;
}

void crypto_digest_free(struct crypto_digest **d)
{
	if (!*d)
		return;
	EVP_MD_CTX_free((*d)->context);
	EVP_MD_free((*d)->md);
	free(*d);
	*d = NULL;
}

int crypto_digest_run(struct crypto_digest *d, const void *in, size_t len, void *ret,
		      struct error **err)
{
	/* OpenSSL 3.0 allocates the state anew for each. */
	crypto_guard_begin();
	bool done = EVP_DigestInit_ex2(d->context, d->md, NULL) == 1 &&
		    EVP_DigestUpdate(d->context, in, len) == 1 &&
		    EVP_DigestFinal_ex(d->context, ret, NULL) == 1;
	crypto_guard_end();
	return done ? 0 : crypto_fail(err, "compute a digest");
}

int crypto_digest_begin(struct crypto_digest *d, struct error **err)
{
	return EVP_DigestInit_ex2(d->context, d->md, NULL) == 1
		       ? 0
		       : crypto_fail(err, "begin a digest");
}

int crypto_digest_add(struct crypto_digest *d, const void *in, size_t len, struct error **err)
{
	return EVP_DigestUpdate(d->context, in, len) == 1 ? 0
							  : crypto_fail(err, "compute a digest");
}

int crypto_digest_end(struct crypto_digest *d, void *ret, struct error **err)
{
	return EVP_DigestFinal_ex(d->context, ret, NULL) == 1 ? 0
							      : crypto_fail(err, "end a digest");
}
