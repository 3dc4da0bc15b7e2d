/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects added, removed and chosen in a file that is there. What comes of it in a good file is
 * compared with Apptainer's (tests/peer); here is what is left when it is cut off (cut.h), when the
 * disk is full, and what is refused.
 */
#include "unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cut.h"

static int memory(const char *text)
{
	int fd = memfd_create("object", MFD_CLOEXEC);
	/* Not by pwrite, which is recorded. */
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static int add(int fd, enum sif_type type, const char *name, const char *text, struct error **err)
{
	CLEANUP_FD int from = memory(text);
	struct sif_addition a = { .fd = from, .type = type, .group = 1, .name = name };
	return sif_add_object(fd, &a, 1700000001, err);
}

static int add_partition(int fd, enum sif_partition kind, const char *arch, const char *text,
			 struct error **err)
{
	CLEANUP_FD int from = memory(text);
	struct sif_addition a = {
		.fd = from, .type = SIF_PARTITION, .name = "", .alignment = 4096
	};
	sif_extra_partition(a.extra, SIF_SQUASHFS, kind, arch);
	return sif_add_object(fd, &a, 1700000001, err);
}

/* A definition, the primary partition, another one. */
static int new_file(void)
{
	int fd = memfd_create("sif", MFD_CLOEXEC);
	struct sink *file = NULL;
	struct sif_writer *w = NULL;
	struct sif_write_options options = { .time = 1700000000, .bare = true };
	assert_ok(sink_from_fd(fd, &file, err));
	assert_ok(sif_write_begin(file, &options, &w, err));
	assert_ok(sif_write_finish(w, err));
	sif_writer_free(&w);
	sink_free(&file);
	assert_ok(add(fd, SIF_DEFFILE, "", "from: x\n", err));
	assert_ok(add_partition(fd, SIF_PRIMARY, "02", "one", err));
	assert_ok(add_partition(fd, SIF_SYSTEM, "04", "other", err));
	return fd;
}

/* Numbers, types and bytes of all objects, and which partition is run. */
static void told(int fd, char ret[1024])
{
	CLEANUP_SOURCE struct source *file = NULL;
	CLEANUP_SIF struct sif *s = NULL;
	CLEANUP_BUFFER struct buffer text = { 0 };
	assert_ok(source_from_fd(dup(fd), &file, err));
	assert_ok(sif_read(file, &s, err));
	for (size_t i = 0; i < s->count; i++) {
		assert_ok(buffer_printf(&text, err, "%u:%x:", s->descriptors[i].id,
					(unsigned)s->descriptors[i].type));
		assert_ok(sif_object(file, &s->descriptors[i], 100, &text, err));
		assert_ok(buffer_puts(&text, ",", err));
	}
	const struct sif_descriptor *primary = sif_primary(s);
	assert_ok(buffer_printf(&text, err, "run %u", primary ? primary->id : 0));
	assert_in_range(text.len, 1, 1023);
	memcpy(ret, text.data, text.len + 1);
}

#define BEGIN "1:4001:from: x\n,2:4004:one,3:4004:other,"

static void assert_told(int fd, const char *expected)
{
	char now[1024];
	told(fd, now);
	assert_string_equal(now, expected);
}

static int do_add(int fd, struct error **err)
{
	return add(fd, SIF_JSON, "new", "{}", err);
}
static int do_remove(int fd, struct error **err)
{
	return sif_remove_object(fd, 2, 1700000002, err);
}
static int do_choose(int fd, struct error **err)
{
	return sif_set_primary(fd, 3, 1700000002, err);
}
static int do_choose_back(int fd, struct error **err)
{
	return sif_set_primary(fd, 2, 1700000002, err);
}

static const struct change {
	int (*first)(int fd, struct error **err); /* done before, or NULL */
	int (*how)(int fd, struct error **err);
	const char *old, *new;
} changes[] = {
	{ NULL, do_add, BEGIN "run 2", BEGIN "4:4006:{},run 2" },
	{ NULL, do_remove, BEGIN "run 2", "1:4001:from: x\n,3:4004:other,run 0" },
	{ NULL, do_choose, BEGIN "run 2", BEGIN "run 3" },
	{ do_choose, do_choose_back, BEGIN "run 3", BEGIN "run 2" },
	{ do_remove, do_add, "1:4001:from: x\n,3:4004:other,run 0",
	  "1:4001:from: x\n,2:4006:{},3:4004:other,run 0" },
};

static void check(int fd, void *context)
{
	const struct change *c = context;
	char now[1024];
	told(fd, now);
	if (strcmp(now, c->old) != 0 && strcmp(now, c->new) != 0)
		fail_msg("neither %s nor %s, but %s", c->old, c->new, now);
	/* Once more: it goes well, or there is nothing to do any more. */
	struct error *e = NULL;
	bool was_old = !strcmp(now, c->old);
	int r = c->how(fd, &e);
	if (was_old || c->how == do_choose || c->how == do_choose_back) {
		assert_int_equal(r, 0);
		assert_told(fd, c->new);
	}
	error_free(&e);
}

static int new_for(const struct change *c)
{
	int fd = new_file();
	if (c->first)
		assert_ok(c->first(fd, err));
	assert_told(fd, c->old);
	return fd;
}

static void cut_off_anywhere(void **state)
{
	(void)state;
	static uint8_t before[IMAGE_MAX];
	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		struct change c = changes[i];
		CLEANUP_FD int fd = new_for(&c);
		ssize_t size = fd_pread(fd, before, sizeof(before), 0);
		record_begin();
		assert_ok(c.how(fd, err));
		record = false;
		assert_told(fd, c.new);
		cut_everywhere(before, (size_t)size, check, &c);
	}
}

static void disk_is_full(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		int r = -1;
		for (size_t at = 0; r < 0; at++) {
			struct error *e = NULL;
			struct change c = changes[i];
			CLEANUP_FD int fd = new_for(&c);
			assert_in_range(at, 0, OPS_MAX);
			record_begin();
			fail_at = at;
			r = c.how(fd, &e);
			record = false;
			fail_at = SIZE_MAX;
			if (r < 0)
				assert_int_equal(error_kind(e), ERROR_IO);
			error_free(&e);
			check(fd, &c);
		}
	}
}

static void nothing_stays_of_a_failed_one(void **state)
{
	(void)state;
	struct stat was, now;
	struct error *e = NULL;
	CLEANUP_FD int fd = new_file();
	assert_return_code(fstat(fd, &was), errno);
	record_begin();
	fail_at = 1; /* its bytes are written */
	assert_int_equal(do_add(fd, &e), -1);
	record = false;
	fail_at = SIZE_MAX;
	error_free(&e);
	assert_return_code(fstat(fd, &now), errno);
	assert_int_equal(was.st_size, now.st_size);
}

static void refused(void **state)
{
	(void)state;
	CLEANUP_FD int fd = new_file();
	assert_fails(ERROR_EXISTS, add_partition(fd, SIF_PRIMARY, "02", "two", err));
	assert_fails(ERROR_NOT_FOUND, sif_remove_object(fd, 9, 0, err));
	assert_fails(ERROR_USAGE, sif_remove_object(fd, 0, 0, err));
	assert_fails(ERROR_USAGE, sif_set_primary(fd, 1, 0, err));
	assert_fails(ERROR_NOT_FOUND, sif_set_primary(fd, 9, 0, err));
	struct sif_addition itself = { .fd = fd, .type = SIF_GENERIC, .name = "" };
	assert_fails(ERROR_USAGE, sif_add_object(fd, &itself, 0, err));
	struct sif_addition far = { .type = SIF_GENERIC, .name = "", .alignment = INT64_MAX };
	CLEANUP_FD int from = memory("x");
	far.fd = from;
	assert_fails(ERROR_LIMIT, sif_add_object(fd, &far, 0, err));
	assert_told(fd, BEGIN "run 2");
}

/* A key's bytes do not stay, and a neighbour's do. */
static void keys_are_wiped(void **state)
{
	(void)state;
	static char all[IMAGE_MAX];
	CLEANUP_FD int fd = new_file();
	assert_ok(add(fd, SIF_GENERIC, SIF_KEY_OBJECT_NAME, "for whom it is", err));
	assert_ok(add(fd, SIF_GENERIC, "else", "what else there is", err));
	assert_ok(sif_remove_object(fd, 4, 0, err));
	assert_ok(sif_remove_object(fd, 5, 0, err));
	ssize_t len = fd_pread(fd, all, sizeof(all), 0);
	assert_null(memmem(all, (size_t)len, "for whom", 8));
	assert_non_null(memmem(all, (size_t)len, "what else there is", 18));
	assert_told(fd, BEGIN "run 2");
}

/* ------------------------------------------------------------------ a key, and then a cut */

static int do_remove_key(int fd, struct error **err)
{
	return sif_remove_object(fd, 4, 1700000002, err);
}
static int do_drop_key(int fd, struct error **err)
{
	return sif_set_key_object(fd, "", 0, 1700000002, err);
}
static int do_replace_key(int fd, struct error **err)
{
	return sif_set_key_object(fd, "another", 7, 1700000002, err);
}
static int do_remove_first(int fd, struct error **err)
{
	return sif_remove_object(fd, 1, 1700000003, err);
}

#define OLD_KEY "for whom it was"

static bool holds(int fd, const char *text)
{
	static char all[IMAGE_MAX];
	ssize_t len = fd_pread(fd, all, sizeof(all), 0);
	assert_in_range(len, SIF_DATA_OFF, IMAGE_MAX - 1);
	return memmem(all, (size_t)len, text, strlen(text)) != NULL;
}

/* An object may name it still; if none does, it goes with the next change, whatever that is. */
static void check_key(int fd, void *context)
{
	int (*const *next)(int fd, struct error **err) = context;
	char now[1024];
	told(fd, now);
	bool is_there = strstr(now, OLD_KEY) != NULL;
	assert_ok((*next)(fd, err));
	if (holds(fd, OLD_KEY) != is_there)
		fail_msg("%s: the old key's bytes %s", now, is_there ? "are gone" : "stay");
}

static void no_key_outlives_a_cut(void **state)
{
	(void)state;
	static int (*const drops[])(int fd, struct error **err) = { do_remove_key, do_drop_key,
								    do_replace_key };
	static int (*const nexts[])(int fd, struct error **err) = { do_add, do_remove_first,
								    do_choose };
	static uint8_t before[IMAGE_MAX];
	for (size_t i = 0; i < 9; i++) {
		int (*next)(int fd, struct error **err) = nexts[i % 3];
		CLEANUP_FD int fd = new_file();
		assert_ok(sif_set_key_object(fd, OLD_KEY, strlen(OLD_KEY), 1700000001, err));
		assert_true(holds(fd, OLD_KEY));
		ssize_t size = fd_pread(fd, before, sizeof(before), 0);
		record_begin();
		assert_ok(drops[i / 3](fd, err));
		record = false;
		assert_false(holds(fd, OLD_KEY));
		cut_everywhere(before, (size_t)size, check_key, &next);
	}
}

/* ------------------------------------------------------------------ strange files */

/* Data that begin within the table do not go there. */
static void strange_places(void **state)
{
	(void)state;
	CLEANUP_FD int fd = new_file();
	uint8_t off[8];
	bytes_put_le(off, SIF_TABLE_OFF + 4, sizeof(off));
	assert_int_equal(fd_pwrite(fd, off, sizeof(off), 112), 0);
	for (uint32_t id = 1; id < 4; id++)
		assert_ok(sif_remove_object(fd, id, 0, err));
	assert_ok(do_add(fd, err));
	assert_told(fd, "1:4006:{},run 0");
}

/* A header that puts the data behind the file's end would make it as long as that. */
static void data_beyond_the_end(void **state)
{
	(void)state;
	CLEANUP_FD int fd = new_file();
	struct stat was, now;
	uint8_t off[8];
	assert_return_code(fstat(fd, &was), errno);
	bytes_put_le(off, (uint64_t)1 << 43, sizeof(off));
	assert_int_equal(fd_pwrite(fd, off, sizeof(off), 112), 0);
	assert_fails(ERROR_DAMAGED, do_add(fd, err));
	assert_fails(ERROR_DAMAGED, sif_set_key_object(fd, "a", 1, 1, err));
	assert_return_code(fstat(fd, &now), errno);
	assert_int_equal(was.st_size, now.st_size);
}

/* A free slot of a stranger's that names most of a sparse file as a key object: it is not filled.
 */
static void a_large_hole_stays_one(void **state)
{
	(void)state;
	CLEANUP_FD int fd = new_file();
	uint8_t slot[SIF_DESCRIPTOR_LEN] = { 0 };
	struct stat st;
	bytes_put_le(slot, SIF_GENERIC, 4);
	bytes_put_le(slot + 17, 1 << 20, 8);
	bytes_put_le(slot + 25, 60 << 20, 8);
	static const char name[] = SIF_KEY_OBJECT_NAME;
	memcpy(slot + 73, name, sizeof(name));
	assert_int_equal(fd_pwrite(fd, slot, sizeof(slot), SIF_TABLE_OFF + 20 * sizeof(slot)), 0);
	assert_return_code(ftruncate(fd, 64 << 20), errno);
	assert_ok(do_choose(fd, err));
	assert_return_code(fstat(fd, &st), errno);
	assert_true(st.st_blocks * 512 < 8 << 20);
}

static void created(void **state)
{
	(void)state;
	char folder[] = "/tmp/coffer-sif-XXXXXX", path[64], link[64];
	struct stat st;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/a.sif", folder);
	snprintf(link, sizeof(link), "%s/link", folder);
	assert_ok(sif_create(path, 0755, 1, err));
	assert_return_code(stat(path, &st), errno);
	assert_int_equal(st.st_size, SIF_DATA_OFF);
	assert_return_code(chmod(path, 0640), errno);
	assert_return_code(symlink("a.sif", link), errno);
	assert_ok(sif_create(link, 0755, 1, err));
	assert_return_code(lstat(link, &st), errno);
	assert_true(S_ISLNK(st.st_mode));
	assert_return_code(stat(path, &st), errno);
	assert_int_equal(st.st_mode & 07777, 0640);
	/* And where it leads to nothing, it is made there. */
	assert_return_code(unlink(path), errno);
	assert_ok(sif_create(link, 0755, 1, err));
	assert_return_code(lstat(link, &st), errno);
	assert_true(S_ISLNK(st.st_mode));
	assert_return_code(lstat(path, &st), errno);
	assert_int_equal(st.st_size, SIF_DATA_OFF);
	assert_fails(ERROR_UNSUPPORTED, sif_create("/dev/null", 0755, 1, err));
	int fd = -1;
	assert_ok(sif_open_locked(path, &fd, err));
	fd_close(&fd);
	assert_fails(ERROR_UNSUPPORTED, sif_open_locked("/dev/null", &fd, err));
	struct error *e = NULL;
	assert_int_equal(sif_open_locked("/nonexistent", &fd, &e), -1);
	assert_int_equal(error_kind(e), ERROR_NOT_FOUND);
	assert_null(error_hint_text(e)); /* that of its kind fits */
	error_free(&e);
	assert_return_code(unlink(link), errno);
	assert_return_code(unlink(path), errno);
	/* Nothing else was left there. */
	assert_return_code(rmdir(folder), errno);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cut_off_anywhere),
		cmocka_unit_test(disk_is_full),
		cmocka_unit_test(nothing_stays_of_a_failed_one),
		cmocka_unit_test(refused),
		cmocka_unit_test(keys_are_wiped),
		cmocka_unit_test(no_key_outlives_a_cut),
		cmocka_unit_test(strange_places),
		cmocka_unit_test(data_beyond_the_end),
		cmocka_unit_test(a_large_hole_stays_one),
		cmocka_unit_test(created),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
