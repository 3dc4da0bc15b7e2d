/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What sort of key some DER is, told by its shape.
 *
 * The DER of a key is read here and not by OpenSSL's decoders: they try whatever form they know,
 * while the person with the wrong file wants to hear which one it is. So a key is told by the tags
 * of its first members, refused with words that name it if it is of the wrong kind, and unwrapped
 * to the SEQUENCE of numbers that all RSA keys have inside.
 */
#include "crypto/internal.h"

#include <string.h>

#define DER_VERSION 0xa0 /* [0] EXPLICIT, of a certificate */

/* RFC 8017 A.1: rsaEncryption, 1.2.840.113549.1.1.1 */
static const uint8_t rsa_oid[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01 };

/*
 * A request is { INTEGER, SEQUENCE name, SEQUENCE { SEQUENCE, BIT STRING } ... } (RFC 2986 4.1);
 * the third member of a certificate, its issuer's name, has a SET first, or nothing.
 */
static bool is_request(struct bytes b)
{
	struct bytes skip, key;
	return crypto_der_take(&b, CRYPTO_DER_INTEGER, &skip) &&
	       crypto_der_take(&b, CRYPTO_DER_SEQUENCE, &skip) &&
	       crypto_der_take(&b, CRYPTO_DER_SEQUENCE, &key) &&
	       crypto_der_take(&key, CRYPTO_DER_SEQUENCE, &skip) &&
	       crypto_der_peek(&key) == CRYPTO_DER_BIT_STRING;
}

/* Tells by the tags of the first members what it is (RFC 8017 A.1, 5208, 5280, 5915). */
static enum crypto_der_shape shape_of(struct bytes b)
{
	/*
	 * SEQUENCE { INTEGER, INTEGER }               PKCS#1 public
	 * SEQUENCE { INTEGER, INTEGER, ... }          PKCS#1 private
	 * SEQUENCE { INTEGER, SEQUENCE, ... }         PKCS#8
	 * SEQUENCE { INTEGER, OCTET STRING, ... }     an elliptic curve's private key
	 * SEQUENCE { SEQUENCE, BIT STRING }           SubjectPublicKeyInfo
	 * SEQUENCE { SEQUENCE, OCTET STRING }         PKCS#8, encrypted
	 * SEQUENCE { INTEGER 3, SEQUENCE, ... }       PKCS#12
	 * SEQUENCE { SEQUENCE, SEQUENCE, ... }        a certificate, or a request for one
	 */
	struct bytes all, skip, first;
	if (!crypto_der_take(&b, CRYPTO_DER_SEQUENCE, &all))
		return CRYPTO_SHAPE_UNKNOWN;
	if (crypto_der_peek(&all) == CRYPTO_DER_INTEGER) {
		if (!crypto_der_take(&all, CRYPTO_DER_INTEGER, &skip))
			return CRYPTO_SHAPE_UNKNOWN;
		switch (crypto_der_peek(&all)) {
		case CRYPTO_DER_INTEGER:
			if (!crypto_der_take(&all, CRYPTO_DER_INTEGER, &skip))
				return CRYPTO_SHAPE_UNKNOWN;
			return bytes_left(&all) ? CRYPTO_SHAPE_PKCS1_PRIVATE
						: CRYPTO_SHAPE_PKCS1_PUBLIC;
		case CRYPTO_DER_SEQUENCE:
			return skip.len == 1 && skip.data[0] == 3 ? CRYPTO_SHAPE_PKCS12
								  : CRYPTO_SHAPE_PKCS8;
		case CRYPTO_DER_OCTET_STRING:
			return CRYPTO_SHAPE_EC_PRIVATE;
		default:
			return CRYPTO_SHAPE_UNKNOWN;
		}
	}
	if (!crypto_der_take(&all, CRYPTO_DER_SEQUENCE, &first))
		return CRYPTO_SHAPE_UNKNOWN;
	switch (crypto_der_peek(&all)) {
	case CRYPTO_DER_BIT_STRING:
		return CRYPTO_SHAPE_SPKI;
	case CRYPTO_DER_OCTET_STRING:
		return CRYPTO_SHAPE_PKCS8_ENCRYPTED;
	case CRYPTO_DER_SEQUENCE:
		return is_request(first) ? CRYPTO_SHAPE_REQUEST : CRYPTO_SHAPE_CERTIFICATE;
	default:
		return CRYPTO_SHAPE_UNKNOWN;
	}
}

enum crypto_der_shape crypto_der_shape(const void *der, size_t len)
{
	return shape_of(bytes_of(der, len));
}

bool crypto_der_is_encrypted_key(const void *der, size_t len)
{
	return crypto_der_shape(der, len) == CRYPTO_SHAPE_PKCS8_ENCRYPTED;
}

int crypto_rsa_no_key(struct error **err)
{
	return crypto_refuse(err, ERROR_KEY_INVALID, "the key is damaged, or is no key");
}

int crypto_rsa_hint(enum crypto_rsa_form form, struct error **err)
{
	return form == CRYPTO_RSA_PUBLIC
		       ? error_hint(err, "make one with: ssh-keygen -t rsa -b 4096 -m pem -N '' "
					 "-f rsa")
		       : -1;
}

/* A key, but of another kind: an elliptic curve's, say. */
static int not_rsa(enum crypto_rsa_form form, struct error **err)
{
	error_set(err, ERROR_KEY_INVALID, "the key is not an RSA key");
	return crypto_rsa_hint(form, err);
}

/* What it is instead, and how to get what is wanted: the person has some key in hand. */
static int refuse_shape(enum crypto_der_shape shape, enum crypto_rsa_form form, struct error **err)
{
	switch (shape) {
	case CRYPTO_SHAPE_PKCS1_PRIVATE:
	case CRYPTO_SHAPE_PKCS8:
		error_set(err, ERROR_KEY_INVALID,
			  "this is a private key, and a public key is needed");
		return error_hint(err, "make the public one with: "
				       "openssl rsa -in PRIVATE -RSAPublicKey_out -out PUBLIC");
	case CRYPTO_SHAPE_PKCS1_PUBLIC:
	case CRYPTO_SHAPE_SPKI:
		error_set(err, ERROR_KEY_INVALID,
			  "this is a public key, and the private key is needed");
		return error_hint(err, "give the private key that belongs to it");
	case CRYPTO_SHAPE_PKCS8_ENCRYPTED:
		if (form == CRYPTO_RSA_PUBLIC)
			return error_set(err, ERROR_KEY_INVALID,
					 "this is a private key, and a public key is needed");
		return error_set(err, ERROR_KEY_INVALID, "the private key is protected");
	case CRYPTO_SHAPE_EC_PRIVATE:
		return not_rsa(form, err);
	case CRYPTO_SHAPE_CERTIFICATE:
		error_set(err, ERROR_KEY_INVALID, "this is a certificate, not a key");
		return error_hint(err, "it is public: give the private key that belongs to it");
	case CRYPTO_SHAPE_REQUEST:
		error_set(err, ERROR_KEY_INVALID,
			  "this is a certificate signing request, not a key");
		return error_hint(err, form == CRYPTO_RSA_PUBLIC
					       ? "take its key out with: openssl req -in FILE "
						 "-pubkey -noout -out PUBLIC"
					       : "it is public: give the private key that belongs "
						 "to it");
	case CRYPTO_SHAPE_PKCS12:
		error_set(err, ERROR_KEY_INVALID, "this is a PKCS#12 file (.p12, .pfx), not a key");
		return error_hint(err, form == CRYPTO_RSA_PUBLIC
					       ? "take its certificate out with: openssl pkcs12 "
						 "-in FILE -clcerts -nokeys -out PUBLIC"
					       : "take its key out, protected, with: openssl "
						 "pkcs12 -in FILE -nocerts -out PRIVATE");
	default:
		return crypto_rsa_no_key(err);
	}
}

/* AlgorithmIdentifier of RSA: the OID, then NULL or nothing. */
static bool algorithm_is_rsa(struct bytes *b)
{
	struct bytes algorithm, oid;
	return crypto_der_take(b, CRYPTO_DER_SEQUENCE, &algorithm) &&
	       crypto_der_take(&algorithm, CRYPTO_DER_OID, &oid) && oid.len == sizeof(rsa_oid) &&
	       !memcmp(oid.data, rsa_oid, sizeof(rsa_oid));
}

/*
 * Goes on in *b at the SubjectPublicKeyInfo of a certificate (RFC 5280 4.1). Nothing else of it
 * counts: neither its dates nor who has signed it.
 */
static bool find_spki(struct bytes *b)
{
	struct bytes all, tbs, skip;
	if (!crypto_der_take(b, CRYPTO_DER_SEQUENCE, &all) ||
	    !crypto_der_take(&all, CRYPTO_DER_SEQUENCE, &tbs))
		return false;
	/* A version, unless it is the first; serial number, algorithm, issuer, validity, subject.
	 */
	if (crypto_der_peek(&tbs) == DER_VERSION && !crypto_der_take(&tbs, DER_VERSION, &skip))
		return false;
	if (!crypto_der_take(&tbs, CRYPTO_DER_INTEGER, &skip))
		return false;
	for (int i = 0; i < 4; i++)
		if (!crypto_der_take(&tbs, CRYPTO_DER_SEQUENCE, &skip))
			return false;
	*b = tbs;
	return true;
}

int crypto_rsa_unwrap(struct bytes *b, enum crypto_rsa_form form, struct error **err)
{
	struct bytes all, inner, version;
	enum crypto_der_shape shape = shape_of(*b);
	bool fits = form == CRYPTO_RSA_PUBLIC
			    ? shape == CRYPTO_SHAPE_PKCS1_PUBLIC || shape == CRYPTO_SHAPE_SPKI ||
				      shape == CRYPTO_SHAPE_CERTIFICATE
			    : shape == CRYPTO_SHAPE_PKCS1_PRIVATE || shape == CRYPTO_SHAPE_PKCS8;
	if (!fits)
		return refuse_shape(shape, form, err);
	if (shape == CRYPTO_SHAPE_CERTIFICATE && !find_spki(b))
		return crypto_rsa_no_key(err);
	if (shape == CRYPTO_SHAPE_PKCS1_PUBLIC || shape == CRYPTO_SHAPE_PKCS1_PRIVATE)
		return 0;
	bool pkcs8 = shape == CRYPTO_SHAPE_PKCS8;
	if (!crypto_der_take(b, CRYPTO_DER_SEQUENCE, &all) ||
	    (pkcs8 && !crypto_der_take(&all, CRYPTO_DER_INTEGER, &version)))
		return crypto_rsa_no_key(err);
	if (!algorithm_is_rsa(&all))
		return bytes_ok(&all) ? not_rsa(form, err) : crypto_rsa_no_key(err);
	if (!crypto_der_take(&all, pkcs8 ? CRYPTO_DER_OCTET_STRING : CRYPTO_DER_BIT_STRING, &inner))
		return crypto_rsa_no_key(err);
	/* A BIT STRING begins with the number of unused bits. */
	if (!pkcs8 && bytes_u8(&inner) != 0)
		return crypto_rsa_no_key(err);
	*b = bytes_of(inner.data + inner.off, bytes_left(&inner));
	return 0;
}
