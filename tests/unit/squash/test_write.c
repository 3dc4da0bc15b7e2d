/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "squash/squash.h"
#include "namespace.h"
#include "sample.h"
#include "tree.h"

/*
 * What squash_pack writes is read by programs that know nothing of ours: unsquashfs and
 * rdsquashfs. A tree is packed, unpacked by unsquashfs, and the descriptions of both are compared.
 */

/* ---------------------------------------------------------------- helpers */

static int image_fd = -1;

static struct sink *new_image(void)
{
	struct sink *s = NULL;
	if (image_fd >= 0)
		close(image_fd);
	image_fd = memfd_create("image", MFD_CLOEXEC);
	assert_ok(sink_from_fd(image_fd, &s, err));
	return s;
}

static const char *image_path(void)
{
	static char path[64];
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), image_fd);
	return path;
}

static void assert_padded(void)
{
	struct stat st;
	assert_int_equal(fstat(image_fd, &st), 0);
	assert_int_equal(st.st_size % 4096, 0);
}

static void pack(const char *tree, const struct squash_write_options *options)
{
	CLEANUP_SINK struct sink *s = new_image();
	CLEANUP_FD int fd = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_ok(squash_pack(fd, s, options, err));
	assert_padded();
}

static void unpack(const char *to)
{
	sample_run((const char *[]){ "unsquashfs", "-q", "-n", "-strict-errors", "-d", to,
				     image_path(), NULL },
		   NULL);
}

/* The same by our own reader, without unpacking. */
static void assert_we_read(const char *tree)
{
	struct source *source = NULL;
	struct squash *sq = NULL;
	CLEANUP_BUFFER struct buffer a = { 0 }, b = { 0 };
	CLEANUP_FD int fd = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct tree_options options = { .no_owners = geteuid() != 0 };
	assert_ok(source_from_fd(dup(image_fd), &source, err));
	assert_ok(squash_open(source, &(struct squash_options){ 0 }, &sq, err));
	assert_ok(tree_of_squash(sq, &options, &a, err));
	tree_of_directory(fd, &options, &b);
	tree_assert_equal(&a, &b);
	squash_free(&sq);
	source_free(&source);
}

static void assert_unpacks_to(const char *tree, const char *to)
{
	CLEANUP_BUFFER struct buffer a = { 0 }, b = { 0 };
	unpack(to);
	sample_describe(tree, &a);
	sample_describe(to, &b);
	assert_non_null(a.data);
	if (strcmp(a.data, b.data) != 0) {
		sample_print_difference(a.data, b.data);
		fail_msg("%s is not %s", to, tree);
	}
	sample_remove(to);
}

static void listing(struct buffer *ret)
{
	sample_run((const char *[]){ "unsquashfs", "-lls", image_path(), NULL }, ret);
}

static void read_image(struct buffer *ret)
{
	CLEANUP_ERROR struct error *e = NULL;
	assert_int_equal(lseek(image_fd, 0, SEEK_SET), 0);
	assert_int_equal(fd_read_all(image_fd, SIZE_MAX / 2, "image", ret, &e), 0);
}

/* ---------------------------------------------------------------- packing */

static void random_trees(void **state)
{
	(void)state;
	static const char *const codecs[] = { "gzip", "zstd", "xz", "lz4", "lzo" };
	char dir[SAMPLE_PATH], tree[SAMPLE_PATH + 8], out[SAMPLE_PATH + 8];
	uint64_t seed = sample_seed();
	sample_make_directory(dir);
	snprintf(out, sizeof(out), "%s/out", dir);
	for (size_t i = 0; i < 5; i++) {
		snprintf(tree, sizeof(tree), "%s/tree%zu", dir, i);
		sample_random(tree, seed + i);
		pack(tree, &(struct squash_write_options){
				   .codec = (enum squash_codec)squash_codec_by_name(codecs[i]) });
		assert_unpacks_to(tree, out);
		assert_we_read(tree);
		pack(tree, &(struct squash_write_options){
				   .codec = (enum squash_codec)squash_codec_by_name(codecs[i]),
				   .block_size = 4096,
				   .level = i == 3 ? 0 : 1,
				   .threads = 1 });
		assert_unpacks_to(tree, out);
	}
	sample_remove(dir);
}

static void the_same_tree_gives_the_same_image(void **state)
{
	(void)state;
	char dir[SAMPLE_PATH], tree[SAMPLE_PATH + 8];
	CLEANUP_BUFFER struct buffer first = { 0 }, lines = { 0 };
	struct squash_write_options options = {
		.codec = SQUASH_GZIP, .threads = 1, .clamp_time = true, .time = 1000000000
	};
	sample_make_directory(dir);
	snprintf(tree, sizeof(tree), "%s/tree", dir);
	sample_random(tree, sample_seed());
	pack(tree, &options);
	read_image(&first);
	for (unsigned threads = 1; threads <= 5; threads += 2) {
		CLEANUP_BUFFER struct buffer again = { 0 };
		options.threads = threads;
		pack(tree, &options);
		read_image(&again);
		assert_int_equal(first.len, again.len);
		assert_memory_equal(first.data, again.data, first.len);
	}
	/* No time after the given one, the superblock's included. */
	assert_int_equal(bytes_le32(&(struct bytes){ .data = (uint8_t *)first.data + 8, .len = 4 }),
			 1000000000);
	listing(&lines);
	assert_null(strstr(lines.data, " 2026-"));
	assert_non_null(strstr(lines.data, " 2001-09-09 "));
	sample_remove(dir);
}

static void all_is_roots_when_asked(void **state)
{
	(void)state;
	char dir[SAMPLE_PATH];
	CLEANUP_BUFFER struct buffer lines = { 0 };
	sample_make_directory(dir);
	sample_file(dir, "a", "x", 1);
	if (geteuid() == 0)
		assert_int_equal(chown(dir, 1234, 99999999), 0);
	pack(dir, &(struct squash_write_options){ .codec = SQUASH_GZIP });
	listing(&lines);
	if (geteuid() == 0)
		assert_non_null(strstr(lines.data, " 1234/99999999 "));
	buffer_free(&lines);
	pack(dir, &(struct squash_write_options){ .codec = SQUASH_GZIP, .all_root = true });
	sample_run((const char *[]){ "unsquashfs", "-lln", image_path(), NULL }, &lines);
	assert_int_equal(sample_count(lines.data, " 0/0 "), 2);
	sample_remove(dir);
}

/* 2000 levels with a second directory on each: the way back opens every level again. */
static void a_deep_tree(void **state)
{
	(void)state;
	char dir[SAMPLE_PATH];
	CLEANUP_BUFFER struct buffer lines = { 0 };
	sample_make_directory(dir);
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < 2000; i++) {
		assert_int_equal(mkdirat(fd, "a", 0755), 0);
		assert_int_equal(mkdirat(fd, "b", 0755), 0);
		assert_int_equal(symlinkat("../../..", fd, "l"), 0);
		int below = openat(fd, "a", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(below >= 0);
		close(fd);
		fd = below;
	}
	close(fd);
	pack(dir, &(struct squash_write_options){ .codec = SQUASH_GZIP });
	listing(&lines);
	assert_int_equal(sample_count(lines.data, "/b\n"), 2000);
	assert_int_equal(sample_count(lines.data, "/a\n"), 2000);
	assert_int_equal(sample_count(lines.data, "-> ../../..\n"), 2000);
	sample_remove(dir);
}

static void a_wide_tree(void **state)
{
	(void)state;
	char dir[SAMPLE_PATH], out[SAMPLE_PATH + 8], tree[SAMPLE_PATH + 8], name[256];
	sample_make_directory(dir);
	snprintf(tree, sizeof(tree), "%s/tree", dir);
	snprintf(out, sizeof(out), "%s/out", dir);
	assert_int_equal(mkdir(tree, 0755), 0);
	memset(name, 'x', 255);
	name[255] = '\0';
	for (int i = 0; i < 20000; i++) {
		char number[16];
		int n = snprintf(number, sizeof(number), "%d", i);
		memcpy(name, number, (size_t)n);
		sample_file(tree, i % 2 ? number : name, number, (size_t)n);
	}
	pack(tree, &(struct squash_write_options){ .codec = SQUASH_LZ4 });
	assert_unpacks_to(tree, out);
	/* A name must be found through the directory's index, too. */
	CLEANUP_BUFFER struct buffer cat = { 0 };
	sample_run((const char *[]){ "unsquashfs", "-cat", image_path(), "17777", NULL }, &cat);
	assert_string_equal(cat.data, "17777");
	sample_remove(dir);
}

static void files_with_holes(void **state)
{
	(void)state;
	char dir[SAMPLE_PATH], out[SAMPLE_PATH + 8], tree[SAMPLE_PATH + 8], path[SAMPLE_PATH + 16];
	static const struct {
		off_t size, data[4]; /* 100 bytes of data at each, -1: none */
	} files[] = {
		{ 4LL << 30, { 0, 1LL << 30, (1LL << 30) + 131072, (4LL << 30) - 100 } },
		{ (5LL << 30) + 1, { 131072 - 50, 3LL << 30, -1, -1 } },
		{ 1LL << 30, { -1, -1, -1, -1 } },
		{ 131073, { -1, -1, -1, -1 } },
		{ 1000000, { 0, -1, -1, -1 } },
		{ 1000000, { 999900, -1, -1, -1 } },
		{ 262144, { 131072, -1, -1, -1 } },
	};
	char data[100];
	memset(data, 'd', sizeof(data));
	sample_make_directory(dir);
	snprintf(tree, sizeof(tree), "%s/tree", dir);
	snprintf(out, sizeof(out), "%s/out", dir);
	assert_int_equal(mkdir(tree, 0755), 0);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		for (int copy = 0; copy < 2; copy++) {
			snprintf(path, sizeof(path), "%s/%zu%c", tree, i, 'a' + copy);
			CLEANUP_FD int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
			assert_true(fd >= 0);
			assert_int_equal(ftruncate(fd, files[i].size), 0);
			for (int k = 0; k < 4; k++)
				if (files[i].data[k] >= 0)
					assert_int_equal(fd_pwrite(fd, data, sizeof(data),
								   (uint64_t)files[i].data[k]),
							 0);
		}
	}
	pack(tree, &(struct squash_write_options){ .codec = SQUASH_GZIP });
	struct stat st;
	assert_int_equal(fstat(image_fd, &st), 0);
	assert_true(st.st_size < 1 << 20);
	assert_unpacks_to(tree, out);
	sample_remove(dir);
}

/* Large files and small: a copy costs an inode and no data. */
static void duplicates_are_stored_once(void **state)
{
	(void)state;
	char dir[SAMPLE_PATH], tree[SAMPLE_PATH + 8], out[SAMPLE_PATH + 8], name[32];
	size_t len = 131072 * 3 + 5000;
	uint8_t *data = malloc(len);
	assert_non_null(data);
	sample_noise(1, data, len);
	sample_make_directory(dir);
	snprintf(tree, sizeof(tree), "%s/tree", dir);
	snprintf(out, sizeof(out), "%s/out", dir);
	assert_int_equal(mkdir(tree, 0755), 0);
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "large%d", i);
		sample_file(tree, name, data, len);
		snprintf(name, sizeof(name), "small%d", i);
		sample_file(tree, name, data, 4096);
		snprintf(name, sizeof(name), "whole%d", i);
		sample_file(tree, name, data + 1, 131072);
	}
	/* Begins as the others do but goes on otherwise. */
	data[131072 * 2] ^= 1;
	sample_file(tree, "other", data, len);
	free(data);
	pack(tree, &(struct squash_write_options){ .codec = SQUASH_GZIP });
	struct stat st;
	assert_int_equal(fstat(image_fd, &st), 0);
	assert_true(st.st_size < 1100000);
	assert_unpacks_to(tree, out);
	sample_remove(dir);
}

/* Of each block 256 bytes in 131072 could be saved: only a level above the usual one does. */
static void packed_data_are_left_as_they_are(void **state)
{
	(void)state;
	char dir[SAMPLE_PATH], tree[SAMPLE_PATH + 8], out[SAMPLE_PATH + 8];
	size_t block = 131072, len = 32 * block;
	uint8_t *data = malloc(len);
	struct stat st;
	assert_non_null(data);
	sample_noise(1, data, len);
	for (size_t off = 0; off < len; off += block)
		memset(data + off + 1000, 0, 256);
	sample_make_directory(dir);
	snprintf(tree, sizeof(tree), "%s/tree", dir);
	snprintf(out, sizeof(out), "%s/out", dir);
	assert_int_equal(mkdir(tree, 0755), 0);
	sample_file(tree, "packed", data, len);
	free(data);
	pack(tree, &(struct squash_write_options){ .codec = SQUASH_GZIP });
	assert_int_equal(fstat(image_fd, &st), 0);
	assert_true((size_t)st.st_size > len);
	assert_unpacks_to(tree, out);
	pack(tree, &(struct squash_write_options){ .codec = SQUASH_GZIP, .level = 7 });
	assert_int_equal(fstat(image_fd, &st), 0);
	assert_true((size_t)st.st_size < len);
	sample_remove(dir);
}

/* Fragment blocks of incompressible data that are filled to the last byte, then met again. */
static void full_fragment_blocks(void **state)
{
	(void)state;
	char dir[SAMPLE_PATH], tree[SAMPLE_PATH + 8], out[SAMPLE_PATH + 8], name[32];
	uint8_t data[4096];
	sample_make_directory(dir);
	snprintf(tree, sizeof(tree), "%s/tree", dir);
	snprintf(out, sizeof(out), "%s/out", dir);
	assert_int_equal(mkdir(tree, 0755), 0);
	for (unsigned i = 0; i < 2000; i++) {
		sample_noise(i % 1000, data, sizeof(data));
		snprintf(name, sizeof(name), "%04u", i);
		sample_file(tree, name, data, sizeof(data));
	}
	pack(tree, &(struct squash_write_options){ .codec = SQUASH_GZIP });
	assert_unpacks_to(tree, out);
	struct stat st;
	assert_int_equal(fstat(image_fd, &st), 0);
	assert_true(st.st_size < 1000 * 4096 + 100000);
	sample_remove(dir);
}

/* ---------------------------------------------------------------- sinks */

/* Behaves as a seal does: what lies below is not what was written, nor where. */
struct test_sink {
	struct sink sink;
	struct sink *below;
	uint64_t room; /* bytes that may still be written */
	unsigned reads, truncates;
};

static void mask(uint8_t *to, const uint8_t *from, size_t len, uint64_t off)
{
	for (size_t i = 0; i < len; i++)
		to[i] = (uint8_t)(from[i] ^ ((off + i) * 37 + 11));
}

static int test_write(struct sink *s, const void *buf, size_t len, uint64_t off, struct error **err)
{
	struct test_sink *t = (struct test_sink *)s;
	if (len > t->room)
		return error_errno(err, ENOSPC, "write the test's output");
	t->room -= len;
	uint8_t *masked = malloc(len);
	assert_non_null(masked);
	mask(masked, buf, len, off);
	int r = sink_write(t->below, masked, len, off, err);
	free(masked);
	return r;
}

static int test_read(struct sink *s, void *buf, size_t len, uint64_t off, struct error **err)
{
	struct test_sink *t = (struct test_sink *)s;
	t->reads++;
	if (sink_read(t->below, buf, len, off, err) < 0)
		return -1;
	mask(buf, buf, len, off);
	return 0;
}

static int test_truncate(struct sink *s, uint64_t size, struct error **err)
{
	struct test_sink *t = (struct test_sink *)s;
	t->truncates++;
	return sink_truncate(t->below, size, err);
}

static const struct sink_ops test_ops = { .write = test_write,
					  .read = test_read,
					  .truncate = test_truncate };

static unsigned count_threads(void)
{
	unsigned n = 0;
	DIR *d = opendir("/proc/self/task");
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

/* A joined thread may be seen for a moment after it was joined. */
static void assert_one_thread(void)
{
	for (int i = 0; i < 200 && count_threads() > 1; i++)
		usleep(5000);
	assert_int_equal(count_threads(), 1);
}

static void make_tree_with_copies(const char *tree)
{
	uint8_t *data = malloc(400000);
	assert_non_null(data);
	assert_int_equal(mkdir(tree, 0755), 0);
	for (unsigned i = 0; i < 30; i++) {
		char name[16];
		sample_noise(i % 20, data, 400000);
		snprintf(name, sizeof(name), "%02u", i);
		sample_file(tree, name, data, 131072u * (i % 3) + 1000 * (i % 20));
	}
	free(data);
}

static void through_a_seal_at_an_odd_offset(void **state)
{
	(void)state;
	char dir[SAMPLE_PATH], tree[SAMPLE_PATH + 8], out[SAMPLE_PATH + 8];
	struct squash_write_options options = { .codec = SQUASH_GZIP,
						.clamp_time = true,
						.time = 5 };
	CLEANUP_BUFFER struct buffer plain = { 0 }, sealed = { 0 };
	sample_make_directory(dir);
	snprintf(tree, sizeof(tree), "%s/tree", dir);
	snprintf(out, sizeof(out), "%s/out", dir);
	make_tree_with_copies(tree);
	pack(tree, &(struct squash_write_options){ .codec = SQUASH_GZIP });
	assert_unpacks_to(tree, out);
	pack(tree, &options);
	read_image(&plain);

	CLEANUP_SINK struct sink *file = new_image();
	CLEANUP_SINK struct sink *part = NULL;
	assert_ok(sink_offset(file, 4097, &part, err));
	struct test_sink t = { .sink = { .ops = &test_ops }, .below = part, .room = UINT64_MAX };
	CLEANUP_FD int fd = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_ok(squash_pack(fd, &t.sink, &options, err));
	assert_true(t.reads > 0);
	assert_true(t.truncates > 0);
	read_image(&sealed);
	assert_int_equal(sealed.len, plain.len + 4097);
	mask((uint8_t *)sealed.data + 4097, (uint8_t *)sealed.data + 4097, plain.len, 0);
	assert_memory_equal(sealed.data + 4097, plain.data, plain.len);
	sample_remove(dir);
}

static void a_sink_that_fails(void **state)
{
	(void)state;
	char dir[SAMPLE_PATH], tree[SAMPLE_PATH + 8];
	struct squash_write_options options = { .codec = SQUASH_GZIP, .threads = 3 };
	sample_make_directory(dir);
	snprintf(tree, sizeof(tree), "%s/tree", dir);
	make_tree_with_copies(tree);
	pack(tree, &options);
	struct stat st;
	assert_int_equal(fstat(image_fd, &st), 0);
	CLEANUP_FD int fd = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const uint64_t rooms[] = { 0,
				   95,
				   96,
				   100000,
				   300000,
				   1000000,
				   (uint64_t)st.st_size - 20000,
				   (uint64_t)st.st_size - 5000 };
	for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
		CLEANUP_SINK struct sink *below = new_image();
		struct test_sink t = { .sink = { .ops = &test_ops },
				       .below = below,
				       .room = rooms[i] };
		CLEANUP_ERROR struct error *e = NULL;
		assert_int_equal(squash_pack(fd, &t.sink, &options, &e), -1);
		assert_int_equal(error_kind(e), ERROR_IO);
		assert_int_equal(error_to_errno(e), ENOSPC);
		assert_non_null(strstr(error_message(e), "write the test's output"));
		assert_one_thread();
	}
	sample_remove(dir);
}

/* ---------------------------------------------------------------- refusals */

static void unreadable_files_are_errors(void **state)
{
	(void)state;
	char dir[SAMPLE_PATH];
	sample_make_directory(dir);
	sample_file(dir, "secret", "x", 1);
	assert_int_equal(sample_chmod(dir, "secret", 0), 0);
	CLEANUP_SINK struct sink *s = new_image();
	CLEANUP_FD int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_ERROR struct error *e = NULL;
	bool root = geteuid() == 0;
	if (root)
		assert_int_equal(seteuid(65534), 0);
	int r = squash_pack(fd, s, &(struct squash_write_options){ .codec = SQUASH_GZIP }, &e);
	if (root)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(r, -1);
	assert_int_equal(error_kind(e), ERROR_SYSTEM);
	assert_non_null(strstr(error_message(e), "/secret: "));
	assert_non_null(error_hint_text(e));
	sample_remove(dir);
}

/* Files of /proc/sys say they are empty, and are not: as one that grows while it is read. */
static void changed_files_are_errors(void **state)
{
	(void)state;
	CLEANUP_SINK struct sink *s = new_image();
	CLEANUP_FD int fd = open("/proc/sys/fs/inotify", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_ERROR struct error *e = NULL;
	assert_true(fd >= 0);
	assert_int_equal(
		squash_pack(fd, s, &(struct squash_write_options){ .codec = SQUASH_GZIP }, &e), -1);
	assert_int_equal(error_kind(e), ERROR_IO);
	assert_non_null(strstr(error_message(e), "/max_"));
	assert_non_null(strstr(error_message(e), "changed"));
}

struct meddler {
	const char *tree;
	unsigned sockets, devices, attributes;
};

/* Called between the look at a file and the reading of it: the time to cut it, or let it grow. */
static void meddle(void *context, enum squash_left_out what, const char *path, const char *why)
{
	struct meddler *m = context;
	char full[SAMPLE_PATH + 64];
	assert_non_null(why);
	m->sockets += what == SQUASH_LEFT_SOCKET;
	m->devices += what == SQUASH_LEFT_DEVICE;
	m->attributes += what == SQUASH_LEFT_ATTRIBUTE;
	snprintf(full, sizeof(full), "%s%s", m->tree, path);
	if (strcmp(path, "/cut") == 0)
		assert_int_equal(truncate(full, 100000), 0);
	if (strcmp(path, "/grown") == 0)
		assert_int_equal(truncate(full, 400000), 0);
}

/* As POSIX.1e lists are kept: something no squashfs can hold. */
static void give_acl(const char *dir, const char *name)
{
	static const uint8_t acl[] = {
		2, 0, 0,   0,	1,   0,	  6,  0, 255, 255, 255, 255, 2,	  0,   4,
		0, 5, 0,   0,	0,   4,	  0,  4, 0,   255, 255, 255, 255, 16,  0,
		4, 0, 255, 255, 255, 255, 32, 0, 4,   0,   255, 255, 255, 255,
	};
	char path[SAMPLE_PATH + 64];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(setxattr(path, "system.posix_acl_access", acl, sizeof(acl), 0), 0);
}

static void a_tree_in_use_is_packed_as_it_was_found(void **state)
{
	(void)state;
	char dir[SAMPLE_PATH], path[SAMPLE_PATH + 16];
	CLEANUP_BUFFER struct buffer lines = { 0 }, cut = { 0 }, grown = { 0 };
	sample_make_directory(dir);
	uint8_t *data = malloc(300000);
	assert_non_null(data);
	memset(data, 'x', 300000);
	sample_file(dir, "cut", data, 300000);
	sample_file(dir, "grown", data, 300000);
	give_acl(dir, "cut");
	give_acl(dir, "grown");
	snprintf(path, sizeof(path), "%s/socket", dir);
	assert_int_equal(mknod(path, S_IFSOCK | 0600, 0), 0);
	if (geteuid() == 0) {
		snprintf(path, sizeof(path), "%s/device", dir);
		assert_int_equal(mknod(path, S_IFCHR | 0600, makedev(1, 3)), 0);
	}

	struct meddler m = { .tree = dir };
	pack(dir, &(struct squash_write_options){ .codec = SQUASH_GZIP,
						  .in_place = true,
						  .in_place_as_user = true,
						  .left_out = meddle,
						  .context = &m });
	assert_int_equal(m.sockets, 1);
	assert_int_equal(m.devices, geteuid() == 0);
	assert_int_equal(m.attributes, 2);
	listing(&lines);
	assert_null(strstr(lines.data, "socket"));
	assert_null(strstr(lines.data, "device"));
	sample_run((const char *[]){ "unsquashfs", "-cat", image_path(), "cut", NULL }, &cut);
	sample_run((const char *[]){ "unsquashfs", "-cat", image_path(), "grown", NULL }, &grown);
	assert_int_equal(cut.len, 300000);
	assert_int_equal(grown.len, 300000);
	assert_memory_equal(grown.data, data, 300000);
	assert_memory_equal(cut.data, data, 100000);
	memset(data, 0, 200000);
	assert_memory_equal(cut.data + 100000, data, 200000);
	free(data);

	/* Of a tree that is ours alone all stays, and nobody else ought to have written to it. */
	snprintf(path, sizeof(path), "%s/cut", dir);
	assert_int_equal(truncate(path, 300000), 0);
	CLEANUP_SINK struct sink *s = new_image();
	CLEANUP_FD int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct squash_write_options strict = { .codec = SQUASH_GZIP,
						     .left_out = meddle,
						     .context = &m };
	assert_fails(ERROR_IO, squash_pack(fd, s, &strict, err));
	assert_int_equal(unlinkat(fd, "cut", 0), 0);
	assert_int_equal(unlinkat(fd, "grown", 0), 0);
	pack(dir, &strict);
	buffer_free(&lines);
	listing(&lines);
	assert_non_null(strstr(lines.data, "socket"));
	sample_remove(dir);
}

struct in_namespace {
	const char *dir;
	struct sink *sink;
};

static void pack_in_namespace(const void *context)
{
	const struct in_namespace *n = context;
	const struct squash_write_options options = { .codec = SQUASH_GZIP,
						      .in_place = true,
						      .in_place_as_user = true };
	CLEANUP_FD int fd = open(n->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_ok(squash_pack(fd, n->sink, &options, err));
}

/* 65534 is one of the subordinate ids, and how the kernel shows all that are none. */
static void nobody_is_who_is_mapped_so(void **state)
{
	(void)state;
	enum { nobody = NAMESPACE_ID(65534) };
	char dir[SAMPLE_PATH], path[SAMPLE_PATH + 16];
	CLEANUP_BUFFER struct buffer lines = { 0 };
	if (geteuid() != 0)
		return; /* nobody else can make such files */
	sample_make_directory(dir);
	sample_file(dir, "host", "x", 1);
	sample_file(dir, "real", "x", 1);
	assert_int_equal(sample_chmod(dir, "host", 0644), 0);
	snprintf(path, sizeof(path), "%s/real", dir);
	assert_int_equal(chown(path, nobody, nobody), 0);
	snprintf(path, sizeof(path), "%s/link", dir);
	assert_int_equal(symlink("x", path), 0);
	CLEANUP_SINK struct sink *s = new_image();
	namespace_run(pack_in_namespace, &(struct in_namespace){ .dir = dir, .sink = s });
	sample_run((const char *[]){ "unsquashfs", "-lln", image_path(), NULL }, &lines);
	assert_int_equal(sample_count(lines.data, " 0/0 "), 3);
	assert_int_equal(sample_count(lines.data, " 65534/65534 "), 1);
	assert_non_null(strstr(strstr(lines.data, " 65534/65534 "), "squashfs-root/real"));
	sample_remove(dir);
}

static void bad_options(void **state)
{
	(void)state;
	CLEANUP_FD int fd = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(squash_codec_by_name("gzip"), SQUASH_GZIP);
	assert_int_equal(squash_codec_by_name("zstd"), SQUASH_ZSTD);
	assert_int_equal(squash_codec_by_name("lzma"), -1);
	assert_int_equal(squash_codec_by_name(""), -1);
	static const struct squash_write_options bad[] = {
		{ .codec = (enum squash_codec)2 },
		{ .codec = SQUASH_GZIP, .level = 13 },
		{ .codec = SQUASH_GZIP, .level = -1 },
		{ .codec = SQUASH_LZ4, .level = 1 },
		{ .codec = SQUASH_GZIP, .block_size = 2048 },
		{ .codec = SQUASH_GZIP, .block_size = 131073 },
		{ .codec = SQUASH_GZIP, .block_size = 1 << 21 },
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CLEANUP_SINK struct sink *s = new_image();
		assert_fails(ERROR_USAGE, squash_pack(fd, s, &bad[i], err));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_trees),
		cmocka_unit_test(the_same_tree_gives_the_same_image),
		cmocka_unit_test(all_is_roots_when_asked),
		cmocka_unit_test(a_deep_tree),
		cmocka_unit_test(a_wide_tree),
		cmocka_unit_test(files_with_holes),
		cmocka_unit_test(duplicates_are_stored_once),
		cmocka_unit_test(packed_data_are_left_as_they_are),
		cmocka_unit_test(full_fragment_blocks),
		cmocka_unit_test(through_a_seal_at_an_odd_offset),
		cmocka_unit_test(a_sink_that_fails),
		cmocka_unit_test(unreadable_files_are_errors),
		cmocka_unit_test(changed_files_are_errors),
		cmocka_unit_test(a_tree_in_use_is_packed_as_it_was_found),
		cmocka_unit_test(nobody_is_who_is_mapped_so),
		cmocka_unit_test(bad_options),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
