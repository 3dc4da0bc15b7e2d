/* SPDX-License-Identifier: Apache-2.0 */
/* The stanza of a passphrase: age-encryption.org/v1, "The scrypt recipient type". */
#include "age/internal.h"

#include <string.h>

#define SCRYPT_R 8
#define SCRYPT_P 1
#define SALT_LEN (sizeof(AGE_INFO(AGE_TYPE_SCRYPT)) - 1 + AGE_SCRYPT_SALT_LEN)

static int wrap_key(const struct age_key *k, const uint8_t *salt, unsigned work,
		    struct secret **ret, struct error **err)
{
	uint8_t full[SALT_LEN];
	uint64_t n = (uint64_t)1 << work;
	memcpy(full, AGE_INFO(AGE_TYPE_SCRYPT), SALT_LEN - AGE_SCRYPT_SALT_LEN);
	memcpy(full + SALT_LEN - AGE_SCRYPT_SALT_LEN, salt, AGE_SCRYPT_SALT_LEN);
	/* RFC 7914, section 2: a vector of n blocks of 128 * r bytes. */
	if (crypto_kdf_check("/", "the age file", UINT64_C(128) * SCRYPT_R * n, err) < 0)
		return -1;
	return crypto_scrypt(k->passphrase, full, sizeof(full), n, SCRYPT_R, SCRYPT_P,
			     CRYPTO_CHACHA_KEY_LEN, ret, err);
}

int age_scrypt_wrap(const struct age_key *k, const struct secret *file_key, struct buffer *header,
		    struct error **err)
{
	static const uint8_t nonce[CRYPTO_CHACHA_NONCE_LEN];
	struct secret *key CLEANUP_SECRET = NULL;
	struct buffer line CLEANUP_BUFFER = { 0 };
	uint8_t salt[AGE_SCRYPT_SALT_LEN], body[AGE_WRAPPED_LEN];
	if (crypto_random(salt, sizeof(salt), err) < 0 ||
	    wrap_key(k, salt, k->work, &key, err) < 0 ||
	    crypto_chacha_seal(key, nonce, secret_bytes(file_key), secret_size(file_key), body,
			       err) < 0 ||
	    buffer_puts(&line, AGE_TYPE_SCRYPT " ", err) < 0 ||
	    age_base64_put(&line, salt, sizeof(salt), err) < 0 ||
	    buffer_printf(&line, err, " %u", k->work) < 0)
		return -1;
	return age_stanza_put(header, line.data, body, sizeof(body), err);
}

/* Decimal digits without a zero before them; *ret is no more than AGE_WORK_MAX + 1. */
static bool take_work(struct bytes text, unsigned *ret)
{
	unsigned work = 0;
	if (!text.len || text.data[0] == '0')
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		work = work * 10 + (text.data[i] - '0');
		if (work > AGE_WORK_MAX)
			work = AGE_WORK_MAX + 1;
	}
	*ret = work;
	return true;
}

int age_scrypt_unwrap(const struct age_key *k, const struct age_stanza *s, unsigned *tries,
		      struct secret **ret, struct error **err)
{
	(void)tries;
	struct secret *key CLEANUP_SECRET = NULL;
	uint8_t salt[AGE_SCRYPT_SALT_LEN];
	unsigned work;
	if (s->arguments != 3 || !age_base64_take(age_argument(s, 1), salt, sizeof(salt)) ||
	    !take_work(age_argument(s, 2), &work) || s->body_len != AGE_WRAPPED_LEN)
		return age_stanza_bad(AGE_TYPE_SCRYPT, err);
	if (work > AGE_WORK_MAX)
		return error_set(err, ERROR_LIMIT,
				 "the passphrase of the age file has a work factor above %d",
				 AGE_WORK_MAX);
	if (wrap_key(k, salt, work, &key, err) < 0)
		return -1;
	return age_key_open(key, s, ret, err);
}
