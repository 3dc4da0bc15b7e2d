/* SPDX-License-Identifier: Apache-2.0 */
#include "image_test.h"

#include <fcntl.h>
#include <unistd.h>

/* All five reference images open, and their trees are what went in. */
static void same_contents(struct squash *sq)
{
	CLEANUP_TEXT char *list = shared_path("fixtures/contents.md5");
	FILE *f = fopen(list, "r");
	assert_non_null(f);
	char sum[33], path[256], got[33];
	int files = 0;
	while (fscanf(f, "%32s ./%255s", sum, path) == 2) {
		struct squash_inode inode;
		assert_ok(find_path(sq, path, &inode, err));
		file_md5(sq, &inode, got);
		assert_string_equal(got, sum);
		files++;
	}
	fclose(f);
	assert_int_equal(files, 8);
}

static void reference_images(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum image_kind kind;
		bool pem, encrypted;
	} cases[] = {
		{ "fixtures/plain.sif", IMAGE_SIF, false, false },
		{ "fixtures/luks-pass.sif", IMAGE_LUKS2, false, true },
		{ "fixtures/luks-pem.sif", IMAGE_LUKS2, true, true },
		{ "fixtures/gocryptfs-pass.sif", IMAGE_GOCRYPTFS, false, true },
		{ "fixtures/gocryptfs-pem.sif", IMAGE_GOCRYPTFS, true, true },
	};
	CLEANUP_TEXT char *pem = shared_path("fixtures/rsa_private.pem");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		CLEANUP_TEXT char *path = shared_path(cases[i].name);
		CLEANUP_IMAGE struct image *img = NULL;
		CLEANUP_IMAGE_TREE struct image_tree *tree = NULL;
		CLEANUP_KEY struct key *key = NULL;
		assert_ok(image_open(path, &img, err));
		assert_int_equal(img->kind, cases[i].kind);
		assert_true(image_is_encrypted(img) == cases[i].encrypted);
		assert_ok(image_check_architecture(img, err));
		if (cases[i].encrypted) {
			assert_fails(ERROR_KEY_MISSING, image_unseal(img, NULL, NULL, &tree, err));
			key = test_key(KEY_FOR_RUN, cases[i].pem ? pem : NULL,
				       cases[i].pem ? NULL : "secret");
		}
		assert_ok(image_unseal(img, key, NULL, &tree, err));
		same_contents(tree->squash);
	}
}

static void wrong_keys(void **state)
{
	(void)state;
	CLEANUP_TEXT char *pem = shared_path("fixtures/rsa_private.pem");
	static const char *const names[] = { "fixtures/luks-pass.sif",
					     "fixtures/gocryptfs-pass.sif" };
	for (size_t i = 0; i < 2; i++) {
		CLEANUP_TEXT char *path = shared_path(names[i]);
		CLEANUP_IMAGE struct image *img = NULL;
		struct image_tree *tree = NULL;
		CLEANUP_KEY struct key *wrong = test_key(KEY_FOR_RUN, NULL, "Secret");
		CLEANUP_KEY struct key *rsa = test_key(KEY_FOR_RUN, pem, NULL);
		assert_ok(image_open(path, &img, err));
		assert_fails(ERROR_KEY_WRONG, image_unseal(img, wrong, NULL, &tree, err));
		assert_fails(ERROR_KEY_WRONG, image_unseal(img, rsa, NULL, &tree, err));
	}
}

static void no_images(void **state)
{
	(void)state;
	struct image *img = NULL;
	assert_fails(ERROR_NOT_FOUND, image_open("/nonexistent.sif", &img, err));
	assert_fails(ERROR_UNSUPPORTED, image_open("/dev/null", &img, err));
	assert_fails(ERROR_POLICY, image_open("/", &img, err));
	CLEANUP_TEXT char *text = shared_path("fixtures/contents.md5");
	assert_fails(ERROR_UNSUPPORTED, image_open(text, &img, err));
	assert_ok(image_open("/tmp", &img, err));
	assert_int_equal(img->kind, IMAGE_SANDBOX);
	image_free(&img);
}

/* A copy of a reference image with one field of its primary partition's descriptor changed. */
static void changed_descriptor(size_t off, const void *bytes, size_t len, char name[])
{
	CLEANUP_TEXT char *path = shared_path("fixtures/plain.sif");
	CLEANUP_BUFFER struct buffer all = { 0 };
	assert_ok(fd_read_file(AT_FDCWD, path, 1 << 24, &all, err));
	memcpy(all.data + 4096 + 2 * 585 + off, bytes, len);
	CLEANUP_FD int fd = mkstemp(name);
	assert_true(fd >= 0);
	assert_int_equal(fd_write(fd, all.data, all.len), 0);
}

static void changed_partitions(void **state)
{
	(void)state;
	struct image *img = NULL;
	char system[] = "/tmp/coffer-test-XXXXXX", type[] = "/tmp/coffer-test-XXXXXX",
	     arch[] = "/tmp/coffer-test-XXXXXX";
	changed_descriptor(205, "\1", 1, system); /* no longer the primary one */
	assert_fails(ERROR_NOT_FOUND, image_open(system, &img, err));
	changed_descriptor(201, "\x63", 1, type); /* file system 99 */
	assert_fails(ERROR_UNSUPPORTED, image_open(type, &img, err));
	changed_descriptor(209, "11", 2, arch); /* s390x */
	assert_ok(image_open(arch, &img, err));
	assert_fails(ERROR_UNSUPPORTED, image_check_architecture(img, err));
	image_free(&img);
	unlink(system);
	unlink(type);
	unlink(arch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reference_images),
		cmocka_unit_test(wrong_keys),
		cmocka_unit_test(no_images),
		cmocka_unit_test(changed_partitions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
