/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "base/base.h"

#define MATH_FUNCTIONS(F) F(cbrt) F(hypot)
static struct {
	MATH_FUNCTIONS(LIBRARY_MEMBER)
} math;

static void loads_all_of_it_once(void **state)
{
	(void)state;
	struct library l = LIBRARY("libm.so.6", MATH_FUNCTIONS, math);
	struct error *err = NULL;
	assert_int_equal(library_load(&l, &err), 0);
	assert_null(err);
	assert_true(math.cbrt(27) > 2.99 && math.cbrt(27) < 3.01);
	assert_true(math.hypot(3, 4) > 4.99 && math.hypot(3, 4) < 5.01);
	math.cbrt = NULL;
	assert_int_equal(library_load(&l, &err), 0);
	assert_null(math.cbrt);
}

static void says_what_is_missing(void **state)
{
	(void)state;
	struct library none = LIBRARY("libcoffer-none.so.7", MATH_FUNCTIONS, math);
	struct error *err = NULL;
	assert_int_equal(library_load(&none, &err), -1);
	assert_int_equal(error_kind(err), ERROR_SYSTEM);
	assert_non_null(strstr(error_message(err), "libcoffer-none.so.7"));
	error_free(&err);
	/* There, but without these functions. */
	struct library other = LIBRARY("libcrypto.so.3", MATH_FUNCTIONS, math);
	assert_int_equal(library_load(&other, &err), -1);
	assert_int_equal(error_kind(err), ERROR_SYSTEM);
	assert_non_null(strstr(error_message(err), "cbrt"));
	assert_false(other.loaded);
	error_free(&err);
}

/* The last: it cannot be taken back. */
static void loads_nothing_too_late(void **state)
{
	(void)state;
	struct library l = LIBRARY("libm.so.6", MATH_FUNCTIONS, math);
	struct error *err = NULL;
	library_load_no_more();
	assert_int_equal(library_load(&l, &err), -1);
	assert_int_equal(error_kind(err), ERROR_INTERNAL);
	error_free(&err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loads_all_of_it_once),
		cmocka_unit_test(says_what_is_missing),
		cmocka_unit_test(loads_nothing_too_late),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
