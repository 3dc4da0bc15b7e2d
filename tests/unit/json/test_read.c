/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "json/json.h"

static const struct json_limits limits = { .what = "x", .bytes = 200, .depth = 5, .values = 12 };

static void refused(const char *text, size_t len, enum error_kind kind, const char *words)
{
	struct error *err CLEANUP_ERROR = NULL;
	CLEANUP_JSON struct json *j = NULL;
	if (json_read(text, len, &limits, &j, &err) >= 0)
		fail_msg("%s was read", text);
	if (error_kind(err) != kind || !strstr(error_message(err), words))
		fail_msg("%s: %s", text, error_message(err));
	assert_null(j);
}

static void taken(const char *text)
{
	CLEANUP_JSON struct json *j = NULL;
	assert_ok(json_read(text, strlen(text), &limits, &j, err));
	assert_non_null(j);
}

static void syntax(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",
		" ",
		"{",
		"}",
		"[",
		"]",
		"{]",
		"[}",
		"{\"a\":1",
		"{\"a\":1,}",
		"[1,]",
		"{,}",
		"{}x",
		"{}{}",
		"{} {}",
		"[1]]",
		"nul",
		"nulll",
		"tru",
		"\"a",
		"'a'",
		"{'a':1}",
		"{a:1}",
		"{\"a\" 1}",
		"[\"a\":1]",
		"{\"a\"}",
		"/* */{}",
		"{}//",
		"[1 2]",
		"NaN",
		"[Infinity]",
		"[-Infinity]",
		"[nan]",
		"{\"a\":01x}",
		"\"\\x\"",
		"\"a\nb\"",
		"\"\t\"",
		"[\"\x01\"]",
		"{\"\x1f\":1}",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		refused(bad[i], strlen(bad[i]), ERROR_DAMAGED, "x: the JSON does not parse");
	static const char *const good[] = {
		"{}",
		"[]",
		" {} \n",
		"null",
		" null",
		"7",
		"-1",
		"\"\"",
		"true",
		"1.5e3",
		"{\"a\":[1,{\"b\":null}]}",
		"\"\\u00e9\\\\\\\"{[,:\"",
		"{\"a\":\"\\u0000\"}",
		"{\"\\\\u0000\":1}",
		"[{\"a\":1},{\"a\":1}]",
		"{\"a\":{\"a\":1}}",
	};
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		taken(good[i]);
}

/* Nothing but UTF-8, and nothing behind a NUL. */
static void bytes(void **state)
{
	(void)state;
	refused("\"\xff\"", 3, ERROR_DAMAGED, "parse");
	refused("{\"\xc0\x80\":1}", 8, ERROR_DAMAGED, "parse");
	refused("\"\xed\xa0\x80\"", 5, ERROR_DAMAGED, "parse");
	refused("\"a\0b\"", 5, ERROR_DAMAGED, "parse");
	refused("{}\0", 3, ERROR_DAMAGED, "parse");
	refused("{}\0{}", 5, ERROR_DAMAGED, "parse");
	refused("null\0", 5, ERROR_DAMAGED, "parse");
	refused("\0", 1, ERROR_DAMAGED, "parse");
	/* json-c would cut the name there. */
	refused("{\"a\\u0000b\":1}", 14, ERROR_DAMAGED, "parse");
	refused("{\"a\\u0000\" :1}", 14, ERROR_DAMAGED, "parse");
}

static void members_twice(void **state)
{
	(void)state;
	static const struct {
		const char *text, *words;
	} cases[] = {
		{ "{\"a\":1,\"a\":1}", "x: the JSON has a member twice" },
		{ "{\"a\":1,\"\\u0061\":2}", "x: the JSON has a member twice" },
		{ "{\"b\":{\"a\":1,\"a\":1}}", "x: b has a member twice" },
		{ "{\"a\":{\"c\":{}},\"b\":[7,{\"k\":{\"d\":{},\"d\":{}}}]}",
		  "x: b.1.k has a member twice" },
		/* What stood in the first is gone, but not from the text. */
		{ "{\"a\":{\"x\":1},\"a\":{\"y\":1,\"z\":2},\"b\":{}}", "x: the JSON has a" },
		{ "{\"p\":{\"a\":{\"b\":1},\"a\":2},\"q\":{\"r\":1}}", "x: p has a member twice" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		refused(cases[i].text, strlen(cases[i].text), ERROR_DAMAGED, cases[i].words);
		struct json_limits go = limits;
		CLEANUP_JSON struct json *j = NULL;
		go.last_counts = true;
		assert_ok(json_read(cases[i].text, strlen(cases[i].text), &go, &j, err));
	}
}

static void limited(void **state)
{
	(void)state;
	char text[256];
	memset(text, ' ', sizeof(text));
	text[0] = '{';
	text[1] = '}';
	CLEANUP_JSON struct json *j = NULL;
	assert_ok(json_read(text, 200, &limits, &j, err));
	refused(text, 201, ERROR_LIMIT, "x: over 200 bytes of JSON");
	taken("[[[[1]]]]");
	refused("[[[[[1]]]]]", 11, ERROR_LIMIT, "x: the JSON is over 5 levels deep");
	memset(text, '[', 150);
	refused(text, 150, ERROR_LIMIT, "x: the JSON is over 5 levels deep");
	taken("[1,2,3,4,5,6,7,8,9,10,11]");
	refused("[1,2,3,4,5,6,7,8,9,10,11,12]", 28, ERROR_LIMIT, "x: over 12 values");
	refused("[{},{},{},{},{},{},{},{}]", 25, ERROR_LIMIT, "x: over 12 values");
}

/* ------------------------------------------------------------------ values */

static const char all[] =
	"{\"o\":{\"n\":7,\"l\":[\"t\",{\"m\":-1}]},\"t\":\"text\",\"z\":\"a\\u0000b\","
	"\"big\":99999999999999999999999,\"f\":1.5,\"u\":18446744073709551614,"
	"\"\\u001b[31m\":1}";

static struct json *read_all(void)
{
	static const struct json_limits wide = {
		.what = "x", .bytes = 999, .depth = 8, .values = 99
	};
	struct json *j = NULL;
	assert_ok(json_read(all, strlen(all), &wide, &j, err));
	return j;
}

#define SAYS(words, call)                                          \
	do {                                                       \
		struct error *said CLEANUP_ERROR = NULL;           \
		struct error **err = &said;                        \
		assert_true((call) < 0);                           \
		assert_string_equal(error_message(said), (words)); \
	} while (0)

static void messages_have_paths(void **state)
{
	(void)state;
	CLEANUP_JSON struct json *j = read_all();
	const struct json_at root = json_root(j);
	struct json_at o, l, at;
	const char *text;
	uint64_t n;
	assert_ok(json_get(&root, "o", JSON_OBJECT, &o, err));
	assert_ok(json_get(&o, "l", JSON_LIST, &l, err));
	assert_ok(json_get_number(&o, "n", 7, 7, &n, err));
	assert_int_equal(n, 7);
	at = json_item(&l, 1);
	SAYS("x: o.l.1.m is too small", json_get_number(&at, "m", 0, 9, &n, err));
	SAYS("x: o.n is too small", json_get_number(&o, "n", 8, 9, &n, err));
	SAYS("x: o.n is over the limit of 6", json_get_number(&o, "n", 0, 6, &n, err));
	SAYS("x: big is over the limit of 5", json_get_number(&root, "big", 0, 5, &n, err));
	SAYS("x: big is over the limit of 18446744073709551614",
	     json_get_number(&root, "big", 0, UINT64_MAX - 1, &n, err));
	assert_ok(json_get_number(&root, "u", 0, UINT64_MAX - 1, &n, err));
	assert_true(n == UINT64_MAX - 1);
	SAYS("x: f is not a whole number", json_get_number(&root, "f", 0, 5, &n, err));
	SAYS("x: o.k is missing", json_get(&o, "k", JSON_LIST, &at, err));
	SAYS("x: o.n is not a list", json_get(&o, "n", JSON_LIST, &at, err));
	SAYS("x: z has a NUL in it", json_get_text(&root, "z", &text, err));
	assert_ok(json_get_text(&root, "t", &text, err));
	assert_string_equal(text, "text");
	SAYS("x: t \"text\" is not supported", JSON_CHOICE(&root, "t", &text, err, "a", "b"));
	assert_ok(JSON_CHOICE(&root, "t", &text, err, "a", "text"));
	SAYS("x: o.l is not supported", JSON_ONLY(&o, err, "n"));
	assert_ok(JSON_ONLY(&o, err, "n", "l"));
	SAYS("x: (unprintable) is not supported",
	     JSON_ONLY(&root, err, "o", "t", "z", "big", "f", "u"));
}

static void walked(void **state)
{
	(void)state;
	CLEANUP_JSON struct json *j = read_all();
	const struct json_at root = json_root(j);
	static const char *const names[] = { "o", "t", "z", "big", "f", "u", "\x1b[31m" };
	const void *cursor = NULL;
	const char *name;
	struct json_at at;
	size_t count = 0, len = 0;
	while (json_next(&root, &cursor, &name, &at))
		assert_string_equal(name, names[count++]);
	assert_int_equal(count, 7);
	assert_int_equal(json_count(&root), 7);
	assert_string_equal(at.path, "(unprintable)");
	cursor = NULL;
	assert_false(json_next(&at, &cursor, &name, &at));
	assert_true(json_find(&root, "z", &at));
	assert_memory_equal(json_text(&at, &len), "a\0b", 4);
	assert_int_equal(len, 3);
	assert_int_equal(json_count(&at), 0);
	assert_false(json_find(&root, "y", &at));
	assert_null(json_text(&root, &len));
}

static void mended(void **state)
{
	(void)state;
	CLEANUP_BUFFER struct buffer b = { 0 };
	assert_ok(json_mend("a\xff\xc3\xa4\xe2\x80", 6, &b, err));
	assert_string_equal(b.data, "a\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(syntax),
		cmocka_unit_test(bytes),
		cmocka_unit_test(members_twice),
		cmocka_unit_test(limited),
		cmocka_unit_test(messages_have_paths),
		cmocka_unit_test(walked),
		cmocka_unit_test(mended),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
