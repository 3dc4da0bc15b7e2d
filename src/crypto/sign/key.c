/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures of three kinds: RSA (PKCS#1 v1.5, RFC 8017 8.2), ECDSA over three curves of NIST
 * (FIPS 186-4, DER of RFC 3279), Ed25519 (RFC 8032, over the message and not its digest). A key of
 * another kind is refused by name when it is loaded, so that nothing that comes from an image
 * chooses an algorithm.
 *
 * A private key, and what OpenSSL makes of it, lies in guarded memory (crypto_guard_begin).
 */
#include "crypto/sign/internal.h"

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 16384
#define SSH_MAX 4096 /* a public key as OpenSSH writes it (RFC 4253 6.6) */

struct crypto_signer {
	EVP_PKEY *key;
	bool private;
	bool digests; /* signs the digest of a message: all but Ed25519 */
};

static const struct {
	const char *group, *ssh;
} curves[] = {
	{ "prime256v1", "nistp256" },
	{ "secp384r1", "nistp384" },
	{ "secp521r1", "nistp521" },
};

/* OpenSSH's name of the curve, or NULL where it is none of ours. */
static const char *curve_of(const EVP_PKEY *key)
{
	char group[32] = "";
	if (EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof(group),
					   NULL) != 1)
		return NULL;
	for (size_t i = 0; i < sizeof(curves) / sizeof(*curves); i++)
		if (!strcmp(curves[i].group, group))
			return curves[i].ssh;
	return NULL;
}

static int check(const EVP_PKEY *key, struct error **err)
{
	int bits = EVP_PKEY_get_bits(key);
	if (EVP_PKEY_is_a(key, "RSA") && (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX))
		return error_set(err, ERROR_KEY_INVALID,
				 "the RSA key has %d bits, and must have from %d to %d", bits,
				 RSA_BITS_MIN, RSA_BITS_MAX);
	if (EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "ED25519") ||
	    (EVP_PKEY_is_a(key, "EC") && curve_of(key)))
		return 0;
	error_set(err, ERROR_KEY_INVALID, "a key of this kind makes no signatures of images");
	return error_hint(err, "take RSA, an elliptic curve (P-256, P-384, P-521) or Ed25519");
}

int crypto_signer_adopt(EVP_PKEY **pkey, bool private, struct crypto_signer **ret,
			struct error **err)
{
	if (check(*pkey, err) < 0)
		return -1;
	struct crypto_signer *s = calloc(1, sizeof(*s));
	if (!s)
		return error_no_memory(err);
	*s = (struct crypto_signer){ .key = *pkey,
				     .private = private,
				     .digests = !EVP_PKEY_is_a(*pkey, "ED25519") };
	*pkey = NULL;
	*ret = s;
	return 0;
}

/* All of the DER, and no more, in one of the forms that PEM labels stand for. */
static EVP_PKEY *parse(const void *der, size_t len, enum crypto_signer_form form)
{
	const unsigned char *at = der;
	EVP_PKEY *key = NULL;
	if (len > LONG_MAX)
		return NULL;
	switch (form) {
	case CRYPTO_SIGNER_PRIVATE:
		key = d2i_AutoPrivateKey_ex(NULL, &at, (long)len, NULL, NULL);
		break;
	case CRYPTO_SIGNER_PUBLIC:
		key = d2i_PUBKEY_ex(NULL, &at, (long)len, NULL, NULL);
		break;
	case CRYPTO_SIGNER_PKCS1_PUBLIC:
		key = d2i_PublicKey(EVP_PKEY_RSA, NULL, &at, (long)len);
		break;
	}
	if (key && at != (const unsigned char *)der + len) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	return key;
}

int crypto_signer_from_der(const void *der, size_t len, enum crypto_signer_form form,
			   struct crypto_signer **ret, struct error **err)
{
	crypto_start();
	crypto_library_warm("SHA256", NULL);
	crypto_guard_begin();
	EVP_PKEY *key = parse(der, len, form);
	int r = key ? crypto_signer_adopt(&key, form == CRYPTO_SIGNER_PRIVATE, ret, err)
		    : crypto_refuse(err, ERROR_KEY_INVALID, "the key is damaged, or is no key");
	EVP_PKEY_free(key);
	crypto_guard_end();
	if (r < 0)
		error_hint(err, "openssl pkey tells what a key is: -in FILE -noout -text; of a "
				"public one with -pubin");
	return r;
}

void crypto_signer_free(struct crypto_signer **s)
{
	if (!*s)
		return;
	EVP_PKEY_free((*s)->key);
	free(*s);
	*s = NULL;
}

/* ------------------------------------------------------------------ signatures */

static const char *digest_of(const struct crypto_signer *s, enum crypto_hash hash)
{
	return s->digests ? crypto_hash_name(hash) : NULL;
}

/* PKCS#1 v1.5 is OpenSSL's default for RSA. */
static int sign(const struct crypto_signer *s, enum crypto_hash hash, const void *data, size_t len,
		EVP_MD_CTX *context, struct buffer *ret, struct error **err)
{
	size_t room = 0;
	if (EVP_DigestSignInit_ex(context, NULL, digest_of(s, hash), NULL, NULL, s->key, NULL) !=
		    1 ||
	    EVP_DigestSign(context, NULL, &room, data, len) != 1)
		return crypto_fail(err, "prepare a signature");
	char *to = buffer_reserve(ret, room, err);
	if (!to)
		return -1;
	if (EVP_DigestSign(context, (unsigned char *)to, &room, data, len) != 1)
		return crypto_refuse(err, ERROR_KEY_INVALID, "the key cannot sign");
	ret->len += room;
	ret->data[ret->len] = '\0';
	return 0;
}

int crypto_sign(struct crypto_signer *s, enum crypto_hash hash, const void *data, size_t len,
		struct buffer *ret, struct error **err)
{
	if (!s->private)
		return error_set(err, ERROR_INTERNAL, "a public key does not sign");
	crypto_start();
	crypto_guard_begin();
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	int r = context ? sign(s, hash, data, len, context, ret, err)
			: crypto_fail(err, "prepare a signature");
	EVP_MD_CTX_free(context);
	crypto_guard_end();
	return r;
}

int crypto_verify(struct crypto_signer *s, enum crypto_hash hash, const void *data, size_t len,
		  const void *signature, size_t signature_len, struct error **err)
{
	crypto_start();
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	int r = 0;
	if (!context || EVP_DigestVerifyInit_ex(context, NULL, digest_of(s, hash), NULL, NULL,
						s->key, NULL) != 1)
		r = crypto_fail(err, "look at a signature");
	/* Anything but 1 is a refusal, whether the form is wrong or the number. */
	else if (EVP_DigestVerify(context, signature, signature_len, data, len) != 1)
		r = crypto_refuse(err, ERROR_KEY_WRONG, "the signature is not of this key");
	EVP_MD_CTX_free(context);
	return r;
}

/* ------------------------------------------------------------------ the name of a key */

struct wire {
	uint8_t data[SSH_MAX];
	size_t len;
	bool ok;
};

static void put(struct wire *w, const void *data, size_t len)
{
	if (len > sizeof(w->data) - w->len || sizeof(w->data) - w->len - len < 4) {
		w->ok = false;
		return;
	}
	bytes_put_be(w->data + w->len, len, 4);
	memcpy(w->data + w->len + 4, data, len);
	w->len += 4 + len;
}

/* A number that is not negative: with a zero before a first bit that is set (RFC 4251 5). */
static void put_number(struct wire *w, const EVP_PKEY *key, const char *name)
{
	uint8_t raw[RSA_BITS_MAX / 8 + 1] = { 0 };
	BIGNUM *n = NULL;
	int len = 0;
	if (EVP_PKEY_get_bn_param(key, name, &n) != 1 || BN_num_bytes(n) >= (int)sizeof(raw))
		w->ok = false;
	else
		len = BN_bn2bin(n, raw + 1);
	BN_free(n);
	size_t skip = len && raw[1] & 0x80 ? 0 : 1;
	put(w, raw + skip, (size_t)len + 1 - skip);
}

static void put_key(struct wire *w, const EVP_PKEY *key)
{
	uint8_t raw[256];
	char name[64];
	size_t len = 0;
	if (EVP_PKEY_is_a(key, "RSA")) {
		put(w, "ssh-rsa", 7);
		put_number(w, key, OSSL_PKEY_PARAM_RSA_E);
		put_number(w, key, OSSL_PKEY_PARAM_RSA_N);
		return;
	}
	bool curve = EVP_PKEY_is_a(key, "EC");
	if (EVP_PKEY_get_octet_string_param(
		    key, curve ? OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY : OSSL_PKEY_PARAM_PUB_KEY, raw,
		    sizeof(raw), &len) != 1)
		w->ok = false;
	if (!curve) {
		put(w, "ssh-ed25519", 11);
	} else {
		const char *own = curve_of(key);
		snprintf(name, sizeof(name), "ecdsa-sha2-%s", own);
		put(w, name, strlen(name));
		put(w, own, strlen(own));
	}
	put(w, raw, len);
}

int crypto_signer_name(const struct crypto_signer *s, struct buffer *ret, struct error **err)
{
	static const char head[] = "SHA256:";
	struct wire w = { .ok = true };
	uint8_t sum[CRYPTO_SHA256_LEN];
	put_key(&w, s->key);
	if (!w.ok)
		return crypto_fail(err, "name a key");
	if (crypto_sha256(w.data, w.len, sum, err) < 0 || buffer_puts(ret, head, err) < 0 ||
	    base64_encode(sum, sizeof(sum), 0, ret, err) < 0)
		return -1;
	/* Without its padding, as OpenSSH shows it. */
	while (ret->len && ret->data[ret->len - 1] == '=')
		ret->data[--ret->len] = '\0';
	return 0;
}
