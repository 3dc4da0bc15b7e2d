/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One good header, and many with one fault each, their checksums right: the kind of error and the
 * field it names are asserted.
 */
#include "unit.h"

#include "crypto/crypto.h"
#include "seal/luks2/internal.h"

#define HEADER_LEN 16384
#define DATA_OFF 4096 * 71 /* two headers and one keyslot area of 258048 bytes */
#define DEVICE_LEN (DATA_OFF + 8192)

#define SALT "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

static const char keyslot[] =
	"{\"type\":\"luks2\",\"key_size\":64,"
	"\"af\":{\"type\":\"luks1\",\"stripes\":4000,\"hash\":\"sha256\"},"
	"\"area\":{\"type\":\"raw\",\"offset\":\"32768\",\"size\":\"258048\","
	"\"encryption\":\"aes-xts-plain64\",\"key_size\":64},"
	"\"kdf\":{\"type\":\"argon2id\",\"time\":4,\"memory\":1048576,\"cpus\":4,"
	"\"salt\":\"" SALT "\"}}";

/* %s: the keyslot */
static const char whole[] =
	"{\"keyslots\":{\"0\":%s},\"tokens\":{},"
	"\"segments\":{\"0\":{\"type\":\"crypt\",\"offset\":\"290816\",\"size\":\"dynamic\","
	"\"iv_tweak\":\"0\",\"encryption\":\"aes-xts-plain64\",\"sector_size\":512}},"
	"\"digests\":{\"0\":{\"type\":\"pbkdf2\",\"keyslots\":[\"0\"],\"segments\":[\"0\"],"
	"\"hash\":\"sha256\",\"iterations\":1000,\"salt\":\"" SALT "\",\"digest\":\"" SALT "\"}},"
	"\"config\":{\"json_size\":\"12288\",\"keyslots_size\":\"258048\"}}";

static uint8_t device[DEVICE_LEN];
static char text[HEADER_LEN * 8];

static void good_json(void)
{
	snprintf(text, sizeof(text), whole, keyslot);
}

/* Replaces the first `from`, which must be there, by `to`. */
static void edit(const char *from, const char *to)
{
	static char changed[sizeof(text)];
	char *at = strstr(text, from);
	if (!at)
		fail_msg("the header has no %s", from);
	snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - text), text, to,
		 at + strlen(from));
	strcpy(text, changed);
}

static void sum(uint8_t *area, size_t len)
{
	memset(area + 448, 0, 64);
	assert_ok(crypto_sha256(area, len, area + 448, err));
}

static void put_header(size_t off, uint64_t sequence, const char *json)
{
	uint8_t *area = device + off;
	memset(area, 0, HEADER_LEN);
	memcpy(area, off ? "SKUL\xba\xbe" : "LUKS\xba\xbe", 6);
	bytes_put_be(area + 6, 2, 2);
	bytes_put_be(area + 8, HEADER_LEN, 8);
	bytes_put_be(area + 16, sequence, 8);
	strcpy((char *)area + 72, "sha256");
	strcpy((char *)area + 168, "12345678-1234-1234-1234-123456789abc");
	bytes_put_be(area + 256, off, 8);
	assert_true(strlen(json) < HEADER_LEN - 4096);
	strcpy((char *)area + 4096, json);
	sum(area, HEADER_LEN);
}

static int check(struct error **err)
{
	struct source *s CLEANUP_SOURCE = NULL;
	if (source_from_memory(device, sizeof(device), &s, err) < 0)
		return -1;
	return luks2_check(s, err);
}

static void put_both(void)
{
	memset(device, 0, sizeof(device));
	put_header(0, 3, text);
	put_header(HEADER_LEN, 3, text);
}

/* One edit; the message must contain `names`. */
static void refuses(enum error_kind kind, const char *from, const char *to, const char *names)
{
	CLEANUP_ERROR struct error *why = NULL;
	good_json();
	edit(from, to);
	put_both();
	if (check(&why) >= 0)
		fail_msg("%s for %s is taken", to, from);
	if (error_kind(why) != kind || !strstr(error_message(why), names))
		fail_msg("%s for %s: kind %d, not %d, or not %s: %s", to, from,
			 (int)error_kind(why), (int)kind, names, error_message(why));
}

static void takes(const char *from, const char *to)
{
	good_json();
	edit(from, to);
	put_both();
	assert_ok(check(err));
}

static void test_good(void **state)
{
	(void)state;
	good_json();
	put_both();
	assert_ok(check(err));
	takes("\"sector_size\":512", "\"sector_size\":4096");
	takes("\"size\":\"dynamic\"", "\"size\":\"8192\"");
	takes("\"iv_tweak\":\"0\"", "\"iv_tweak\":\"8\"");
	takes("\"key_size\":64,\"af\"", "\"key_size\":32,\"af\"");
	takes("\"type\":\"argon2id\",\"time\":4,\"memory\":1048576,\"cpus\":4",
	      "\"type\":\"pbkdf2\",\"hash\":\"sha512\",\"iterations\":1000");
	takes("\"type\":\"argon2id\"", "\"type\":\"argon2i\"");
	takes("\"key_size\":64,\"af\"", "\"key_size\":64,\"priority\":2,\"af\"");
	takes("\"258048\"}}", "\"258048\",\"flags\":[\"allow-discards\"]}}");
	takes("\"258048\"}}", "\"258048\",\"requirements\":{\"mandatory\":[]}}}");
}

static void test_unsupported(void **state)
{
	(void)state;
	enum error_kind kind = ERROR_UNSUPPORTED;
	refuses(kind, "\"0\",\"encryption\":\"aes-xts-plain64\"",
		"\"0\",\"encryption\":\"cipher_null-ecb\"", "null cipher");
	refuses(kind, "\"258048\",\"encryption\":\"aes-xts-plain64\"",
		"\"258048\",\"encryption\":\"cipher_null-ecb\"", "keyslots.0.area.encryption");
	refuses(kind, "\"0\",\"encryption\":\"aes-xts-plain64\"",
		"\"0\",\"encryption\":\"serpent-xts-plain64\"", "serpent-xts-plain64");
	refuses(kind, "\"0\",\"encryption\":\"aes-xts-plain64\"",
		"\"0\",\"encryption\":\"aes-xts-plain64\\u001b[2J\"", "(unprintable)");
	refuses(kind, "{\"type\":\"luks2\"", "{\"type\":\"reencrypt\"", "reencrypt");
	refuses(kind, "\"258048\"}}",
		"\"258048\",\"requirements\":{\"mandatory\":[\"online-reencrypt-v2\"]}}}",
		"online-reencrypt-v2");
	refuses(kind, "\"258048\"}}", "\"258048\",\"requirements\":{\"later\":[\"x\"]}}}",
		"requirements.later");
	refuses(kind, "\"258048\"}}", "\"258048\",\"flags\":[\"no-journal\"]}}", "no-journal");
	refuses(kind, "\"tokens\":{}", "\"tokens\":{\"0\":{\"type\":\"x\",\"keyslots\":[]}}",
		"tokens");
	refuses(kind, "\"sector_size\":512",
		"\"sector_size\":512,\"integrity\":{\"type\":\"hmac(sha256)\"}",
		"segments.0.integrity");
	refuses(kind, "\"sector_size\":512", "\"sector_size\":512,\"flags\":[\"in-reencryption\"]",
		"segments.0.flags");
	refuses(kind, "\"sector_size\":512", "\"sector_size\":1024", "sector_size");
	refuses(kind, "\"type\":\"crypt\"", "\"type\":\"linear\"", "linear");
	refuses(kind, "\"segments\":{", "\"segments\":{\"1\":{},", "segments");
	refuses(kind, "\"digests\":{", "\"digests\":{\"1\":{},", "digests");
	refuses(kind, "\"type\":\"argon2id\"", "\"type\":\"scrypt\"", "keyslots.0.kdf.type");
	refuses(kind, "4000,\"hash\":\"sha256\"", "4000,\"hash\":\"md5\"", "keyslots.0.af.hash");
	refuses(kind, "\"key_size\":64,\"af\"", "\"key_size\":48,\"af\"", "key_size");
	refuses(kind, "\"config\":", "\"extra\":{},\"config\":", "extra");
	refuses(kind, "\"0\":{\"type\":\"luks2\"",
		"\"7\":{\"type\":\"luks2\",\"key_size\":64,"
		"\"af\":{\"type\":\"luks1\",\"stripes\":4000,\"hash\":\"sha256\"},"
		"\"area\":{\"type\":\"raw\",\"offset\":\"32768\",\"size\":\"258048\","
		"\"encryption\":\"aes-xts-plain64\",\"key_size\":64},"
		"\"kdf\":{\"type\":\"argon2id\",\"time\":4,\"memory\":1048576,\"cpus\":4,"
		"\"salt\":\"" SALT "\"}},\"0\":{\"type\":\"luks2\"",
		"unbound");
}

static void test_limits(void **state)
{
	(void)state;
	enum error_kind kind = ERROR_LIMIT;
	refuses(kind, "\"memory\":1048576", "\"memory\":4194305", "keyslots.0.kdf.memory");
	refuses(kind, "\"memory\":1048576", "\"memory\":99999999999999999999", "kdf.memory");
	refuses(kind, "\"time\":4", "\"time\":257", "memory times time");
	refuses(kind, "\"time\":4", "\"time\":4294967296", "kdf.time");
	refuses(kind, "\"cpus\":4", "\"cpus\":17", "cpus");
	refuses(kind, "\"type\":\"argon2id\",\"time\":4,\"memory\":1048576,\"cpus\":4",
		"\"type\":\"pbkdf2\",\"hash\":\"sha512\",\"iterations\":268435457", "iterations");
	refuses(kind, "\"iterations\":1000", "\"iterations\":16777217", "digests.0.iterations");
	refuses(kind, "\"size\":\"258048\"", "\"size\":\"2097152\"", "area.size");
	refuses(kind, "\"keyslots_size\":\"258048\"", "\"keyslots_size\":\"134221824\"",
		"keyslots_size");
	refuses(kind, "\"tokens\":{}", "\"tokens\":[[[[[[[[[[]]]]]]]]]]", "levels deep");
}

static void test_damaged(void **state)
{
	(void)state;
	enum error_kind kind = ERROR_DAMAGED;
	refuses(kind, "{\"keyslots\"", "[\"keyslots\"", "does not parse");
	refuses(kind, "\"258048\"}}", "\"258048\"}} x", "does not parse");
	refuses(kind, "\"tokens\":{},", "", "tokens is missing");
	refuses(kind, "\"time\":4", "\"time\":\"4\"", "keyslots.0.kdf.time is not a whole number");
	refuses(kind, "\"time\":4", "\"time\":4.5", "is not a whole number");
	refuses(kind, "\"time\":4", "\"time\":-4", "too small");
	refuses(kind, "\"memory\":1048576", "\"memory\":31", "too small");
	refuses(kind, "\"offset\":\"290816\"", "\"offset\":290816", "is not a text");
	refuses(kind, "\"offset\":\"290816\"", "\"offset\":\"0x47000\"", "digits");
	refuses(kind, "\"offset\":\"290816\"", "\"offset\":\"\"", "digits");
	refuses(kind, "\"offset\":\"290816\"", "\"offset\":\"99999999999999999999\"", "too large");
	refuses(kind, "\"offset\":\"290816\"", "\"offset\":\"290304\"", "within the header");
	refuses(kind, "\"offset\":\"290816\"", "\"offset\":\"299008\"", "past the end");
	refuses(kind, "\"offset\":\"290816\"", "\"offset\":\"290817\"", "multiple");
	refuses(kind, "\"size\":\"dynamic\"", "\"size\":\"8704\"", "segments.0.size");
	refuses(kind, "\"size\":\"dynamic\"", "\"size\":\"100\"", "segments.0.size");
	refuses(kind, "\"size\":\"dynamic\"", "\"size\":\"0\"", "segments.0.size");
	refuses(kind, "\"iv_tweak\":\"0\"", "\"iv_tweak\":\"-1\"", "iv_tweak");
	refuses(kind, "\"offset\":\"32768\"", "\"offset\":\"28672\"", "keyslots.0.area.offset");
	refuses(kind, "\"offset\":\"32768\"", "\"offset\":\"36864\"", "keyslots.0.area.offset");
	refuses(kind, "\"offset\":\"32768\"", "\"offset\":\"32769\"", "multiple");
	refuses(kind, "\"size\":\"258048\"", "\"size\":\"253952\"", "too small for the key");
	refuses(kind, "\"stripes\":4000", "\"stripes\":1", "stripes");
	refuses(kind, "\"stripes\":4000", "\"stripes\":4000,\"stripes\":4000",
		"keyslots.0.af has a member twice");
	refuses(kind, "\"segments\":[\"0\"]", "\"segments\":[\"0\\u0000\"]", "digests.0.segments");
	refuses(kind, "\"json_size\":\"12288\"", "\"json_size\":\"12289\"", "json_size");
	refuses(kind, "\"keyslots_size\":\"258048\"", "\"keyslots_size\":\"258047\"",
		"keyslots_size");
	refuses(kind, "\"keyslots\":[\"0\"]", "\"keyslots\":[\"1\"]", "digests.0.keyslots");
	refuses(kind, "\"segments\":[\"0\"]", "\"segments\":[\"1\"]", "digests.0.segments");
	refuses(kind, "\"segments\":[\"0\"]", "\"segments\":[null]", "digests.0.segments");
	/* 31 bytes, 33, and one with bits left over. */
	refuses(kind, "\"salt\":\"" SALT "\"}}",
		"\"salt\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==\"}}",
		"is not 32 bytes long");
	refuses(kind, "\"salt\":\"" SALT "\"}}",
		"\"salt\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g\"}}",
		"is not 32 bytes long");
	refuses(kind, "\"salt\":\"" SALT "\"}}",
		"\"salt\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=\"}}",
		"salt is not base64");
	/* One byte, 19, 21, 31 and 33; 20 is LUKS1's. */
	static const char *const digests[] = { "AA==", "AAECAwQFBgcICQoLDA0ODxAREg==",
					       "AAECAwQFBgcICQoLDA0ODxAREhMU",
					       "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==",
					       "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g" };
	for (size_t i = 0; i < sizeof(digests) / sizeof(*digests); i++) {
		char with[100];
		snprintf(with, sizeof(with), "\"digest\":\"%s\"", digests[i]);
		refuses(kind, "\"digest\":\"" SALT "\"", with, "digests.0.digest is not as long");
	}
	takes("\"digest\":\"" SALT "\"", "\"digest\":\"AAECAwQFBgcICQoLDA0ODxAREhM=\"");
	refuses(kind, "\"salt\":\"" SALT "\"}}", "\"salt\":\"AA\"}}", "salt is not base64");
	refuses(kind, "\"salt\":\"" SALT "\"}}", "\"salt\":\"A===\"}}", "salt is not base64");
	refuses(kind, "\"0\":{\"type\":\"luks2\"", "\"32\":{\"type\":\"luks2\"", "number");
	refuses(kind, "\"0\":{\"type\":\"luks2\"", "\"00\":{\"type\":\"luks2\"", "number");
	refuses(kind, "\"type\":\"crypt\"", "\"type\":\"crypt\\u0000x\"", "NUL");
	char slot[sizeof(keyslot) + 8];
	snprintf(slot, sizeof(slot), "\"0\":%s", keyslot);
	refuses(kind, slot, "", "keyslots has no keyslot");
}

/* Two keyslots, alike but for one word each: what they may cost counts together. */
static int check_two(const char *word, const char *first, const char *second, struct error **err)
{
	char both[2 * sizeof(keyslot) + 8];
	snprintf(both, sizeof(both), "%s,\"1\":%s", keyslot, keyslot);
	snprintf(text, sizeof(text), whole, both);
	edit(word, first);
	edit(word, second);
	edit("\"keyslots\":[\"0\"]", "\"keyslots\":[\"0\",\"1\"]");
	put_both();
	return check(err);
}

#define ARGON2 "\"type\":\"argon2id\",\"time\":4,\"memory\":1048576,\"cpus\":4"
#define PBKDF2(iterations) "\"type\":\"pbkdf2\",\"hash\":\"sha512\",\"iterations\":" iterations

static void test_sums(void **state)
{
	(void)state;
	assert_ok(check_two("\"time\":4", "\"time\":128", "\"time\":128", err));
	assert_fails(ERROR_LIMIT, check_two("\"time\":4", "\"time\":128", "\"time\":129", err));
	assert_ok(check_two(ARGON2, PBKDF2("134217728"), PBKDF2("134217728"), err));
	assert_fails(ERROR_LIMIT, check_two(ARGON2, PBKDF2("134217728"), PBKDF2("134217729"), err));
}

/* Refused before anything is read of the device or asked of the kernel. */
static void test_memory(void **state)
{
	(void)state;
	struct luks2_header header = { .header_len = HEADER_LEN, .key_len = 64, .count = 2 };
	struct source *nothing CLEANUP_SOURCE = NULL;
	struct secret *passphrase CLEANUP_SECRET = NULL, *key CLEANUP_SECRET = NULL;
	header.keyslots[0].kdf.memory_kib = 32;
	assert_ok(luks2_check_memory(&header, err));
	/* One slot is enough, and the user's word counts. */
	header.keyslots[1].kdf.memory_kib = 65 << 10;
	crypto_kdf_allow(64 << 20);
	assert_fails(ERROR_MEMORY, luks2_check_memory(&header, err));
	crypto_kdf_allow(65 << 20);
	assert_ok(luks2_check_memory(&header, err));
	crypto_kdf_allow(0);
	header.keyslots[1].kdf.memory_kib = UINT32_MAX; /* 4 TiB */
	assert_fails(ERROR_MEMORY, luks2_check_memory(&header, err));
	assert_ok(source_from_memory("", 0, &nothing, err));
	assert_ok(secret_copy("secret", 6, &passphrase, err));
	header.keyslots[1].area_len = LUKS2_AREA_MAX;
	assert_fails(ERROR_MEMORY, luks2_unlock(&header, nothing, passphrase, &key, err));
}

static void test_uuid(void **state)
{
	(void)state;
	static const struct {
		size_t at;
		char value;
	} faults[] = { { 0, 'g' }, { 8, '0' }, { 13, 'a' }, { 35, 0 }, { 36, '1' }, { 20, 27 } };
	struct source *s CLEANUP_SOURCE = NULL;
	struct luks2_header header;
	good_json();
	put_both();
	assert_ok(source_from_memory(device, sizeof(device), &s, err));
	assert_ok(luks2_header_read(s, &header, err));
	assert_string_equal(header.uuid, "12345678-1234-1234-1234-123456789abc");
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		put_both();
		device[168 + faults[i].at] = (uint8_t)faults[i].value;
		sum(device, HEADER_LEN);
		assert_ok(luks2_header_read(s, &header, err));
		assert_string_equal(header.uuid, "00000000-0000-0000-0000-000000000000");
	}
}

/* What is over the limit of JSON does not fit the small header: a larger one. */
static void test_long_json(void **state)
{
	(void)state;
	size_t len = 131072;
	uint8_t *big = calloc(1, len * 2);
	assert_non_null(big);
	memcpy(big, "LUKS\xba\xbe", 6);
	bytes_put_be(big + 6, 2, 2);
	bytes_put_be(big + 8, len, 8);
	strcpy((char *)big + 72, "sha256");
	memset(big + 4096, '[', 65537);
	sum(big, len);
	struct source *s CLEANUP_SOURCE = NULL;
	assert_ok(source_from_memory(big, len * 2, &s, err));
	assert_fails(ERROR_LIMIT, luks2_check(s, err));
	free(big);
}

static void test_binary(void **state)
{
	(void)state;
	/* the second copy stands in for a damaged first one, and for an older one */
	good_json();
	put_both();
	device[5000] ^= 1;
	assert_ok(check(err));
	put_both();
	device[0] ^= 1;
	assert_ok(check(err));
	put_both();
	device[HEADER_LEN + 5000] ^= 1;
	assert_ok(check(err));

	good_json();
	put_both();
	edit("\"type\":\"crypt\"", "\"type\":\"linear\"");
	put_header(HEADER_LEN, 4, text);
	assert_fails(ERROR_UNSUPPORTED, check(err));
	put_header(HEADER_LEN, 2, text);
	assert_ok(check(err));

	/* both damaged */
	good_json();
	put_both();
	device[5000] ^= 1;
	device[HEADER_LEN + 5000] ^= 1;
	assert_fails(ERROR_DAMAGED, check(err));
	memset(device, 0, sizeof(device));
	assert_fails(ERROR_DAMAGED, check(err));

	/* fields of the binary header, in both copies */
	static const struct {
		size_t off;
		uint8_t value;
		enum error_kind kind;
	} faults[] = {
		{ 7, 1, ERROR_UNSUPPORTED },	/* version */
		{ 13, 1, ERROR_DAMAGED },	/* size */
		{ 75, '5', ERROR_UNSUPPORTED }, /* sha556 */
		{ 263, 1, ERROR_DAMAGED },	/* offset of the header */
	};
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		put_both();
		for (size_t off = 0; off <= HEADER_LEN; off += HEADER_LEN) {
			device[off + faults[i].off] = faults[i].value;
			sum(device + off, HEADER_LEN);
		}
		assert_fails(faults[i].kind, check(err));
	}

	/* after the end of the JSON */
	put_both();
	for (size_t off = 0; off <= HEADER_LEN; off += HEADER_LEN) {
		device[off + HEADER_LEN - 1] = 'x';
		sum(device + off, HEADER_LEN);
	}
	assert_fails(ERROR_DAMAGED, check(err));

	/* cut off anywhere in the header */
	good_json();
	put_both();
	for (size_t len = 0; len <= DATA_OFF; len += 1000) {
		struct source *s CLEANUP_SOURCE = NULL;
		assert_ok(source_from_memory(device, len, &s, err));
		assert_fails(ERROR_DAMAGED, luks2_check(s, err));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),   cmocka_unit_test(test_unsupported),
		cmocka_unit_test(test_limits), cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_binary), cmocka_unit_test(test_long_json),
		cmocka_unit_test(test_sums),   cmocka_unit_test(test_memory),
		cmocka_unit_test(test_uuid),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
