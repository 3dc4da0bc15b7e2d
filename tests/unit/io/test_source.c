/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <sys/mman.h>
#include <unistd.h>

#include "io/io.h"

static void slices_nest(void **state)
{
	(void)state;
	struct source *all = NULL, *part = NULL, *inner = NULL;
	char buf[4] = "";
	assert_ok(source_from_memory("0123456789", 10, &all, err));
	assert_ok(source_slice(all, 2, 6, &part, err));
	assert_ok(source_slice(part, 1, 3, &inner, err));
	assert_ok(source_read(inner, buf, 3, 0, err));
	assert_string_equal(buf, "345");
	assert_fails(ERROR_DAMAGED, source_read(inner, buf, 3, 1, err));
	assert_fails(ERROR_DAMAGED, source_read(inner, buf, 1, UINT64_MAX, err));
	struct source *none = NULL;
	assert_fails(ERROR_DAMAGED, source_slice(part, 3, 4, &none, err));
	assert_ok(source_read(inner, NULL, 0, 3, err));
	source_free(&inner);
	source_free(&part);
	source_free(&all);
}

static void a_file_that_shrinks(void **state)
{
	(void)state;
	int fd = memfd_create("test", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, 100), 0);
	struct source *s = NULL;
	assert_ok(source_from_fd(fd, &s, err));
	assert_int_equal(s->size, 100);
	char buf[100];
	assert_ok(source_read(s, buf, 100, 0, err));
	assert_int_equal(ftruncate(fd, 50), 0);
	assert_fails(ERROR_IO, source_read(s, buf, 100, 0, err));
	source_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slices_nest),
		cmocka_unit_test(a_file_that_shrinks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
