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

static void first_place_stays(void **state)
{
	(void)state;
	CLEANUP_ERROR struct error *err = NULL;
	error_set(&err, ERROR_NOT_FOUND, "no %s", "x.sif");
	assert_int_equal(error_place(err), PLACE_NONE);
	assert_int_equal(error_at(&err, PLACE_OPENING), -1);
	error_wrap(&err, "run it");
	error_at(&err, PLACE_SECTION);
	error_set_kind(&err, ERROR_IO);
	assert_int_equal(error_place(err), PLACE_OPENING);
	assert_string_equal(error_message(err), "run it: no x.sif");
	assert_string_equal(error_fact(err), "no x.sif");
	assert_int_equal(error_keep_fact(&err), -1);
	assert_string_equal(error_message(err), "no x.sif");
	error_wrap(&err, "look at it");
	assert_string_equal(error_message(err), "look at it: no x.sif");
}

static void without_a_place_all_is_fact(void **state)
{
	(void)state;
	CLEANUP_ERROR struct error *err = NULL;
	assert_int_equal(error_no_memory(&err), -1);
	assert_int_equal(error_kind(err), ERROR_MEMORY);
	error_wrap(&err, "here");
	assert_int_equal(error_place(err), PLACE_NONE);
	assert_string_equal(error_fact(err), "here: out of memory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_and_kind),
		cmocka_unit_test(errno_is_kept),
		cmocka_unit_test(first_hint_stays),
		cmocka_unit_test(first_place_stays),
		cmocka_unit_test(without_a_place_all_is_fact),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
