/* SPDX-License-Identifier: Apache-2.0 */
/* An age file written: a fresh file key, a stanza for each recipient, the MAC, and one chunk. */
#include "age/internal.h"

#include <string.h>

static int write_header(struct age_key *const *keys, size_t count, const struct secret *file_key,
			struct buffer *header, struct error **err)
{
	uint8_t mac[CRYPTO_SHA256_LEN];
	if (buffer_puts(header, AGE_VERSION_LINE "\n", err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (age_types[keys[i]->kind].wrap(keys[i], file_key, header, err) < 0)
			return -1;
	if (buffer_puts(header, AGE_MAC_PREFIX, err) < 0 ||
	    age_mac(file_key, header->data, header->len, mac, err) < 0 ||
	    buffer_puts(header, " ", err) < 0 || age_base64_put(header, mac, sizeof(mac), err) < 0)
		return -1;
	return buffer_puts(header, "\n", err);
}

static int write_payload(const struct secret *file_key, const struct secret *text,
			 struct buffer *to, struct error **err)
{
	struct secret *key CLEANUP_SECRET = NULL;
	uint8_t nonce[AGE_NONCE_LEN], chunk_nonce[CRYPTO_CHACHA_NONCE_LEN];
	size_t len = secret_size(text);
	if (crypto_random(nonce, sizeof(nonce), err) < 0 ||
	    age_payload_key(file_key, nonce, &key, err) < 0 ||
	    buffer_append(to, nonce, sizeof(nonce), err) < 0)
		return -1;
	char *out = buffer_reserve(to, len + CRYPTO_CHACHA_TAG_LEN, err);
	age_chunk_nonce(0, true, chunk_nonce);
	if (!out || crypto_chacha_seal(key, chunk_nonce, secret_bytes(text), len, out, err) < 0)
		return -1;
	to->len += len + CRYPTO_CHACHA_TAG_LEN;
	to->data[to->len] = '\0';
	return 0;
}

int age_seal(struct age_key *const *keys, size_t count, const struct secret *text,
	     struct buffer *ret, struct error **err)
{
	struct buffer file CLEANUP_BUFFER = { 0 };
	struct secret *file_key CLEANUP_SECRET = NULL;
	for (size_t i = 0; i < count; i++)
		if (keys[i]->kind == AGE_SCRYPT && count > 1)
			return error_set(err, ERROR_KEY_INVALID,
					 "a passphrase cannot stand beside other recipients");
	if (!count || count > AGE_STANZAS_MAX || secret_size(text) > AGE_TEXT_MAX)
		return error_set(err, ERROR_LIMIT, "%zu bytes for %zu recipients in an age file",
				 secret_size(text), count);
	if (secret_new(AGE_FILE_KEY_LEN, &file_key, err) < 0 ||
	    crypto_random(secret_data(file_key), AGE_FILE_KEY_LEN, err) < 0 ||
	    write_header(keys, count, file_key, &file, err) < 0 ||
	    write_payload(file_key, text, &file, err) < 0)
		return -1;
	return buffer_append(ret, file.data, file.len, err);
}
