/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stanza of an X25519 recipient (age-encryption.org/v1, "The X25519 recipient type"): a fresh
 * pair, whose public half, the share, stands in the stanza; what both sides can compute of it wraps
 * the file key. OpenSSH's Ed25519 keys do the same with one step more (ssh.c).
 */
#include "age/internal.h"

#include <string.h>

int age_share(const uint8_t point[CRYPTO_X25519_LEN], uint8_t ret_share[CRYPTO_X25519_LEN],
	      struct secret **ret_shared, struct error **err)
{
	struct secret *fresh CLEANUP_SECRET = NULL;
	if (secret_new(CRYPTO_X25519_LEN, &fresh, err) < 0 ||
	    crypto_random(secret_data(fresh), CRYPTO_X25519_LEN, err) < 0 ||
	    crypto_x25519_public(fresh, ret_share, err) < 0)
		return -1;
	if (crypto_x25519(fresh, point, ret_shared, err) == 0)
		return 0;
	/* The recipient was none. */
	return error_kind(*err) == ERROR_DAMAGED ? error_set_kind(err, ERROR_KEY_INVALID) : -1;
}

static int wrap_key(const struct secret *shared, const uint8_t *share, const uint8_t *point,
		    const char *info, struct secret **ret, struct error **err)
{
	uint8_t salt[2 * CRYPTO_X25519_LEN];
	memcpy(salt, share, CRYPTO_X25519_LEN);
	memcpy(salt + CRYPTO_X25519_LEN, point, CRYPTO_X25519_LEN);
	return crypto_hkdf_sha256(shared, salt, sizeof(salt), info, CRYPTO_CHACHA_KEY_LEN, ret,
				  err);
}

/* Each of these keys is used once. */
static const uint8_t no_nonce[CRYPTO_CHACHA_NONCE_LEN];

int age_share_seal(const struct secret *shared, const uint8_t share[CRYPTO_X25519_LEN],
		   const uint8_t point[CRYPTO_X25519_LEN], const char *info,
		   const struct secret *file_key, uint8_t ret[AGE_WRAPPED_LEN], struct error **err)
{
	struct secret *key CLEANUP_SECRET = NULL;
	if (wrap_key(shared, share, point, info, &key, err) < 0)
		return -1;
	return crypto_chacha_seal(key, no_nonce, secret_bytes(file_key), secret_size(file_key), ret,
				  err);
}

int age_key_open(const struct secret *wrap_key, const struct age_stanza *s, struct secret **ret,
		 struct error **err)
{
	struct secret *file_key CLEANUP_SECRET = NULL;
	if (secret_new(AGE_FILE_KEY_LEN, &file_key, err) < 0)
		return -1;
	if (crypto_chacha_open(wrap_key, no_nonce, s->body, s->body_len, secret_data(file_key),
			       err) < 0) {
		if (error_kind(*err) != ERROR_DAMAGED)
			return -1;
		error_free(err);
		return 0;
	}
	*ret = take_pointer(&file_key);
	return 1;
}

int age_share_open(const struct secret *shared, const uint8_t share[CRYPTO_X25519_LEN],
		   const uint8_t point[CRYPTO_X25519_LEN], const char *info,
		   const struct age_stanza *s, struct secret **ret, struct error **err)
{
	struct secret *key CLEANUP_SECRET = NULL;
	if (wrap_key(shared, share, point, info, &key, err) < 0)
		return -1;
	return age_key_open(key, s, ret, err);
}

int age_x25519_wrap(const struct age_key *k, const struct secret *file_key, struct buffer *header,
		    struct error **err)
{
	struct secret *shared CLEANUP_SECRET = NULL;
	struct buffer line CLEANUP_BUFFER = { 0 };
	uint8_t share[CRYPTO_X25519_LEN], body[AGE_WRAPPED_LEN];
	if (age_share(k->point, share, &shared, err) < 0 ||
	    age_share_seal(shared, share, k->point, AGE_INFO(AGE_TYPE_X25519), file_key, body,
			   err) < 0 ||
	    buffer_puts(&line, AGE_TYPE_X25519 " ", err) < 0 ||
	    age_base64_put(&line, share, sizeof(share), err) < 0)
		return -1;
	return age_stanza_put(header, line.data, body, sizeof(body), err);
}

int age_x25519_unwrap(const struct age_key *k, const struct age_stanza *s, unsigned *tries,
		      struct secret **ret, struct error **err)
{
	(void)tries;
	struct secret *shared CLEANUP_SECRET = NULL;
	uint8_t share[CRYPTO_X25519_LEN];
	/* The length is looked at first: of a longer text one could be made that several keys open.
	 */
	if (s->arguments != 2 || !age_base64_take(age_argument(s, 1), share, sizeof(share)) ||
	    s->body_len != AGE_WRAPPED_LEN)
		return age_stanza_bad(AGE_TYPE_X25519, err);
	if (crypto_x25519(k->scalar, share, &shared, err) < 0)
		return -1;
	return age_share_open(shared, share, k->point, AGE_INFO(AGE_TYPE_X25519), s, ret, err);
}
