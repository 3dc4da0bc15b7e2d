/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "crypto/crypto.h"

static struct crypto_xts *xts_of(const char *key_hex)
{
	uint8_t key[64];
	struct secret *s CLEANUP_SECRET = NULL;
	struct crypto_xts *x = NULL;
	size_t len = unhex(key_hex, key, sizeof(key));
	assert_ok(secret_copy(key, len, &s, err));
	assert_ok(crypto_xts_new(s, CRYPTO_BOTH, &x, err));
	return x;
}

/* IEEE 1619-2007, annex B */
static void ieee_vectors(void **state)
{
	(void)state;
	uint8_t buf[512], want[512];
	struct crypto_xts *x = xts_of("11111111111111111111111111111111"
				      "22222222222222222222222222222222");
	memset(buf, 0x44, 32);
	assert_ok(crypto_xts_encrypt(x, 0x3333333333, 1, 32, buf, 1, err));
	unhex("c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0", want, 32);
	assert_memory_equal(buf, want, 32);
	assert_ok(crypto_xts_decrypt(x, 0x3333333333, 1, 32, buf, 1, err));
	memset(want, 0x44, 32);
	assert_memory_equal(buf, want, 32);
	crypto_xts_free(&x);

	/* vector 10: AES-256 */
	x = xts_of("2718281828459045235360287471352662497757247093699959574966967627"
		   "3141592653589793238462643383279502884197169399375105820974944592");
	for (size_t i = 0; i < 512; i++)
		buf[i] = (uint8_t)i;
	assert_ok(crypto_xts_encrypt(x, 0xff, 1, 512, buf, 1, err));
	unhex("1c3b3a102f770386e4836c99e370cf9bea00803f5e482357a4ae12d414a3e63b", want, 32);
	assert_memory_equal(buf, want, 32);
	crypto_xts_free(&x);
}

static const char luks_key[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
			       "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f";

/* encryption.md 5.5 */
static void sectors(void **state)
{
	(void)state;
	uint8_t want[32], zeros[1024] = { 0 }, buf[1024] = { 0 };
	struct crypto_xts *x = xts_of(luks_key);
	assert_ok(crypto_xts_encrypt(x, 0, 1, 512, buf, 2, err));
	unhex("cd6b103236fbd87dba93e9001e29bc3d5e885d6abd1577e3e0e0a5f49e444894", want, 32);
	assert_memory_equal(buf, want, 32);
	unhex("0c22ed7e2168a8500b30154c2ec00d26f8f158f9af844bffaf0387b64c761a1e", want, 32);
	assert_memory_equal(buf + 512, want, 32);
	/* one at a time, the other way */
	assert_ok(crypto_xts_decrypt(x, 1, 1, 512, buf + 512, 1, err));
	assert_ok(crypto_xts_decrypt(x, 0, 1, 512, buf, 1, err));
	assert_memory_equal(buf, zeros, sizeof(buf));
	crypto_xts_free(&x);
}

/* With sectors of 4096 bytes the number goes in steps of eight; the carry beyond 32 bits counts. */
static void steps(void **state)
{
	(void)state;
	uint8_t one[4096 * 3] = { 0 }, each[4096 * 3] = { 0 };
	struct crypto_xts *x = xts_of(luks_key);
	const uint64_t first = 0xfffffff8;
	assert_ok(crypto_xts_encrypt(x, first, 8, 4096, one, 3, err));
	for (uint64_t i = 0; i < 3; i++)
		assert_ok(crypto_xts_encrypt(x, first + 8 * i, 1, 4096, each + 4096 * i, 1, err));
	assert_memory_equal(one, each, sizeof(one));
	assert_memory_not_equal(one, one + 4096, 4096);
	crypto_xts_free(&x);
}

static void keys_with_equal_halves(void **state)
{
	(void)state;
	struct secret *key CLEANUP_SECRET = NULL;
	struct crypto_xts *x = NULL;
	assert_ok(secret_new(64, &key, err));
	assert_fails(ERROR_DAMAGED, crypto_xts_new(key, CRYPTO_BOTH, &x, err));
	secret_data(key)[0] = 1;
	assert_ok(crypto_xts_new(key, CRYPTO_BOTH, &x, err));
	crypto_xts_free(&x);
	secret_shorten(key, 48);
	assert_fails(ERROR_INTERNAL, crypto_xts_new(key, CRYPTO_BOTH, &x, err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ieee_vectors),
		cmocka_unit_test(sectors),
		cmocka_unit_test(steps),
		cmocka_unit_test(keys_with_equal_halves),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
