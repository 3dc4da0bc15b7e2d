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

static void round_trip(const char *tree_path, enum image_kind kind, bool pem)
{
	CLEANUP_TEXT char *public_pem = shared_path("fixtures/rsa_public.pem");
	CLEANUP_TEXT char *private_pem = shared_path("fixtures/rsa_private.pem");
	const char *passphrase = pem ? NULL : "correct horse";
	char name[] = "/tmp/coffer-test-XXXXXX";
	CLEANUP_KEY struct key *build_key = NULL, *run_key = NULL;
	CLEANUP_FD int tree = open(tree_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_FD int out = mkstemp(name);
	struct image_json json = { "inspect-metadata.json", "{}", 2 };
	if (kind != IMAGE_SIF) {
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
		.kind = kind,
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
	assert_int_equal(img->kind, kind);
	assert_true((sif_crypt_message(img->sif, img->partition) != NULL) == pem);
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
	assert_int_equal(bytes.len, img->partition->off + img->partition->len + (pem ? 745 : 0));
	if (kind != IMAGE_SIF)
		assert_null(memmem(bytes.data, bytes.len, MARKER, 20));
	unlink(name);
}

/* A whole tree of all kinds of files, through each kind and each compressor. */
static void every_kind_and_codec(void **state)
{
	(void)state;
	static const enum squash_codec codecs[] = { SQUASH_GZIP, SQUASH_LZO, SQUASH_XZ, SQUASH_LZ4,
						    SQUASH_ZSTD };
	static const enum image_kind kinds[] = { IMAGE_LUKS2, IMAGE_GOCRYPTFS };
	/* The sample holds times and owners that squashfs cannot (before 1970, beyond 32 bits). */
	const struct tree_options options = { .no_times = true };
	CLEANUP_TEXT char *public_pem = shared_path("fixtures/rsa_public.pem");
	CLEANUP_TEXT char *private_pem = shared_path("fixtures/rsa_private.pem");
	CLEANUP_KEY struct key *build_key = test_key(KEY_FOR_BUILD, public_pem, NULL);
	CLEANUP_KEY struct key *run_key = test_key(KEY_FOR_RUN, private_pem, NULL);
	CLEANUP_BUFFER struct buffer want = { 0 };
	char dir[SAMPLE_PATH], sample[SAMPLE_PATH + 8];
	sample_make_directory(dir);
	snprintf(sample, sizeof(sample), "%s/tree", dir);
	sample_random(sample, sample_seed());
	CLEANUP_FD int tree = open(sample, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	tree_of_directory(tree, &options, &want);
	for (size_t i = 0; i < 10; i++) {
		char name[] = "/tmp/coffer-test-XXXXXX";
		CLEANUP_FD int out = mkstemp(name);
		CLEANUP_IMAGE struct image *img = NULL;
		CLEANUP_IMAGE_TREE struct image_tree *t = NULL;
		CLEANUP_BUFFER struct buffer got = { 0 };
		struct image_pack_plan plan = {
			.root = tree,
			.definition = "x",
			.definition_len = 1,
			.arch = sif_arch_native(),
			.kind = kinds[i % 2],
			.key = build_key,
			.squash = { .codec = codecs[i / 2] },
		};
		assert_ok(image_pack(&plan, out, err));
		assert_ok(image_open(name, &img, err));
		assert_ok(image_unseal(img, run_key, NULL, &t, err));
		assert_ok(tree_of_squash(t->squash, &options, &got, err));
		tree_assert_equal(&got, &want);
		unlink(name);
	}
	sample_remove(dir);
}

static void every_kind_and_key(void **state)
{
	round_trip(*state, IMAGE_SIF, false);
	round_trip(*state, IMAGE_LUKS2, true);
	round_trip(*state, IMAGE_LUKS2, false);
	round_trip(*state, IMAGE_GOCRYPTFS, true);
	round_trip(*state, IMAGE_GOCRYPTFS, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_and_key),
		cmocka_unit_test(every_kind_and_codec),
	};
	return cmocka_run_group_tests(tests, make_tree, remove_tree);
}
