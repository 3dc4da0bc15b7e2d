/* SPDX-License-Identifier: Apache-2.0 */
/* Values that several objects of a LUKS2 header have: numbers, texts, ciphers, within limits. */
#include "seal/luks2/json/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int luks2_get_number(const struct json_at *at, const char *member, uint32_t min, uint32_t max,
		     uint32_t *ret, struct error **err)
{
	uint64_t v = 0;
	if (json_get_number(at, member, min, max, &v, err) < 0)
		return -1;
	*ret = (uint32_t)v;
	return 0;
}

/* Sizes and offsets are texts of decimal digits (spec 3). */
int luks2_get_digits(const struct json_at *at, const char *member, uint64_t *ret,
		     struct error **err)
{
	const char *text;
	if (json_get_text(at, member, &text, err) < 0)
		return -1;
	uint64_t v = 0;
	size_t len = strlen(text);
	if (!len || strspn(text, "0123456789") != len)
		return json_damaged(at, member, "is not a text of digits", err);
	for (; *text; text++)
		if (!checked_mul(v, (uint64_t)10, &v) ||
		    !checked_add(v, (uint64_t)(*text - '0'), &v) || v > INT64_MAX)
			return json_damaged(at, member, "is too large", err);
	*ret = v;
	return 0;
}

/* As it is written; *ret_len is how many bytes it stands for. */
int luks2_get_base64(const struct json_at *at, const char *member, char ret[LUKS2_BASE64_MAX + 1],
		     size_t *ret_len, struct error **err)
{
	uint8_t bytes[LUKS2_BASE64_MAX];
	const char *text;
	if (json_get_text(at, member, &text, err) < 0)
		return -1;
	size_t len = strlen(text);
	if (len > LUKS2_BASE64_MAX)
		return json_over_limit(at, member, LUKS2_BASE64_MAX, err);
	if (!len || !base64_decode(text, len, false, bytes, ret_len))
		return json_damaged(at, member, "is not base64", err);
	memcpy(ret, text, len + 1);
	return 0;
}

/* All KDFs and the digest have salts of one length. */
int luks2_get_salt(const struct json_at *at, char ret[LUKS2_BASE64_MAX + 1], struct error **err)
{
	size_t len = 0;
	if (luks2_get_base64(at, "salt", ret, &len, err) < 0)
		return -1;
	return len == LUKS2_KDF_SALT_LEN ? 0
					 : json_damaged(at, "salt", "is not 32 bytes long", err);
}

const char *const luks2_hashes[] = {
	[CRYPTO_SHA1] = "sha1",
	[CRYPTO_SHA256] = "sha256",
	[CRYPTO_SHA512] = "sha512",
	NULL,
};

/* The names in a vetted header point into the list above; another one is a bug of ours. */
enum crypto_hash luks2_hash(const char *name)
{
	int i = 0;
	while (luks2_hashes[i] && strcmp(luks2_hashes[i], name) != 0)
		i++;
	if (!luks2_hashes[i])
		abort();
	return (enum crypto_hash)i;
}

/* spec 3.2.3; the null cipher, which encrypts nothing, gets a word of its own. */
int luks2_check_cipher(const struct json_at *at, struct error **err)
{
	const char *text;
	if (json_get_text(at, "encryption", &text, err) < 0)
		return -1;
	if (!strncmp(text, "cipher_null", strlen("cipher_null")) || !strncmp(text, "null", 4))
		return error_set(err, ERROR_UNSUPPORTED,
				 "LUKS2 header: %s.encryption is the null cipher: "
				 "nothing is encrypted",
				 at->path);
	if (strcmp(text, "aes-xts-plain64") != 0)
		return json_unsupported(at, "encryption", text, err);
	return 0;
}

/* 32 for AES-128-XTS, 64 for AES-256-XTS. */
int luks2_get_key_len(const struct json_at *at, uint32_t *ret, struct error **err)
{
	if (luks2_get_number(at, "key_size", 1, 4096, ret, err) < 0)
		return -1;
	if (*ret != 32 && *ret != 64)
		return error_set(err, ERROR_UNSUPPORTED,
				 "LUKS2 header: %s.key_size %" PRIu32 " is not supported", at->path,
				 *ret);
	return 0;
}
