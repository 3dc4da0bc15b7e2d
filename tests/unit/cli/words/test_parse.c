/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <limits.h>

#include "cli/words/internal.h"
#include "cli/words/table.h"

/* Parses and gives the words of the error, or "". */
static const char *complaint(const struct command *command, const char *const *words,
			     enum error_kind *ret_kind)
{
	static char text[512];
	CLEANUP_INVOCATION struct invocation in = { 0 };
	CLEANUP_ERROR struct error *err = NULL;
	int r = parse_words(command, words, &in, &err);
	if (r == 0)
		r = parse_check_arguments(&in, &err);
	assert_int_equal(r < 0, err != NULL);
	snprintf(text, sizeof(text), "%s", err ? error_message(err) : "");
	*ret_kind = err ? error_kind(err) : 0;
	return text;
}

#define assert_complaint(words_, text)                                               \
	do {                                                                         \
		enum error_kind kind_;                                               \
		assert_string_equal(complaint(&fake_command, words_, &kind_), text); \
		assert_int_equal(kind_, *(text) ? ERROR_USAGE : 0);                  \
	} while (0)

static void test_forms(void **state)
{
	(void)state;
	static const struct {
		const char *words[6];
		const char *text;
		bool both, yes;
		size_t arguments;
	} forms[] = {
		{ { "--text", "v", "A" }, "v", false, false, 1 },
		{ { "--text=v", "A" }, "v", false, false, 1 },
		{ { "--text=", "A" }, "", false, false, 1 },
		{ { "--text=a=b", "A" }, "a=b", false, false, 1 },
		{ { "-t", "v", "A" }, "v", false, false, 1 },
		{ { "-tv", "A" }, "v", false, false, 1 },
		{ { "-t=v", "A" }, "v", false, false, 1 },
		{ { "-t=", "A" }, "=", false, false, 1 },
		{ { "-t", "-b", "A" }, "-b", false, false, 1 },
		{ { "--text", "--both", "A" }, "--both", false, false, 1 },
		{ { "-byt", "v", "A" }, "v", true, true, 1 },
		{ { "-bytv", "A" }, "v", true, true, 1 },
		{ { "-by", "A" }, NULL, true, true, 1 },
		{ { "-by=false", "A" }, NULL, true, false, 1 },
		{ { "--both=0", "--yes=T", "A" }, NULL, false, true, 1 },
		{ { "--both", "--both=false", "A" }, NULL, false, false, 1 },
		{ { "--both", "false", "A" }, NULL, true, false, 2 },
		{ { "--text", "1", "--text", "2", "A" }, "2", false, false, 1 },
		{ { "--", "--both" }, NULL, false, false, 1 },
		{ { "A", "--both" }, NULL, false, false, 2 },
		{ { "A", "--" }, NULL, false, false, 2 },
		{ { "-", "-b" }, NULL, false, false, 2 },
	};
	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		CLEANUP_INVOCATION struct invocation in = { 0 };
		assert_ok(parse_words(&fake_command, forms[i].words, &in, err));
		const struct option_value *text = invocation_option(&in, "text");
		assert_int_equal(text->set, forms[i].text != NULL);
		if (forms[i].text)
			assert_string_equal(text->text, forms[i].text);
		assert_int_equal(invocation_option(&in, "both")->on, forms[i].both);
		assert_int_equal(invocation_option(&in, "yes")->on, forms[i].yes);
		assert_int_equal(in.argument_count, forms[i].arguments);
		assert_null(in.arguments[in.argument_count]);
	}
}

/* The words are those of the real program: cli-messages 1.4. */
static void test_complaints(void **state)
{
	(void)state;
	assert_complaint(WORDS("--bogus", "A"), "unknown flag: --bogus");
	assert_complaint(WORDS("--bogus=secret", "A"), "unknown flag: --bogus");
	assert_complaint(WORDS("-Z"), "unknown shorthand flag: 'Z' in -Z");
	assert_complaint(WORDS("-bZ"), "unknown shorthand flag: 'Z' in -Z");
	assert_complaint(WORDS("-b=", "A"), "unknown shorthand flag: '=' in -=");
	assert_complaint(WORDS("--text"), "flag needs an argument: --text");
	assert_complaint(WORDS("-bt"), "flag needs an argument: 't' in -t");
	assert_complaint(WORDS("--=x", "A"), "bad flag syntax: --=x");
	assert_complaint(WORDS("---x", "A"), "bad flag syntax: ---x");
	assert_complaint(WORDS("--both=maybe", "A"),
			 "invalid argument \"maybe\" for \"-b, --both\" flag: strconv.ParseBool: "
			 "parsing \"maybe\": invalid syntax");
	assert_complaint(WORDS("--count=x", "A"),
			 "invalid argument \"x\" for \"--count\" flag: strconv.ParseInt: parsing "
			 "\"x\": invalid syntax");
	assert_complaint(WORDS("--count=99999999999999999999", "A"),
			 "invalid argument \"99999999999999999999\" for \"--count\" flag: "
			 "strconv.ParseInt: parsing \"99999999999999999999\": value out of range");
	assert_complaint(WORDS("--map=foo", "A"), "invalid argument \"foo\" for \"--map\" flag: "
						  "foo must be formatted as key=value");
	assert_complaint(
		WORDS("--list", "a,\"b", "A"),
		"invalid argument \"a,\\\"b\" for \"-l, --list\" flag: parse error on line "
		"1, column 5: extraneous or missing \" in quoted-field");
	assert_complaint(WORDS(), "requires at least 1 arg(s), only received 0");
	assert_complaint(WORDS("A", "B", "C"), "accepts at most 2 arg(s), received 3");
	assert_complaint(WORDS("A"), "");
	enum error_kind kind;
	assert_string_equal(complaint(&fake_intermixed, WORDS("A", "B"), &kind),
			    "accepts 1 arg(s), received 2");
}

static void test_intermixed(void **state)
{
	(void)state;
	CLEANUP_INVOCATION struct invocation in = { 0 };
	assert_ok(parse_words(&fake_intermixed, WORDS("A", "-b", "B", "--", "-y"), &in, err));
	assert_true(invocation_option(&in, "both")->on);
	assert_false(invocation_option(&in, "yes")->set);
	assert_int_equal(in.argument_count, 3);
	assert_string_equal(in.arguments[2], "-y");
}

static void test_lists(void **state)
{
	(void)state;
	CLEANUP_INVOCATION struct invocation in = { 0 };
	assert_ok(parse_words(&fake_command,
			      WORDS("--list=a,b", "-l", "\"c,d\",\"e\"\"f\",", "--array=a,b",
				    "--map", "A=1,2", "--map=B=3,\"C=4,5\"", "--map=A=6", "X"),
			      &in, err));
	const struct strings *list = &invocation_option(&in, "list")->list;
	assert_int_equal(list->len, 5);
	assert_string_equal(list->items[1], "b");
	assert_string_equal(list->items[2], "c,d");
	assert_string_equal(list->items[3], "e\"f");
	assert_string_equal(list->items[4], "");
	list = &invocation_option(&in, "array")->list;
	assert_int_equal(list->len, 1);
	assert_string_equal(list->items[0], "a,b");
	list = &invocation_option(&in, "map")->list;
	assert_int_equal(list->len, 3);
	assert_string_equal(list->items[0], "A=6");
	assert_string_equal(list->items[1], "B=3");
	assert_string_equal(list->items[2], "C=4,5");
}

static void test_csv_edges(void **state)
{
	(void)state;
	static const struct {
		const char *text, *complaint;
		size_t count;
	} rows[] = {
		{ "", NULL, 0 },
		{ ",", NULL, 2 },
		{ "a\nb,c", NULL, 1 },
		{ "\"a\nb\",c", NULL, 2 },
		{ "a\"b", "parse error on line 1, column 2: bare \" in non-quoted field", 0 },
		{ "\"a\"b",
		  "parse error on line 1, column 3: extraneous or missing \" in "
		  "quoted-field",
		  0 },
		{ "\"", "parse error on line 1, column 2: extraneous or missing \" in quoted-field",
		  0 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		CLEANUP_STRINGS struct strings list = { 0 };
		CLEANUP_ERROR struct error *err = NULL;
		assert_int_equal(parse_csv(rows[i].text, &list, &err), rows[i].complaint ? -1 : 0);
		if (rows[i].complaint)
			assert_string_equal(error_message(err), rows[i].complaint);
		else
			assert_int_equal(list.len, rows[i].count);
	}
}

/* A passphrase typed after the option must not come back in a message. */
static void test_passphrase_value_is_refused(void **state)
{
	(void)state;
	static const char *const words[] = { "--passphrase=tr0ub4dor", "--passphrase:tr0ub4dor",
					     "--passphrasetr0ub4dor", "--passphrase=" };
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		enum error_kind kind;
		const char *text = complaint(&fake_command, WORDS(words[i], "A"), &kind);
		assert_int_equal(kind, ERROR_KEY_INVALID);
		assert_null(strstr(text, "tr0ub"));
		assert_non_null(strstr(text, "can be seen"));
	}
	assert_complaint(WORDS("--passphrase", "A"), "");
	assert_complaint(WORDS("--passphrase=true", "A"), "");
}

/* As strconv.ParseInt and ParseUint with base 0: NULL where the number is right. */
static void test_numbers(void **state)
{
	(void)state;
	static const char syntax[] = "invalid syntax", range[] = "value out of range";
	static const struct {
		enum option_kind kind;
		const char *text;
		long number;
		const char *complaint;
	} rows[] = {
		{ OPTION_INT, "0", 0, NULL },
		{ OPTION_INT, "-12", -12, NULL },
		{ OPTION_INT, "+12", 12, NULL },
		{ OPTION_INT, "1_024", 1024, NULL },
		{ OPTION_INT, "0b1000", 8, NULL },
		{ OPTION_INT, "-0B11", -3, NULL },
		{ OPTION_INT, "0o17", 15, NULL },
		{ OPTION_INT, "0O_17", 15, NULL },
		{ OPTION_INT, "017", 15, NULL },
		{ OPTION_INT, "0_17", 15, NULL },
		{ OPTION_INT, "0xfF", 255, NULL },
		{ OPTION_INT, "0X_f_f", 255, NULL },
		{ OPTION_INT, "9223372036854775807", LONG_MAX, NULL },
		{ OPTION_INT, "-9223372036854775808", LONG_MIN, NULL },
		{ OPTION_INT, "9223372036854775808", 0, range },
		{ OPTION_INT, "-9223372036854775809", 0, range },
		{ OPTION_INT, "99999999999999999999x", 0, range },
		{ OPTION_INT32, "2147483647", INT32_MAX, NULL },
		{ OPTION_INT32, "-2147483648", INT32_MIN, NULL },
		{ OPTION_INT32, "2147483648", 0, range },
		{ OPTION_INT32, "3000000000x", 0, syntax },
		{ OPTION_UINT32, "4294967295", UINT32_MAX, NULL },
		{ OPTION_UINT32, "0b0", 0, NULL },
		{ OPTION_UINT32, "4294967296", 0, range },
		{ OPTION_UINT32, "+1", 0, syntax },
		{ OPTION_UINT32, "-1", 0, syntax },
		{ OPTION_INT, "", 0, syntax },
		{ OPTION_INT, "-", 0, syntax },
		{ OPTION_INT, "+-1", 0, syntax },
		{ OPTION_INT, " 1", 0, syntax },
		{ OPTION_INT, "1 ", 0, syntax },
		{ OPTION_INT, "_1", 0, syntax },
		{ OPTION_INT, "1_", 0, syntax },
		{ OPTION_INT, "1__0", 0, syntax },
		{ OPTION_INT, "0x", 0, syntax },
		{ OPTION_INT, "0x_", 0, syntax },
		{ OPTION_INT, "0b2", 0, syntax },
		{ OPTION_INT, "08", 0, syntax },
		{ OPTION_INT, "1a", 0, syntax },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct option option = { .name = "n", .kind = rows[i].kind };
		struct option_value value = { 0 };
		CLEANUP_ERROR struct error *e = NULL;
		int r = parse_value(&option, rows[i].text, &value, &e);
		if ((r == 0) != !rows[i].complaint || value.number != rows[i].number ||
		    (r < 0 && !strstr(error_message(e), rows[i].complaint)))
			fail_msg("%s: %ld, %s", rows[i].text, value.number,
				 e ? error_message(e) : "taken");
	}
}

static void test_find(void **state)
{
	(void)state;
	size_t words;
	const struct command *c = table_find(WORDS("help", "x"), &words);
	assert_non_null(c);
	assert_string_equal(c->name, "help");
	assert_int_equal(words, 1);
	assert_null(table_find(WORDS("bogus"), &words));
	assert_null(table_find(WORDS("sif list"), &words));
	assert_null(table_find(WORDS(), &words));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_complaints),
		cmocka_unit_test(test_intermixed),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_csv_edges),
		cmocka_unit_test(test_passphrase_value_is_refused),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_find),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
