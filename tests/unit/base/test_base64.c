/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

/* RFC 4648, section 10 */
static void vectors(void **state)
{
	(void)state;
	static const char *const pairs[][2] = {
		{ "", "" },
		{ "f", "Zg==" },
		{ "fo", "Zm8=" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" },
	};
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct buffer text CLEANUP_BUFFER = { 0 };
		char out[16] = "";
		size_t len = 99;
		assert_ok(base64_encode(pairs[i][0], strlen(pairs[i][0]), 0, &text, err));
		assert_int_equal(text.len, strlen(pairs[i][1]));
		assert_memory_equal(text.data ? text.data : "", pairs[i][1], text.len);
		assert_true(base64_decode(pairs[i][1], text.len, false, out, &len));
		assert_int_equal(len, strlen(pairs[i][0]));
		assert_memory_equal(out, pairs[i][0], len);
	}
}

static void lines(void **state)
{
	(void)state;
	struct buffer text CLEANUP_BUFFER = { 0 };
	unsigned char data[100], out[200];
	size_t len = 0;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * 7);
	assert_ok(base64_encode(data, 96, 64, &text, err));
	assert_int_equal(text.len, 130);
	assert_int_equal(text.data[64], '\n');
	assert_int_equal(text.data[129], '\n');
	assert_true(base64_decode(text.data, text.len, true, out, &len));
	assert_int_equal(len, 96);
	assert_memory_equal(out, data, 96);
	assert_false(base64_decode(text.data, text.len, false, out, &len));
	buffer_free(&text);
	assert_ok(base64_encode(data, 100, 64, &text, err));
	assert_int_equal(text.len, 136 + 3);
	assert_true(base64_decode(text.data, text.len, true, out, &len));
	assert_memory_equal(out, data, 100);
}

static void one_encoding_only(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"Z",   "Zg",	"Zg=",	"Zg===",  "Zh==", "Zm9=",
		"Zm8", "Zm9v=", "Z=g=", "Zm9v\n", "Zm9-", "====",
	};
	char out[16];
	size_t len;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (base64_decode(bad[i], strlen(bad[i]), false, out, &len))
			fail_msg("%s was taken", bad[i]);
	assert_false(base64_decode("Zm\0v", 4, true, out, &len));
}

/* Each byte is the digit that the alphabet says, or none. */
static void each_byte(void **state)
{
	(void)state;
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (int c = 0; c < 256; c++) {
		char text[4] = { 'A', 'A', 'A', (char)c };
		unsigned char out[3];
		size_t len = 0;
		const char *digit = memchr(digits, c, sizeof(digits) - 1);
		bool taken = base64_decode(text, 4, false, out, &len);
		if (c == '=') {
			assert_true(taken);
			assert_int_equal(len, 2);
			continue;
		}
		assert_int_equal(taken, digit != NULL);
		if (digit)
			assert_int_equal(out[2], digit - digits);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),
		cmocka_unit_test(lines),
		cmocka_unit_test(one_encoding_only),
		cmocka_unit_test(each_byte),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
