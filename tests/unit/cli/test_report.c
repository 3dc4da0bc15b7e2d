/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "cli/internal.h"
#include "cli/words/table.h"

static char out[16384], errors[4096];

/* Runs the report with both streams caught. */
static int caught(int (*report)(const struct error *), const struct error *e)
{
	int o[2], x[2], before_out = dup(STDOUT_FILENO), before_err = dup(STDERR_FILENO);
	fflush(stdout);
	assert_int_equal(pipe2(o, O_CLOEXEC), 0);
	assert_int_equal(pipe2(x, O_CLOEXEC), 0);
	dup2(o[1], STDOUT_FILENO);
	dup2(x[1], STDERR_FILENO);
	int status = report(e);
	dup2(before_out, STDOUT_FILENO);
	dup2(before_err, STDERR_FILENO);
	close(before_out), close(before_err), close(o[1]), close(x[1]);
	ssize_t n = read(o[0], out, sizeof(out) - 1), m = read(x[0], errors, sizeof(errors) - 1);
	out[n < 0 ? 0 : n] = '\0';
	errors[m < 0 ? 0 : m] = '\0';
	close(o[0]), close(x[0]);
	return status;
}

static int usage(const struct error *e)
{
	return report_usage(&fake_intermixed, "coffer", false, e);
}

static void test_lines(void **state)
{
	(void)state;
	CLEANUP_ERROR struct error *with = NULL, *without = NULL, *plain = NULL;
	error_set(&with, ERROR_KEY_MISSING, "no key");
	error_hint(&with, "give one");
	error_set(&without, ERROR_KEY_WRONG, "wrong key");
	error_set(&plain, ERROR_COMMAND, "%%post failed");
	error_set_exit_status(&plain, 7);
	assert_int_equal(caught(report_error, with), 255);
	assert_string_equal(errors, "FATAL:   no key\n         give one\n");
	assert_string_equal(out, "");
	/* Where nobody knew what to do, the kind says it. */
	assert_int_equal(caught(report_error, without), 255);
	assert_string_equal(errors, "FATAL:   wrong key\n"
				    "         check that this is the key that the image was built "
				    "with\n");
	assert_int_equal(caught(report_error, plain), 7);
	assert_string_equal(errors,
			    "FATAL:   %post failed\n         what it printed above tells why\n");
	CLEANUP_ERROR struct error *files = NULL;
	error_errno(&files, EMFILE, "open it");
	caught(report_error, files);
	assert_string_equal(errors, "FATAL:   open it: too many open files\n"
				    "         raise the limit of open files (ulimit -n), then try "
				    "again\n");
	/* The most quiet level does not hide it. */
	log_set_level(LOG_ERROR);
	caught(report_error, with);
	assert_string_equal(errors, "FATAL:   no key\n         give one\n");
	log_set_level(LOG_INFO);
}

/* A name that an image chose is in an error, in its hint, or in both. */
static void test_forged_lines(void **state)
{
	(void)state;
	CLEANUP_ERROR struct error *e = NULL;
	error_set(&e, ERROR_DAMAGED, "object a\nFATAL:   b\x9b");
	error_hint(&e, "dump c\nINFO:    d\033]0;");
	caught(report_error, e);
	assert_string_equal(errors, "FATAL:   object a\\nFATAL:   b\\x9b\n"
				    "         dump c\\nINFO:    d\\x1b]0;\n");
	caught(usage, e);
	assert_string_equal(errors, "Error for command \"fake\": object a\\nFATAL:   b\\x9b\n"
				    "         dump c\\nINFO:    d\\x1b]0;\n\n");
}

static void test_usage(void **state)
{
	(void)state;
	CLEANUP_ERROR struct error *e = NULL;
	error_set(&e, ERROR_NOT_FOUND, "object not found");
	assert_int_equal(caught(usage, e), 1);
	assert_string_equal(errors, "Error for command \"fake\": object not found\n\n");
	error_hint(&e, "see what there is");
	caught(usage, e);
	assert_string_equal(errors, "Error for command \"fake\": object not found\n"
				    "         see what there is\n\n");
	assert_string_equal(out, "Usage:\n  coffer [global options...] sif fake <x>\n\n"
				 "Run 'coffer --help' for more detailed usage information.\n");
}

static const char *called;
static int flag(const struct error *e)
{
	return report_usage(&fake_intermixed, called, true, e);
}

/* A bad option: coffer says what may have been meant, Apptainer's names list what there is. */
static void test_bad_option(void **state)
{
	(void)state;
	CLEANUP_ERROR struct error *e = NULL, *far = NULL;
	CLEANUP_INVOCATION struct invocation in = { 0 };
	assert_int_equal(parse_words(&fake_intermixed, WORDS("--tetx=a"), &in, &e), -1);
	assert_int_equal(parse_words(&fake_intermixed, WORDS("--unsupporte"), &in, &far), -1);
	called = "coffer";
	assert_int_equal(caught(flag, e), 1);
	assert_string_equal(errors,
			    "Error for command \"fake\": unknown flag: --tetx\n"
			    "         did you mean --text? `coffer sif fake --help` lists the "
			    "options\n");
	assert_string_equal(out, "");
	assert_int_equal(caught(flag, far), 1);
	assert_string_equal(errors, "Error for command \"fake\": unknown flag: --unsupporte\n"
				    "         `coffer sif fake --help` lists the options\n");
	called = "apptainer";
	assert_int_equal(caught(flag, e), 1);
	assert_string_equal(errors, "Error for command \"fake\": unknown flag: --tetx\n\n");
	assert_int_equal(strncmp(out, "Options for fake command:\n\n", 27), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_forged_lines),
		cmocka_unit_test(test_usage),
		cmocka_unit_test(test_bad_option),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
