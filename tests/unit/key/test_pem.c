/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "key/internal.h"

static int parse(const char *text, struct pem *ret, struct error **err)
{
	return pem_parse(text, strlen(text), ret, err);
}

static void good_frames(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"-----BEGIN X Y-----\nZm9v\nYmFy\n-----END X Y-----\n",
		"-----BEGIN X Y-----\nZm9vYmFy\n-----END X Y-----",
		"text before\n----- BEGIN -----\n-----BEGIN X Y-----\r\nZm9v\r\nYmFy\r\n"
		"-----END X Y-----\r\n",
		"-----BEGIN X Y-----\n\nZm9v  \nYmFy\t\n\n-----END X Y-----  \nmore\n",
		"-----BEGIN X Y-----\nSome: header\nOther:\n\nZm9vYmFy\n-----END X Y-----\n",
		"-----BEGIN X Y-----\nZm9vYmFy\n-----END X Y-----\n"
		"-----BEGIN Z-----\n!!!\n-----END Z-----\n",
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct pem pem CLEANUP_PEM = { 0 };
		assert_ok(parse(texts[i], &pem, err));
		assert_string_equal(pem.label, "X Y");
		assert_false(pem.protected_by_dek);
		const char *behind = texts[i] + pem.end;
		assert_true(!*behind || !strcmp(behind, "more\n") || strstr(behind, "N Z-----"));
		assert_int_equal(secret_size(pem.der), 6);
		assert_memory_equal(secret_bytes(pem.der), "foobar", 6);
	}
}

static void protection_headers(void **state)
{
	(void)state;
	struct pem pem CLEANUP_PEM = { 0 };
	assert_ok(parse("-----BEGIN K-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00FF\n\n"
			"Zm9v\n-----END K-----\n",
			&pem, err));
	assert_true(pem.protected_by_dek);
	assert_string_equal(pem.dek, "AES-256-CBC,00FF");
}

static void bad_frames(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"",
		"ssh-rsa AAAA user@host\n",
		"-----BEGIN X-----\n",
		"-----BEGIN X-----\nZm9v\n",
		"-----BEGIN X-----\nZm9v\n-----END Y-----\n",
		"-----BEGIN X-----\n-----END X-----\n",
		"-----BEGIN X-----\nZm9\n-----END X-----\n",
		"-----BEGIN X-----\nZm*v\n-----END X-----\n",
		"-----BEGIN X-----\nZm9v\nSome: header\n-----END X-----\n",
		" -----BEGIN X-----\nZm9v\n-----END X-----\n",
		"-----BEGIN X\nZm9v\n-----END X-----\n",
		"-----BEGIN "
		"0123456789012345678901234567890123456789012345678901234567890123X-----\n"
		"Zm9v\n"
		"-----END 0123456789012345678901234567890123456789012345678901234567890123X-----\n",
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct pem pem CLEANUP_PEM = { 0 };
		struct error *err CLEANUP_ERROR = NULL;
		if (parse(texts[i], &pem, &err) >= 0)
			fail_msg("was taken: %s", texts[i]);
		assert_int_equal(error_kind(err), ERROR_KEY_INVALID);
	}
	/* Too long is refused before it is looked at. */
	static char large[PEM_TEXT_MAX + 1];
	struct pem pem;
	memset(large, '\n', sizeof(large));
	assert_fails(ERROR_KEY_INVALID, pem_parse(large, sizeof(large), &pem, err));
}

static void what_is_printed_parses(void **state)
{
	(void)state;
	struct buffer text CLEANUP_BUFFER = { 0 };
	struct pem pem CLEANUP_PEM = { 0 };
	uint8_t data[517];
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 3);
	assert_ok(pem_print("MESSAGE", data, sizeof(data), &text, err));
	/* the size of the object that encryption.md 3.3 gives for a modulus of 4096 bits */
	buffer_free(&text);
	assert_ok(pem_print("MESSAGE", data, 516, &text, err));
	assert_int_equal(text.len, 745);
	assert_ok(pem_parse(text.data, text.len, &pem, err));
	assert_int_equal(secret_size(pem.der), 516);
	assert_memory_equal(secret_bytes(pem.der), data, 516);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_frames),
		cmocka_unit_test(protection_headers),
		cmocka_unit_test(bad_frames),
		cmocka_unit_test(what_is_printed_parses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
