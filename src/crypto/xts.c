/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-XTS as dm-crypt uses it (IEEE 1619; encryption.md 5.5), for payloads and keyslots of LUKS2.
 *
 * XTS encrypts each unit (a sector) by itself and as long as it is, so there is room for neither a
 * nonce nor a tag. The tweak is the unit's number: equal sectors differ, but a sector that comes
 * back as an older state of itself is not noticed, and a changed one decrypts to rubbish in the
 * block of 16 bytes that was changed. What that means for users is in SECURITY.md.
 *
 * plain64, the form of the tweak: the number in 64 bits little endian, then zeros. dm-crypt counts
 * in 512 bytes whatever the unit's length is, so with sectors of 4096 the numbers go up by eight:
 * `step`.
 */
#include "crypto/internal.h"

#include <stdlib.h>
#include <string.h>

#define KEY_LEN_128 32
#define KEY_LEN_256 64
#define BLOCK_LEN 16
#define UNIT_MAX (1 << 16)

struct crypto_xts {
	struct pool encrypt, decrypt;
};

int crypto_xts_new(const struct secret *key, enum crypto_direction directions,
		   struct crypto_xts **ret, struct error **err)
{
	size_t len = secret_size(key);
	if (len != KEY_LEN_128 && len != KEY_LEN_256)
		return error_set(err, ERROR_INTERNAL, "an XTS key of %zu bytes", len);
	/* XTS with equal halves is not secure (FIPS 140, IG C.I), and no random key has them. */
	struct secret *half CLEANUP_SECRET = NULL, *other CLEANUP_SECRET = NULL;
	if (secret_copy(secret_bytes(key), len / 2, &half, err) < 0 ||
	    secret_copy(secret_bytes(key) + len / 2, len / 2, &other, err) < 0)
		return -1;
	if (secret_equal(half, other))
		return error_set(err, ERROR_DAMAGED, "both halves of the volume key are the same");

	const char *name = len == KEY_LEN_128 ? "AES-128-XTS" : "AES-256-XTS";
	struct crypto_xts *x = calloc(1, sizeof(*x));
	if (!x)
		return error_no_memory(err);
	if ((directions & CRYPTO_ENCRYPT && pool_init(&x->encrypt, name, key, 0, 1, err) < 0) ||
	    (directions & CRYPTO_DECRYPT && pool_init(&x->decrypt, name, key, 0, 0, err) < 0)) {
		crypto_xts_free(&x);
		return -1;
	}
	*ret = x;
	return 0;
}

void crypto_xts_free(struct crypto_xts **x)
{
	if (!*x)
		return;
	pool_done(&(*x)->encrypt);
	pool_done(&(*x)->decrypt);
	free(*x);
	*x = NULL;
}

/* The same for both directions: a pool knows its own. */
static int run(struct pool *p, uint64_t first, uint64_t step, size_t unit_len, void *buf,
	       size_t units, struct error **err)
{
	if (unit_len < BLOCK_LEN || unit_len > UNIT_MAX)
		return error_set(err, ERROR_INTERNAL, "an XTS unit of %zu bytes", unit_len);
	int slot, n;
	EVP_CIPHER_CTX *context = pool_get(p, &slot, err);
	if (!context)
		return -1;
	/* One context, its key schedule made long ago: for each unit the tweak alone is set anew.
	 */
	bool done = true;
	uint8_t tweak[BLOCK_LEN] = { 0 };
	unsigned char *unit = buf;
	for (size_t i = 0; done && i < units; i++, unit += unit_len) {
		bytes_put_le(tweak, first + i * step, 8);
		done = EVP_CipherInit_ex2(context, NULL, NULL, tweak, -1, NULL) == 1 &&
		       EVP_CipherUpdate(context, unit, &n, unit, (int)unit_len) == 1;
	}
	pool_put(p, context, slot);
	return done ? 0 : crypto_fail(err, p->encrypt ? "encrypt" : "decrypt");
}

int crypto_xts_encrypt(struct crypto_xts *x, uint64_t first, uint64_t step, size_t unit_len,
		       void *buf, size_t units, struct error **err)
{
	return run(&x->encrypt, first, step, unit_len, buf, units, err);
}

int crypto_xts_decrypt(struct crypto_xts *x, uint64_t first, uint64_t step, size_t unit_len,
		       void *buf, size_t units, struct error **err)
{
	return run(&x->decrypt, first, step, unit_len, buf, units, err);
}
