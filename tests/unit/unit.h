/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_TESTS_UNIT_H
#define COFFER_TESTS_UNIT_H

/* What every unit test includes: cmocka's headers in the order it needs, and a few assertions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"

/* The call succeeded; else its words are printed. */
#define assert_ok(call)                                                              \
	do {                                                                         \
		struct error *assert_err = NULL;                                     \
		struct error **err = &assert_err;                                    \
		long long assert_r = (long long)(call);                              \
		if (assert_r < 0 || assert_err)                                      \
			fail_msg("%s: %s", #call,                                    \
				 assert_err ? error_message(assert_err) : "failed"); \
	} while (0)

/* The call failed with this kind of error. Inside the call, `err` is the error to fill. */
#define assert_fails(kind, call)                                                                \
	do {                                                                                    \
		struct error *assert_err = NULL;                                                \
		struct error **err = &assert_err;                                               \
		long long assert_r = (long long)(call);                                         \
		if (assert_r >= 0 || !assert_err)                                               \
			fail_msg("%s: succeeded", #call);                                       \
		if (error_kind(assert_err) != (kind))                                           \
			fail_msg("%s: kind %d, not %d: %s", #call, (int)error_kind(assert_err), \
				 (int)(kind), error_message(assert_err));                       \
		error_free(&assert_err);                                                        \
	} while (0)

/* Bytes from hexadecimal text (blanks allowed); returns how many. */
static inline size_t unhex(const char *hex, void *out, size_t cap)
{
	uint8_t *to = out;
	size_t n = 0;
	while (*hex) {
		unsigned v;
		if (*hex == ' ' || *hex == '\n') {
			hex++;
			continue;
		}
		assert_int_equal(sscanf(hex, "%2x", &v), 1);
		assert_true(n < cap);
		to[n++] = (uint8_t)v;
		hex += 2;
	}
	return n;
}

/* With COFFER_TEST=NAME a program runs that test alone. */
__attribute__((constructor)) static void one_test_alone(void)
{
	cmocka_set_test_filter(getenv("COFFER_TEST"));
}

#endif
