/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "serve/serve.h"

static void put(uint8_t *super, size_t off, uint64_t value, size_t len)
{
	for (size_t i = 0; i < len; i++)
		super[off + i] = (uint8_t)(value >> 8 * i);
}

static void lengths(void **state)
{
	(void)state;
	static const struct {
		uint32_t blocks, log_block, incompatible, high;
		uint64_t want; /* 0: refused */
	} cases[] = {
		{ 16384, 0, 0, 0, 16384 * 1024ull },
		{ 16384, 2, 0, 0, 16384 * 4096ull },
		/* Only with 64BIT is there a second half. */
		{ 1, 2, 0x42, 1, 4096 },
		{ 1, 2, 0xc2, 1, 4294967297ull * 4096 },
		{ 1, 6, 0, 0, 65536 },
		{ 1, 7, 0, 0, 0 },
		{ 1, UINT32_MAX, 0, 0, 0 },
		{ UINT32_MAX, 6, 0x80, UINT32_MAX, 0 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint8_t super[SERVE_EXT_SUPER_LEN] = { 0 };
		uint64_t len = 0;
		put(super, 4, cases[i].blocks, 4);
		put(super, 24, cases[i].log_block, 4);
		put(super, 56, 0xef53, 2);
		put(super, 96, cases[i].incompatible, 4);
		put(super, 336, cases[i].high, 4);
		if (!cases[i].want) {
			assert_fails(ERROR_DAMAGED,
				     serve_ext_length(super, sizeof(super), &len, err));
			continue;
		}
		assert_ok(serve_ext_length(super, sizeof(super), &len, err));
		assert_int_equal(len, cases[i].want);
		assert_fails(ERROR_DAMAGED, serve_ext_length(super, sizeof(super) - 1, &len, err));
		super[57] = 0;
		assert_fails(ERROR_DAMAGED, serve_ext_length(super, sizeof(super), &len, err));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lengths),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
