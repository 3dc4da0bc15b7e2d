/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

static void both_byte_orders(void **state)
{
	(void)state;
	struct bytes b = bytes_of("\x01\x02\x03\x04\x05\x06\x07\x08", 8);
	assert_int_equal(bytes_le16(&b), 0x0201);
	assert_int_equal(bytes_be16(&b), 0x0304);
	assert_int_equal(bytes_be32(&b), 0x05060708);
	assert_true(bytes_ok(&b));
	assert_int_equal(bytes_left(&b), 0);
	uint8_t out[4];
	bytes_put_le(out, 0x01020304, 4);
	assert_memory_equal(out, "\x04\x03\x02\x01", 4);
	bytes_put_be(out, 0x01020304, 4);
	assert_memory_equal(out, "\x01\x02\x03\x04", 4);
}

static void an_overrun_stays(void **state)
{
	(void)state;
	struct bytes b = bytes_of("abc", 3);
	assert_int_equal(bytes_le32(&b), 0);
	assert_false(bytes_ok(&b));
	assert_int_equal(bytes_left(&b), 3);
	assert_int_equal(bytes_u8(&b), 'a');
	assert_false(bytes_ok(&b));
	b = bytes_of("abc", 3);
	bytes_seek(&b, 3);
	assert_true(bytes_ok(&b));
	bytes_seek(&b, 4);
	assert_false(bytes_ok(&b));
	char copy[4] = "zzz";
	b = bytes_of("ab", 2);
	bytes_copy(&b, copy, 3);
	assert_false(bytes_ok(&b));
	assert_memory_equal(copy, "\0\0\0", 3);
}

static void sizes_that_do_not_fit(void **state)
{
	(void)state;
	uint64_t r;
	assert_true(checked_add(UINT64_MAX - 1, (uint64_t)1, &r));
	assert_false(checked_add(UINT64_MAX, (uint64_t)1, &r));
	assert_false(checked_mul(UINT64_MAX, (uint64_t)2, &r));
	assert_false(checked_sub((uint64_t)1, (uint64_t)2, &r));
	assert_true(range_within(4, 4, 8));
	assert_false(range_within(4, 5, 8));
	assert_false(range_within(9, 0, 8));
	assert_false(range_within(1, UINT64_MAX, 8));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_byte_orders),
		cmocka_unit_test(an_overrun_stays),
		cmocka_unit_test(sizes_that_do_not_fit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
