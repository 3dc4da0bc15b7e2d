/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "cli/words/internal.h"

static void names(void **state)
{
	(void)state;
	assert_string_equal(dialect_program("/usr/bin/apptainer"), "apptainer");
	assert_string_equal(dialect_program("singularity"), "singularity");
	assert_string_equal(dialect_program("./coffer"), "coffer");
	assert_string_equal(dialect_program("renamed"), "coffer");
	assert_string_equal(dialect_program(NULL), "coffer");
	assert_string_equal(dialect_version("apptainer"), dialect_version("singularity"));
	assert_string_not_equal(dialect_version("apptainer"), dialect_version("coffer"));
	assert_string_equal(dialect_calls_itself("coffer"), "coffer");
	assert_string_equal(dialect_calls_itself("apptainer"), "apptainer");
	assert_string_equal(dialect_calls_itself("singularity"), "apptainer");
	assert_true(dialect_asks_twice("coffer"));
	assert_false(dialect_asks_twice("apptainer"));
	assert_false(dialect_asks_twice("singularity"));
}

/* An error "fact" at a place, in a context, as it is framed. */
static void framed(enum dialect_action action, enum error_kind kind, enum error_place place,
		   const char *expected)
{
	CLEANUP_ERROR struct error *err = NULL;
	error_set(&err, kind, "fact");
	error_hint(&err, "hint");
	error_at(&err, place);
	error_wrap(&err, "context");
	assert_int_equal(dialect_frame(action, "x.sif", &err), -1);
	assert_string_equal(error_message(err), expected);
	assert_string_equal(error_hint_text(err), "hint");
	assert_int_equal(error_kind(err), kind);
}

static void frames(void **state)
{
	(void)state;
	framed(DIALECT_OPEN, ERROR_NOT_FOUND, PLACE_OPENING,
	       "While checking container encryption: context: fact");
	framed(DIALECT_OPEN, ERROR_POLICY, PLACE_OPENING, "context: fact");
	framed(DIALECT_DECRYPT, ERROR_KEY_WRONG, PLACE_UNSEALING,
	       "While checking container encryption: cannot decrypt: context: fact");
	framed(DIALECT_DECRYPT, ERROR_KEY_WRONG, PLACE_UNLOCKING,
	       "While checking container encryption: cannot decrypt x.sif: context: fact");
	framed(DIALECT_DECRYPT, ERROR_KEY_MISSING, PLACE_NONE,
	       "While checking container encryption: cannot decrypt x.sif: context: fact");
	framed(DIALECT_DECRYPT, ERROR_DAMAGED, PLACE_UNSEALING, "context: fact");
	framed(DIALECT_INSPECT, ERROR_NOT_FOUND, PLACE_OPENING, "Failed to open image x.sif: fact");
	framed(DIALECT_INSPECT, ERROR_DAMAGED, PLACE_NONE,
	       "Failed to open image x.sif: context: fact");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(frames),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
