/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>

static void words_and_kind(void **state)
{
	(void)state;
	CLEANUP_ERROR struct error *err = NULL;
	assert_int_equal(error_set(&err, ERROR_DAMAGED, "block %d", 7), -1);
	assert_int_equal(error_wrap(&err, "read %s", "x.sif"), -1);
	assert_string_equal(error_message(err), "read x.sif: block 7");
	assert_int_equal(error_kind(err), ERROR_DAMAGED);
	assert_int_equal(error_to_errno(err), EIO);
	assert_null(error_hint_text(err));
}

static void errno_is_kept(void **state)
{
	(void)state;
	CLEANUP_ERROR struct error *err = NULL;
	error_errno(&err, ENOSPC, "write");
	error_wrap(&err, "build");
	assert_int_equal(error_to_errno(err), ENOSPC);
	assert_int_equal(error_kind(err), ERROR_IO);
	assert_string_equal(error_message(err), "build: write: no space left on device");
}

static void first_hint_stays(void **state)
{
	(void)state;
	CLEANUP_ERROR struct error *err = NULL;
	error_set(&err, ERROR_KEY_WRONG, "wrong");
	error_hint(&err, "try %s", "this");
	error_hint(&err, "or that");
	assert_string_equal(error_hint_text(err), "try this");
	error_set_exit_status(&err, 3);
	assert_int_equal(error_exit_status(err), 3);
	error_free(&err);
	assert_null(err);
	error_free(&err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_and_kind),
		cmocka_unit_test(errno_is_kept),
		cmocka_unit_test(first_hint_stays),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
