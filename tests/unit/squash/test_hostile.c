/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"
#include "tree.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands/look/internal.h"
#include "squash/format.h"

/*
 * Images with faults. Whatever is wrong, opening, walking and reading everything must end, with
 * success or an error of the right kind, within a limit of memory.
 */

static uint8_t *images[3];
static size_t lens[3];
static const char *const codecs[3] = { "-comp gzip", "-comp zstd -noI -noX",
				       "-comp lz4 -noI -noF" };

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
		/* So does who lists it; what is in two places is listed twice, and no more. */
		static const char *const whole[] = { "/", NULL };
		struct look_wish wish = { .paths = whole, .recursive = true };
		struct error *e_list CLEANUP_ERROR = NULL;
		int null CLEANUP_FD = open("/dev/null", O_WRONLY | O_CLOEXEC);
		assert_int_equal(look_list(&wish, sq, null, &e_list), i < 2 ? -1 : 0);
		if (i < 2)
			assert_int_equal(error_kind(e_list), ERROR_DAMAGED);
		squash_free(&sq);
		tree_remove(base);
	}
	source_free(&s);
	free(copy);
}

/* ------------------------------------------------------------------ limits of inodes */

/* Where an inode of the second image is. */
static size_t inode_at(const char *path)
{
	struct source *s CLEANUP_SOURCE = NULL;
	struct squash *sq CLEANUP_SQUASH = NULL;
	struct squash_inode in;
	assert_ok(source_from_memory(images[1], lens[1], &s, err));
	assert_ok(squash_open(s, NULL, &sq, err));
	assert_ok(tree_find(sq, path, &in, err));
	assert_true((in.ref & 0xffff) + 200 < SQUASH_META_LEN); /* all of it is in one block */
	return get(images[1], fields[15]) + (in.ref >> 16) + 2 + (in.ref & 0xffff);
}

/* What comes of the second image with some bytes set. */
static int with_bytes(size_t at, uint64_t value, size_t len)
{
	uint8_t *copy = malloc(lens[1]);
	memcpy(copy, images[1], lens[1]);
	bytes_put_le(copy + at, value, len);
	int r = read_all(copy, lens[1]);
	free(copy);
	return r;
}

static void targets(void **state)
{
	(void)state;
	/* common part of 16 bytes, links, length of the target, target */
	size_t at = inode_at("d/l") + 20;
	assert_memory_equal(images[1] + at, "\1\0\0\0x", 5);
	assert_int_equal(with_bytes(at, 0, 4), ERROR_DAMAGED);
	assert_int_equal(with_bytes(at, 4097, 4), ERROR_DAMAGED);
	assert_int_equal(with_bytes(at, UINT32_MAX, 4), ERROR_DAMAGED);
	assert_int_equal(with_bytes(at + 4, 0, 1), ERROR_DAMAGED);
	assert_int_equal(with_bytes(at + 4, 'y', 1), 0);
}

static void attributes(void **state)
{
	(void)state;
	struct bytes b = bytes_of(images[1], lens[1]);
	bytes_seek(&b, get(images[1], fields[14]));
	size_t pairs = bytes_le64(&b) + 2;
	bytes_skip(&b, 8); /* how many lists */
	size_t lists = bytes_le64(&b) + 2;
	/* number of the prefix, length of the rest, the rest, length of the value, the value */
	assert_memory_equal(images[1] + pairs, "\0\0\1\0a\x63\0\0\0aaa", 12);
	assert_int_equal(with_bytes(pairs, 3, 2), 0); /* an unknown prefix */
	assert_int_equal(with_bytes(pairs + 2, 0, 2), ERROR_DAMAGED);
	assert_int_equal(with_bytes(pairs + 2, 251, 2), ERROR_DAMAGED);
	assert_int_equal(with_bytes(pairs + 4, 0, 1), ERROR_DAMAGED);
	assert_int_equal(with_bytes(pairs + 5, 65537, 4), ERROR_DAMAGED);
	/* of a list: where it is, how many it has, how long they are */
	assert_int_equal(with_bytes(lists + 8, 65537, 4), ERROR_LIMIT);
	assert_int_equal(with_bytes(lists + 8, 2, 4), ERROR_DAMAGED);
	assert_int_equal(with_bytes(lists, UINT64_MAX, 8), ERROR_DAMAGED);
}

/* An index that is not in order is not used: what it says would lead past names that are there. */
static void unordered_index(void **state)
{
	(void)state;
	uint8_t *copy = malloc(lens[1]);
	struct source *s CLEANUP_SOURCE = NULL;
	size_t at = inode_at("many");
	struct bytes b = bytes_of(images[1], lens[1]);
	bytes_seek(&b, at + 16 + 16); /* links, length, block, number above */
	unsigned count = bytes_le16(&b);
	assert_true(count >= 2);
	/* Of each: place in the listing, block, length of the name, less one, name. */
	size_t index[2] = { at + 40, at + 40 }; /* the first and the last */
	for (unsigned i = 1; i < count; i++) {
		bytes_seek(&b, index[1] + 8);
		index[1] += 12 + bytes_le32(&b) + 1;
	}
	for (size_t i = 0; i < 4; i++) {
		struct squash *sq CLEANUP_SQUASH = NULL;
		memcpy(copy, images[1], lens[1]);
		switch (i) {
		case 0: /* the first name is behind all */
			memset(copy + index[0] + 12, '~', 8);
			break;
		case 1: /* the last one is before all */
			memset(copy + index[1] + 12, '!', 8);
			break;
		case 2: /* the last place is the first */
			bytes_put_le(copy + index[1], 1, 4);
			break;
		default: /* the last place is behind the listing */
			bytes_put_le(copy + index[1], UINT32_MAX, 4);
		}
		source_free(&s);
		assert_ok(source_from_memory(copy, lens[1], &s, err));
		assert_ok(squash_open(s, NULL, &sq, err));
		for (unsigned n = 1; n <= 600; n++) {
			char path[64];
			struct squash_inode in;
			(void)snprintf(path, sizeof(path), "many/an-empty-file-with-a-long-name-%u",
				       n);
			assert_ok(tree_find(sq, path, &in, err));
		}
	}
	free(copy);
}

/* ------------------------------------------------------------------ images by hand */

/* What the tables of an image shall hold, and what they are made into. */
struct craft {
	struct buffer data, inodes, listings, pairs; /* pairs: of one list of attributes */
	uint32_t pair_count, inode_count;
	uint16_t compressor;
	uint64_t root;
	size_t gap; /* bytes that nobody reads behind the inodes */
	struct buffer image;
};

static void craft_done(struct craft *c)
{
	buffer_free(&c->data);
	buffer_free(&c->inodes);
	buffer_free(&c->listings);
	buffer_free(&c->pairs);
	buffer_free(&c->image);
}
#define CLEANUP_CRAFT __attribute__((cleanup(craft_done)))

static void put_bytes(struct buffer *b, const void *data, size_t len)
{
	assert_ok(buffer_append(b, data, len, err));
}

static void put_number(struct buffer *b, uint64_t v, size_t len)
{
	uint8_t raw[8];
	bytes_put_le(raw, v, len);
	put_bytes(b, raw, len);
}

/* In blocks that are stored as they are; returns where the first one is. */
static uint64_t put_table(struct buffer *image, const char *data, size_t len)
{
	uint64_t at = image->len;
	for (size_t off = 0; off < len; off += SQUASH_META_LEN) {
		size_t n = len - off < SQUASH_META_LEN ? len - off : SQUASH_META_LEN;
		put_number(image, n | SQUASH_META_RAW, 2);
		put_bytes(image, data + off, n);
	}
	return at;
}

/* Where byte `at` of such a table is. */
static uint64_t ref_of(uint64_t at)
{
	return at / SQUASH_META_LEN * (SQUASH_META_LEN + 2) << 16 | at % SQUASH_META_LEN;
}

/* The part that all inodes have: kind, mode, owner and group 0, time, number. */
static void put_inode(struct craft *c, unsigned type, unsigned mode)
{
	put_number(&c->inodes, type, 2);
	put_number(&c->inodes, mode, 2);
	put_number(&c->inodes, 0, 4);
	put_number(&c->inodes, 1700000000, 4);
	put_number(&c->inodes, ++c->inode_count, 4);
}

static void put_directory(struct craft *c, uint64_t listing, size_t len)
{
	put_inode(c, SQUASH_DIR, 0755);
	put_number(&c->inodes, ref_of(listing) >> 16, 4);
	put_number(&c->inodes, 2, 4);
	put_number(&c->inodes, len + SQUASH_LISTING_EXTRA, 2);
	put_number(&c->inodes, ref_of(listing) & 0xffff, 2);
	put_number(&c->inodes, 1, 4);
}

/* A listing of one entry: 21 bytes. */
static void put_entry(struct craft *c, uint64_t inode, unsigned type, char name)
{
	put_number(&c->listings, 0, 4); /* one entry */
	put_number(&c->listings, ref_of(inode) >> 16, 4);
	put_number(&c->listings, 1, 4);
	put_number(&c->listings, ref_of(inode) & 0xffff, 2);
	put_number(&c->listings, 0, 2);
	put_number(&c->listings, type, 2);
	put_number(&c->listings, 0, 2); /* of one byte */
	put_bytes(&c->listings, &name, 1);
}
#define ENTRY_LEN 21

static void craft(struct craft *c)
{
	static const char zeros[SQUASH_SUPER_LEN];
	struct buffer *i = &c->image;
	put_bytes(i, zeros, sizeof(zeros));
	put_bytes(i, c->data.data, c->data.len);
	uint64_t inodes = put_table(i, c->inodes.data, c->inodes.len);
	for (size_t n = 0; n < c->gap; n++)
		put_number(i, 0, 1);
	uint64_t listings = put_table(i, c->listings.data, c->listings.len);
	uint64_t owners = put_table(i, zeros, SQUASH_ID_LEN), owners_index = i->len;
	put_number(i, owners, 8);
	uint64_t attributes = SQUASH_NO_TABLE;
	if (c->pair_count) {
		char list[SQUASH_XATTR_ID_LEN] = { 0 };
		bytes_put_le(list + 8, c->pair_count, 4);
		uint64_t pairs = put_table(i, c->pairs.data, c->pairs.len);
		uint64_t lists = put_table(i, list, sizeof(list));
		attributes = i->len;
		put_number(i, pairs, 8);
		put_number(i, 1, 8);
		put_number(i, lists, 8);
	}
	const uint64_t super[] = { SQUASH_MAGIC,
				   c->inode_count,
				   1700000000,
				   4096,
				   0,
				   c->compressor ? c->compressor : SQUASH_GZIP,
				   12,
				   0,
				   1,
				   4,
				   0,
				   c->root,
				   i->len,
				   owners_index,
				   attributes,
				   inodes,
				   listings,
				   SQUASH_NO_TABLE,
				   SQUASH_NO_TABLE };
	for (size_t n = 0; n < sizeof(super) / sizeof(super[0]); n++)
		bytes_put_le(i->data + fields[n].off, super[n], fields[n].len);
}

static int read_craft(const struct craft *c)
{
	return read_all((const uint8_t *)c->image.data, c->image.len);
}

/* A root with one file in it, whose inode begins with the file's. */
static void craft_file(struct craft *c, unsigned type)
{
	put_entry(c, 32, SQUASH_FILE, 'f');
	put_directory(c, 0, ENTRY_LEN);
	put_inode(c, type, 0644);
}

/* 2^27 blocks of holes are the most; their words would not fit a small table at all. */
static void many_blocks(void **state)
{
	(void)state;
	static const struct {
		uint64_t blocks;
		size_t gap;
		int kind;
	} cases[] = { { (uint64_t)1 << 27, 0, ERROR_DAMAGED },
		      { (uint64_t)1 << 27, 200000, 0 },
		      { ((uint64_t)1 << 27) + 1, 200000, ERROR_LIMIT },
		      { (uint64_t)1 << 40, 200000, ERROR_DAMAGED } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct craft c CLEANUP_CRAFT = { .gap = cases[i].gap };
		struct source *s CLEANUP_SOURCE = NULL;
		struct squash *sq CLEANUP_SQUASH = NULL;
		struct squash_inode in;
		craft_file(&c, SQUASH_FILE + SQUASH_EXTENDED);
		put_number(&c.inodes, SQUASH_SUPER_LEN, 8);
		put_number(&c.inodes, cases[i].blocks * 4096, 8);
		put_number(&c.inodes, 0, 8);
		put_number(&c.inodes, 1, 4);
		put_number(&c.inodes, SQUASH_NONE, 4);
		put_number(&c.inodes, 0, 4);
		put_number(&c.inodes, SQUASH_NONE, 4);
		craft(&c);
		assert_ok(source_from_memory(c.image.data, c.image.len, &s, err));
		assert_ok(squash_open(s, NULL, &sq, err));
		if (cases[i].kind)
			assert_fails((enum error_kind)cases[i].kind, tree_find(sq, "f", &in, err));
		else
			assert_ok(tree_find(sq, "f", &in, err));
	}
}

/* A block in a stream of xz whose header asks for a dictionary of some size. */
static void large_dictionaries(void **state)
{
	(void)state;
	static const struct {
		const char *size;
		int kind;
	} cases[] = { { "1MiB", 0 }, { "8MiB", 0 }, { "32MiB", ERROR_DAMAGED } };
	char *base = tree_temporary();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct craft c CLEANUP_CRAFT = { .compressor = SQUASH_XZ };
		char *path CLEANUP_TEXT = NULL;
		tree_shell("seq 1 900 | head -c 3000 | xz --check=crc32 "
			   "--lzma2=preset=0,dict=%s >%s/xz",
			   cases[i].size, base);
		assert_ok((path = text_printf(err, "%s/xz", base)) ? 0 : -1);
		assert_ok(fd_read_file(AT_FDCWD, path, 1 << 20, &c.data, err));
		craft_file(&c, SQUASH_FILE);
		put_number(&c.inodes, SQUASH_SUPER_LEN, 4);
		put_number(&c.inodes, SQUASH_NONE, 4);
		put_number(&c.inodes, 0, 4);
		put_number(&c.inodes, 3000, 4);
		put_number(&c.inodes, c.data.len, 4);
		craft(&c);
		assert_int_equal(read_craft(&c), cases[i].kind);
	}
	tree_remove(base);
}

/* "user." and a name of some length, with a value of zeros. */
static void put_pair(struct craft *c, size_t name_len, size_t value_len)
{
	put_number(&c->pairs, 0, 2);
	put_number(&c->pairs, name_len, 2);
	for (size_t i = 0; i < name_len; i++)
		put_bytes(&c->pairs, "a", 1);
	put_number(&c->pairs, value_len, 4);
	for (size_t i = 0; i < value_len; i++)
		put_number(&c->pairs, 0, 1);
	c->pair_count++;
}

static int read_with_pairs(struct craft *c)
{
	put_inode(c, SQUASH_DIR + SQUASH_EXTENDED, 0755);
	put_number(&c->inodes, 2, 4);
	put_number(&c->inodes, SQUASH_LISTING_EXTRA, 4);
	put_number(&c->inodes, 0, 4);
	put_number(&c->inodes, 1, 4);
	put_number(&c->inodes, 0, 4); /* no index, offset 0 */
	put_number(&c->inodes, 0, 4); /* the list */
	craft(c);
	return read_craft(c);
}

static void many_attributes(void **state)
{
	(void)state;
	/* With "user." and their end names of one byte have 7: 9362 of them are 64 KiB less two. */
	static const struct {
		size_t count, name_len, value_len;
		int kind;
	} cases[] = {
		{ 9362, 1, 0, 0 },    { 9363, 1, 0, ERROR_LIMIT },
		{ 1, 250, 0, 0 },     { 1, 251, 0, ERROR_DAMAGED },
		{ 1, 1, 65536, 0 },   { 1, 1, 65537, ERROR_DAMAGED },
		{ 4, 250, 65536, 0 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct craft c CLEANUP_CRAFT = { 0 };
		for (size_t n = 0; n < cases[i].count; n++)
			put_pair(&c, cases[i].name_len, cases[i].value_len);
		if (read_with_pairs(&c) != cases[i].kind)
			fail_msg("%zu of %zu and %zu bytes", cases[i].count, cases[i].name_len,
				 cases[i].value_len);
	}
}

static void unpack(const uint8_t *image, size_t len, struct error **ret_err)
{
	struct source *s CLEANUP_SOURCE = NULL;
	struct squash *sq CLEANUP_SQUASH = NULL;
	const struct squash_extract_rules rules = { 0 };
	char base[] = "/dev/shm/coffer-test-XXXXXX"; /* where deep trees cost little */
	assert_non_null(mkdtemp(base));
	int dir CLEANUP_FD = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_ok(source_from_memory(image, len, &s, err));
	assert_ok(squash_open(s, NULL, &sq, err));
	(void)squash_extract(sq, dir, &rules, ret_err);
	tree_shell("rm -rf %s", base);
}

/* The root and 4095 directories inside one another are the most. */
static void nested_too_deeply(void **state)
{
	(void)state;
	struct craft c CLEANUP_CRAFT = { 0 };
	struct error *e CLEANUP_ERROR = NULL;
	const uint64_t count = 4200;
	for (uint64_t i = 0; i < count; i++) {
		put_directory(&c, i * ENTRY_LEN, i + 1 < count ? ENTRY_LEN : 0);
		if (i + 1 < count)
			put_entry(&c, (i + 1) * 32, SQUASH_DIR, 'd');
	}
	craft(&c);
	unpack((const uint8_t *)c.image.data, c.image.len, &e);
	assert_non_null(e);
	assert_int_equal(error_kind(e), ERROR_LIMIT);
	size_t depth = 0;
	for (const char *p = error_message(e); (p = strstr(p, "/d")); p += 2)
		depth++;
	assert_int_equal(depth, 4096);
}

/* One object less in the superblock than there is: to read does not count them, to unpack does. */
static void more_than_counted(void **state)
{
	(void)state;
	uint8_t *copy = malloc(lens[1]);
	struct error *e CLEANUP_ERROR = NULL;
	uint64_t count = get(images[1], fields[1]);
	memcpy(copy, images[1], lens[1]);
	unpack(copy, lens[1], &e);
	assert_null(e);
	bytes_put_le(copy + fields[1].off, count - 1, 4);
	assert_int_equal(read_all(copy, lens[1]), 0);
	unpack(copy, lens[1], &e);
	assert_non_null(e);
	assert_int_equal(error_kind(e), ERROR_DAMAGED);
	assert_non_null(strstr(error_message(e), "more files than the image says"));
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
		cmocka_unit_test(targets),
		cmocka_unit_test(attributes),
		cmocka_unit_test(unordered_index),
		cmocka_unit_test(many_blocks),
		cmocka_unit_test(large_dictionaries),
		cmocka_unit_test(many_attributes),
		cmocka_unit_test(nested_too_deeply),
		cmocka_unit_test(more_than_counted),
	};
	return cmocka_run_group_tests(tests, make_images, free_images);
}
