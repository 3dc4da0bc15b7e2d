/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <sys/mman.h>
#include <unistd.h>

#include "sample.h"
#include "squash/squash.h"

#define NAME "squashfs-1234567890"
#define CONF "{\n\t\"Creator\": \"a test\"\n}\n"

struct image {
	int fd;
	struct sink *sink;
	char path[64];
};

static void image_done(struct image *i)
{
	sink_free(&i->sink);
	close(i->fd);
}
#define CLEANUP_IMAGE __attribute__((cleanup(image_done)))

/* Sixteen bytes at each end of the data; between them zeros, of which a memfd stores none. */
static void begin(struct image *i, uint64_t data_len)
{
	uint8_t noise[16];
	i->fd = memfd_create("outer", MFD_CLOEXEC);
	snprintf(i->path, sizeof(i->path), "/proc/%d/fd/%d", getpid(), i->fd);
	assert_ok(sink_from_fd(i->fd, &i->sink, err));
	assert_ok(sink_truncate(i->sink, SQUASH_OUTER_DATA + data_len, err));
	sample_noise(data_len, noise, sizeof(noise));
	size_t n = data_len < sizeof(noise) ? (size_t)data_len : sizeof(noise);
	assert_ok(sink_write(i->sink, noise, n, SQUASH_OUTER_DATA, err));
	assert_ok(sink_write(i->sink, noise, n, SQUASH_OUTER_DATA + data_len - n, err));
}

static void assert_super(const struct image *i)
{
	uint8_t super[96];
	assert_int_equal(fd_pread(i->fd, super, sizeof(super), 0), sizeof(super));
	struct bytes b = bytes_of(super, sizeof(super));
	assert_int_equal(bytes_le32(&b), 0x73717368);
	assert_int_equal(bytes_le32(&b), 3);	  /* inodes */
	assert_int_equal(bytes_le32(&b), 777);	  /* time */
	assert_int_equal(bytes_le32(&b), 131072); /* block size */
	assert_int_equal(bytes_le32(&b), 1);	  /* fragments */
	assert_int_equal(bytes_le16(&b), 1);	  /* gzip */
	assert_int_equal(bytes_le16(&b), 17);	  /* log2 of the block size */
	assert_int_equal(bytes_le16(&b), 0xCA);	  /* flags */
	assert_int_equal(bytes_le16(&b), 1);	  /* owners */
	bytes_seek(&b, 40);
	uint64_t used = bytes_le64(&b);
	assert_true(used <= i->sink->size && i->sink->size - used < 4096);
	assert_int_equal(i->sink->size % 4096, 0);
	bytes_seek(&b, 56);
	assert_true(bytes_le64(&b) == UINT64_MAX); /* no attributes */
}

static void others_read_it(void **state)
{
	(void)state;
	static const uint64_t lens[] = {
		1, 18 + 4128, 131071, 131072, 131073, 3 * 131072, 5000000
	};
	for (size_t k = 0; k < sizeof(lens) / sizeof(lens[0]); k++) {
		CLEANUP_IMAGE struct image i = { 0 };
		CLEANUP_BUFFER struct buffer out = { 0 }, lines = { 0 };
		char line[64];
		begin(&i, lens[k]);
		assert_ok(squash_outer_finish(i.sink, NAME, lens[k], CONF, strlen(CONF), 777, err));
		assert_super(&i);
		sample_run((const char *[]){ "unsquashfs", "-cat", i.path, NAME, NULL }, &out);
		assert_int_equal(out.len, lens[k]);
		char *want = malloc(out.len);
		assert_non_null(want);
		assert_int_equal(fd_pread(i.fd, want, out.len, SQUASH_OUTER_DATA), out.len);
		assert_memory_equal(out.data, want, out.len);
		free(want);
		buffer_free(&out);
		sample_run((const char *[]){ "unsquashfs", "-cat", i.path, "gocryptfs.conf", NULL },
			   &out);
		assert_string_equal(out.data, CONF);
		sample_run((const char *[]){ "unsquashfs", "-UTC", "-lln", i.path, NULL }, &lines);
		snprintf(line, sizeof(line), " %zu 1970-01-01 00:12 ", strlen(CONF));
		assert_non_null(strstr(lines.data, line));
		snprintf(line, sizeof(line), " %llu 1970-01-01 00:12 ",
			 (unsigned long long)lens[k]);
		assert_non_null(strstr(lines.data, line));
		assert_int_equal(sample_count(lines.data, "-r-------- 0/0 "), 1);
		assert_int_equal(sample_count(lines.data, "-rw-r--r-- 0/0 "), 1);
	}
}

static void our_reader_finds_all(struct image *i, uint64_t len)
{
	struct source *source = NULL, *file = NULL;
	struct squash *sq = NULL;
	struct squash_inode root, inode;
	squash_ref ref;
	uint8_t got[16], want[16];
	assert_ok(source_from_fd(dup(i->fd), &source, err));
	assert_ok(squash_open(source, &(struct squash_options){ 0 }, &sq, err));
	assert_int_equal(squash_bytes_used(sq) <= i->sink->size, 1);
	assert_ok(squash_inode(sq, squash_root(sq), &root, err));
	assert_ok(squash_lookup(sq, &root, "gocryptfs.conf", 14, &ref, err));
	assert_ok(squash_inode(sq, ref, &inode, err));
	char conf[64] = "";
	assert_ok(squash_read(sq, &inode, conf, sizeof(conf), 0, err));
	assert_string_equal(conf, CONF);
	assert_ok(squash_lookup(sq, &root, NAME, strlen(NAME), &ref, err));
	assert_ok(squash_inode(sq, ref, &inode, err));
	assert_true(inode.size == len);
	assert_ok(squash_file_source(sq, &inode, &file, err));
	assert_ok(source_read(file, got, sizeof(got), len - sizeof(got), err));
	sample_noise(len, want, sizeof(want));
	assert_memory_equal(got, want, sizeof(got));
	source_free(&file);
	squash_free(&sq);
	source_free(&source);
}

/* Where sizes and positions need the larger kind of inode, and the block list many blocks. */
static void beyond_four_gigabytes(void **state)
{
	(void)state;
	static const uint64_t lens[] = { UINT32_MAX, (5ULL << 30) + 18, 150ULL << 30 };
	for (size_t k = 0; k < sizeof(lens) / sizeof(lens[0]); k++) {
		CLEANUP_IMAGE struct image i = { 0 };
		CLEANUP_BUFFER struct buffer lines = { 0 };
		char line[32];
		begin(&i, lens[k]);
		assert_ok(squash_outer_finish(i.sink, NAME, lens[k], CONF, strlen(CONF), 777, err));
		assert_super(&i);
		sample_run((const char *[]){ "unsquashfs", "-lls", i.path, NULL }, &lines);
		snprintf(line, sizeof(line), " %llu ", (unsigned long long)lens[k]);
		assert_non_null(strstr(lines.data, line));
		our_reader_finds_all(&i, lens[k]);
	}
}

static void refusals(void **state)
{
	(void)state;
	CLEANUP_IMAGE struct image i = { 0 };
	begin(&i, 100);
	assert_fails(ERROR_INTERNAL, squash_outer_finish(i.sink, "", 100, CONF, 5, 0, err));
	assert_fails(ERROR_INTERNAL, squash_outer_finish(i.sink, "a/b", 100, CONF, 5, 0, err));
	assert_fails(ERROR_INTERNAL,
		     squash_outer_finish(i.sink, "gocryptfs.conf", 100, CONF, 5, 0, err));
	assert_fails(ERROR_INTERNAL, squash_outer_finish(i.sink, NAME, 99, CONF, 5, 0, err));
	assert_fails(ERROR_INTERNAL, squash_outer_finish(i.sink, NAME, 101, CONF, 5, 0, err));
	assert_fails(ERROR_INTERNAL, squash_outer_finish(i.sink, NAME, 100, CONF, 0, 0, err));
	assert_ok(squash_outer_finish(i.sink, NAME, 100, CONF, 5, 0, err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(others_read_it),
		cmocka_unit_test(beyond_four_gigabytes),
		cmocka_unit_test(refusals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
