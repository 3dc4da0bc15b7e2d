/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "json/json.h"

static void escapes(const char *text, size_t len, const char *want)
{
	CLEANUP_BUFFER struct buffer b = { 0 };
	assert_ok(json_put_string(&b, text, len, err));
	assert_string_equal(b.data, want);
}

/* As an image built by the original from the same bytes has them. */
static void test_json_string(void **state)
{
	(void)state;
	escapes("a\"b\\c/", 6, "\"a\\\"b\\\\c/\"");
	escapes("\b\f\n\r\t\x01\x1f\x7f", 8, "\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"");
	escapes("<a>&", 4, "\"\\u003ca\\u003e\\u0026\"");
	escapes("\xc3\xa4\xe2\x80\xa8\xe2\x80\xa9\xf0\x9f\x98\x80", 12,
		"\"\xc3\xa4\\u2028\\u2029\xf0\x9f\x98\x80\"");
#define BAD "\\ufffd"
	escapes("a\xff"
		"b",
		3, "\"a" BAD "b\"");
	escapes("\xc0\x80", 2, "\"" BAD BAD "\"");
	escapes("\xed\xa0\x80", 3, "\"" BAD BAD BAD "\"");
	escapes("\xe2\x80", 2, "\"" BAD BAD "\"");
	escapes("\xf4\x90\x80\x80", 4, "\"" BAD BAD BAD BAD "\"");
	escapes("a\0b", 3, "\"a\\u0000b\"");
}

static void test_json_decode_bad(void **state)
{
	(void)state;
	CLEANUP_BUFFER struct buffer b = { 0 };
	static const char text[] = "\"\\ufffd\\\\ufffd\\n\\ufff\\";
	assert_ok(buffer_puts(&b, text, err));
	json_decode_bad(&b);
	assert_string_equal(b.data, "\"\xef\xbf\xbd\\\\ufffd\\n\\ufff\\");
}

static void nested(void **state)
{
	(void)state;
	static const char *const want[] = {
		"{\"a\":{\"t\":\"x\\ny\",\"e\":{}},\"b\\n\":\"\"}",
		"{\n\t\"a\": {\n\t\t\"t\": \"x\\ny\",\n\t\t\"e\": {}\n\t},\n\t\"b\\n\": \"\"\n}",
	};
	for (int lines = 0; lines < 2; lines++) {
		CLEANUP_BUFFER struct buffer out = { 0 };
		struct json_writer w = { .out = &out, .lines = lines };
		assert_ok(json_begin(&w, NULL, err));
		assert_ok(json_begin(&w, "a", err));
		assert_ok(json_put_text(&w, "t", "x\ny", 3, err));
		assert_ok(json_begin(&w, "e", err));
		assert_ok(json_end(&w, err));
		assert_ok(json_end(&w, err));
		assert_ok(json_put_text(&w, "b\n", "", 0, err));
		assert_ok(json_end(&w, err));
		assert_string_equal(out.data, want[lines]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_string),
		cmocka_unit_test(test_json_decode_bad),
		cmocka_unit_test(nested),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
