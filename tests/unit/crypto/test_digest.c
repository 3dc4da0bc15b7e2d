/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/crypto.h"
#include "unit.h"

static void assert_digest(struct crypto_digest *d, size_t digest_len, const char *text,
			  const char *want_hex)
{
	uint8_t got[64 + 1], want[64];
	got[digest_len] = 0xa5;
	unhex(want_hex, want, digest_len);
	assert_ok(crypto_digest_run(d, text, strlen(text), got, err));
	assert_memory_equal(got, want, digest_len);
	assert_int_equal(got[digest_len], 0xa5);
}

/* FIPS 180-4's examples (NIST, "SHA1", "SHA256", "SHA512"), each twice in one object. */
static void vectors(void **state)
{
	(void)state;
	static const struct {
		enum crypto_hash hash;
		size_t len;
		const char *abc, *longer;
	} all[] = {
		{ CRYPTO_SHA1, 20, "a9993e364706816aba3e25717850c26c9cd0d89d",
		  "84983e441c3bd26ebaae4aa1f95129e5e54670f1" },
		{ CRYPTO_SHA256, 32,
		  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
		{ CRYPTO_SHA512, 64,
		  "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
		  "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
		  "204a8fc6dda82f0a0ced7beb8e08a41657c16ef468b228a8279be331a703c335"
		  "96fd15c13b1b07f9aa1d3bea57789ca031ad85c7a71dd70354ec631238ca3445" },
	};
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		struct crypto_digest *d = NULL;
		assert_int_equal(crypto_hash_len(all[i].hash), all[i].len);
		assert_ok(crypto_digest_new(all[i].hash, &d, err));
		for (int times = 0; times < 2; times++) {
			assert_digest(d, all[i].len, "abc", all[i].abc);
			assert_digest(d, all[i].len,
				      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
				      all[i].longer);
		}
		crypto_digest_free(&d);
		assert_null(d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(vectors) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
