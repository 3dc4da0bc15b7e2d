/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "seal/gocryptfs/internal.h"

#define SALT_TEXT "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define KEY_TEXT \
	"QEFCQ0RFRkdISUpLTE1OT0vALU9vep3uv1NLKQX2qSPZtHCigcxOthPhAUEyDTyUYrlH3xf8uYKp3ZO2nzlvfw=="

/* encryption.md 4.6, in the form that gocryptfs writes */
static const char good[] = "{\n"
			   "\t\"Creator\": \"gocryptfs 2.6.1\",\n"
			   "\t\"EncryptedKey\": \"" KEY_TEXT "\",\n"
			   "\t\"ScryptObject\": {\n"
			   "\t\t\"Salt\": \"" SALT_TEXT "\",\n"
			   "\t\t\"N\": 1024,\n"
			   "\t\t\"R\": 8,\n"
			   "\t\t\"P\": 1,\n"
			   "\t\t\"KeyLen\": 32\n"
			   "\t},\n"
			   "\t\"Version\": 2,\n"
			   "\t\"FeatureFlags\": [\n"
			   "\t\t\"HKDF\",\n"
			   "\t\t\"GCMIV128\",\n"
			   "\t\t\"PlaintextNames\"\n"
			   "\t]\n"
			   "}\n";

static int parse(const char *text, struct error **err)
{
	struct gocryptfs_config config;
	return gocryptfs_config_parse(text, strlen(text), &config, err);
}

/* The good text with one piece of it replaced, which must be there. */
static char *with(const char *from, const char *to)
{
	const char *at = strstr(good, from);
	char *text = NULL;
	assert_non_null(at);
	assert_true(asprintf(&text, "%.*s%s%s", (int)(at - good), good, to, at + strlen(from)) > 0);
	return text;
}

static void the_good_one(void **state)
{
	(void)state;
	struct gocryptfs_config config;
	assert_ok(gocryptfs_config_parse(good, sizeof(good) - 1, &config, err));
	assert_int_equal(config.salt_len, 32);
	assert_int_equal(config.salt[31], 31);
	assert_int_equal(config.n, 1024);
	assert_int_equal(config.r, 8);
	assert_int_equal(config.p, 1);
	assert_int_equal(config.wrapped[0], 0x40);
	/* What we print differs in the creator alone. */
	struct buffer text CLEANUP_BUFFER = { 0 };
	assert_ok(gocryptfs_config_print(&config, &text, err));
	assert_non_null(strstr(text.data, "\"Creator\": \"coffer "));
	assert_string_equal(strstr(text.data, "\t\"EncryptedKey\""),
			    strstr(good, "\t\"EncryptedKey\""));
}

static void faults(void **state)
{
	(void)state;
	static const struct {
		const char *from, *to;
		enum error_kind kind;
	} faults[] = {
		{ "\"Version\": 2", "\"Version\": 1", ERROR_UNSUPPORTED },
		{ "\"Version\": 2", "\"Version\": \"2\"", ERROR_DAMAGED },
		{ "\"Version\": 2,", "", ERROR_DAMAGED },
		{ "\"N\": 1024", "\"N\": 512", ERROR_DAMAGED },
		{ "\"N\": 1024", "\"N\": 1536", ERROR_DAMAGED },
		{ "\"N\": 1024", "\"N\": -1024", ERROR_DAMAGED },
		{ "\"N\": 1024", "\"N\": 1024.0", ERROR_DAMAGED },
		{ "\"N\": 1024", "\"N\": null", ERROR_DAMAGED },
		{ "\"N\": 1024", "\"N\": 2097152", ERROR_LIMIT },
		{ "\"N\": 1024", "\"N\": 99999999999999999999999", ERROR_LIMIT },
		{ "\"R\": 8", "\"R\": 7", ERROR_DAMAGED },
		{ "\"R\": 8", "\"R\": 8193", ERROR_LIMIT },
		{ "\"P\": 1", "\"P\": 0", ERROR_DAMAGED },
		{ "\"P\": 1", "\"P\": 1025", ERROR_LIMIT },
		{ "\"P\": 1", "\"P\": 4294967297", ERROR_LIMIT },
		{ "1024,\n\t\t\"R\": 8", "1048576,\n\t\t\"R\": 16", ERROR_LIMIT },
		{ "1024,\n\t\t\"R\": 8,\n\t\t\"P\": 1", "1048576,\n\t\t\"R\": 8,\n\t\t\"P\": 2",
		  ERROR_LIMIT },
		{ "\"KeyLen\": 32", "\"KeyLen\": 16", ERROR_DAMAGED },
		{ "\"KeyLen\": 32", "\"KeyLen\": 32, \"KeyLen\": 32", ERROR_DAMAGED },
		{ "\"KeyLen\": 32", "\"KeyLen\": 64", ERROR_LIMIT },
		{ "\"Salt\": \"AAEC", "\"Salt\": \"", ERROR_DAMAGED },
		{ "\"Salt\": \"AAEC", "\"Salt\": \"*AEC", ERROR_DAMAGED },
		{ "QEFCQ0RF", "", ERROR_DAMAGED },
		{ "QEFCQ0RF", "QEFCQ0RFQEFC", ERROR_DAMAGED },
		{ "\"ScryptObject\"", "\"Scrypt\"", ERROR_DAMAGED },
		{ "\"HKDF\",", "", ERROR_UNSUPPORTED },
		{ "\"GCMIV128\",", "", ERROR_UNSUPPORTED },
		{ "\"PlaintextNames\"", "\"DirIV\"", ERROR_UNSUPPORTED },
		{ "\"HKDF\"", "\"HKDF\", \"AESSIV\"", ERROR_UNSUPPORTED },
		{ "\"HKDF\"", "\"HKDF\", \"XChaCha20Poly1305\"", ERROR_UNSUPPORTED },
		{ "\"HKDF\"", "\"HKDF\", \"FIDO2\"", ERROR_UNSUPPORTED },
		{ "\"HKDF\"", "\"HKDF\", \"\"", ERROR_UNSUPPORTED },
		{ "\"HKDF\"", "\"HKDF\\u0000\"", ERROR_UNSUPPORTED },
		{ "\"HKDF\"", "7", ERROR_DAMAGED },
		{ "}\n", "}\n{}", ERROR_DAMAGED },
		{ "{\n", "[{\n", ERROR_DAMAGED },
		{ "{\n", "", ERROR_DAMAGED },
		{ "\"R\": 8", "\"R\": [[[[[[8]]]]]]", ERROR_DAMAGED },
		{ "2.6.1", "\xff", ERROR_DAMAGED },
	};
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		char *text CLEANUP_TEXT = with(faults[i].from, faults[i].to);
		struct error *err CLEANUP_ERROR = NULL;
		if (parse(text, &err) >= 0)
			fail_msg("%s -> %s was taken", faults[i].from, faults[i].to);
		if (error_kind(err) != faults[i].kind)
			fail_msg("%s -> %s: %s", faults[i].from, faults[i].to, error_message(err));
	}
	/* The largest cost that is still paid for. */
	char *costly CLEANUP_TEXT = with("\"N\": 1024", "\"N\": 1048576");
	assert_ok(parse(costly, err));
}

/* 256 bytes are the most. */
static void long_salts(void **state)
{
	(void)state;
	char salt[345];
	memset(salt, 'A', sizeof(salt));
	memcpy(salt + 342, "==", 3);
	char *most CLEANUP_TEXT = with(SALT_TEXT, salt);
	assert_ok(parse(most, err));
	memcpy(salt + 342, "A=", 3);
	char *more CLEANUP_TEXT = with(SALT_TEXT, salt);
	assert_fails(ERROR_DAMAGED, parse(more, err));
}

/* An unknown flag is named, unless its name could do harm on a terminal. */
static void names_of_flags(void **state)
{
	(void)state;
	struct error *err CLEANUP_ERROR = NULL;
	char *text CLEANUP_TEXT = with("\"HKDF\"", "\"AESSIV\", \"HKDF\"");
	assert_true(parse(text, &err) < 0);
	assert_non_null(strstr(error_message(err), "AESSIV"));
	error_free(&err);
	text_free(&text);
	text = with("\"HKDF\"", "\"A\\u001b[31mB\"");
	assert_true(parse(text, &err) < 0);
	assert_null(strchr(error_message(err), 033));
}

static void cut_anywhere(void **state)
{
	(void)state;
	struct gocryptfs_config config;
	/* without the last newline it is still whole */
	for (size_t len = 0; len < sizeof(good) - 2; len++)
		assert_fails(ERROR_DAMAGED, gocryptfs_config_parse(good, len, &config, err));
	assert_ok(gocryptfs_config_parse(good, sizeof(good) - 2, &config, err));
	assert_fails(ERROR_LIMIT,
		     gocryptfs_config_parse(good, GOCRYPTFS_CONF_MAX + 1, &config, err));
}

/* encryption.md 4.6: the whole chain from the password to the text */
static void the_vector_opens(void **state)
{
	(void)state;
	uint8_t file[64];
	char text[8] = "";
	size_t len = unhex("0002 101112131415161718191a1b1c1d1e1f 202122232425262728292a2b2c2d2e2f "
			   "a2392f484085 6acedc2f05a90cae6e446f269ecb5474",
			   file, sizeof(file));
	struct source *below CLEANUP_SOURCE = NULL, *s CLEANUP_SOURCE = NULL;
	struct secret *password CLEANUP_SECRET = NULL, *wrong CLEANUP_SECRET = NULL;
	assert_ok(source_from_memory(file, len, &below, err));
	assert_ok(secret_copy("secret", 6, &password, err));
	assert_ok(secret_copy("secreT", 6, &wrong, err));
	assert_ok(seal_open(&seal_gocryptfs, &(struct sealed){ below, good, sizeof(good) - 1 },
			    password, &s, err));
	assert_int_equal(s->size, 6);
	assert_ok(source_read(s, text, 6, 0, err));
	assert_string_equal(text, "hello\n");
	struct source *none = NULL;
	assert_fails(ERROR_KEY_WRONG,
		     seal_open(&seal_gocryptfs, &(struct sealed){ below, good, sizeof(good) - 1 },
			       wrong, &none, err));
	char *altered CLEANUP_TEXT = with("QEFCQ0RF", "QEFCQ0RG");
	assert_fails(ERROR_KEY_WRONG,
		     seal_open(&seal_gocryptfs, &(struct sealed){ below, altered, strlen(altered) },
			       password, &none, err));
}

static void passwords(void **state)
{
	(void)state;
	char text[2049];
	memset(text, 'x', sizeof(text));
	struct secret *password CLEANUP_SECRET = NULL;
	assert_ok(secret_copy(text, 2049, &password, err));
	assert_fails(ERROR_KEY_INVALID, gocryptfs_check_password(password, err));
	secret_shorten(password, 2048);
	assert_ok(gocryptfs_check_password(password, err));
	secret_data(password)[2047] = '\n';
	assert_fails(ERROR_KEY_INVALID, gocryptfs_check_password(password, err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_good_one),	    cmocka_unit_test(faults),
		cmocka_unit_test(names_of_flags),   cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(the_vector_opens), cmocka_unit_test(passwords),
		cmocka_unit_test(long_salts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
