/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"
#include "tree.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Images with faults. Whatever is wrong, opening, walking and reading everything must end, with
 * success or an error of the right kind, within a limit of memory.
 */

static uint8_t *images[3];
static size_t lens[3];
static const char *const codecs[3] = { "-comp gzip", "-comp zstd -noI", "-comp lz4 -noI -noF" };

static int make_images(void **state)
{
	(void)state;
	char *base = tree_temporary();
	tree_shell("set -e; mkdir -p %s/t/d/e %s/t/d/e2 %s/t/many; cd %s/t; seq 1 4000 >n; echo x "
		   ">d/x;"
		   "ln n d/n; ln -s x d/l; truncate -s 100K h; printf e >>h; seq 1 9 >d/e/f;"
		   "for i in $(seq 1 600); do : >many/an-empty-file-with-a-long-name-$i; done;"
		   "setfattr -n user.a -v $(printf 'a%%.0s' $(seq 1 99)) n d/x d; mkfifo p",
		   base, base, base, base);
	for (size_t i = 0; i < 3; i++) {
		struct buffer b = { 0 };
		tree_shell("mksquashfs %s/t %s/i%zu -quiet -no-progress -b 4096 -nopad %s "
			   ">/dev/null",
			   base, base, i, codecs[i]);
		char *path CLEANUP_TEXT = NULL;
		assert_ok((path = text_printf(err, "%s/i%zu", base, i)) ? 0 : -1);
		assert_ok(fd_read_file(AT_FDCWD, path, 1 << 20, &b, err));
		images[i] = (uint8_t *)b.data;
		lens[i] = b.len;
	}
	tree_remove(base);
#ifndef __SANITIZE_ADDRESS__
	/* More than an honest image of this size could need, less than a liar would ask for. */
	struct rlimit limit = { .rlim_cur = (rlim_t)512 << 20, .rlim_max = RLIM_INFINITY };
	(void)setrlimit(RLIMIT_AS, &limit);
#endif
	return 0;
}

static int free_images(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++)
		free(images[i]);
	return 0;
}

/* Opens, walks and reads it all: 0, or the kind of the error. */
static int read_all(const uint8_t *image, size_t len)
{
	struct error *e CLEANUP_ERROR = NULL;
	struct source *s CLEANUP_SOURCE = NULL;
	struct squash *sq CLEANUP_SQUASH = NULL;
	struct buffer text CLEANUP_BUFFER = { 0 };
	const struct tree_options all = { 0 };
	/* In memory of just this length, so that a tool sees a read past the end. */
	uint8_t *copy = malloc(len ? len : 1);
	memcpy(copy, image, len);
	assert_ok(source_from_memory(copy, len, &s, err));
	int r = squash_open(s, NULL, &sq, &e);
	if (r == 0)
		r = tree_of_squash(sq, &all, &text, &e);
	free(copy);
	if (r == 0)
		return 0;
	int kind = (int)error_kind(e);
	if (kind != ERROR_DAMAGED && kind != ERROR_UNSUPPORTED && kind != ERROR_LIMIT &&
	    kind != ERROR_NOT_FOUND)
		fail_msg("kind %d: %s", kind, error_message(e));
	return kind;
}

static void sound_ones(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(read_all(images[i], lens[i]), 0);
}

struct field {
	size_t off, len;
};
static const struct field fields[] = {
	{ 0, 4 },  { 4, 4 },  { 8, 4 },	 { 12, 4 }, { 16, 4 }, { 20, 2 }, { 22, 2 },
	{ 24, 2 }, { 26, 2 }, { 28, 2 }, { 30, 2 }, { 32, 8 }, { 40, 8 }, { 48, 8 },
	{ 56, 8 }, { 64, 8 }, { 72, 8 }, { 80, 8 }, { 88, 8 },
};

static uint64_t get(const uint8_t *image, struct field f)
{
	struct bytes b = bytes_of(image + f.off, f.len);
	return bytes_le(&b, f.len);
}

static int with(size_t i, struct field f, uint64_t value)
{
	uint8_t *copy = malloc(lens[i]);
	memcpy(copy, images[i], lens[i]);
	bytes_put_le(copy + f.off, value, f.len);
	int r = read_all(copy, lens[i]);
	free(copy);
	return r;
}

static void every_field_of_the_superblock(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++)
		for (size_t k = 0; k < sizeof(fields) / sizeof(fields[0]); k++) {
			uint64_t v = get(images[i], fields[k]);
			const uint64_t values[] = {
				0,	 1,	      v - 1,	      v + 1,	  v * 2,
				v / 2,	 v ^ 64,      v + 8,	      UINT64_MAX, UINT64_MAX - 1,
				lens[i], lens[i] - 1, UINT64_MAX >> 1
			};
			for (size_t n = 0; n < sizeof(values) / sizeof(values[0]); n++)
				(void)with(i, fields[k], values[n]);
		}
	assert_int_equal(with(0, fields[0], 0), ERROR_DAMAGED); /* magic */
	assert_int_equal(with(0, fields[1], 0), ERROR_DAMAGED); /* inodes */
	assert_int_equal(with(0, fields[1], UINT32_MAX), ERROR_DAMAGED);
	assert_int_equal(with(0, fields[3], 4097), ERROR_DAMAGED);     /* block size */
	assert_int_equal(with(0, fields[4], UINT32_MAX), ERROR_LIMIT); /* fragments */
	assert_int_equal(with(0, fields[4], 1 << 20), ERROR_DAMAGED);
	assert_int_equal(with(0, fields[5], 2), ERROR_UNSUPPORTED); /* compressor */
	assert_int_equal(with(0, fields[5], 7), ERROR_DAMAGED);
	assert_int_equal(with(0, fields[6], 13), ERROR_DAMAGED); /* its log2 */
	assert_int_equal(with(0, fields[8], 0), ERROR_DAMAGED);	 /* ids */
	assert_int_equal(with(0, fields[8], 65535), ERROR_DAMAGED);
	assert_int_equal(with(0, fields[9], 3), ERROR_UNSUPPORTED); /* version */
	assert_int_equal(with(0, fields[10], 1), ERROR_UNSUPPORTED);
	assert_int_equal(with(0, fields[12], lens[0] + 1), ERROR_DAMAGED); /* bytes used */
	assert_int_equal(with(0, fields[13], UINT64_MAX), ERROR_DAMAGED);  /* id table */
	assert_int_equal(with(0, fields[15], UINT64_MAX), ERROR_DAMAGED);  /* inode table */
	assert_int_equal(with(0, fields[17], UINT64_MAX), ERROR_DAMAGED);  /* fragment table */
}

static void cut_anywhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++)
		for (size_t len = 0; len < lens[i]; len += 1 + lens[i] / 300)
			assert_int_equal(read_all(images[i], len), ERROR_DAMAGED);
}

static void flipped_bits(void **state)
{
	(void)state;
	uint32_t seed = 20240601;
	unsigned bad = 0;
	for (unsigned n = 0; n < 1500; n++) {
		size_t i = n % 3;
		uint8_t *copy = malloc(lens[i]);
		memcpy(copy, images[i], lens[i]);
		for (unsigned k = 0; k < 1 + n % 4; k++) {
			seed = seed * 1664525 + 1013904223;
			size_t at = (seed >> 4) % lens[i];
			seed = seed * 1664525 + 1013904223;
			copy[at] = (uint8_t)(seed >> 24);
		}
		bad += read_all(copy, lens[i]) != 0;
		free(copy);
	}
	/* Most are seen; with lz4 and zstd, which carry no checksum, data may change unseen. */
	assert_true(bad > 500);
}

/* ------------------------------------------------------------------ trees that are no trees */

/* The position of some bytes in the second image, whose metadata is stored as it is. */
static size_t find_bytes(const char *what, size_t len)
{
	for (size_t i = 0; i + len <= lens[1]; i++)
		if (memcmp(images[1] + i, what, len) == 0)
			return i;
	fail_msg("%s is not in the image", what);
	return 0;
}

static void names_that_cannot_be(void **state)
{
	(void)state;
	uint8_t *copy = malloc(lens[1]);
	size_t at = find_bytes("an-empty-file-with-a-long-name-100", 34);
	static const char *const names[] = { "an-empty-file-with-a-long/name-100",
					     "an-empty\0file" };
	for (size_t i = 0; i < 2; i++) {
		memcpy(copy, images[1], lens[1]);
		memcpy(copy + at, names[i], 10);
		memcpy(copy + at, names[i], i ? 13 : 34);
		assert_int_equal(read_all(copy, lens[1]), ERROR_DAMAGED);
	}
	/* "d" becomes ".", "many" ".." with a length of 2. */
	at = find_bytes("\1\0\3\0many", 8);
	memcpy(copy, images[1], lens[1]);
	copy[at + 2] = 1;
	memcpy(copy + at + 4, "..", 2);
	assert_int_equal(read_all(copy, lens[1]), ERROR_DAMAGED);
	free(copy);
}

/* Below "d", the entry "e" leads to d itself, to the root or to its sibling: extraction and lookup
 * see it. */
static void loops(void **state)
{
	(void)state;
	struct source *s = NULL;
	struct squash *sq = NULL;
	struct squash_inode in, e;
	uint8_t *copy = malloc(lens[1]);
	memcpy(copy, images[1], lens[1]);
	assert_ok(source_from_memory(copy, lens[1], &s, err));
	assert_ok(squash_open(s, NULL, &sq, err));
	assert_ok(tree_find(sq, "d", &in, err));
	assert_ok(tree_find(sq, "d/e", &e, err));
	squash_ref targets[3] = { in.ref, squash_root(sq) };
	assert_ok(tree_find(sq, "d/e2", &in, err));
	targets[2] = in.ref;
	squash_free(&sq);

	/* u16 offset, i16 number delta, u16 type 1, u16 length - 1 = 0, "e" */
	uint8_t tail[] = { 1, 0, 0, 0, 'e' };
	size_t at = 0;
	for (size_t i = 4; i + sizeof(tail) < lens[1]; i++)
		if (memcmp(copy + i, tail, sizeof(tail)) == 0) {
			struct bytes b = bytes_of(copy + i - 4, 2);
			if (bytes_le16(&b) == (uint16_t)e.ref)
				at = i - 4;
		}
	assert_true(at > 0);
	/* It is the first behind its header, whose second field is the block of inodes. */
	struct bytes block = bytes_of(copy + at - 8, 4);
	assert_int_equal(bytes_le32(&block), e.ref >> 16);
	for (size_t i = 0; i < 3; i++) {
		bytes_put_le(copy + at, targets[i] & 0xffff, 2);
		bytes_put_le(copy + at - 8, targets[i] >> 16, 4);
		char *base = tree_temporary();
		int dir CLEANUP_FD = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		const struct squash_extract_rules rules = { 0 };

		assert_ok(squash_open(s, NULL, &sq, err));
		if (i < 2)
			assert_fails(ERROR_DAMAGED, tree_find(sq, "d/e", &in, err));
		struct error *e_loop CLEANUP_ERROR = NULL;
		assert_int_equal(squash_extract(sq, dir, &rules, &e_loop), -1);
		assert_int_equal(error_kind(e_loop), ERROR_DAMAGED);
		assert_non_null(
			strstr(error_message(e_loop), i < 2 ? "contains itself" : "in two places"));
		squash_free(&sq);
		tree_remove(base);
	}
	source_free(&s);
	free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sound_ones),
		cmocka_unit_test(every_field_of_the_superblock),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(flipped_bits),
		cmocka_unit_test(names_that_cannot_be),
		cmocka_unit_test(loops),
	};
	return cmocka_run_group_tests(tests, make_images, free_images);
}
