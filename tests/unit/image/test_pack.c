/* SPDX-License-Identifier: Apache-2.0 */
#include "image_test.h"
#include "squash/sample.h"
#include "squash/tree.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARKER "a marker that must not be seen in clear"

/* A little tree: a marker, a large file, a directory, a link. */
static int make_tree(void **state)
{
	static char name[] = "/tmp/coffer-test-XXXXXX";
	if (!mkdtemp(name))
		return -1;
	int dir = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = openat(dir, "marker", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, MARKER, strlen(MARKER)) < 0)
		return -1;
	close(fd);
	fd = openat(dir, "large", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	for (unsigned i = 0; i < 300000; i++)
		if (write(fd, &i, sizeof(i)) != sizeof(i))
			return -1;
	close(fd);
	if (mkdirat(dir, "sub", 0755) || symlinkat("../marker", dir, "sub/link"))
		return -1;
	*state = name;
	return 0;
}

static int remove_tree(void **state)
{
	char command[256];
	snprintf(command, sizeof(command), "rm -rf %s", (const char *)*state);
	return system(command);
}

static void round_trip(const char *tree_path, const struct seal *seal, bool pem)
{
	CLEANUP_TEXT char *public_pem = fixture_path("rsa_public.pem");
	CLEANUP_TEXT char *private_pem = fixture_path("rsa_private.pem");
	const char *passphrase = pem ? NULL : "correct horse";
	char name[] = "/tmp/coffer-test-XXXXXX";
	CLEANUP_KEY struct key *build_key = NULL, *run_key = NULL;
	CLEANUP_FD int tree = open(tree_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_FD int out = mkstemp(name);
	struct image_json json = { "inspect-metadata.json", "{}", 2 };
	if (seal) {
		build_key = test_key(KEY_FOR_BUILD, pem ? public_pem : NULL, passphrase);
		run_key = test_key(KEY_FOR_RUN, pem ? private_pem : NULL, passphrase);
	}
	struct image_pack_plan plan = {
		.root = tree,
		.definition = "bootstrap: scratch\n",
		.definition_len = 19,
		.json = &json,
		.json_count = 1,
		.arch = sif_arch_native(),
		.seal = seal,
		.key = build_key,
		.squash = { .codec = SQUASH_GZIP },
		.sif = { .time = 1700000000 },
	};
	assert_ok(image_pack(&plan, out, err));

	CLEANUP_IMAGE struct image *img = NULL;
	CLEANUP_IMAGE_TREE struct image_tree *t = NULL;
	struct squash_inode inode;
	char content[100] = "", target[32] = "", sum[33], again[33];
	assert_ok(image_open(name, &img, err));
	assert_ptr_equal(image_seal(img), seal);
	assert_true((image_wrapped_key(img) != NULL) == pem);
	assert_ok(image_unseal(img, run_key, NULL, &t, err));
	assert_ok(find_path(t->squash, "marker", &inode, err));
	assert_ok(squash_read(t->squash, &inode, content, sizeof(content), 0, err));
	assert_string_equal(content, MARKER);
	assert_ok(find_path(t->squash, "sub/link", &inode, err));
	assert_ok(squash_readlink(t->squash, &inode, target, sizeof(target), err));
	assert_string_equal(target, "../marker");
	assert_ok(find_path(t->squash, "large", &inode, err));
	assert_int_equal(inode.size, 1200000);
	file_md5(t->squash, &inode, sum);
	file_md5(t->squash, &inode, again);
	assert_string_equal(sum, again);
	/* md5 of the 32-bit numbers 0 to 299999, little endian */
	assert_string_equal(sum, "560445fdab026382512bc935c856d447");

	CLEANUP_BUFFER struct buffer bytes = { 0 };
	assert_ok(fd_read_file(AT_FDCWD, name, 1 << 26, &bytes, err));
	assert_int_equal(bytes.len, img->root->off + img->root->len + (pem ? 745 : 0));
	if (seal)
		assert_null(memmem(bytes.data, bytes.len, MARKER, 20));
	unlink(name);
}

/* What a directory holds, through each kind and each compressor. */
static void pack_every_way(const char *path, void (*check)(struct squash *sq, void *context),
			   void *context)
{
	static const enum squash_codec codecs[] = { SQUASH_GZIP, SQUASH_LZO, SQUASH_XZ, SQUASH_LZ4,
						    SQUASH_ZSTD };
	static const struct seal *const ways[] = { NULL, &seal_luks2, &seal_gocryptfs };
	CLEANUP_TEXT char *public_pem = fixture_path("rsa_public.pem");
	CLEANUP_TEXT char *private_pem = fixture_path("rsa_private.pem");
	CLEANUP_KEY struct key *build_key = test_key(KEY_FOR_BUILD, public_pem, NULL);
	CLEANUP_KEY struct key *run_key = test_key(KEY_FOR_RUN, private_pem, NULL);
	CLEANUP_FD int tree = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < 15; i++) {
		char name[] = "/tmp/coffer-test-XXXXXX";
		CLEANUP_FD int out = mkstemp(name);
		CLEANUP_IMAGE struct image *img = NULL;
		CLEANUP_IMAGE_TREE struct image_tree *t = NULL;
		const struct seal *seal = ways[i % 3];
		struct image_pack_plan plan = {
			.root = tree,
			.definition = "x",
			.definition_len = 1,
			.arch = sif_arch_native(),
			.seal = seal,
			.key = seal ? build_key : NULL,
			.squash = { .codec = codecs[i / 3] },
		};
		assert_ok(image_pack(&plan, out, err));
		assert_ok(image_open(name, &img, err));
		assert_ptr_equal(image_seal(img), seal);
		assert_ok(image_unseal(img, seal ? run_key : NULL, NULL, &t, err));
		check(t->squash, context);
		unlink(name);
	}
}

/* The sample holds times and owners that squashfs cannot (before 1970, beyond 32 bits). */
static const struct tree_options tree_options = { .no_times = true };

static void check_tree(struct squash *sq, void *context)
{
	CLEANUP_BUFFER struct buffer got = { 0 };
	assert_ok(tree_of_squash(sq, &tree_options, &got, err));
	tree_assert_equal(&got, context);
}

static void check_every_way(const char *path)
{
	CLEANUP_BUFFER struct buffer want = { 0 };
	CLEANUP_FD int tree = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	tree_of_directory(tree, &tree_options, &want);
	pack_every_way(path, check_tree, &want);
}

/* All kinds of files. */
static void every_kind_and_codec(void **state)
{
	(void)state;
	char dir[SAMPLE_PATH], sample[SAMPLE_PATH + 8];
	sample_make_directory(dir);
	snprintf(sample, sizeof(sample), "%s/tree", dir);
	sample_random(sample, sample_seed());
	check_every_way(sample);
	sample_remove(dir);
}

/* Nothing at all, then a deep tree beside a wide one. */
static void the_ends(void **state)
{
	(void)state;
	char dir[SAMPLE_PATH], name[256];
	sample_make_directory(dir);
	check_every_way(dir);
	CLEANUP_FD int top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int deep = dup(top);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(mkdirat(deep, "deeper", 0755), 0);
		int below = openat(deep, "deeper", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(below >= 0);
		close(deep);
		deep = below;
	}
	sample_file_at(deep, "bottom", "reached", 7);
	close(deep);
	assert_int_equal(mkdirat(top, "wide", 0755), 0);
	CLEANUP_FD int wide = openat(top, "wide", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	sample_file_at(wide, "first", "one of many names", 17);
	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "%d-%0*d", i, i % 200, 0);
		assert_int_equal(linkat(wide, "first", wide, name, 0), 0);
	}
	check_every_way(dir);
	sample_remove(dir);
}

/* Its data: across the start of a block, the 2 GiB mark, and the end, which is past 4 GiB. */
static const uint64_t large_data[] = { 131070, (2ULL << 30) - 3, (4ULL << 30) - 3 };
static const char large_text[] = "across";

static void check_large(struct squash *sq, void *context)
{
	(void)context;
	struct squash_inode inode;
	static char got[300000];
	assert_ok(find_path(sq, "large", &inode, err));
	assert_int_equal(inode.size, (4ULL << 30) + 3);
	for (size_t i = 0; i < sizeof(large_data) / sizeof(*large_data); i++) {
		uint64_t off = large_data[i] - 100000;
		struct error *err = NULL;
		ssize_t n = squash_read(sq, &inode, got, sizeof(got), off, &err);
		assert_int_equal(n, i == 2 ? 100006 : (ssize_t)sizeof(got));
		assert_memory_equal(got + 100000, large_text, 6);
		memset(got + 100000, 0, 6);
		for (ssize_t k = 0; k < n; k++)
			assert_int_equal(got[k], 0);
	}
}

static void a_file_of_4_gib(void **state)
{
	(void)state;
	char dir[SAMPLE_PATH];
	sample_make_directory(dir);
	CLEANUP_FD int top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_FD int large = openat(top, "large", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	for (size_t i = 0; i < sizeof(large_data) / sizeof(*large_data); i++)
		assert_int_equal(fd_pwrite(large, large_text, 6, large_data[i]), 0);
	pack_every_way(dir, check_large, NULL);
	sample_remove(dir);
}

static void every_kind_and_key(void **state)
{
	round_trip(*state, NULL, false);
	round_trip(*state, &seal_luks2, true);
	round_trip(*state, &seal_luks2, false);
	round_trip(*state, &seal_gocryptfs, true);
	round_trip(*state, &seal_gocryptfs, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_and_key),
		cmocka_unit_test(every_kind_and_codec),
		cmocka_unit_test(the_ends),
		cmocka_unit_test(a_file_of_4_gib),
	};
	return cmocka_run_group_tests(tests, make_tree, remove_tree);
}
