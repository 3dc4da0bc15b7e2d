/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "age/internal.h"

/* age-encryption.org/v1, "The X25519 recipient type": an identity of 32 times 0x42, and its
 * recipient. */
static const char identity[] =
	"AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
static const char recipient[] = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";

static void of_the_standard(void **state)
{
	uint8_t raw[CRYPTO_X25519_LEN], want[CRYPTO_X25519_LEN];
	char text[128];
	(void)state;
	memset(want, 0x42, sizeof(want));
	assert_true(age_bech32_decode(identity, strlen(identity), AGE_IDENTITY_PREFIX, raw, 32));
	assert_memory_equal(raw, want, sizeof(want));
	age_bech32_encode(AGE_IDENTITY_PREFIX, raw, sizeof(raw), true, text);
	assert_memory_equal(text, identity, strlen(identity));
	assert_true(age_bech32_decode(recipient, strlen(recipient), AGE_RECIPIENT_PREFIX, raw, 32));
	age_bech32_encode(AGE_RECIPIENT_PREFIX, raw, sizeof(raw), false, text);
	assert_memory_equal(text, recipient, strlen(recipient));
}

static void keys_of_the_standard(void **state)
{
	struct age_key *k CLEANUP_AGE_KEY = NULL;
	struct secret *text CLEANUP_SECRET = NULL;
	struct buffer name CLEANUP_BUFFER = { 0 };
	(void)state;
	assert_ok(age_key_from_text(identity, strlen(identity), &k, err));
	assert_true(age_key_is_identity(k));
	assert_ok(age_key_describe(k, &name, err));
	assert_string_equal(name.data, recipient);
	assert_ok(age_key_text(k, &text, err));
	assert_int_equal(secret_size(text), strlen(identity));
	assert_memory_equal(secret_bytes(text), identity, strlen(identity));
}

/* Every letter counts, and so do length and case: BIP 173. */
static void damaged(void **state)
{
	uint8_t raw[CRYPTO_X25519_LEN];
	char text[128];
	size_t len = strlen(recipient);
	(void)state;
	for (size_t i = 0; i < len; i++) {
		static const char others[] = "qp1bioQ \x80";
		for (const char *other = others; *other; other++) {
			strcpy(text, recipient);
			if (text[i] == *other)
				continue;
			text[i] = *other;
			assert_false(age_bech32_decode(text, len, AGE_RECIPIENT_PREFIX, raw, 32));
		}
		assert_false(age_bech32_decode(recipient, i, AGE_RECIPIENT_PREFIX, raw, 32));
	}
	assert_false(age_bech32_decode(recipient, len, AGE_IDENTITY_PREFIX, raw, 32));
	strcpy(text, recipient);
	for (char *c = text; *c; c++)
		if (*c >= 'a' && *c <= 'z')
			*c = (char)(*c - 32);
	/* All in capitals is the same key. */
	assert_true(age_bech32_decode(text, len, AGE_RECIPIENT_PREFIX, raw, 32));
}

static void refused_by_name(void **state)
{
	static const struct {
		const char *text;
		enum error_kind kind;
	} rows[] = {
		{ "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwk",
		  ERROR_KEY_INVALID },
		{ "age1", ERROR_KEY_INVALID },
		{ "AGE-SECRET-KEY-1", ERROR_KEY_INVALID },
		{ "age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t",
		  ERROR_UNSUPPORTED },
		{ "age1tag1qt8lw0ual6avlwmwatk888yqnmdamm7xfd0wak53ut6elz5c4swx2yqdj4e",
		  ERROR_UNSUPPORTED },
		{ "age1pq1x34nzsvr0rxjsgdn8zgyhfe8j7ceq5r9rdelkjuh3y235jzxshfg",
		  ERROR_UNSUPPORTED },
		{ "AGE-PLUGIN-YUBIKEY-1GGQQQQPZ", ERROR_UNSUPPORTED },
		{ "AGE-SECRET-KEY-PQ-1XX76JRALNLXDMEW0CRK45QMCCH4X06SE84UN3VPM33W6HWDX0H3SK3ZQFR",
		  ERROR_UNSUPPORTED },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct age_key *k = NULL;
		assert_true(age_text_is_key(rows[i].text, strlen(rows[i].text)));
		assert_fails(rows[i].kind,
			     age_key_from_text(rows[i].text, strlen(rows[i].text), &k, err));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_the_standard),
		cmocka_unit_test(keys_of_the_standard),
		cmocka_unit_test(damaged),
		cmocka_unit_test(refused_by_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
