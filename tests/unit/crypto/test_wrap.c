/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "crypto/crypto.h"

static struct secret *secret_of_hex(const char *hex)
{
	uint8_t raw[256];
	struct secret *s = NULL;
	size_t len = unhex(hex, raw, sizeof(raw));
	assert_ok(secret_copy(raw, len, &s, err));
	return s;
}

static void assert_bytes(const uint8_t *got, const char *hex)
{
	uint8_t want[256];
	size_t len = unhex(hex, want, sizeof(want));
	assert_memory_equal(got, want, len);
}

/* RFC 7748, 5.2 */
static void x25519_times_point(void **state)
{
	static const char *const rows[][3] = {
		{ "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
		  "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
		  "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552" },
		{ "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
		  "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
		  "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957" },
	};
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		uint8_t point[CRYPTO_X25519_LEN];
		struct secret *scalar CLEANUP_SECRET = secret_of_hex(rows[i][0]);
		struct secret *got CLEANUP_SECRET = NULL;
		unhex(rows[i][1], point, sizeof(point));
		assert_ok(crypto_x25519(scalar, point, &got, err));
		assert_bytes(secret_bytes(got), rows[i][2]);
	}
}

/* RFC 7748, 6.1: Bob's side. */
static void x25519_agrees(void **state)
{
	uint8_t point[CRYPTO_X25519_LEN];
	struct secret *b CLEANUP_SECRET =
		secret_of_hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
	struct secret *shared CLEANUP_SECRET = NULL;
	(void)state;
	assert_ok(crypto_x25519_public(b, point, err));
	assert_bytes(point, "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
	unhex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a", point,
	      sizeof(point));
	assert_ok(crypto_x25519(b, point, &shared, err));
	assert_bytes(secret_bytes(shared),
		     "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
}

/* Points of low order, RFC 7748 6.1: nothing that everybody knows may become a key. */
static void x25519_refuses_low_order(void **state)
{
	static const char *const points[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
	};
	struct secret *scalar CLEANUP_SECRET =
		secret_of_hex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4");
	(void)state;
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		uint8_t point[CRYPTO_X25519_LEN];
		struct secret *got = NULL;
		unhex(points[i], point, sizeof(point));
		assert_fails(ERROR_DAMAGED, crypto_x25519(scalar, point, &got, err));
		assert_null(got);
	}
}

/* RFC 8032, 7.1, tests 1 to 3: both roads to X25519 lead to one key. */
static void ed25519_converts(void **state)
{
	static const char *const rows[][2] = {
		{ "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
		  "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a" },
		{ "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
		  "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c" },
		{ "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
		  "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025" },
	};
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		uint8_t point[CRYPTO_X25519_LEN], of_point[CRYPTO_X25519_LEN],
			of_seed[CRYPTO_X25519_LEN];
		struct secret *seed CLEANUP_SECRET = secret_of_hex(rows[i][0]);
		struct secret *scalar CLEANUP_SECRET = NULL;
		unhex(rows[i][1], point, sizeof(point));
		assert_ok(crypto_ed25519_to_x25519(point, of_point, err));
		assert_ok(crypto_ed25519_scalar(seed, point, &scalar, err));
		assert_ok(crypto_x25519_public(scalar, of_seed, err));
		assert_memory_equal(of_point, of_seed, sizeof(of_seed));
		if (i == 0)
			assert_bytes(of_point, "d85e07ec22b0ad881537c2f44d662d1a"
					       "143cf830c57aca4305d85c7a90f6b62e");
		point[0] ^= 1;
		secret_free(&scalar);
		assert_fails(ERROR_KEY_INVALID, crypto_ed25519_scalar(seed, point, &scalar, err));
	}
}

static void ed25519_refuses(void **state)
{
	static const char *const points[] = {
		/* y = 2 has no x */
		"0200000000000000000000000000000000000000000000000000000000000000",
		/* the neutral element has no u */
		"0100000000000000000000000000000000000000000000000000000000000000",
		/* y = p, which is not written so */
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		uint8_t point[CRYPTO_X25519_LEN], got[CRYPTO_X25519_LEN];
		unhex(points[i], point, sizeof(point));
		assert_fails(ERROR_KEY_INVALID, crypto_ed25519_to_x25519(point, got, err));
	}
}

/* RFC 8439, 2.8.2; the tag there is that of additional data too, which we have none of. */
static void chacha_is_that_of_the_rfc(void **state)
{
	static const char text[] =
		"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for "
		"the future, sunscreen would be it.";
	const size_t len = strlen(text);
	uint8_t nonce[CRYPTO_CHACHA_NONCE_LEN], sealed[256], opened[256];
	struct secret *key CLEANUP_SECRET =
		secret_of_hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
	(void)state;
	unhex("070000004041424344454647", nonce, sizeof(nonce));
	assert_ok(crypto_chacha_seal(key, nonce, text, len, sealed, err));
	assert_bytes(sealed, "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
			     "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
			     "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
			     "3ff4def08e4b7a9de576d26586cec64b6116");
	assert_ok(crypto_chacha_open(key, nonce, sealed, len + CRYPTO_CHACHA_TAG_LEN, opened, err));
	assert_memory_equal(opened, text, len);
	/* Every bit counts, and nothing is given out of what does not fit. */
	static const uint8_t zeros[256];
	for (size_t i = 0; i < len + CRYPTO_CHACHA_TAG_LEN; i += 7) {
		sealed[i] ^= 0x10;
		memset(opened, 0xff, sizeof(opened));
		assert_fails(ERROR_DAMAGED,
			     crypto_chacha_open(key, nonce, sealed, len + CRYPTO_CHACHA_TAG_LEN,
						opened, err));
		assert_memory_equal(opened, zeros, len);
		sealed[i] ^= 0x10;
	}
	for (size_t i = 0; i < CRYPTO_CHACHA_TAG_LEN; i++)
		assert_fails(ERROR_DAMAGED, crypto_chacha_open(key, nonce, sealed, i, opened, err));
	/* No text at all is a text, too. */
	assert_ok(crypto_chacha_seal(key, nonce, "", 0, sealed, err));
	assert_ok(crypto_chacha_open(key, nonce, sealed, CRYPTO_CHACHA_TAG_LEN, opened, err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(x25519_times_point),
		cmocka_unit_test(x25519_agrees),
		cmocka_unit_test(x25519_refuses_low_order),
		cmocka_unit_test(ed25519_converts),
		cmocka_unit_test(ed25519_refuses),
		cmocka_unit_test(chacha_is_that_of_the_rfc),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
