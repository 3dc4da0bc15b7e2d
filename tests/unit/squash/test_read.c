/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Trees are packed by mksquashfs, read by us and compared with the directory that they were. */

static char *base; /* the test's directory: tree/ is the source */

static int make_tree(void **state)
{
	(void)state;
	base = tree_temporary();
	tree_shell(
		"set -e; mkdir %s/tree; cd %s/tree; umask 022;"
		"mkdir -p empty a/b/c/d 'odd names'; head -c 300000 /dev/urandom >random;"
		"seq 1 200000 >numbers; seq 1 10 >small; : >nothing; head -c 131072 numbers >block;"
		"head -c 131073 numbers >block+1; head -c 4096 numbers >page;"
		"for i in $(seq 1 300); do echo $i >a/b/f$i; done;"
		"ln -s ../numbers a/link; ln -s /does/not/exist dangling;"
		"ln -s $(printf 'x%%.0s' $(seq 1 3000)) long; ln numbers a/b/c/hard; ln small "
		"a/hard;"
		"truncate -s 1M hole; truncate -s 3M holes; seq 1 100000 | "
		"dd of=holes bs=1 seek=1000001 conv=notrunc status=none count=300000;"
		"printf x >'odd names/ blank '; printf y >\"odd names/new\nline\";"
		"printf z >'odd names/-rf'; printf \"\\001\" >'odd names/\\ \"*?$;|&';"
		"printf u >odd\\ names/$(printf '\\303\\244\\377\\001');"
		": >odd\\ names/$(printf 'n%%.0s' $(seq 1 255)); mkfifo fifo;"
		"chmod 4755 small; chmod 1777 empty; chmod 0 nothing; touch -d @1 page;"
		"touch -d @4000000000 block; setfattr -n user.a -v 1 small;"
		"setfattr -n user.long -v $(printf 'v%%.0s' $(seq 1 3000)) numbers;"
		"setfattr -n user.long -v $(printf 'v%%.0s' $(seq 1 3000)) random;"
		"setfattr -n user.empty random; setfattr -n user.d -v dir empty;"
		"touch -d @1000000000 a a/b empty 'odd names' .",
		base, base);
	return 0;
}

static int remove_tree(void **state)
{
	(void)state;
	tree_remove(base);
	return 0;
}

/* Below the test's directory. */
static char *below(const char *name)
{
	static char path[4096];
	(void)snprintf(path, sizeof(path), "%s/%s", base, name);
	return path;
}

static void pack(const char *tree, const char *image, const char *options)
{
	tree_shell("rm -f %s/%s; mksquashfs %s/%s %s/%s -quiet -no-progress %s >/dev/null", base,
		   image, base, tree, base, image, options);
}

static void compare(const char *options)
{
	struct source *s[2];
	struct buffer a CLEANUP_BUFFER = { 0 }, b CLEANUP_BUFFER = { 0 };
	struct tree_options o = { .no_xattrs = strstr(options, "-no-xattrs") };
	pack("tree", "image", options);
	struct squash *sq = tree_open(below("image"), 0, s);
	assert_ok(tree_of_squash(sq, &o, &a, err));
	int fd CLEANUP_FD = open(below("tree"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	tree_of_directory(fd, &o, &b);
	tree_assert_equal(&a, &b);
	tree_close(sq, s);
}

static void every_compressor(void **state)
{
	(void)state;
	compare("-comp gzip");
	compare("-comp zstd");
	compare("-comp xz");
	compare("-comp xz -Xbcj x86 -b 1M");
	compare("-comp lz4");
	compare("-comp lz4 -Xhc");
	compare("-comp lzo");
}

static void every_option(void **state)
{
	(void)state;
	compare("-noI");
	compare("-noD");
	compare("-noF");
	compare("-noX");
	compare("-noI -noD -noF -noX");
	compare("-no-fragments");
	compare("-always-use-fragments");
	compare("-b 4096");
	compare("-b 1M");
	compare("-b 4096 -always-use-fragments -comp zstd");
	compare("-no-xattrs");
	compare("-no-exports -no-duplicates -nopad");
	compare("-no-sparse");
}

static void devices(void **state)
{
	(void)state;
	struct source *s[2];
	struct squash_inode in;
	pack("tree/empty", "image",
	     "-p 'null c 666 0 0 1 3' -p 'disk b 660 0 6 8 300' -p 'd d 2750 5 7' "
	     "-p 'whiteout c 0 0 0 0 0' -p 'sock i 644 1 2 s' -p 'pipe i 600 3 4 f'");
	struct squash *sq = tree_open(below("image"), 0, s);
	assert_ok(tree_find(sq, "null", &in, err));
	assert_int_equal(in.mode, S_IFCHR | 0666);
	assert_int_equal(in.device, 0x103);
	assert_ok(tree_find(sq, "disk", &in, err));
	assert_int_equal(in.mode, S_IFBLK | 0660);
	assert_int_equal(in.device, 8 << 8 | (300 & 0xff) | (300 & ~0xff) << 12);
	assert_int_equal(in.gid, 6);
	assert_ok(tree_find(sq, "d", &in, err));
	assert_int_equal(in.mode, S_IFDIR | 02750);
	assert_int_equal(in.uid, 5);
	assert_ok(tree_find(sq, "whiteout", &in, err));
	assert_int_equal(in.device, 0);
	assert_ok(tree_find(sq, "sock", &in, err));
	assert_int_equal(in.mode, S_IFSOCK | 0644);
	assert_ok(tree_find(sq, "pipe", &in, err));
	assert_int_equal(in.mode, S_IFIFO | 0600);
	assert_fails(ERROR_NOT_FOUND, tree_find(sq, "nul", &in, err));
	assert_fails(ERROR_NOT_FOUND, tree_find(sq, "nulls", &in, err));
	tree_close(sq, s);
}

struct count {
	uint64_t entries, stop_after, next;
	uint32_t sum;
};

static int count_each(void *context, const struct squash_dirent *e, uint64_t next)
{
	struct count *c = context;
	if (c->stop_after-- == 0)
		return 1;
	c->entries++;
	c->sum = c->sum * 31 + e->number;
	c->next = next;
	return 0;
}

static void a_large_directory(void **state)
{
	(void)state;
	struct source *s[2];
	struct squash_inode dir, in;
	tree_shell("mkdir %s/large && cd %s/large && seq -f 'file-%%06g' 0 69999 | xargs touch",
		   base, base);
	pack("large", "image", "");
	struct squash *sq = tree_open(below("image"), 0, s);
	assert_ok(tree_find(sq, "", &dir, err));
	assert_true(dir.index_count > 0);
	struct count all = { .stop_after = UINT64_MAX };
	assert_ok(squash_readdir(sq, &dir, 0, count_each, &all, err));
	assert_int_equal(all.entries, 70000);

	/* In pieces, as the kernel asks: nothing twice, nothing left out. */
	struct count pieces = { 0 };
	uint64_t before;
	do {
		before = pieces.entries;
		pieces.stop_after = 37;
		assert_ok(squash_readdir(sq, &dir, pieces.next, count_each, &pieces, err));
	} while (pieces.entries > before && pieces.entries <= 70000);
	assert_int_equal(pieces.entries, 70000);
	assert_int_equal(pieces.sum, all.sum);

	/* From anywhere, as seekdir can: some entries or none, and no harm. */
	for (uint64_t at = 1; at; at = at * 3 % (UINT64_C(1) << 41)) {
		struct count some = { .stop_after = 10 };
		assert_ok(squash_readdir(sq, &dir, at, count_each, &some, err));
		assert_true(some.entries <= 10);
		if (at == 1)
			assert_int_equal(some.entries, 10);
		if (at > UINT64_C(1) << 40)
			break;
	}
	for (unsigned i = 0; i < 70000; i += 7) {
		char name[32];
		(void)snprintf(name, sizeof(name), "file-%06u", i);
		assert_ok(tree_find(sq, name, &in, err));
	}
	assert_fails(ERROR_NOT_FOUND, tree_find(sq, "file-0000000", &in, err));
	assert_fails(ERROR_NOT_FOUND, tree_find(sq, "a", &in, err));
	assert_fails(ERROR_NOT_FOUND, tree_find(sq, "z", &in, err));
	tree_close(sq, s);
}

/*
 * An image made by hand, all of it stored as it is: a root and in it "f", a file of so many blocks
 * of 128 KiB. Block i is a hole, or one byte of content ("raw": every block is there, in a row).
 */
#define GIANT_BLOCKS UINT64_C(819200) /* 100 GiB */
#define GIANT_BLOCK UINT64_C(131072)

static const uint64_t giant_there[] = { 0, 1, 511, 512, 40000, 40001, 700003, GIANT_BLOCKS - 1 };

static uint64_t meta_put(int fd, uint64_t at, const uint8_t *data, size_t len)
{
	while (len > 0) {
		uint8_t head[2];
		size_t n = len < 8192 ? len : 8192;
		bytes_put_le(head, 0x8000 | n, 2);
		assert_int_equal(fd_pwrite(fd, head, 2, at), 0);
		assert_int_equal(fd_pwrite(fd, data, n, at + 2), 0);
		at += 2 + n;
		data += n;
		len -= n;
	}
	return at;
}

static void put(uint8_t **to, uint64_t value, size_t len)
{
	bytes_put_le(*to, value, len);
	*to += len;
}

static void giant_make(int fd, bool raw)
{
	uint64_t at = 96;
	size_t len = 32 + 56 + GIANT_BLOCKS * 4;
	uint8_t *inodes = calloc(1, len), *p = inodes, super[96], small[32];
	put(&p, 1, 2), put(&p, 0755, 2), put(&p, 0, 8), put(&p, 1, 4); /* root */
	put(&p, 0, 4), put(&p, 2, 4), put(&p, 12 + 9 + 3, 2), put(&p, 0, 2), put(&p, 3, 4);
	put(&p, 9, 2), put(&p, 0644, 2), put(&p, 0, 8), put(&p, 2, 4); /* f */
	put(&p, at, 8), put(&p, GIANT_BLOCKS * GIANT_BLOCK, 8), put(&p, 0, 8), put(&p, 1, 4);
	put(&p, UINT32_MAX, 4), put(&p, 0, 4), put(&p, UINT32_MAX, 4);
	for (uint64_t i = 0, k = 0; i < GIANT_BLOCKS; i++) {
		bool there = i == giant_there[k];
		if (there) {
			char mark[32];
			int n = snprintf(mark, sizeof(mark), "block %llu", (unsigned long long)i);
			assert_int_equal(fd_pwrite(fd, mark, (size_t)n, at), 0);
			k += k + 1 < sizeof(giant_there) / sizeof(giant_there[0]);
		}
		put(&p, there || raw ? 0x01000000 | GIANT_BLOCK : 0, 4);
		at += there || raw ? GIANT_BLOCK : 0;
	}
	uint64_t inode_table = at, dir_table = meta_put(fd, at, inodes, len);
	free(inodes);
	p = small; /* the listing: f is behind the root's 32 bytes */
	put(&p, 0, 8), put(&p, 1, 4), put(&p, 32, 2), put(&p, 1, 2), put(&p, 2, 2), put(&p, 0, 2);
	put(&p, 'f', 1);
	uint64_t id_block = meta_put(fd, dir_table, small, (size_t)(p - small));
	uint64_t id_table = meta_put(fd, id_block, (const uint8_t[4]){ 0 }, 4);
	bytes_put_le(small, id_block, 8);
	assert_int_equal(fd_pwrite(fd, small, 8, id_table), 0);
	p = super;
	put(&p, 0x73717368, 4), put(&p, 2, 4), put(&p, 0, 4), put(&p, GIANT_BLOCK, 4);
	put(&p, 0, 4), put(&p, 1, 2), put(&p, 17, 2), put(&p, 0, 2), put(&p, 1, 2), put(&p, 4, 2);
	put(&p, 0, 2), put(&p, 0, 8), put(&p, id_table + 8, 8), put(&p, id_table, 8);
	put(&p, UINT64_MAX, 8), put(&p, inode_table, 8), put(&p, dir_table, 8);
	put(&p, UINT64_MAX, 8), put(&p, UINT64_MAX, 8);
	assert_int_equal(fd_pwrite(fd, super, sizeof(super), 0), 0);
}

static void a_file_of_100_gib(void **state)
{
	(void)state;
	for (unsigned raw = 0; raw < 2; raw++) {
		struct source *s[2], *f = NULL;
		struct squash_inode in;
		char want[32], got[32];
		struct timespec t[3];
		int fd CLEANUP_FD = open(below("image"), O_RDWR | O_CREAT | O_TRUNC, 0600);
		giant_make(fd, raw);
		clock_gettime(CLOCK_MONOTONIC, &t[0]);
		struct squash *sq = tree_open(below("image"), 0, s);
		assert_ok(tree_find(sq, "f", &in, err));
		assert_int_equal(in.size, GIANT_BLOCKS * GIANT_BLOCK);
		assert_ok(squash_file_source(sq, &in, &f, err));
		clock_gettime(CLOCK_MONOTONIC, &t[1]);
		/* Backwards first, so that the marks are made by the first read. */
		for (unsigned i = 0; i < 2000; i++) {
			size_t n = sizeof(giant_there) / sizeof(giant_there[0]);
			uint64_t at = giant_there[(n - 1) - i % n] * GIANT_BLOCK;
			memset(want, 0, sizeof(want));
			(void)snprintf(want, sizeof(want), "block %llu",
				       (unsigned long long)(at / GIANT_BLOCK));
			assert_int_equal(
				squash_read(sq, &in, got, 32, at, (struct error *[]){ NULL }), 32);
			assert_memory_equal(got, want, 32);
			assert_ok(source_read(f, got, 32, at, err));
			assert_memory_equal(got, want, 32);
		}
		clock_gettime(CLOCK_MONOTONIC, &t[2]);
		print_message("open %.1f ms, 4000 reads %.1f ms\n",
			      (double)(t[1].tv_sec - t[0].tv_sec) * 1e3 +
				      (double)(t[1].tv_nsec - t[0].tv_nsec) / 1e6,
			      (double)(t[2].tv_sec - t[1].tv_sec) * 1e3 +
				      (double)(t[2].tv_nsec - t[1].tv_nsec) / 1e6);
		assert_int_equal(
			squash_read(sq, &in, got, 16, in.size - 3, (struct error *[]){ NULL }), 3);
		assert_int_equal(squash_read(sq, &in, got, 16, in.size, (struct error *[]){ NULL }),
				 0);
		assert_int_equal(
			squash_read(sq, &in, got, 16, UINT64_MAX, (struct error *[]){ NULL }), 0);
		source_free(&f);
		tree_close(sq, s);
	}
}

/* What Apptainer built, at the place where its SIF has it. */
static void a_reference_image(void **state)
{
	(void)state;
	struct source *s[2];
	const char *fixtures = getenv("COFFER_FIXTURES");
	char *path CLEANUP_TEXT = NULL;
	assert_ok((path = text_printf(err, "%s/plain.sif", fixtures)) ? 0 : -1);
	struct squash *sq = tree_open(path, 36864, s);
	tree_shell("mkdir %s/fixture", base);
	int fd CLEANUP_FD = open(below("fixture"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_ok(squash_extract(sq, fd, &(struct squash_extract_rules){ 0 }, err));
	tree_shell("cd %s/fixture && md5sum --quiet --strict -c $(realpath %s)/contents.md5", base,
		   fixtures);
	tree_close(sq, s);
}

static void as_a_source(void **state)
{
	(void)state;
	struct source *s[2], *f = NULL;
	struct squash_inode in;
	static const char *const options[] = { "-noD -noF", "-noD -no-fragments", "-b 4096",
					       "-noD -always-use-fragments" };
	static uint8_t want[300000], got[300000];
	int fd CLEANUP_FD = open(below("tree/random"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(fd_pread(fd, want, sizeof(want), 0), sizeof(want));
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		pack("tree", "image", options[i]);
		struct squash *sq = tree_open(below("image"), 0, s);
		assert_ok(tree_find(sq, "random", &in, err));
		assert_ok(squash_file_source(sq, &in, &f, err));
		assert_int_equal(f->size, sizeof(want));
		memset(got, 0, sizeof(got));
		assert_ok(source_read(f, got, sizeof(got), 0, err));
		assert_memory_equal(got, want, sizeof(want));
		for (size_t off = 0; off < sizeof(want) - 5000; off += 4999) {
			assert_ok(source_read(f, got, 5000, off, err));
			assert_memory_equal(got, want + off, 5000);
		}
		assert_fails(ERROR_DAMAGED, source_read(f, got, 1, sizeof(want), err));
		source_free(&f);
		tree_close(sq, s);
	}
}

struct reader {
	struct squash *sq;
	const uint8_t *want;
	size_t len;
	uint32_t seed;
	unsigned wrong;
};

static void *read_at_random(void *argument)
{
	struct reader *r = argument;
	struct error *e = NULL;
	uint8_t *buf = malloc(r->len);
	struct squash_inode in;
	struct buffer seen = { 0 };
	for (unsigned i = 0; i < 400; i++) {
		r->seed = r->seed * 1664525 + 1013904223;
		size_t off = r->seed % r->len;
		r->seed = r->seed * 1664525 + 1013904223;
		size_t len = (r->seed >> 8) % (i % 3 ? 5000 : 400000);
		size_t left = r->len - off < len ? r->len - off : len;
		if (tree_find(r->sq, "numbers", &in, &e) < 0 ||
		    squash_read(r->sq, &in, buf, len, off, &e) != (ssize_t)left ||
		    memcmp(buf, r->want + off, left) != 0)
			r->wrong++;
		buffer_free(&seen);
		if (squash_xattr_get(r->sq, &in, "user.long", &seen, &e) < 0 || seen.len != 3000)
			r->wrong++;
		error_free(&e);
	}
	buffer_free(&seen);
	free(buf);
	return NULL;
}

static void many_threads(void **state)
{
	(void)state;
	struct source *file = NULL;
	struct stat st;
	int fd CLEANUP_FD = open(below("tree/numbers"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(fstat(fd, &st), 0);
	uint8_t *want = malloc((size_t)st.st_size);
	assert_int_equal(fd_pread(fd, want, (size_t)st.st_size, 0), st.st_size);
	static const char *const options[] = { "-b 4096", "-b 256K -comp zstd", "-b 32K -comp xz" };
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		/* A cache of one block's size makes them fight for it. */
		struct squash_options small = { .cache_bytes = 1 };
		struct squash *sq = NULL;
		struct reader r[8];
		pthread_t threads[8];
		pack("tree", "image", options[i]);
		assert_ok(source_from_fd(open(below("image"), O_RDONLY | O_CLOEXEC), &file, err));
		assert_ok(squash_open(file, &small, &sq, err));
		for (unsigned k = 0; k < 8; k++) {
			r[k] = (struct reader){ sq, want, (size_t)st.st_size, k + 1, 0 };
			assert_int_equal(pthread_create(&threads[k], NULL, read_at_random, &r[k]),
					 0);
		}
		for (unsigned k = 0; k < 8; k++) {
			pthread_join(threads[k], NULL);
			assert_int_equal(r[k].wrong, 0);
		}
		squash_free(&sq);
		source_free(&file);
	}
	free(want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_compressor),  cmocka_unit_test(every_option),
		cmocka_unit_test(devices),	     cmocka_unit_test(a_large_directory),
		cmocka_unit_test(a_file_of_100_gib), cmocka_unit_test(a_reference_image),
		cmocka_unit_test(as_a_source),	     cmocka_unit_test(many_threads),
	};
	return cmocka_run_group_tests(tests, make_tree, remove_tree);
}
