/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "run/internal.h"

/* What dash, bash and busybox make of each alike (or NULL: it takes a shell). */
static const struct {
	const char *word, *value;
} words[] = {
	{ "plain/a-1.2:x@y", "plain/a-1.2:x@y" },
	{ "'a $HOME \\ \" b'", "a $HOME \\ \" b" },
	{ "\"a \\\" \\$ \\\\ \\` \\x ! b\"", "a \" $ \\ ` \\x ! b" },
	{ "a'b'\"c\"$NAME", "abcvalue" },
	{ "$NAME/$NOBODY.${NAME}x", "value/.valuex" },
	{ "\"$SPACED ${SPACED}\"", "a  * b a  * b" },
	{ "\"${NAME:-other}\"", "value" },
	{ "\"${NOBODY:-other}\"", "other" },
	{ "\"${NOBODY:-\"a}b it's\"}\"", "a}b it's" },
	{ "\"${NOBODY:-\"$NAME\\\"\\$\"}-\"", "value\"$-" },
	{ "\"${NOBODY:-}\"", "" },
	{ "\"${EMPTY:-x}\"", "x" },
	{ "\"${SPACED:-\"it's\"}\"", "a  * b" },
	{ "\"\"", "" },
	{ "$SPACED", NULL },		 /* split, and a pattern */
	{ "${NAME:-x}", NULL },		 /* not quoted */
	{ "\"${NOBODY:-it's}\"", NULL }, /* shells disagree */
	{ "\"${NOBODY:-\"a\\b\"}\"", NULL },
	{ "\"${A:-\"${B:-x}\"}\"", NULL },
	{ "\"${NAME-x}\"", NULL },
	{ "\"${NAME:+x}\"", NULL },
	{ "\"${#NAME}\"", NULL },
	{ "\"$(id)\"", NULL },
	{ "\"$((1))\"", NULL },
	{ "\"`id`\"", NULL },
	{ "\"$1\"", NULL },
	{ "\"$\"", NULL },
	{ "$RANDOM", NULL },
	{ "\"open", NULL },
	{ "'open", NULL },
	{ "\"${NAME", NULL },
	{ "\"${NAME:-x\"", NULL },
	{ "\"\\", NULL },
	{ "a;b", NULL },
	{ "a\\b", NULL },
	{ "*", NULL },
	{ "~", NULL },
	{ "a=b", NULL },
	{ "#", NULL },
};

static struct strings make_env(void)
{
	struct strings env = { 0 };
	assert_ok(strings_add(&env, "NAME=value", err));
	assert_ok(strings_add(&env, "SPACED=a  * b", err));
	assert_ok(strings_add(&env, "EMPTY=", err));
	return env;
}

static void test_words(void **state)
{
	(void)state;
	CLEANUP_STRINGS struct strings env = make_env();
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		CLEANUP_BUFFER struct buffer got = { 0 };
		struct error *failed = NULL;
		const char *at = words[i].word;
		int r = run_word_take(&env, &at, &got, &failed);
		assert_null(failed);
		if (r != (words[i].value != NULL))
			fail_msg("%s: %d, '%s'", words[i].word, r, got.data);
		if (r) {
			assert_string_equal(got.data, words[i].value);
			assert_int_equal(*at, '\0');
		}
	}
}

/* Between double quotes, as a value of --env is: a quote has no meaning. */
static void test_quoted(void **state)
{
	(void)state;
	static const struct {
		const char *text, *value;
	} cases[] = {
		{ "a \"b\" $NAME", "a \"b\" value" },
		{ "\\$NAME \\\" \\x \\", "$NAME \\\" \\x \\" },
		{ "", "" },
		{ "${NOBODY:-y}", "y" },
		{ "$(id)", NULL },
		{ "`", NULL },
	};
	CLEANUP_STRINGS struct strings env = make_env();
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		CLEANUP_BUFFER struct buffer got = { 0 };
		struct error *failed = NULL;
		int r = run_word_quoted(&env, cases[i].text, &got, &failed);
		assert_null(failed);
		assert_int_equal(r, cases[i].value != NULL);
		if (r)
			assert_string_equal(got.data, cases[i].value);
	}
}

static void test_split(void **state)
{
	(void)state;
	CLEANUP_STRINGS struct strings env = make_env(), got = { 0 }, none = { 0 };
	assert_ok(run_words_split(&env, "  \"a b\"  '' $NAME $EMPTY \"$EMPTY\"x", &got, err));
	assert_int_equal(got.len, 4);
	assert_string_equal(got.items[0], "a b");
	assert_string_equal(got.items[1], "");
	assert_string_equal(got.items[2], "value");
	assert_string_equal(got.items[3], "x");
	struct error *failed = NULL;
	assert_int_equal(run_words_split(&env, "a | b", &none, &failed), 0);
	assert_null(failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_quoted),
		cmocka_unit_test(test_split),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
