/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <fcntl.h>
#include <unistd.h>

#include "cli/words/table.h"

static const char *const names[] = { "T_ARRAY", "T_ARRAYS", "T_BOTH",	 "T_COUNT",	 "T_LIST",
				     "T_TEXT",	"T_TEXT2",  "T_NOTHING", "T_UNSUPPORTED" };

static int clean(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char name[64];
		snprintf(name, sizeof(name), "APPTAINER_%s", names[i]);
		unsetenv(name);
		snprintf(name, sizeof(name), "SINGULARITY_%s", names[i]);
		unsetenv(name);
	}
	return 0;
}

/* What the call says on standard error. */
static char said[1024];
static int apply_and_listen(struct invocation *in, struct error **err)
{
	int ends[2], before = dup(STDERR_FILENO);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	dup2(ends[1], STDERR_FILENO);
	int r = settings_apply_variables(in, err);
	dup2(before, STDERR_FILENO);
	close(before);
	close(ends[1]);
	ssize_t n = read(ends[0], said, sizeof(said) - 1);
	said[n < 0 ? 0 : n] = '\0';
	close(ends[0]);
	return r;
}

static void test_variables(void **state)
{
	(void)state;
	CLEANUP_INVOCATION struct invocation in = { 0 };
	setenv("APPTAINER_T_ARRAY", "b,c", 1);
	setenv("APPTAINER_T_ARRAYS", "d", 1);
	setenv("APPTAINER_T_BOTH", "TRUE", 1);
	setenv("APPTAINER_T_COUNT", "-7", 1);
	setenv("APPTAINER_T_LIST", "x,y", 1);
	setenv("APPTAINER_T_TEXT", " ", 1);
	setenv("APPTAINER_T_TEXT2", "second", 1);
	setenv("APPTAINER_T_NOTHING", "not a switch", 1);
	assert_ok(parse_words(&fake_command, WORDS("--array=a", "--count=3", "X"), &in, err));
	assert_ok(apply_and_listen(&in, err));
	assert_string_equal(said, "");
	const struct strings *array = &invocation_option(&in, "array")->list;
	assert_int_equal(array->len, 3);
	assert_string_equal(array->items[0], "a");
	assert_string_equal(array->items[1], "b,c");
	assert_string_equal(array->items[2], "d");
	assert_true(invocation_option(&in, "both")->on);
	/* The command line wins. */
	assert_int_equal(invocation_option(&in, "count")->number, 3);
	assert_int_equal(invocation_option(&in, "list")->list.len, 2);
	assert_string_equal(invocation_option(&in, "text")->text, "second");
	assert_false(invocation_option(&in, "nothing")->set);
}

static void test_old_prefix(void **state)
{
	(void)state;
	CLEANUP_INVOCATION struct invocation in = { 0 };
	setenv("SINGULARITY_T_BOTH", "1", 1);
	setenv("SINGULARITY_T_COUNT", "1", 1);
	setenv("APPTAINER_T_COUNT", "2", 1);
	setenv("SINGULARITY_T_TEXT", "same", 1);
	setenv("APPTAINER_T_TEXT", "same", 1);
	assert_ok(parse_words(&fake_command, WORDS("X"), &in, err));
	assert_ok(apply_and_listen(&in, err));
	assert_string_equal(said,
			    "INFO:    Environment variable SINGULARITY_T_BOTH is set, but "
			    "APPTAINER_T_BOTH is preferred\n"
			    "WARNING: SINGULARITY_T_COUNT and APPTAINER_T_COUNT have different "
			    "values, using the latter\n");
	assert_true(invocation_option(&in, "both")->on);
	assert_int_equal(invocation_option(&in, "count")->number, 2);
}

static void test_bad_value(void **state)
{
	(void)state;
	CLEANUP_INVOCATION struct invocation in = { 0 };
	CLEANUP_ERROR struct error *e = NULL;
	setenv("APPTAINER_T_BOTH", "foo", 1);
	assert_ok(parse_words(&fake_command, WORDS("X"), &in, err));
	assert_int_equal(settings_apply_variables(&in, &e), -1);
	assert_string_equal(error_message(e),
			    "While parsing environment variables: while updating flags from "
			    "environment: unable to set flag both to value foo: strconv.ParseBool: "
			    "parsing \"foo\": invalid syntax");
}

static void test_support(void **state)
{
	(void)state;
	CLEANUP_INVOCATION struct invocation on = { 0 }, off = { 0 }, none = { 0 };
	assert_ok(parse_words(&fake_command, WORDS("-u", "X"), &on, err));
	assert_ok(parse_words(&fake_command, WORDS("-u=false", "--nothing", "X"), &off, err));
	assert_ok(parse_words(&fake_command, WORDS("X"), &none, err));
	on.program = off.program = none.program = "coffer";
	assert_fails(ERROR_UNSUPPORTED, settings_check_support(&on, err));
	assert_ok(settings_check_support(&off, err));
	setenv("APPTAINER_T_UNSUPPORTED", "0", 1);
	assert_ok(settings_apply_variables(&none, err));
	setenv("APPTAINER_T_UNSUPPORTED", "1", 1);
	assert_fails(ERROR_UNSUPPORTED, settings_apply_variables(&none, err));
}

static void test_levels(void **state)
{
	(void)state;
	static const struct {
		const char *words[3];
		const char *variable;
		int level;
	} rows[] = {
		{ { NULL }, NULL, 1 },	{ { "-q" }, NULL, -1 }, { { "-s" }, NULL, -3 },
		{ { "-v" }, NULL, 4 },	{ { "-d" }, NULL, 5 },	{ { "-q", "-d" }, NULL, 5 },
		{ { NULL }, "-2", -2 }, { { "-v" }, "-2", 4 },	{ { NULL }, "nonsense", 1 },
		{ { NULL }, "-9", 1 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		CLEANUP_INVOCATION struct invocation in = { 0 };
		log_set_level(LOG_INFO);
		unsetenv("APPTAINER_MESSAGELEVEL");
		if (rows[i].variable)
			setenv("APPTAINER_MESSAGELEVEL", rows[i].variable, 1);
		assert_ok(parse_words(&command_global, rows[i].words, &in, err));
		assert_ok(settings_apply_global(&in, err));
		assert_int_equal(log_get_level(), rows[i].level);
		assert_int_equal(atoi(getenv("APPTAINER_MESSAGELEVEL")), rows[i].level);
	}
	log_set_level(LOG_INFO);
	unsetenv("APPTAINER_MESSAGELEVEL");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_variables, clean),
		cmocka_unit_test_setup(test_old_prefix, clean),
		cmocka_unit_test_setup(test_bad_value, clean),
		cmocka_unit_test_setup(test_support, clean),
		cmocka_unit_test(test_levels),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
