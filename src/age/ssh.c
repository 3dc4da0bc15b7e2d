/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stanzas for keys of OpenSSH's, as age and rage write them (age's README, "SSH keys"; they are no
 * part of age-encryption.org/v1). Both name the key by what the SHA-256 of its public half begins
 * with, so there is no trying, and everybody can tell whom a file is for.
 *
 * ssh-ed25519: X25519 with the key converted to its curve. What is shared is multiplied once more
 * by a number derived of the public key, so that a file for the key of OpenSSH's is none for the
 * X25519 key that it becomes.
 *
 * ssh-rsa: OAEP with a label of its own.
 */
#include "age/internal.h"

#include <string.h>

#define RSA_LABEL AGE_INFO(AGE_TYPE_SSH_RSA)

static int tweak(const struct age_key *k, struct secret **shared, struct error **err)
{
	struct secret *number CLEANUP_SECRET = NULL, *out CLEANUP_SECRET = NULL;
	if (crypto_hkdf_sha256(NULL, k->wire.data, k->wire.len, AGE_INFO(AGE_TYPE_SSH_ED25519),
			       CRYPTO_X25519_LEN, &number, err) < 0 ||
	    crypto_x25519(number, secret_bytes(*shared), &out, err) < 0)
		return -1;
	secret_free(shared);
	*shared = take_pointer(&out);
	return 0;
}

static int put_line(const struct age_key *k, const char *type, struct buffer *line,
		    struct error **err)
{
	if (buffer_printf(line, err, "%s ", type) < 0)
		return -1;
	return age_base64_put(line, k->digest, AGE_TAG_LEN, err);
}

int age_ed25519_wrap(const struct age_key *k, const struct secret *file_key, struct buffer *header,
		     struct error **err)
{
	struct secret *shared CLEANUP_SECRET = NULL;
	struct buffer line CLEANUP_BUFFER = { 0 };
	uint8_t share[CRYPTO_X25519_LEN], body[AGE_WRAPPED_LEN];
	if (age_share(k->point, share, &shared, err) < 0 || tweak(k, &shared, err) < 0 ||
	    age_share_seal(shared, share, k->point, AGE_INFO(AGE_TYPE_SSH_ED25519), file_key, body,
			   err) < 0 ||
	    put_line(k, AGE_TYPE_SSH_ED25519, &line, err) < 0 || buffer_puts(&line, " ", err) < 0 ||
	    age_base64_put(&line, share, sizeof(share), err) < 0)
		return -1;
	return age_stanza_put(header, line.data, body, sizeof(body), err);
}

int age_rsa_wrap(const struct age_key *k, const struct secret *file_key, struct buffer *header,
		 struct error **err)
{
	struct buffer line CLEANUP_BUFFER = { 0 }, body CLEANUP_BUFFER = { 0 };
	size_t size = crypto_rsa_size(k->rsa);
	char *to = buffer_reserve(&body, size, err);
	if (!to ||
	    crypto_rsa_encrypt(k->rsa, RSA_LABEL, secret_bytes(file_key), secret_size(file_key), to,
			       err) < 0 ||
	    put_line(k, AGE_TYPE_SSH_RSA, &line, err) < 0)
		return -1;
	return age_stanza_put(header, line.data, to, size, err);
}

/* Whether a stanza with so many arguments is for this key: 1, 0, or -1 when it is none. */
static int names_key(const struct age_key *k, const struct age_stanza *s, size_t arguments,
		     struct error **err)
{
	uint8_t tag[AGE_TAG_LEN];
	if (s->arguments != arguments || !age_base64_take(age_argument(s, 1), tag, sizeof(tag)))
		return age_stanza_bad(age_types[k->kind].name, err);
	return memcmp(tag, k->digest, sizeof(tag)) == 0;
}

int age_ed25519_unwrap(const struct age_key *k, const struct age_stanza *s, unsigned *tries,
		       struct secret **ret, struct error **err)
{
	struct secret *shared CLEANUP_SECRET = NULL;
	uint8_t share[CRYPTO_X25519_LEN];
	int named = names_key(k, s, 3, err);
	(void)tries;
	if (named <= 0)
		return named;
	if (!age_base64_take(age_argument(s, 2), share, sizeof(share)) ||
	    s->body_len != AGE_WRAPPED_LEN)
		return age_stanza_bad(AGE_TYPE_SSH_ED25519, err);
	if (crypto_x25519(k->scalar, share, &shared, err) < 0 || tweak(k, &shared, err) < 0)
		return -1;
	return age_share_open(shared, share, k->point, AGE_INFO(AGE_TYPE_SSH_ED25519), s, ret, err);
}

int age_rsa_unwrap(const struct age_key *k, const struct age_stanza *s, unsigned *tries,
		   struct secret **ret, struct error **err)
{
	int named = names_key(k, s, 2, err);
	if (named <= 0)
		return named;
	if (s->body_len != crypto_rsa_size(k->rsa))
		return age_stanza_bad(AGE_TYPE_SSH_RSA, err);
	if (++*tries > AGE_RSA_TRIES_MAX)
		return error_set(err, ERROR_LIMIT,
				 "the age header names one RSA key more than %d times",
				 AGE_RSA_TRIES_MAX);
	if (crypto_rsa_decrypt(k->rsa, RSA_LABEL, s->body, ret, err) < 0) {
		if (error_kind(*err) != ERROR_KEY_WRONG)
			return -1;
		error_free(err);
		return 0;
	}
	if (secret_size(*ret) == AGE_FILE_KEY_LEN)
		return 1;
	secret_free(ret);
	return age_stanza_bad(AGE_TYPE_SSH_RSA, err);
}
