/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_CRYPTO_CRYPTO_H
#define COFFER_CRYPTO_CRYPTO_H

#include <stddef.h>
#include <stdint.h>

#include "base/base.h"
#include "secret/secret.h"

/*
 * The door of crypto/, the one place that knows OpenSSL. A closed list of algorithms; nothing is
 * chosen by a string that comes from outside.
 *
 * Lengths are bytes. Functions without an object may be called by any thread; an object belongs to
 * one thread at a time, unless it says that threads may share it. Where OpenSSL fails for want of
 * memory the error is ERROR_MEMORY, where it should not have failed at all ERROR_INTERNAL.
 */

/*
 * Starts OpenSSL: without the configuration file that an environment variable names, and with an
 * allocator that wipes. Every call below does it by itself. Code that uses a library with
 * OpenSSL inside (libcryptsetup) calls it before that library's first call.
 */
void crypto_start(void);
/*
 * The digests of certificates that are looked at, and no others, SHA-1 among those: OpenSSL, and
 * libcurl with it, finds them by name in its old table, which is empty otherwise.
 */
int crypto_name_digests(struct error **err);

/*
 * What the crypto library allocates in this thread between these two lies in guarded, locked memory
 * until it is freed (but for pieces above SECRET_HEAP_MAX). The calls below do it by themselves
 * where they handle a key. Pairs may nest. libcryptsetup's calls are not bracketed: it has OpenSSL
 * load all tables once more, 700 KiB, which would stay there.
 */
void crypto_guard_begin(void);
void crypto_guard_end(void);

/* Fills buf with len random bytes, good enough for keys (RAND_bytes). */
int crypto_random(void *buf, size_t len, struct error **err);

#define CRYPTO_SHA256_LEN 32
/* The digest of len bytes (FIPS 180-4). */
int crypto_sha256(const void *data, size_t len, uint8_t ret[CRYPTO_SHA256_LEN], struct error **err);

/* RFC 7914. ret: a new secret of len bytes. The caller has checked n, r and p against its limits.
 */
int crypto_scrypt(const struct secret *password, const void *salt, size_t salt_len, uint64_t n,
		  uint32_t r, uint32_t p, size_t len, struct secret **ret, struct error **err);

/*
 * Whether a key derivation may take so many bytes, which an image asks for before anything is known
 * of who made it: up to what crypto_kdf_allow said, else to three quarters of
 * memory_available(root). ERROR_MEMORY, with both figures and the option. `what` names who asks:
 * "keyslot 1".
 */
int crypto_kdf_check(const char *root, const char *what, uint64_t bytes, struct error **err);
/* The user's word for this process and its children; 0 takes it back. */
void crypto_kdf_allow(uint64_t bytes);

/*
 * RFC 5869 with SHA-256. in: NULL for an empty one; salt_len 0: without a salt. ret: a new secret
 * of len bytes.
 */
int crypto_hkdf_sha256(const struct secret *in, const void *salt, size_t salt_len, const char *info,
		       size_t len, struct secret **ret, struct error **err);
/* RFC 2104 with SHA-256. */
int crypto_hmac_sha256(const struct secret *key, const void *data, size_t len,
		       uint8_t ret[CRYPTO_SHA256_LEN], struct error **err);

enum crypto_hash { CRYPTO_SHA1, CRYPTO_SHA256, CRYPTO_SHA512, CRYPTO_SHA384 };
/* In bytes, at most 64. */
size_t crypto_hash_len(enum crypto_hash hash);

/*
 * Digests (FIPS 180-4) of many short pieces that are secret, one after another; of one thread.
 * ret: crypto_hash_len bytes.
 */
struct crypto_digest;
int crypto_digest_new(enum crypto_hash hash, struct crypto_digest **ret, struct error **err);
void crypto_digest_free(struct crypto_digest **d);
int crypto_digest_run(struct crypto_digest *d, const void *in, size_t len, void *ret,
		      struct error **err);
/* The same of what comes in pieces and is no secret: begin, add..., end. */
int crypto_digest_begin(struct crypto_digest *d, struct error **err);
int crypto_digest_add(struct crypto_digest *d, const void *in, size_t len, struct error **err);
int crypto_digest_end(struct crypto_digest *d, void *ret, struct error **err);

/* RFC 8018 with the HMAC of the hash. ret: a new secret of len bytes. */
int crypto_pbkdf2(enum crypto_hash hash, const struct secret *password, const void *salt,
		  size_t salt_len, uint32_t iterations, size_t len, struct secret **ret,
		  struct error **err);

/*
 * What a cipher's object is made for. It holds a copy of the key for each direction asked for and
 * no other: the server of an image, which never encrypts, has no key that could. A call for the
 * other direction is ERROR_INTERNAL.
 */
enum crypto_direction {
	CRYPTO_ENCRYPT = 1,
	CRYPTO_DECRYPT = 2,
	CRYPTO_BOTH = CRYPTO_ENCRYPT | CRYPTO_DECRYPT, /* sinks read back what they wrote */
};

/*
 * AES-256-GCM with 16-byte nonces and 16-byte tags (NIST SP 800-38D; gocryptfs' GCMIV128). One
 * object holds one key and may be used by several threads at once.
 */
#define CRYPTO_GCM_NONCE_LEN 16
#define CRYPTO_GCM_TAG_LEN 16
struct crypto_gcm;
/* key: 32 bytes, which are copied, once for each direction. */
int crypto_gcm_new(const struct secret *key, enum crypto_direction directions,
		   struct crypto_gcm **ret, struct error **err);
/* Wipes its keys, frees *g, if any, and sets it to NULL. */
void crypto_gcm_free(struct crypto_gcm **g);
/* out: len bytes, may be in; tag is written. */
int crypto_gcm_seal(struct crypto_gcm *g, const uint8_t nonce[CRYPTO_GCM_NONCE_LEN],
		    const void *aad, size_t aad_len, const void *in, size_t len, void *out,
		    uint8_t tag[CRYPTO_GCM_TAG_LEN], struct error **err);
/* ERROR_DAMAGED, and out wiped, when the tag does not fit. */
int crypto_gcm_open(struct crypto_gcm *g, const uint8_t nonce[CRYPTO_GCM_NONCE_LEN],
		    const void *aad, size_t aad_len, const void *in, size_t len,
		    const uint8_t tag[CRYPTO_GCM_TAG_LEN], void *out, struct error **err);

/*
 * AES-XTS (IEEE 1619) with a key of 32 bytes (AES-128) or 64 (AES-256), in place, for units of
 * unit_len bytes each; the tweak of a unit is its number as dm-crypt's plain64 writes it: 64 bit
 * little endian, then zeros. Unit i of the call has number first + i * step. Thread-safe.
 */
struct crypto_xts;
/*
 * The key is copied, once for each direction. ERROR_DAMAGED when both of its halves are the same:
 * no key that was drawn is.
 */
int crypto_xts_new(const struct secret *key, enum crypto_direction directions,
		   struct crypto_xts **ret, struct error **err);
/* Wipes its keys, frees *x, if any, and sets it to NULL. */
void crypto_xts_free(struct crypto_xts **x);
/* `units` units at buf, in place. unit_len: from 16 to 65536. */
int crypto_xts_encrypt(struct crypto_xts *x, uint64_t first, uint64_t step, size_t unit_len,
		       void *buf, size_t units, struct error **err);
int crypto_xts_decrypt(struct crypto_xts *x, uint64_t first, uint64_t step, size_t unit_len,
		       void *buf, size_t units, struct error **err);

/*
 * RSA keys (RFC 8017). Parsing takes DER of any of the forms named; the PEM frame is key/'s
 * matter.
 */
struct crypto_rsa;
enum crypto_rsa_form {
	CRYPTO_RSA_PUBLIC, /* PKCS#1 RSAPublicKey, SubjectPublicKeyInfo, or that of a certificate */
	CRYPTO_RSA_PRIVATE, /* PKCS#1 RSAPrivateKey or PKCS#8 PrivateKeyInfo */
};
/* ERROR_KEY_INVALID with a reason (the wrong half, not RSA, not a key). */
int crypto_rsa_from_der(const void *der, size_t len, enum crypto_rsa_form form,
			struct crypto_rsa **ret, struct error **err);
/*
 * DER of PKCS#1 from the numbers of a key that is kept in another form, big endian: modulus, public
 * exponent (count 2), private exponent, the two primes, the inverse of the second modulo the first
 * (count 6). ret: a new secret for crypto_rsa_from_der, which checks them. ERROR_KEY_INVALID when
 * no key can be made of them.
 */
int crypto_rsa_encode(const struct bytes *numbers, size_t count, struct secret **ret,
		      struct error **err);
/* The same key once more. */
int crypto_rsa_copy(const struct crypto_rsa *rsa, struct crypto_rsa **ret, struct error **err);
/* Wipes and frees *rsa, if any, and sets it to NULL. */
void crypto_rsa_free(struct crypto_rsa **rsa);
/* The modulus length in bytes; one message may have so many less CRYPTO_RSA_OVERHEAD. */
#define CRYPTO_RSA_OVERHEAD 66
size_t crypto_rsa_size(const struct crypto_rsa *rsa);
/* SHA-256 of the public half as SubjectPublicKeyInfo (DER, RFC 5280), of either half: who has both
 * can tell that they belong together. */
int crypto_rsa_fingerprint(const struct crypto_rsa *rsa, uint8_t ret[CRYPTO_SHA256_LEN],
			   struct error **err);
/* Modulus and public exponent, of either half, as the contents of INTEGERs; borrowed. */
int crypto_rsa_numbers(const struct crypto_rsa *rsa, struct bytes *ret_modulus,
		       struct bytes *ret_exponent, struct error **err);
/* OAEP with SHA-256 and MGF1-SHA-256; label "" is the empty one; out has crypto_rsa_size bytes. */
int crypto_rsa_encrypt(struct crypto_rsa *rsa, const char *label, const void *in, size_t len,
		       void *out, struct error **err);
/* in has crypto_rsa_size bytes; ERROR_KEY_WRONG when it does not open. */
int crypto_rsa_decrypt(struct crypto_rsa *rsa, const char *label, const void *in,
		       struct secret **ret, struct error **err);

/* X25519 (RFC 7748): points and scalars are 32 bytes, little endian. */
#define CRYPTO_X25519_LEN 32
/* The point that belongs to a scalar. */
int crypto_x25519_public(const struct secret *scalar, uint8_t ret[CRYPTO_X25519_LEN],
			 struct error **err);
/* ret: a new secret. ERROR_DAMAGED when it would be zero, whatever the scalar. */
int crypto_x25519(const struct secret *scalar, const uint8_t point[CRYPTO_X25519_LEN],
		  struct secret **ret, struct error **err);

/*
 * Ed25519 keys (RFC 8032) for use with X25519: the public one, and what a seed of 32 bytes gives.
 * ERROR_KEY_INVALID for what is no point, and for a seed that does not belong to the point.
 */
int crypto_ed25519_to_x25519(const uint8_t point[CRYPTO_X25519_LEN], uint8_t ret[CRYPTO_X25519_LEN],
			     struct error **err);
int crypto_ed25519_scalar(const struct secret *seed, const uint8_t point[CRYPTO_X25519_LEN],
			  struct secret **ret, struct error **err);

/* ChaCha20-Poly1305 (RFC 8439) without additional data; the tag stands behind the text. */
#define CRYPTO_CHACHA_KEY_LEN 32
#define CRYPTO_CHACHA_NONCE_LEN 12
#define CRYPTO_CHACHA_TAG_LEN 16
/* out: len bytes and the tag. */
int crypto_chacha_seal(const struct secret *key, const uint8_t nonce[CRYPTO_CHACHA_NONCE_LEN],
		       const void *in, size_t len, void *out, struct error **err);
/* in: len bytes with the tag; out: as many without. ERROR_DAMAGED, and out wiped, when the tag does
 * not fit. */
int crypto_chacha_open(const struct secret *key, const uint8_t nonce[CRYPTO_CHACHA_NONCE_LEN],
		       const void *in, size_t len, void *out, struct error **err);

/*
 * A protected private key, opened with its password. ERROR_KEY_WRONG for the password. What comes
 * back is DER for crypto_rsa_from_der.
 */
/* `dek`: what follows "DEK-Info: " in a traditional PEM frame ("AES-256-CBC,0123..."). */
int crypto_dek_decrypt(const char *dek, const void *in, size_t len, const struct secret *password,
		       struct secret **ret, struct error **err);
/* What some DER is, by the tags of its first members; nothing else of it is checked. */
enum crypto_der_shape {
	CRYPTO_SHAPE_UNKNOWN,
	CRYPTO_SHAPE_PKCS1_PUBLIC,
	CRYPTO_SHAPE_PKCS1_PRIVATE,
	CRYPTO_SHAPE_PKCS8,
	CRYPTO_SHAPE_PKCS8_ENCRYPTED,
	CRYPTO_SHAPE_SPKI,
	CRYPTO_SHAPE_EC_PRIVATE,
	CRYPTO_SHAPE_CERTIFICATE,
	CRYPTO_SHAPE_REQUEST, /* a certificate signing request, PKCS#10 */
	CRYPTO_SHAPE_PKCS12,
};
enum crypto_der_shape crypto_der_shape(const void *der, size_t len);
/* PKCS#8 EncryptedPrivateKeyInfo. */
bool crypto_der_is_encrypted_key(const void *der, size_t len);
int crypto_pkcs8_decrypt(const void *der, size_t len, const struct secret *password,
			 struct secret **ret, struct error **err);

/*
 * Keys that sign: RSA of 2048 bits and more with PKCS#1 v1.5, ECDSA over P-256, P-384, P-521,
 * Ed25519 (RFC 8017, 8032, FIPS 186-4). The other halves of the same look at signatures.
 */
struct crypto_signer;
enum crypto_signer_form {
	CRYPTO_SIGNER_PRIVATE,	    /* PKCS#8, PKCS#1 RSAPrivateKey, RFC 5915 ECPrivateKey */
	CRYPTO_SIGNER_PUBLIC,	    /* SubjectPublicKeyInfo */
	CRYPTO_SIGNER_PKCS1_PUBLIC, /* RSAPublicKey */
};
/* ERROR_KEY_INVALID for what is no such key, or of another kind. */
int crypto_signer_from_der(const void *der, size_t len, enum crypto_signer_form form,
			   struct crypto_signer **ret, struct error **err);
/* Wipes and frees *s, if any, and sets it to NULL. */
void crypto_signer_free(struct crypto_signer **s);
#define CLEANUP_SIGNER __attribute__((cleanup(crypto_signer_free)))
/* Appends the signature of a message; Ed25519 takes no heed of the hash. */
int crypto_sign(struct crypto_signer *s, enum crypto_hash hash, const void *data, size_t len,
		struct buffer *ret, struct error **err);
/* ERROR_KEY_WRONG when it is not this key's signature of the message. Needs no private key. */
int crypto_verify(struct crypto_signer *s, enum crypto_hash hash, const void *data, size_t len,
		  const void *signature, size_t signature_len, struct error **err);
/* Appends "SHA256:..." as OpenSSH names the public half. */
int crypto_signer_name(const struct crypto_signer *s, struct buffer *ret, struct error **err);

/* Certificates (RFC 5280), kept in the order they were added. */
struct crypto_certificates;
int crypto_certificates_new(struct crypto_certificates **ret, struct error **err);
void crypto_certificates_free(struct crypto_certificates **c);
#define CLEANUP_CERTIFICATES __attribute__((cleanup(crypto_certificates_free)))
int crypto_certificates_add(struct crypto_certificates *c, const void *der, size_t len,
			    struct error **err);
/*
 * The key of the first of `one`, after a chain has led over `between` (NULL: none) to one of
 * `roots`, or, where that is NULL, of the file system_roots. ERROR_KEY_INVALID, in Go's words, when
 * it does not hold today or is not for signing code.
 */
int crypto_signer_from_certificate(const struct crypto_certificates *one,
				   const struct crypto_certificates *between,
				   const struct crypto_certificates *roots,
				   const char *system_roots, struct crypto_signer **ret,
				   struct error **err);

/* DER (X.690): tags of the few types that keys and messages are made of. */
enum crypto_der_tag {
	CRYPTO_DER_INTEGER = 0x02,
	CRYPTO_DER_BIT_STRING = 0x03,
	CRYPTO_DER_OCTET_STRING = 0x04,
	CRYPTO_DER_OID = 0x06,
	CRYPTO_DER_SEQUENCE = 0x30,
};
/*
 * Takes the next value, which must have this tag and a length in its shortest form; *ret is its
 * content. False, and b overrun, when it is not so.
 */
bool crypto_der_take(struct bytes *b, uint8_t tag, struct bytes *ret);
/* The next value's tag, or -1 at the end. */
int crypto_der_peek(const struct bytes *b);

#endif
