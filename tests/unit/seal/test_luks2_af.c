/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/sha.h>

#include "seal/luks2/internal.h"
#include "unit.h"

static void assert_key(const struct luks2_af *af, const char *want_hex)
{
	uint8_t want[64];
	unhex(want_hex, want, secret_size(af->key));
	assert_memory_equal(secret_bytes(af->key), want, secret_size(af->key));
}

/* encryption.md 5.4 */
static void vectors(void **state)
{
	(void)state;
	uint8_t stripe[64], number[4];
	for (size_t i = 0; i < sizeof(stripe); i++)
		stripe[i] = (uint8_t)i;
	struct luks2_af af = { 0 };
	assert_ok(luks2_af_init(&af, CRYPTO_SHA256, 64, err));
	assert_ok(luks2_af_merge(&af, stripe, false, err));
	assert_key(&af, "bff51a6d513395979e3a870c8483769a5a70002e6e32c146c53e1d2edc467002"
			"b32f0e0ffb9565b7420f28f7178244f549461806e38b750e2d47de25d70e9049");
	luks2_af_done(&af);

	assert_ok(luks2_af_init(&af, CRYPTO_SHA256, 64, err));
	for (uint32_t i = 0; i < 4; i++) {
		bytes_put_be(number, i, 4);
		SHA512(number, 4, stripe);
		assert_ok(luks2_af_merge(&af, stripe, i == 3, err));
	}
	assert_key(&af, "dd5466a5be3f019e349ca2f553f5f2bd9d09c369e21f2f589cf04dc78ead9a06"
			"6cdbd9cb41e3945e040f0de366f9e5b3554ea3adcc3a20f4934d4989afa7071b");
	luks2_af_done(&af);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(vectors) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
