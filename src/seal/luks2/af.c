/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The anti-forensic splitter (spec 3.1; encryption.md 5.4): a key lies in a keyslot as 4000 stripes
 * of its own length, and comes out only of all of them.
 */
#include "seal/luks2/internal.h"

#include <string.h>

#define NUMBER_LEN 4
#define DIGEST_MAX 64

int luks2_af_init(struct luks2_af *af, enum crypto_hash hash, size_t key_len, struct error **err)
{
	af->digest_len = crypto_hash_len(hash);
	if (secret_new(key_len, &af->key, err) < 0 ||
	    secret_new(NUMBER_LEN + 2 * DIGEST_MAX, &af->piece, err) < 0)
		return -1;
	return crypto_digest_new(hash, &af->digest, err);
}

void luks2_af_done(struct luks2_af *af)
{
	crypto_digest_free(&af->digest);
	secret_free(&af->piece);
	secret_free(&af->key);
}

/* Each piece of a digest's length becomes the digest of its number and itself. */
static int diffuse(struct luks2_af *af, struct error **err)
{
	uint8_t *key = secret_data(af->key), *in = secret_data(af->piece);
	uint8_t *out = in + NUMBER_LEN + DIGEST_MAX;
	size_t left = secret_size(af->key);
	for (uint32_t number = 0; left; number++) {
		size_t len = left < af->digest_len ? left : af->digest_len;
		bytes_put_be(in, number, NUMBER_LEN);
		memcpy(in + NUMBER_LEN, key, len);
		if (crypto_digest_run(af->digest, in, NUMBER_LEN + len, out, err) < 0)
			return -1;
		memcpy(key, out, len);
		key += len;
		left -= len;
	}
	return 0;
}

int luks2_af_merge(struct luks2_af *af, const uint8_t *stripe, bool last, struct error **err)
{
	uint8_t *key = secret_data(af->key);
	for (size_t i = 0; i < secret_size(af->key); i++)
		key[i] ^= stripe[i];
	return last ? 0 : diffuse(af, err);
}
