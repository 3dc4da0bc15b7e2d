/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DER of RSA keys, made from their numbers: SubjectPublicKeyInfo for fingerprints (RFC 5280 4.1,
 * RFC 8017 A.1.1), and PKCS#1 of keys that are kept in another form (RFC 8017 A.1.2).
 *
 * It is written here: nothing but numbers is put together, and OpenSSL would first have to be given
 * them. What of a private key is computed is computed in guarded memory and stays in it.
 */
#include "crypto/internal.h"

#include <openssl/bn.h>
#include <string.h>

#define NUMBER_MAX 2049 /* bytes; of a modulus of 16384 bits, with a zero before it */

/* SEQUENCE { OID rsaEncryption, NULL }, as it always is. */
static const uint8_t algorithm[] = { 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
				     0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00 };

/* Tag and length of a value. */
static int put_head(struct buffer *b, uint8_t tag, size_t len, struct error **err)
{
	uint8_t head[6] = { tag };
	size_t count = 1;
	if (len < 0x80) {
		head[count++] = (uint8_t)len;
	} else {
		size_t bytes = len > 0xffff ? 3 : len > 0xff ? 2 : 1;
		head[count++] = (uint8_t)(0x80 | bytes);
		while (bytes--)
			head[count++] = (uint8_t)(len >> 8 * bytes);
	}
	return buffer_append(b, head, count, err);
}

static int put(struct buffer *b, uint8_t tag, const void *data, size_t len, struct error **err)
{
	return put_head(b, tag, len, err) < 0 ? -1 : buffer_append(b, data, len, err);
}

int crypto_spki_fingerprint(struct bytes modulus, struct bytes exponent,
			    uint8_t ret[CRYPTO_SHA256_LEN], struct error **err)
{
	CLEANUP_BUFFER struct buffer numbers = { 0 }, bits = { 0 }, inner = { 0 }, all = { 0 };
	if (put(&numbers, CRYPTO_DER_INTEGER, modulus.data, modulus.len, err) < 0 ||
	    put(&numbers, CRYPTO_DER_INTEGER, exponent.data, exponent.len, err) < 0)
		return -1;
	/* A BIT STRING begins with how many bits of its last byte do not count. */
	if (buffer_append(&bits, "", 1, err) < 0 ||
	    put(&bits, CRYPTO_DER_SEQUENCE, numbers.data, numbers.len, err) < 0 ||
	    buffer_append(&inner, algorithm, sizeof(algorithm), err) < 0 ||
	    put(&inner, 0x03, bits.data, bits.len, err) < 0 ||
	    put(&all, CRYPTO_DER_SEQUENCE, inner.data, inner.len, err) < 0)
		return -1;
	return crypto_sha256(all.data, all.len, ret, err);
}

/* An INTEGER is positive and as short as can be: X.690 8.3. */
static struct bytes shortest(struct bytes n)
{
	while (n.len && !n.data[0]) {
		n.data++;
		n.len--;
	}
	return n;
}

static size_t integer_len(struct bytes n)
{
	return n.len + (!n.len || n.data[0] & 0x80);
}

static size_t head_len(size_t len)
{
	return len < 0x80 ? 2 : len > 0xff ? 4 : 3;
}

/* Tag and length, of at most 65535. */
static unsigned char *write_head(unsigned char *to, uint8_t tag, size_t len)
{
	*to++ = tag;
	if (len > 0xff)
		*to++ = 0x82;
	else if (len >= 0x80)
		*to++ = 0x81;
	if (len > 0xff)
		*to++ = (unsigned char)(len >> 8);
	*to++ = (unsigned char)len;
	return to;
}

/* SEQUENCE { INTEGER, ... } in guarded memory. */
static int write_numbers(const struct bytes *numbers, size_t count, struct secret **ret,
			 struct error **err)
{
	size_t len = 0;
	for (size_t i = 0; i < count; i++) {
		if (numbers[i].len > NUMBER_MAX)
			return crypto_rsa_no_key(err);
		size_t one = integer_len(shortest(numbers[i]));
		len += head_len(one) + one;
	}
	if (secret_new(head_len(len) + len, ret, err) < 0)
		return -1;
	unsigned char *to = write_head(secret_data(*ret), CRYPTO_DER_SEQUENCE, len);
	for (size_t i = 0; i < count; i++) {
		struct bytes n = shortest(numbers[i]);
		size_t one = integer_len(n);
		to = write_head(to, CRYPTO_DER_INTEGER, one);
		if (one > n.len)
			*to++ = 0;
		if (n.len)
			memcpy(to, n.data, n.len);
		to += n.len;
	}
	return 0;
}

/* d mod (prime - 1), a new secret. */
static int exponent_of(struct bytes d, struct bytes prime, struct secret **ret, struct error **err)
{
	if (d.len > NUMBER_MAX || prime.len > NUMBER_MAX || secret_new(NUMBER_MAX, ret, err) < 0)
		return *err ? -1 : crypto_rsa_no_key(err);
	crypto_guard_begin();
	BN_CTX *context = BN_CTX_new();
	BIGNUM *a = BN_bin2bn(d.data, (int)d.len, NULL);
	BIGNUM *p = BN_bin2bn(prime.data, (int)prime.len, NULL), *e = BN_new();
	bool ok = context && a && p && e && !BN_is_zero(p) && BN_sub_word(p, 1) == 1 &&
		  !BN_is_zero(p);
	if (ok) {
		BN_set_flags(a, BN_FLG_CONSTTIME);
		BN_set_flags(p, BN_FLG_CONSTTIME);
		ok = BN_mod(e, a, p, context) == 1 &&
		     BN_bn2binpad(e, secret_data(*ret), NUMBER_MAX) == NUMBER_MAX;
	}
	BN_clear_free(a);
	BN_clear_free(p);
	BN_clear_free(e);
	BN_CTX_free(context);
	crypto_guard_end();
	if (ok)
		return 0;
	secret_free(ret);
	return crypto_rsa_no_key(err);
}

static struct bytes bytes_of_secret(const struct secret *s)
{
	return bytes_of(secret_bytes(s), secret_size(s));
}

int crypto_rsa_encode(const struct bytes *numbers, size_t count, struct secret **ret,
		      struct error **err)
{
	struct secret *first CLEANUP_SECRET = NULL, *second CLEANUP_SECRET = NULL;
	if (count == 2)
		return write_numbers(numbers, count, ret, err);
	crypto_start();
	if (exponent_of(numbers[2], numbers[3], &first, err) < 0 ||
	    exponent_of(numbers[2], numbers[4], &second, err) < 0)
		return -1;
	/* A version first: two primes. */
	const struct bytes all[] = {
		bytes_of("", 0),
		numbers[0],
		numbers[1],
		numbers[2],
		numbers[3],
		numbers[4],
		bytes_of_secret(first),
		bytes_of_secret(second),
		numbers[5],
	};
	return write_numbers(all, sizeof(all) / sizeof(all[0]), ret, err);
}
