/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "io/io.h"

static void writes_at_an_offset(void **state)
{
	(void)state;
	CLEANUP_FD int fd = memfd_create("test", MFD_CLOEXEC);
	struct sink *file = NULL, *part = NULL;
	char buf[8] = "";
	assert_ok(sink_from_fd(fd, &file, err));
	assert_ok(sink_offset(file, 100, &part, err));
	assert_ok(sink_write(part, "abc", 3, 2, err));
	assert_int_equal(part->size, 5);
	assert_int_equal(file->size, 105);
	assert_ok(sink_write(part, "", 0, 50, err));
	assert_int_equal(part->size, 5);
	assert_ok(sink_read(part, buf, 5, 0, err));
	assert_memory_equal(buf, "\0\0abc", 5);
	assert_fails(ERROR_INTERNAL, sink_read(part, buf, 6, 0, err));
	assert_ok(sink_truncate(part, 3, err));
	assert_int_equal(file->size, 103);
	assert_int_equal(lseek(fd, 0, SEEK_END), 103);
	assert_fails(ERROR_LIMIT, sink_write(part, "x", 1, UINT64_MAX, err));
	assert_ok(sink_finish(part, err));
	sink_free(&part);
	sink_free(&file);
	sink_free(&file);
}

/* So much that the disk is told to begin, then cut, then written anew: on a real file. */
static void long_files(void **state)
{
	(void)state;
	enum { CHUNK = 1 << 20, CHUNKS = 40 };
	char name[] = "/var/tmp/coffer-test-sink-XXXXXX";
	CLEANUP_FD int fd = mkostemp(name, O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(unlink(name), 0);
	struct sink *file = NULL;
	uint8_t *chunk = malloc(CHUNK);
	assert_non_null(chunk);
	assert_ok(sink_from_fd(fd, &file, err));
	for (int round = 0; round < 2; round++) {
		assert_ok(sink_truncate(file, round ? 5 : 0, err));
		for (int i = 0; i < CHUNKS; i++) {
			memset(chunk, i + round, CHUNK);
			assert_ok(sink_write(file, chunk, CHUNK, (uint64_t)i * CHUNK, err));
		}
		assert_int_equal(file->size, (uint64_t)CHUNKS * CHUNK);
	}
	for (int i = 0; i < CHUNKS; i++) {
		uint8_t got[2];
		assert_ok(sink_read(file, got, 1, (uint64_t)i * CHUNK, err));
		assert_ok(sink_read(file, got + 1, 1, (uint64_t)(i + 1) * CHUNK - 1, err));
		assert_int_equal(got[0], i + 1);
		assert_int_equal(got[1], i + 1);
	}
	free(chunk);
	sink_free(&file);
}

static void a_full_disk(void **state)
{
	(void)state;
	CLEANUP_FD int fd = open("/dev/full", 2);
	struct sink *file = NULL;
	assert_ok(sink_from_fd(fd, &file, err));
	assert_fails(ERROR_IO, sink_write(file, "x", 1, 0, err));
	assert_int_equal(file->size, 0);
	sink_free(&file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_at_an_offset),
		cmocka_unit_test(long_files),
		cmocka_unit_test(a_full_disk),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
