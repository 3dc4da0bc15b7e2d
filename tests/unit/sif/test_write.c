/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <sys/mman.h>
#include <unistd.h>

#include "sif/format.h"
#include "sif/sif.h"

/* The worked example of sif.md, section 6, but for the size of the partition. */
static void worked_example(void **state)
{
	(void)state;
	int fd = memfd_create("sif", MFD_CLOEXEC);
	struct sink *file = NULL;
	struct sif_writer *w = NULL;
	struct sif_write_options options = { .time = 1700000000 };
	char json[1867], pem[745], block[4096];
	memset(json, 'j', sizeof(json));
	memset(pem, 'p', sizeof(pem));
	memset(block, 'b', sizeof(block));
	uint64_t off = 0;
	assert_ok(sink_from_fd(fd, &file, err));
	assert_ok(sif_write_begin(file, &options, &w, err));
	assert_ok(sif_write_object(w, SIF_DEFFILE, "", "bootstrap: localimage\nfrom: plain.sif\n\n",
				   39, err));
	assert_ok(sif_write_object(w, SIF_JSON, "inspect-metadata.json", json, sizeof(json), err));
	assert_ok(sif_write_partition_begin(w, &off, err));
	assert_int_equal(off, 36864);
	assert_ok(sink_write(file, block, sizeof(block), off, err));
	/* An interrupted file is none: the magic comes last. */
	char magic[SIF_MAGIC_LEN];
	assert_ok(sink_read(file, magic, sizeof(magic), SIF_MAGIC_OFF, err));
	assert_memory_equal(magic, "\0\0\0\0\0\0\0\0\0\0", sizeof(magic));
	assert_ok(sif_write_partition_end(w, SIF_GOCRYPTFS_SQUASHFS, "02", sizeof(block), err));
	assert_ok(sif_write_crypt_message(w, pem, sizeof(pem), err));
	assert_ok(sif_write_finish(w, err));
	sif_writer_free(&w);
	assert_int_equal(file->size, 36864 + 4096 + 745);
	sink_free(&file);

	CLEANUP_SOURCE struct source *source = NULL;
	CLEANUP_SIF struct sif *s = NULL;
	assert_ok(source_from_fd(fd, &source, err));
	assert_ok(sif_read(source, &s, err));
	assert_int_equal(s->count, 4);
	assert_string_equal(s->launch, SIF_LAUNCH_SCRIPT);
	assert_string_equal(s->arch, "02");
	assert_int_equal(s->data_off + s->data_len, source->size);
	assert_int_equal(s->descriptors_free, 44);
	assert_int_equal(s->uuid[6] >> 4, 4);
	const struct sif_descriptor *d = sif_primary(s);
	assert_int_equal(d->id, 3);
	assert_int_equal(d->len_padded, 4096 + 2782);
	assert_ptr_equal(sif_crypt_message(s, d), &s->descriptors[3]);
	assert_int_equal(sif_find(s, SIF_JSON, "inspect-metadata.json")->off, 32215);
}

static void deterministic(void **state)
{
	(void)state;
	char first[SIF_DATA_OFF] = { 0 }, second[SIF_DATA_OFF] = { 0 };
	for (int i = 0; i < 2; i++) {
		CLEANUP_FD int fd = memfd_create("sif", MFD_CLOEXEC);
		struct sink *file = NULL;
		struct sif_writer *w = NULL;
		struct sif_write_options options = { .time = i, .deterministic = true };
		assert_ok(sink_from_fd(fd, &file, err));
		assert_ok(sif_write_begin(file, &options, &w, err));
		assert_ok(sif_write_object(w, SIF_DEFFILE, "", "x", 1, err));
		assert_ok(sif_write_finish(w, err));
		assert_int_equal(fd_pread(fd, i ? second : first, SIF_DATA_OFF, 0), SIF_DATA_OFF);
		sif_writer_free(&w);
		sink_free(&file);
	}
	assert_memory_equal(first, second, SIF_DATA_OFF);
	assert_memory_equal(first + 64, "\x00\x09\x6e\x88\xf1\xff\xff\xff", 8);
}

static void slots_run_out(void **state)
{
	(void)state;
	CLEANUP_FD int fd = memfd_create("sif", MFD_CLOEXEC);
	struct sink *file = NULL;
	struct sif_writer *w = NULL;
	struct sif_write_options options = { 0 };
	assert_ok(sink_from_fd(fd, &file, err));
	assert_ok(sif_write_begin(file, &options, &w, err));
	for (int i = 0; i < SIF_TABLE_SLOTS; i++)
		assert_ok(sif_write_object(w, SIF_JSON, "n", "x", 1, err));
	assert_fails(ERROR_LIMIT, sif_write_object(w, SIF_JSON, "n", "x", 1, err));
	/* Said before a partition is written, with what helps. */
	struct error *e = NULL;
	uint64_t off;
	assert_int_equal(sif_write_partition_begin(w, &off, &e), -1);
	assert_int_equal(error_kind(e), ERROR_LIMIT);
	assert_non_null(strstr(error_hint_text(e), "coffer sif del"));
	error_free(&e);
	sif_writer_free(&w);
	sink_free(&file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(worked_example),
		cmocka_unit_test(deterministic),
		cmocka_unit_test(slots_run_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
