/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "cli/words/table.h"

static void check_width(const char *name, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		if (len > HELP_COLUMNS)
			fail_msg("%s: %zu columns: %.*s", name, len, (int)len, text);
		/* Blanks at the end of a line are a fault of the table. */
		if (len && text[len - 1] == ' ')
			fail_msg("%s: ends in a blank: %.*s", name, (int)len, text);
		text += len + (text[len] == '\n');
	}
}

/* The words of help, one by one; the next, or NULL. */
static char *next_word(char **rest)
{
	char *word;
	while ((word = strsep(rest, " \n")) && !*word)
		;
	return word;
}

/* In a narrow terminal nothing is wider than it, but the examples, and no word is lost. */
static void test_narrow(void **state)
{
	(void)state;
	for (const struct command *const *c = command_table; *c; c++) {
		CLEANUP_BUFFER struct buffer wide = { 0 }, narrow = { 0 };
		assert_ok(help_command(*c, "coffer", &wide, err));
		help_set_columns(44);
		int r = help_command(*c, "coffer", &narrow, NULL);
		help_set_columns(HELP_COLUMNS);
		assert_int_equal(r, 0);
		assert_ok(buffer_append(&wide, "", 1, err));
		assert_ok(buffer_append(&narrow, "", 1, err));
		const char *end = strstr(narrow.data, "\nExamples:");
		for (const char *at = narrow.data; *at && (!end || at < end);
		     at += strcspn(at, "\n") + 1)
			if (strcspn(at, "\n") > 44)
				fail_msg("%s: %.*s", (*c)->name, (int)strcspn(at, "\n"), at);
		char *a = wide.data, *b = narrow.data, *word;
		while ((word = next_word(&a))) {
			char *other = next_word(&b);
			assert_non_null(other);
			assert_string_equal(word, other);
		}
		assert_null(next_word(&b));
	}
}

/* Every page of every command fits, by its longest name too. */
static void test_width(void **state)
{
	(void)state;
	for (const struct command *const *c = command_table; *c; c++) {
		CLEANUP_BUFFER struct buffer text = { 0 };
		assert_ok(help_command(*c, "singularity", &text, err));
		assert_ok(help_usage_error(*c, "singularity", true, &text, err));
		check_width((*c)->name, text.data);
		assert_non_null((*c)->options);
		assert_true((*c)->group || (*c)->run);
	}
	CLEANUP_BUFFER struct buffer text = { 0 };
	assert_ok(help_command(&command_global, "singularity", &text, err));
	assert_ok(help_main_usage(NULL, "singularity", &text, err));
	check_width("global", text.data);
}

/* No letter and no name twice in a command; every option has words. */
static void test_table(void **state)
{
	(void)state;
	for (const struct command *const *c = command_table; *c; c++) {
		bool help = false;
		for (const struct option *a = (*c)->options; a->name; a++) {
			help |= !strcmp(a->name, "help") && a->letter == 'h';
			assert_non_null(a->help);
			assert_int_equal(a->kind == OPTION_SWITCH, a->argument == NULL);
			for (const struct option *b = a + 1; b->name; b++) {
				if (!strcmp(a->name, b->name) ||
				    (a->letter && a->letter == b->letter))
					fail_msg("%s: --%s and --%s", (*c)->name, a->name, b->name);
			}
		}
		assert_true(help);
	}
}

static void test_frames(void **state)
{
	(void)state;
	CLEANUP_BUFFER struct buffer flag = { 0 }, count = { 0 };
	assert_ok(help_usage_error(&fake_intermixed, "apptainer", true, &flag, err));
	assert_ok(help_usage_error(&fake_command, "apptainer", false, &count, err));
	assert_int_equal(strncmp(flag.data, "Options for fake command:\n\n  -a, --array x ", 42),
			 0);
	assert_non_null(strstr(flag.data, "\n\nRun 'apptainer --help' for more detailed usage "
					  "information.\n"));
	/* What does nothing here is not offered. */
	assert_null(strstr(flag.data, "--unsupported"));
	assert_null(strstr(flag.data, "--nothing"));
	assert_string_equal(count.data,
			    "Usage:\n  apptainer [global options...] fake [fake options...] <x>\n\n"
			    "Run 'apptainer --help' for more detailed usage information.\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_width),
		cmocka_unit_test(test_narrow),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_frames),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
