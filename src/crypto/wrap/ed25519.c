/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ed25519 keys (RFC 8032) taken as X25519 keys, as age does with OpenSSH's.
 *
 * The two curves are one in two forms. The private number is what RFC 8032 5.1.5 makes of the seed:
 * SHA-512, of which the first half counts; X25519 clamps it in the same way. Of the public point,
 * which Ed25519 writes as y and the sign of x, X25519 wants u = (1 + y) / (1 - y) modulo 2^255 - 19
 * (RFC 7748 4.1); the sign is lost.
 *
 * OpenSSL has no such conversion. What is computed here is computed of public numbers alone, so it
 * need not run in constant time; the seed is touched by OpenSSL's SHA-512 and Ed25519 only.
 */
#include "crypto/internal.h"

#include <openssl/bn.h>
#include <string.h>

#define LEN CRYPTO_X25519_LEN

/* d of the curve: RFC 8032 5.1 */
static const char curve_d[] = "52036CEE2B6FFE738CC740797779E89800700A4D4141D8AB75EB4DCA135978A3";

struct field {
	BN_CTX *context;
	BIGNUM *p, *y, *u, *v, *t;
};

static void field_done(struct field *f)
{
	BN_free(f->p);
	BN_free(f->y);
	BN_free(f->u);
	BN_free(f->v);
	BN_free(f->t);
	BN_CTX_free(f->context);
}

static bool field_begin(struct field *f, const uint8_t *point)
{
	uint8_t y[LEN];
	memcpy(y, point, LEN);
	y[LEN - 1] &= 0x7f; /* the sign of x */
	f->context = BN_CTX_new();
	f->p = BN_new();
	f->y = BN_lebin2bn(y, LEN, NULL);
	f->u = BN_new();
	f->v = BN_new();
	f->t = BN_new();
	return f->context && f->p && f->y && f->u && f->v && f->t && BN_set_bit(f->p, 255) == 1 &&
	       BN_sub_word(f->p, 19) == 1;
}

/*
 * Whether there is an x for this y: x^2 = (y^2 - 1) / (d y^2 + 1) is a square (RFC 8032 5.1.3), and
 * so is that times the square of the divisor. 1, 0, or -1 when OpenSSL failed.
 */
static int on_curve(struct field *f)
{
	BIGNUM *d = NULL;
	bool ok = BN_hex2bn(&d, curve_d) && BN_mod_sqr(f->t, f->y, f->p, f->context) == 1 &&
		  BN_copy(f->u, f->t) && BN_sub_word(f->u, 1) == 1 &&
		  BN_nnmod(f->u, f->u, f->p, f->context) == 1 &&
		  BN_mod_mul(f->v, f->t, d, f->p, f->context) == 1 && BN_add_word(f->v, 1) == 1 &&
		  BN_mod_mul(f->t, f->u, f->v, f->p, f->context) == 1;
	BN_free(d);
	int symbol = ok ? BN_kronecker(f->t, f->p, f->context) : -2;
	return symbol == -2 ? -1 : symbol >= 0;
}

/* 1, or 0 where there is no such point, or -1. */
static int convert(struct field *f, uint8_t *ret)
{
	int r = BN_cmp(f->y, f->p) < 0 ? on_curve(f) : 0;
	if (r <= 0)
		return r;
	/* y = 1 is the neutral element, which has no u. */
	if (BN_is_one(f->y))
		return 0;
	bool ok = BN_copy(f->u, f->y) && BN_add_word(f->u, 1) == 1 && BN_copy(f->v, f->p) &&
		  BN_add_word(f->v, 1) == 1 && BN_sub(f->v, f->v, f->y) == 1 &&
		  BN_mod_inverse(f->t, f->v, f->p, f->context) &&
		  BN_mod_mul(f->u, f->u, f->t, f->p, f->context) == 1 &&
		  BN_bn2lebinpad(f->u, ret, LEN) == LEN;
	return ok ? 1 : -1;
}

int crypto_ed25519_to_x25519(const uint8_t point[LEN], uint8_t ret[LEN], struct error **err)
{
	struct field f = { 0 };
	crypto_start();
	int r = field_begin(&f, point) ? convert(&f, ret) : -1;
	field_done(&f);
	if (r < 0)
		return crypto_fail(err, "convert a public key");
	return r ? 0
		 : error_set(err, ERROR_KEY_INVALID, "the Ed25519 key is no point of its curve");
}

int crypto_ed25519_scalar(const struct secret *seed, const uint8_t point[LEN], struct secret **ret,
			  struct error **err)
{
	uint8_t own[LEN];
	struct crypto_digest *digest = NULL;
	struct secret *hash CLEANUP_SECRET = NULL;
	if (crypto_curve_public("ED25519", seed, own, err) < 0)
		return -1;
	if (memcmp(own, point, LEN) != 0)
		return error_set(err, ERROR_KEY_INVALID,
				 "the two halves of the Ed25519 key do not belong together");
	if (secret_new(crypto_hash_len(CRYPTO_SHA512), &hash, err) < 0 ||
	    crypto_digest_new(CRYPTO_SHA512, &digest, err) < 0)
		return -1;
	int r = crypto_digest_run(digest, secret_bytes(seed), secret_size(seed), secret_data(hash),
				  err);
	crypto_digest_free(&digest);
	if (r < 0)
		return -1;
	secret_shorten(hash, LEN);
	*ret = take_pointer(&hash);
	return 0;
}
