/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/internal.h"

#include <string.h>

/*
 * SubjectPublicKeyInfo of an RSA key (RFC 5280 4.1, RFC 8017 A.1.1), written here: nothing but two
 * public numbers is put together, and OpenSSL would first have to be given the private ones.
 */

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
