/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The payload of an age file: a nonce, then chunks of 64 KiB, each with its tag. The nonce of a
 * chunk is its number and whether it is the last one, so none can be left out, added or moved.
 *
 * It is given out whole or not at all: a part of it would be authentic, and cut where somebody
 * else wanted it.
 */
#include "age/internal.h"

#include <string.h>

#define SEALED_CHUNK_LEN (AGE_CHUNK_LEN + CRYPTO_CHACHA_TAG_LEN)

int age_payload_key(const struct secret *file_key, const void *nonce, struct secret **ret,
		    struct error **err)
{
	return crypto_hkdf_sha256(file_key, nonce, AGE_NONCE_LEN, "payload", CRYPTO_CHACHA_KEY_LEN,
				  ret, err);
}

void age_chunk_nonce(uint64_t number, bool last, uint8_t ret[CRYPTO_CHACHA_NONCE_LEN])
{
	memset(ret, 0, CRYPTO_CHACHA_NONCE_LEN);
	bytes_put_be(ret + 3, number, sizeof(number));
	ret[CRYPTO_CHACHA_NONCE_LEN - 1] = last;
}

static int damaged(const char *why, struct error **err)
{
	return error_set(err, ERROR_DAMAGED, "the encrypted part of the age file is damaged: %s",
			 why);
}

int age_payload(const struct age_file *f, const struct secret *file_key, size_t max,
		struct secret **ret, struct error **err)
{
	struct secret *key CLEANUP_SECRET = NULL, *text CLEANUP_SECRET = NULL;
	struct bytes b = f->all;
	bytes_seek(&b, f->payload_off);
	const void *nonce = bytes_take(&b, AGE_NONCE_LEN);
	size_t left = bytes_left(&b);
	if (!nonce || left < CRYPTO_CHACHA_TAG_LEN)
		return damaged("it is cut short", err);
	size_t chunks = (left - 1) / SEALED_CHUNK_LEN + 1;
	size_t tags = chunks * CRYPTO_CHACHA_TAG_LEN;
	/* Before there is room for the text, which is less than that of full chunks. */
	size_t last = left - (chunks - 1) * SEALED_CHUNK_LEN;
	if (last < CRYPTO_CHACHA_TAG_LEN)
		return damaged("it is cut short", err);
	if (last == CRYPTO_CHACHA_TAG_LEN && chunks > 1)
		return damaged("its last chunk is empty", err);
	if (left - tags > max)
		return error_set(err, ERROR_LIMIT, "an age file with more than %zu bytes in it",
				 max);
	if (age_payload_key(file_key, nonce, &key, err) < 0 ||
	    secret_new(left - tags + 1, &text, err) < 0)
		return -1;
	size_t len = 0;
	for (size_t i = 0; i < chunks; i++) {
		uint8_t chunk_nonce[CRYPTO_CHACHA_NONCE_LEN];
		size_t piece = i + 1 == chunks ? last : SEALED_CHUNK_LEN;
		age_chunk_nonce(i, i + 1 == chunks, chunk_nonce);
		if (crypto_chacha_open(key, chunk_nonce, bytes_take(&b, piece), piece,
				       secret_data(text) + len, err) < 0)
			return error_kind(*err) == ERROR_DAMAGED
				       ? error_wrap(err, "the encrypted part of the age file")
				       : -1;
		len += piece - CRYPTO_CHACHA_TAG_LEN;
	}
	secret_shorten(text, len);
	*ret = take_pointer(&text);
	return 0;
}
