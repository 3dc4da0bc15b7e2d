/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <sys/mman.h>
#include <unistd.h>

#include "sif/format.h"
#include "sif/sif.h"

/* A SIF that is rewritten: what it was, and what came of it. */
struct files {
	int from_fd, to_fd;
	struct source *from, *to;
	struct sif *old, *new;
};

static void put(int fd, const void *data, size_t len, uint64_t off)
{
	assert_int_equal(pwrite(fd, data, len, (off_t)off), len);
}
static uint64_t slot_off(size_t slot)
{
	return SIF_TABLE_OFF + slot * SIF_DESCRIPTOR_LEN;
}

/* A definition, a JSON text, the partition, its message and key object, and behind them a note. */
static void make_old(struct files *f, const struct sif_write_options *options)
{
	struct sink *file = NULL;
	struct sif_writer *w = NULL;
	uint64_t off = 0;
	char block[4096];
	memset(block, 'b', sizeof(block));
	*f = (struct files){ .from_fd = memfd_create("old", MFD_CLOEXEC),
			     .to_fd = memfd_create("new", MFD_CLOEXEC) };
	assert_ok(sink_from_fd(f->from_fd, &file, err));
	assert_ok(sif_write_begin(file, options, &w, err));
	assert_ok(sif_write_object(w, SIF_DEFFILE, "", "definition", 10, err));
	assert_ok(sif_write_object(w, SIF_JSON, "x.json", "{}", 2, err));
	assert_ok(sif_write_partition_begin(w, &off, err));
	assert_ok(sink_write(file, block, sizeof(block), off, err));
	assert_ok(sif_write_partition_end(w, SIF_SQUASHFS, "02", sizeof(block), err));
	assert_ok(sif_write_crypt_message(w, "old message", 11, err));
	assert_ok(sif_write_key_object(w, "old object", 10, err));
	assert_ok(sif_write_object(w, SIF_GENERIC, "note", "a note", 6, err));
	assert_ok(sif_write_finish(w, err));
	sif_writer_free(&w);
	sink_free(&file);
}

static void open_old(struct files *f)
{
	assert_ok(source_from_fd(f->from_fd, &f->from, err));
	assert_ok(sif_read(f->from, &f->old, err));
}

static bool keeps(const void *context, const struct sif_descriptor *d)
{
	(void)context;
	return d->type != SIF_CRYPT_MESSAGE && strcmp(d->name, SIF_KEY_OBJECT_NAME) != 0;
}

static void rewrite(struct files *f)
{
	struct sink *file = NULL;
	struct sif_writer *w = NULL;
	uint64_t off = 0;
	char block[5000];
	memset(block, 'n', sizeof(block));
	assert_ok(sink_from_fd(f->to_fd, &file, err));
	assert_ok(sif_write_begin_copy(file, f->old, f->from, keeps, NULL, 1800000000, &w, err));
	assert_ok(sif_write_partition_begin(w, &off, err));
	assert_int_equal(off % SIF_ALIGNMENT, 0);
	assert_ok(sink_write(file, block, sizeof(block), off, err));
	assert_ok(sif_write_partition_end(w, SIF_ENCRYPTED_SQUASHFS, "02", sizeof(block), err));
	assert_ok(sif_write_key_object(w, "new object", 10, err));
	assert_ok(sif_write_finish(w, err));
	sif_writer_free(&w);
	sink_free(&file);
	assert_ok(source_from_fd(f->to_fd, &f->to, err));
	assert_ok(sif_read(f->to, &f->new, err));
}

static void done(struct files *f)
{
	sif_free(&f->old);
	sif_free(&f->new);
	source_free(&f->from);
	source_free(&f->to);
}

static void assert_object(struct files *f, const struct sif_descriptor *d, const char *text)
{
	CLEANUP_BUFFER struct buffer b = { 0 };
	assert_ok(sif_object(f->to, d, 100, &b, err));
	assert_string_equal(b.data, text);
}

/* Every object under its number, in its group, with the fields that nobody here reads. */
static void kept(void **state)
{
	(void)state;
	const struct sif_write_options options = { .time = 1700000000 };
	struct files f;
	make_old(&f, &options);
	put(f.from_fd, "\x11\x22\x33", 3, slot_off(5) + 57); /* the owner's number */
	open_old(&f);
	rewrite(&f);
	const struct sif_descriptor *primary = sif_primary(f.new);
	assert_int_equal(f.new->count, 5);
	assert_memory_equal(f.new->uuid, f.old->uuid, 16);
	assert_int_equal(f.new->created, 1700000000);
	assert_int_equal(f.new->modified, 1800000000);
	assert_int_equal(primary->id, 3);
	assert_int_equal(primary->group, 1);
	assert_int_equal(primary->filesystem, SIF_ENCRYPTED_SQUASHFS);
	assert_int_equal(primary->len, 5000);
	assert_int_equal(primary->created, 1700000000);
	assert_int_equal(primary->modified, 1800000000);
	assert_object(&f, sif_by_id(f.new, 1), "definition");
	assert_object(&f, sif_by_id(f.new, 2), "{}");
	assert_object(&f, sif_by_id(f.new, 6), "a note");
	assert_int_equal(sif_by_id(f.new, 6)->created, 1700000000);
	/* In the place of the message that went, and in a group of its own. */
	const struct sif_descriptor *object = sif_key_object(f.new, primary);
	assert_non_null(object);
	assert_int_equal(object->id, 4);
	assert_int_equal(object->group, SIF_KEY_OBJECT_GROUP);
	assert_object(&f, object, "new object");
	assert_null(sif_crypt_message(f.new, primary));
	char owner[3];
	assert_ok(source_read(f.to, owner, 3, slot_off(5) + 57, err));
	assert_memory_equal(owner, "\x11\x22\x33", 3);
	assert_int_equal(f.new->data_off + f.new->data_len, f.to->size);
	assert_int_equal(f.new->descriptors_free, 43);
	done(&f);
}

/* What has no times gets none. */
static void deterministic(void **state)
{
	(void)state;
	const struct sif_write_options options = { .deterministic = true };
	struct files f;
	make_old(&f, &options);
	open_old(&f);
	rewrite(&f);
	const struct sif_descriptor *object = sif_key_object(f.new, sif_primary(f.new));
	assert_int_equal(f.new->modified, SIF_ZERO_TIME);
	assert_int_equal(object->created, SIF_ZERO_TIME);
	done(&f);
}

/* The key object gets a group that nothing else has, and nothing is linked to: group and link of
 * the note behind it, as they are stored. */
static void own_group(void **state)
{
	(void)state;
	const struct sif_write_options options = { .time = 1700000000 };
	static const struct {
		uint32_t group, link, expected;
	} rows[] = {
		{ 7, 0, 2 },
		{ 2, 0, 3 },
		{ 2, SIF_GROUP_MASK | 3, 4 },
		{ 2, 3, 3 },
		{ ~SIF_GROUP_MASK, 0, 2 }, /* there is none behind the last */
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct files f;
		uint8_t raw[8];
		make_old(&f, &options);
		bytes_put_le(raw, SIF_GROUP_MASK | rows[i].group, 4);
		bytes_put_le(raw + 4, rows[i].link, 4);
		put(f.from_fd, raw, 8, slot_off(5) + 9);
		int own = dup(f.from_fd);
		open_old(&f);
		rewrite(&f);
		const struct sif_descriptor *object = sif_key_object(f.new, sif_primary(f.new));
		assert_int_equal(object->group, rows[i].expected);
		assert_int_equal(sif_by_id(f.new, 6)->group, rows[i].group);
		done(&f);
		/* In place, too. */
		assert_ok(sif_set_key_object(own, "", 0, 1800000000, err));
		assert_ok(sif_set_key_object(own, "newer", 5, 1800000000, err));
		f = (struct files){ .from_fd = own };
		open_old(&f);
		object = sif_key_object(f.old, sif_primary(f.old));
		assert_int_equal(object->group, rows[i].expected);
		done(&f);
	}
}

/* A file does not grow by naming the same bytes again and again. */
static void overlap(void **state)
{
	(void)state;
	const struct sif_write_options options = { .time = 1700000000 };
	struct files f;
	struct sink *file = NULL;
	struct sif_writer *w = NULL;
	struct error *failed = NULL;
	uint8_t range[16];
	make_old(&f, &options);
	open_old(&f);
	bytes_put_le(range, 0, 8);
	bytes_put_le(range + 8, f.from->size, 8);
	sif_free(&f.old);
	put(f.from_fd, range, 16, slot_off(0) + 17);
	assert_ok(sif_read(f.from, &f.old, err));
	assert_ok(sink_from_fd(f.to_fd, &file, err));
	assert_int_equal(sif_write_begin_copy(file, f.old, f.from, keeps, NULL, 0, &w, &failed),
			 -1);
	assert_int_equal(error_kind(failed), ERROR_DAMAGED);
	assert_int_equal(file->size, 0);
	error_free(&failed);
	sink_free(&file);
	done(&f);
}

/* What is in a slot was vetted before, and somebody has changed it since. */
static void changed_meanwhile(void **state)
{
	(void)state;
	static const size_t fields[] = { 0, SIF_SLOT_USED_OFF, 5, 17, 25 };
	const struct sif_write_options options = { .time = 1700000000 };
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		struct files f;
		struct sink *file = NULL;
		struct sif_writer *w = NULL;
		struct error *failed = NULL;
		uint8_t byte;
		make_old(&f, &options);
		open_old(&f);
		assert_int_equal(pread(f.from_fd, &byte, 1, (off_t)(slot_off(1) + fields[i])), 1);
		byte ^= 1;
		put(f.from_fd, &byte, 1, slot_off(1) + fields[i]);
		assert_ok(sink_from_fd(f.to_fd, &file, err));
		assert_int_equal(
			sif_write_begin_copy(file, f.old, f.from, keeps, NULL, 0, &w, &failed), -1);
		assert_int_equal(error_kind(failed), ERROR_DAMAGED);
		assert_non_null(strstr(error_message(failed), "has just become another one"));
		error_free(&failed);
		sink_free(&file);
		done(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kept),
		cmocka_unit_test(deterministic),
		cmocka_unit_test(own_group),
		cmocka_unit_test(overlap),
		cmocka_unit_test(changed_meanwhile),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
