/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_AGE_INTERNAL_H
#define COFFER_AGE_INTERNAL_H

#include "age/age.h"
#include "age/format.h"

struct age_key {
	enum age_kind kind;
	bool identity;
	uint8_t point[CRYPTO_X25519_LEN];  /* X25519, and what Ed25519 is converted to */
	struct secret *scalar;		   /* of an identity with a point */
	struct buffer wire;		   /* OpenSSH's: the public key as RFC 4253 6.6 has it */
	uint8_t digest[CRYPTO_SHA256_LEN]; /* of wire */
	struct crypto_rsa *rsa;
	struct secret *passphrase;
	unsigned work;
};

/* Borrowed from its file. */
struct age_stanza {
	struct bytes line; /* the arguments, each behind one blank but for the first */
	size_t arguments;
	const uint8_t *body;
	size_t body_off, body_len; /* in the file's bodies */
};

struct age_file {
	struct bytes all;
	size_t mac_off; /* where the line "---" begins */
	uint8_t mac[CRYPTO_SHA256_LEN];
	size_t payload_off;
	struct age_stanza *stanzas;
	size_t count, cap;
	struct buffer bodies;
};

/* The argument of that number, empty where there is none. */
struct bytes age_argument(const struct age_stanza *s, size_t i);
bool age_is(struct bytes text, const char *word);

/* header.c: base64 without padding. True for the one right encoding of len bytes. */
bool age_base64_take(struct bytes text, void *ret, size_t len);
int age_base64_put(struct buffer *b, const void *data, size_t len, struct error **err);
/* A stanza with a first line as it is, without "-> ". */
int age_stanza_put(struct buffer *header, const char *line, const void *body, size_t len,
		   struct error **err);
/* A stanza of ours is not as its type wants it. Returns -1. */
int age_stanza_bad(const char *type, struct error **err);

/* The key of the header's MAC is derived, and the MAC computed of len bytes. */
int age_mac(const struct secret *file_key, const void *header, size_t len,
	    uint8_t ret[CRYPTO_SHA256_LEN], struct error **err);
/* payload.c: the key of the payload, and the nonce of one chunk. */
int age_payload_key(const struct secret *file_key, const void *nonce, struct secret **ret,
		    struct error **err);
void age_chunk_nonce(uint64_t number, bool last, uint8_t ret[CRYPTO_CHACHA_NONCE_LEN]);

/* Appends the stanza for a key. */
typedef int age_wrap(const struct age_key *k, const struct secret *file_key, struct buffer *header,
		     struct error **err);
/*
 * Tries a stanza of the key's type: 1 with *ret the file key, 0 when it is for another key, -1.
 * tries: attempts made with this key so far, where they are dear enough to be counted.
 */
typedef int age_unwrap_by(const struct age_key *k, const struct age_stanza *s, unsigned *tries,
			  struct secret **ret, struct error **err);
age_wrap age_x25519_wrap, age_scrypt_wrap, age_ed25519_wrap, age_rsa_wrap;
age_unwrap_by age_x25519_unwrap, age_scrypt_unwrap, age_ed25519_unwrap, age_rsa_unwrap;

/* key.c: what there is of each kind; by enum age_kind. */
struct age_type {
	const char *name;  /* of its stanzas */
	const char *title; /* for people */
	age_wrap *wrap;
	age_unwrap_by *unwrap;
};
extern const struct age_type age_types[];

/* x25519.c: a fresh share for the point, and what is shared by it. */
int age_share(const uint8_t point[CRYPTO_X25519_LEN], uint8_t ret_share[CRYPTO_X25519_LEN],
	      struct secret **ret_shared, struct error **err);
/* The file key under what is shared: the salt is share and point. */
int age_share_seal(const struct secret *shared, const uint8_t share[CRYPTO_X25519_LEN],
		   const uint8_t point[CRYPTO_X25519_LEN], const char *info,
		   const struct secret *file_key, uint8_t ret[AGE_WRAPPED_LEN], struct error **err);
/* 1, 0 when it does not open, -1. */
int age_share_open(const struct secret *shared, const uint8_t share[CRYPTO_X25519_LEN],
		   const uint8_t point[CRYPTO_X25519_LEN], const char *info,
		   const struct age_stanza *s, struct secret **ret, struct error **err);
/* The same with the key itself. */
int age_key_open(const struct secret *wrap_key, const struct age_stanza *s, struct secret **ret,
		 struct error **err);

/*
 * bech32.c (BIP 173, without its limit on the length): the bytes behind a prefix, which is in small
 * letters. False for what is damaged, of another prefix, or of another length.
 */
bool age_bech32_decode(const char *text, size_t len, const char *prefix, uint8_t *ret, size_t want);
/* to: AGE_BECH32_LEN(strlen(prefix), len) characters, all in capitals or in small letters. */
#define AGE_BECH32_LEN(prefix_len, len) ((prefix_len) + 1 + ((len)*8 + 4) / 5 + 6)
void age_bech32_encode(const char *prefix, const uint8_t *data, size_t len, bool capitals,
		       char *to);

#endif
