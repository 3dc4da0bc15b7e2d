/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A key object put into a file that is there, and cut off at each moment (cut.h). Each of the files
 * that are left has the old object or the new one.
 */
#include "unit.h"

#include <sys/stat.h>

#include "cut.h"

/* ------------------------------------------------------------------ files */

static int new_file(void)
{
	int fd = memfd_create("sif", MFD_CLOEXEC);
	struct sink *file = NULL;
	struct sif_writer *w = NULL;
	struct sif_write_options options = { .time = 1700000000 };
	uint64_t off = 0;
	assert_ok(sink_from_fd(fd, &file, err));
	assert_ok(sif_write_begin(file, &options, &w, err));
	assert_ok(sif_write_object(w, SIF_DEFFILE, "", "from: x\n", 8, err));
	assert_ok(sif_write_partition_begin(w, &off, err));
	assert_ok(sink_write(file, "partition", 9, off, err));
	assert_ok(sif_write_partition_end(w, SIF_GOCRYPTFS_SQUASHFS, "02", 9, err));
	assert_ok(sif_write_object(w, SIF_JSON, "last", "{}", 2, err));
	assert_ok(sif_write_finish(w, err));
	sif_writer_free(&w);
	sink_free(&file);
	return fd;
}

/* The text of the key object that counts; "" when there is none. All else is as it was made. */
static void object_of(int fd, char ret[8192])
{
	CLEANUP_SOURCE struct source *file = NULL;
	CLEANUP_SIF struct sif *s = NULL;
	CLEANUP_BUFFER struct buffer object = { 0 }, other = { 0 };
	assert_ok(source_from_fd(dup(fd), &file, err));
	assert_ok(sif_read(file, &s, err));
	const struct sif_descriptor *p = sif_primary(s), *d = sif_key_object(s, p);
	assert_ok(sif_object(file, p, 100, &other, err));
	assert_string_equal(other.data, "partition");
	assert_ok(sif_object(file, sif_find(s, SIF_JSON, "last"), 100, &other, err));
	assert_string_equal(other.data, "partition{}");
	*ret = '\0';
	if (!d)
		return;
	assert_int_equal(d->group, 2);
	assert_int_equal(d->id, d->slot + 1);
	assert_ok(sif_object(file, d, 8191, &object, err));
	memcpy(ret, object.data, object.len + 1);
}

static int set(int fd, const char *text, struct error **err)
{
	return sif_set_key_object(fd, text, strlen(text), 1700000001, err);
}

static void assert_object(int fd, const char *text)
{
	char now[8192];
	object_of(fd, now);
	assert_string_equal(now, text);
}

static size_t occurrences(int fd, const char *text)
{
	static char all[IMAGE_MAX];
	ssize_t len = fd_pread(fd, all, sizeof(all), 0);
	size_t n = 0;
	for (const char *p = all; (p = memmem(p, (size_t)(all + len - p), text, strlen(text))); p++)
		n++;
	return n;
}

static struct sif *reread(int fd)
{
	CLEANUP_SOURCE struct source *file = NULL;
	struct sif *s = NULL;
	assert_ok(source_from_fd(dup(fd), &file, err));
	assert_ok(sif_read(file, &s, err));
	return s;
}

/* ------------------------------------------------------------------ tests */

static void first_others_and_none(void **state)
{
	(void)state;
	CLEANUP_FD int fd = new_file();
	assert_object(fd, "");
	assert_ok(set(fd, "first object", err));
	assert_object(fd, "first object");
	assert_ok(set(fd, "second object, a longer one", err));
	assert_object(fd, "second object, a longer one");
	assert_int_equal(occurrences(fd, "first object"), 0);
	CLEANUP_SIF struct sif *two = reread(fd);
	assert_int_equal(two->descriptors_free, 48 - 4);
	assert_int_equal(two->count, 4);
	assert_int_equal(two->modified, 1700000001);
	assert_ok(set(fd, "", err));
	assert_object(fd, "");
	assert_int_equal(occurrences(fd, "second"), 0);
	assert_int_equal(occurrences(fd, SIF_KEY_OBJECT_NAME), 0);
	CLEANUP_SIF struct sif *none = reread(fd);
	assert_int_equal(none->descriptors_free, 48 - 3);
	/* None instead of none: nothing to do. */
	assert_ok(set(fd, "", err));
	assert_object(fd, "");
}

/* Objects take turns in places and slots: the file does not grow for ever. */
static void many_times(void **state)
{
	(void)state;
	CLEANUP_FD int fd = new_file();
	char text[1000];
	struct stat st;
	for (size_t i = 1; i < 100; i++) {
		memset(text, 'a' + (int)(i % 26), sizeof(text));
		text[900 + i / 2] = '\0';
		assert_ok(set(fd, text, err));
		assert_object(fd, text);
	}
	assert_return_code(fstat(fd, &st), errno);
	assert_in_range(st.st_size, 1, 36864 + 11 + 5 * 1000);
	CLEANUP_SIF struct sif *s = reread(fd);
	assert_int_equal(s->count, 4);
	assert_in_range(sif_key_object(s, sif_primary(s))->id, 4, 5);
}

/* Two that count at once, as after a cut between the steps: the second never comes back. */
static void second_is_dropped(void **state)
{
	(void)state;
	CLEANUP_FD int fd = new_file();
	uint8_t one = 1;
	assert_ok(set(fd, "stale", err));
	CLEANUP_SIF struct sif *s = reread(fd);
	assert_int_equal(sif_key_object(s, sif_primary(s))->slot, 3);
	uint8_t slot[SIF_DESCRIPTOR_LEN];
	assert_int_equal(fd_pread(fd, slot, sizeof(slot), SIF_TABLE_OFF + 3 * sizeof(slot)),
			 sizeof(slot));
	assert_ok(set(fd, "newer", err));  /* slot 4 */
	assert_ok(set(fd, "newest", err)); /* slot 3 again */
	assert_int_equal(fd_pwrite(fd, slot, sizeof(slot), SIF_TABLE_OFF + 6 * sizeof(slot)), 0);
	assert_int_equal(fd_pwrite(fd, &one, 1, SIF_TABLE_OFF + 6 * sizeof(slot) + 4), 0);
	assert_object(fd, "newest");
	assert_ok(set(fd, "", err));
	assert_object(fd, "");
}

static void assert_old_or_new(int fd, const char *old, const char *new)
{
	char now[8192];
	object_of(fd, now);
	if (strcmp(now, old) != 0 && strcmp(now, new) != 0)
		fail_msg("neither %s nor %s, but %s", old, new, now);
}

struct texts {
	const char *old, *new;
};

static void check(int fd, void *context)
{
	const struct texts *t = context;
	assert_old_or_new(fd, t->old, t->new);
	/* And the next change goes well upon it. */
	assert_ok(set(fd, "after", err));
	assert_object(fd, "after");
}

static void cut_off(const char *old, const char *new)
{
	static uint8_t before[IMAGE_MAX];
	CLEANUP_FD int fd = new_file();
	if (*old)
		assert_ok(set(fd, "older still", err));
	assert_ok(set(fd, old, err));
	ssize_t size = fd_pread(fd, before, sizeof(before), 0);
	record_begin();
	assert_ok(set(fd, new, err));
	record = false;
	assert_true(op_count > 5);
	cut_everywhere(before, (size_t)size, check, &(struct texts){ old, new });
}

static void cut_off_anywhere(void **state)
{
	(void)state;
	cut_off("", "new one");
	cut_off("old one", "new one, which is longer");
	cut_off("old one, which is longer", "new");
	cut_off("old one", "");
}

static void disk_is_full(void **state)
{
	(void)state;
	for (size_t i = 0; i < 64; i++) {
		struct error *e = NULL;
		CLEANUP_FD int fd = new_file();
		assert_ok(set(fd, "old one", err));
		record_begin();
		fail_at = i;
		int r = set(fd, "new one", &e);
		record = false;
		fail_at = SIZE_MAX;
		assert_old_or_new(fd, "old one", "new one");
		if (r == 0) {
			assert_true(i > 5);
			return;
		}
		assert_int_equal(error_kind(e), ERROR_IO);
		error_free(&e);
	}
	fail();
}

static void no_slot_is_free(void **state)
{
	(void)state;
	CLEANUP_FD int fd = memfd_create("sif", MFD_CLOEXEC);
	struct sink *file = NULL;
	struct sif_writer *w = NULL;
	struct sif_write_options options = { .deterministic = true };
	uint64_t off;
	assert_ok(sink_from_fd(fd, &file, err));
	assert_ok(sif_write_begin(file, &options, &w, err));
	assert_ok(sif_write_partition_begin(w, &off, err));
	assert_ok(sink_write(file, "partition", 9, off, err));
	assert_ok(sif_write_partition_end(w, SIF_GOCRYPTFS_SQUASHFS, "02", 9, err));
	for (int i = 2; i < SIF_TABLE_SLOTS; i++)
		assert_ok(sif_write_object(w, SIF_JSON, "last", "{}", 2, err));
	assert_ok(sif_write_finish(w, err));
	sif_writer_free(&w);
	sink_free(&file);
	assert_ok(set(fd, "first", err));
	assert_fails(ERROR_LIMIT, set(fd, "second", err));
	assert_object(fd, "first");
	CLEANUP_SIF struct sif *s = reread(fd);
	assert_int_equal(s->modified, SIF_ZERO_TIME);
	assert_int_equal(s->descriptors_free, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_others_and_none), cmocka_unit_test(many_times),
		cmocka_unit_test(second_is_dropped),	 cmocka_unit_test(cut_off_anywhere),
		cmocka_unit_test(disk_is_full),		 cmocka_unit_test(no_slot_is_free),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
