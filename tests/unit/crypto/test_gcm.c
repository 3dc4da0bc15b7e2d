/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <pthread.h>

#include "crypto/crypto.h"

static struct crypto_gcm *gcm_of(const char *key_hex)
{
	uint8_t key[32];
	struct secret *s CLEANUP_SECRET = NULL;
	struct crypto_gcm *g = NULL;
	assert_int_equal(unhex(key_hex, key, sizeof(key)), 32);
	assert_ok(secret_copy(key, 32, &s, err));
	assert_ok(crypto_gcm_new(s, CRYPTO_BOTH, &g, err));
	return g;
}

static const char content_key[] =
	"387be05fabaa90a24cf3d8734f0cdf3c5fd88b206ae69b1c36e286d84282f2fb";

/* encryption.md 4.6: blocks 0 and 1 of a file, and the wrapped master key */
static void vectors(void **state)
{
	(void)state;
	struct crypto_gcm *g = gcm_of(content_key);
	uint8_t nonce[16], aad[24] = { 0 }, out[32], tag[16], want[32], back[32];
	unhex("202122232425262728292a2b2c2d2e2f", nonce, 16);
	unhex("101112131415161718191a1b1c1d1e1f", aad + 8, 16);
	assert_ok(crypto_gcm_seal(g, nonce, aad, 24, "hello\n", 6, out, tag, err));
	unhex("a2392f484085", want, 6);
	assert_memory_equal(out, want, 6);
	unhex("6acedc2f05a90cae6e446f269ecb5474", want, 16);
	assert_memory_equal(tag, want, 16);
	aad[7] = 1;
	assert_ok(crypto_gcm_seal(g, nonce, aad, 24, "hello\n", 6, out, tag, err));
	unhex("98549b962cfa687c21375097ae361434", want, 16);
	assert_memory_equal(tag, want, 16);
	assert_ok(crypto_gcm_open(g, nonce, aad, 24, out, 6, tag, back, err));
	assert_memory_equal(back, "hello\n", 6);
	crypto_gcm_free(&g);

	g = gcm_of("1df29785872041d4f31f1abc48fe1b044c9c123c278e07a640056549473176ac");
	uint8_t zeros[8] = { 0 }, master[32];
	for (uint8_t i = 0; i < 16; i++)
		nonce[i] = 0x40 + i;
	for (uint8_t i = 0; i < 32; i++)
		master[i] = 0x80 + i;
	assert_ok(crypto_gcm_seal(g, nonce, zeros, 8, master, 32, out, tag, err));
	/* EncryptedKey with N 1024, after the nonce */
	unhex("4bc02d4f6f7a9deebf534b2905f6a923d9b470a281cc4eb613e10141320d3c94", want, 32);
	assert_memory_equal(out, want, 32);
	unhex("62b947df17fcb982a9dd93b69f396f7f", want, 16);
	assert_memory_equal(tag, want, 16);
	crypto_gcm_free(&g);
}

/*
 * Wycheproof, aes_gcm_test.json, 256-bit keys and 128-bit nonces: the numbers are its own. 191 has
 * a counter that wraps, 198 a tag of zeros.
 */
static void published_vectors(void **state)
{
	(void)state;
	static const char key[] =
		"00112233445566778899aabbccddeeff102132435465768798a9bacbdcedfe0f";
	static const char zeros[] = "0000000000000000000000000000000000000000"
				    "0000000000000000000000000000000000000000";
	static const struct {
		const char *key, *nonce, *text, *sealed, *tag;
	} list[] = {
		{ key, "5c2ea9b695fcf6e264b96074d6bfa572", zeros, /* 186 */
		  "28e1c5232f4ee8161dbe4c036309e0b3254e9212bef0a93431ce5e5604c8f6a73c18a3183018b77"
		  "0",
		  "d5808a1bd11a01129bf3c6919aff2339" },
		{ key, "ecd52120af240e9b4bf3b9d1eeb49434", zeros, /* 191 */
		  "36b3fbecd09178d04527fb37544f5579d20d60a41266f685c48098e1a52804ca387d90709d3268d"
		  "d",
		  "033e0ef2953ebfd8425737c7d393f89a" },
		{ key, "00000000000000000000000000000000", /* 198 */
		  "8d74f1c97243d362577ff376c393d2dc", "265c42e2b96ea1de9c24f7182e337390",
		  "00000000000000000000000000000000" },
		{ "4f84782bfbb64a973c3de3dcfa3430367fd68bc0b4c3b31e5d7c8141ba3e6a67", /* 204 */
		  "5d1bde6fa0994b33efd8f23f531248a7",
		  "78cb6650a1908a842101ea85804fed00cc56fbdafafba0ef4d1ca607dcae57b6",
		  "cb960201fa5ad41d41d1c2c8037c71d52b72e76b16b589d71b976627c9734c9d",
		  "8dfce16467c3a6ebb3e7242c9a551962" },
	};
	for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++) {
		struct crypto_gcm *g = gcm_of(list[i].key);
		uint8_t nonce[16], text[40], want[40], want_tag[16], out[40], tag[16], back[40];
		unhex(list[i].nonce, nonce, sizeof(nonce));
		unhex(list[i].tag, want_tag, sizeof(want_tag));
		size_t len = unhex(list[i].text, text, sizeof(text));
		assert_int_equal(unhex(list[i].sealed, want, sizeof(want)), len);
		assert_ok(crypto_gcm_seal(g, nonce, NULL, 0, text, len, out, tag, err));
		assert_memory_equal(out, want, len);
		assert_memory_equal(tag, want_tag, sizeof(tag));
		assert_ok(crypto_gcm_open(g, nonce, NULL, 0, want, len, want_tag, back, err));
		assert_memory_equal(back, text, len);
		want_tag[15] ^= 1;
		assert_fails(ERROR_DAMAGED,
			     crypto_gcm_open(g, nonce, NULL, 0, want, len, want_tag, back, err));
		crypto_gcm_free(&g);
	}
}

/* Any change of any part is found, and nothing of the text comes out. */
static void every_bit_counts(void **state)
{
	(void)state;
	struct crypto_gcm *g = gcm_of(content_key);
	uint8_t nonce[16] = { 1 }, aad[24] = { 2 }, out[48], tag[16], back[48];
	const uint8_t zeros[48] = { 0 };
	uint8_t in[48];
	memset(in, 0x5a, sizeof(in));
	assert_ok(crypto_gcm_seal(g, nonce, aad, 24, in, 48, out, tag, err));
	uint8_t *parts[] = { nonce, aad, out, tag };
	const size_t lens[] = { 16, 24, 48, 16 };
	for (size_t part = 0; part < 4; part++)
		for (size_t bit = 0; bit < 8 * lens[part]; bit++) {
			parts[part][bit / 8] ^= (uint8_t)(1 << bit % 8);
			memset(back, 0x77, sizeof(back));
			assert_fails(ERROR_DAMAGED,
				     crypto_gcm_open(g, nonce, aad, 24, out, 48, tag, back, err));
			assert_memory_equal(back, zeros, 48);
			parts[part][bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	assert_ok(crypto_gcm_open(g, nonce, aad, 24, out, 48, tag, out, err));
	assert_memory_equal(out, in, 48);
	/* A shorter one does not pass either, and an empty one has its own tag. */
	assert_ok(crypto_gcm_seal(g, nonce, aad, 24, in, 48, out, tag, err));
	assert_fails(ERROR_DAMAGED, crypto_gcm_open(g, nonce, aad, 24, out, 47, tag, back, err));
	assert_ok(crypto_gcm_seal(g, nonce, aad, 24, in, 0, out, tag, err));
	assert_ok(crypto_gcm_open(g, nonce, aad, 24, out, 0, tag, back, err));
	tag[0] ^= 1;
	assert_fails(ERROR_DAMAGED, crypto_gcm_open(g, nonce, aad, 24, out, 0, tag, back, err));
	crypto_gcm_free(&g);
}

#define THREADS 80 /* more than there are kept contexts */
#define ROUNDS 400

static void *worker(void *arg)
{
	struct crypto_gcm *g = arg;
	struct error *err = NULL;
	uint8_t nonce[16] = { 0 }, tag[16], in[1000], out[1000];
	for (unsigned i = 0; i < ROUNDS; i++) {
		memset(in, (int)i, sizeof(in));
		bytes_put_le(nonce, (uintptr_t)&nonce + i, 8);
		if (crypto_gcm_seal(g, nonce, "x", 1, in, sizeof(in), out, tag, &err) < 0 ||
		    crypto_gcm_open(g, nonce, "x", 1, out, sizeof(out), tag, out, &err) < 0 ||
		    memcmp(in, out, sizeof(in)) != 0) {
			error_free(&err);
			return g;
		}
	}
	return NULL;
}

static void many_threads(void **state)
{
	(void)state;
	struct crypto_gcm *g = gcm_of(content_key);
	pthread_t threads[THREADS];
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, worker, g), 0);
	for (size_t i = 0; i < THREADS; i++) {
		void *result = NULL;
		assert_int_equal(pthread_join(threads[i], &result), 0);
		assert_null(result);
	}
	crypto_gcm_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),
		cmocka_unit_test(published_vectors),
		cmocka_unit_test(every_bit_counts),
		cmocka_unit_test(many_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
