/* SPDX-License-Identifier: Apache-2.0 */
/* Recipients and identities: made from texts and from keys of OpenSSH's, and what they are called.
 */
#include "age/internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define RECIPIENT_TEXT_LEN AGE_BECH32_LEN(strlen(AGE_RECIPIENT_PREFIX), CRYPTO_X25519_LEN)
#define IDENTITY_TEXT_LEN AGE_BECH32_LEN(strlen(AGE_IDENTITY_PREFIX), CRYPTO_X25519_LEN)

const struct age_type age_types[] = {
	[AGE_X25519] = { AGE_TYPE_X25519, "age X25519", age_x25519_wrap, age_x25519_unwrap },
	[AGE_SCRYPT] = { AGE_TYPE_SCRYPT, "age scrypt", age_scrypt_wrap, age_scrypt_unwrap },
	[AGE_SSH_ED25519] = { AGE_TYPE_SSH_ED25519, "OpenSSH Ed25519", age_ed25519_wrap,
			      age_ed25519_unwrap },
	[AGE_SSH_RSA] = { AGE_TYPE_SSH_RSA, "RSA", age_rsa_wrap, age_rsa_unwrap },
};

void age_key_free(struct age_key **k)
{
	if (!*k)
		return;
	secret_free(&(*k)->scalar);
	secret_free(&(*k)->passphrase);
	crypto_rsa_free(&(*k)->rsa);
	buffer_free(&(*k)->wire);
	free(*k);
	*k = NULL;
}

static struct age_key *new_key(enum age_kind kind, bool identity, struct error **err)
{
	struct age_key *k = calloc(1, sizeof(*k));
	if (!k) {
		error_no_memory(err);
		return NULL;
	}
	k->kind = kind;
	k->identity = identity;
	return k;
}

/* ------------------------------------------------------------------ native keys */

static bool begins(const char *text, size_t len, const char *with)
{
	return len >= strlen(with) && !strncasecmp(text, with, strlen(with));
}

bool age_text_is_key(const char *text, size_t len)
{
	return begins(text, len, "age1") || begins(text, len, "age-secret-key-") ||
	       begins(text, len, "age-plugin-");
}

/* Of a text that could not be decoded: another kind, as far as its beginning tells, or damage. */
static int refuse(const char *text, size_t len, struct error **err)
{
	static const char *const plugins = "coffer has X25519 (age1...), ssh-ed25519 and ssh-rsa; "
					   "give one of these, beside it "
					   "if need be";
	if (begins(text, len, "age1pq1") || begins(text, len, "age-secret-key-pq-1")) {
		error_set(err, ERROR_UNSUPPORTED, "age's post-quantum keys are not supported");
		return error_hint(err, "%s", plugins);
	}
	/* "age1NAME1..."; the data part itself has no 1. */
	if (begins(text, len, "age-plugin-") ||
	    (begins(text, len, "age1") && memchr(text + 4, '1', len - 4))) {
		error_set(err, ERROR_UNSUPPORTED, "keys of age's plugins are not supported");
		return error_hint(err, "%s", plugins);
	}
	error_set(err, ERROR_KEY_INVALID, "the age key is damaged (its checksum does not fit)");
	return error_hint(err, "copy it once more, whole and without blanks");
}

static int from_scalar(struct secret **scalar, struct age_key **ret, struct error **err)
{
	struct age_key *k CLEANUP_AGE_KEY = new_key(AGE_X25519, true, err);
	if (!k || crypto_x25519_public(*scalar, k->point, err) < 0)
		return -1;
	k->scalar = take_pointer(scalar);
	*ret = take_pointer(&k);
	return 0;
}

int age_key_from_text(const char *text, size_t len, struct age_key **ret, struct error **err)
{
	struct age_key *k CLEANUP_AGE_KEY = NULL;
	struct secret *scalar CLEANUP_SECRET = NULL;
	if (begins(text, len, AGE_IDENTITY_PREFIX)) {
		if (secret_new(CRYPTO_X25519_LEN, &scalar, err) < 0)
			return -1;
		if (!age_bech32_decode(text, len, AGE_IDENTITY_PREFIX, secret_data(scalar),
				       CRYPTO_X25519_LEN))
			return refuse(text, len, err);
		return from_scalar(&scalar, ret, err);
	}
	k = new_key(AGE_X25519, false, err);
	if (!k)
		return -1;
	if (!age_bech32_decode(text, len, AGE_RECIPIENT_PREFIX, k->point, CRYPTO_X25519_LEN))
		return refuse(text, len, err);
	*ret = take_pointer(&k);
	return 0;
}

int age_key_generate(struct age_key **ret, struct error **err)
{
	struct secret *scalar CLEANUP_SECRET = NULL;
	if (secret_new(CRYPTO_X25519_LEN, &scalar, err) < 0 ||
	    crypto_random(secret_data(scalar), CRYPTO_X25519_LEN, err) < 0)
		return -1;
	return from_scalar(&scalar, ret, err);
}

int age_key_text(const struct age_key *k, struct secret **ret, struct error **err)
{
	struct secret *text CLEANUP_SECRET = NULL;
	if (k->kind != AGE_X25519 || !k->identity)
		return error_set(err, ERROR_INTERNAL, "the text of a key that has none");
	if (secret_new(IDENTITY_TEXT_LEN, &text, err) < 0)
		return -1;
	age_bech32_encode(AGE_IDENTITY_PREFIX, secret_bytes(k->scalar), CRYPTO_X25519_LEN, true,
			  (char *)secret_data(text));
	*ret = take_pointer(&text);
	return 0;
}

int age_key_passphrase(const struct secret *passphrase, unsigned work, struct age_key **ret,
		       struct error **err)
{
	struct age_key *k CLEANUP_AGE_KEY = new_key(AGE_SCRYPT, true, err);
	if (!k)
		return -1;
	k->work = work;
	if (secret_copy(secret_bytes(passphrase), secret_size(passphrase), &k->passphrase, err) < 0)
		return -1;
	*ret = take_pointer(&k);
	return 0;
}

/* ------------------------------------------------------------------ OpenSSH's */

/* RFC 4251, section 5: a string. */
static int put_string(struct buffer *b, const void *data, size_t len, struct error **err)
{
	uint8_t head[4];
	bytes_put_be(head, len, sizeof(head));
	if (buffer_append(b, head, sizeof(head), err) < 0)
		return -1;
	return len ? buffer_append(b, data, len, err) : 0;
}

static int name_wire(struct age_key *k, struct error **err)
{
	return crypto_sha256(k->wire.data, k->wire.len, k->digest, err);
}

int age_key_ssh_ed25519(const uint8_t point[CRYPTO_X25519_LEN], const struct secret *seed,
			struct age_key **ret, struct error **err)
{
	struct age_key *k CLEANUP_AGE_KEY = new_key(AGE_SSH_ED25519, seed != NULL, err);
	if (!k || crypto_ed25519_to_x25519(point, k->point, err) < 0 ||
	    (seed && crypto_ed25519_scalar(seed, point, &k->scalar, err) < 0) ||
	    put_string(&k->wire, AGE_TYPE_SSH_ED25519, strlen(AGE_TYPE_SSH_ED25519), err) < 0 ||
	    put_string(&k->wire, point, CRYPTO_X25519_LEN, err) < 0 || name_wire(k, err) < 0)
		return -1;
	*ret = take_pointer(&k);
	return 0;
}

int age_key_ssh_rsa(struct crypto_rsa **rsa, enum crypto_rsa_form half, struct age_key **ret,
		    struct error **err)
{
	struct bytes modulus, exponent;
	struct age_key *k CLEANUP_AGE_KEY = new_key(AGE_SSH_RSA, half == CRYPTO_RSA_PRIVATE, err);
	/* Numbers of OpenSSH's are written as those of DER. */
	if (!k || crypto_rsa_numbers(*rsa, &modulus, &exponent, err) < 0 ||
	    put_string(&k->wire, AGE_TYPE_SSH_RSA, strlen(AGE_TYPE_SSH_RSA), err) < 0 ||
	    put_string(&k->wire, exponent.data, exponent.len, err) < 0 ||
	    put_string(&k->wire, modulus.data, modulus.len, err) < 0 || name_wire(k, err) < 0)
		return -1;
	k->rsa = take_pointer(rsa);
	*ret = take_pointer(&k);
	return 0;
}

/* ------------------------------------------------------------------ what they are called */

const char *age_key_title(const struct age_key *k)
{
	return age_types[k->kind].title;
}

bool age_key_is_identity(const struct age_key *k)
{
	return k->identity;
}

static int put_native(const struct age_key *k, struct buffer *ret, struct error **err)
{
	char text[128];
	age_bech32_encode(AGE_RECIPIENT_PREFIX, k->point, sizeof(k->point), false, text);
	return buffer_append(ret, text, RECIPIENT_TEXT_LEN, err);
}

int age_key_describe(const struct age_key *k, struct buffer *ret, struct error **err)
{
	if (k->kind == AGE_SCRYPT)
		return buffer_puts(ret, "a passphrase", err);
	if (k->kind == AGE_X25519)
		return put_native(k, ret, err);
	if (buffer_puts(ret, "SHA256:", err) < 0)
		return -1;
	return age_base64_put(ret, k->digest, sizeof(k->digest), err);
}

int age_key_recipient(const struct age_key *k, struct buffer *ret, struct error **err)
{
	if (k->kind == AGE_SCRYPT)
		return error_set(err, ERROR_INTERNAL, "a passphrase has no public half");
	if (k->kind == AGE_X25519)
		return put_native(k, ret, err);
	if (buffer_printf(ret, err, "%s ", age_types[k->kind].name) < 0)
		return -1;
	return base64_encode(k->wire.data, k->wire.len, 0, ret, err);
}
