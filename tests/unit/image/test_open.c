/* SPDX-License-Identifier: Apache-2.0 */
#include "image_test.h"

#include <fcntl.h>
#include <unistd.h>

/* All five reference images open, and their trees are what went in. */
static void same_contents(struct squash *sq)
{
	CLEANUP_TEXT char *list = fixture_path("contents.md5");
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
		const struct seal *seal;
		bool pem;
	} cases[] = {
		{ "plain.sif", NULL, false },
		{ "luks-pass.sif", &seal_luks2, false },
		{ "luks-pem.sif", &seal_luks2, true },
		{ "gocryptfs-pass.sif", &seal_gocryptfs, false },
		{ "gocryptfs-pem.sif", &seal_gocryptfs, true },
	};
	CLEANUP_TEXT char *pem = fixture_path("rsa_private.pem");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		CLEANUP_TEXT char *path = fixture_path(cases[i].name);
		CLEANUP_IMAGE struct image *img = NULL;
		CLEANUP_IMAGE_TREE struct image_tree *tree = NULL;
		CLEANUP_KEY struct key *key = NULL;
		assert_ok(image_open(path, &img, err));
		assert_ptr_equal(img->format, &image_sif);
		assert_int_equal(img->partition_count, 1);
		assert_ptr_equal(image_seal(img), cases[i].seal);
		assert_true(image_is_encrypted(img) == (cases[i].seal != NULL));
		assert_ok(image_check_architecture(img, err));
		if (cases[i].seal) {
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
	CLEANUP_TEXT char *pem = fixture_path("rsa_private.pem");
	static const char *const names[] = { "luks-pass.sif", "gocryptfs-pass.sif" };
	for (size_t i = 0; i < 2; i++) {
		CLEANUP_TEXT char *path = fixture_path(names[i]);
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
	CLEANUP_TEXT char *text = fixture_path("contents.md5");
	assert_fails(ERROR_UNSUPPORTED, image_open(text, &img, err));
	assert_ok(image_open("/tmp", &img, err));
	assert_ptr_equal(img->format, &image_sandbox);
	assert_null(img->root);
	assert_int_equal(img->partition_count, 0);
	image_free(&img);
}

/* A copy of a reference image with one field of a descriptor changed. */
static void changed_image(const char *reference, size_t slot, size_t off, const void *bytes,
			  size_t len, char name[])
{
	CLEANUP_TEXT char *path = fixture_path(reference);
	CLEANUP_BUFFER struct buffer all = { 0 };
	assert_ok(fd_read_file(AT_FDCWD, path, 1 << 24, &all, err));
	memcpy(all.data + 4096 + slot * 585 + off, bytes, len);
	CLEANUP_FD int fd = mkstemp(name);
	assert_true(fd >= 0);
	assert_int_equal(fd_write(fd, all.data, all.len), 0);
}

/* Of its primary partition's descriptor. */
static void changed_descriptor(size_t off, const void *bytes, size_t len, char name[])
{
	changed_image("plain.sif", 2, off, bytes, len, name);
}

/* What lies beside a root is opened without one, whatever file system it has. */
static void beside(void **state)
{
	(void)state;
	struct image *img = NULL;
	char system[] = "/tmp/coffer-test-XXXXXX", ext[] = "/tmp/coffer-test-XXXXXX";
	changed_descriptor(205, "\3", 1, system); /* data, and no primary one */
	assert_ok(image_open_beside(system, &img, err));
	assert_int_equal(img->partition_count, 1);
	assert_int_equal(img->partitions[0].role, IMAGE_DATA);
	assert_null(img->root);
	image_free(&img);
	uint8_t head[2048] = { 0 };
	memcpy(head + 1080, "\x53\xef", 2);
	CLEANUP_FD int fd = mkstemp(ext);
	assert_int_equal(fd_write(fd, head, sizeof(head)), 0);
	assert_fails(ERROR_UNSUPPORTED, image_open(ext, &img, err));
	assert_ok(image_open_beside(ext, &img, err));
	assert_ptr_equal(img->format, &image_ext3);
	assert_int_equal(img->partitions[0].filesystem, IMAGE_EXT3);
	assert_null(img->root);
	image_free(&img);
	assert_fails(ERROR_UNSUPPORTED, image_open_beside("/tmp", &img, err));
	unlink(system);
	unlink(ext);
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

/* Writes a descriptor that is the primary partition's but for what is given. */
static void put_partition(uint8_t *image, size_t slot, int filesystem, int role, uint32_t group)
{
	uint8_t *d = image + 4096 + slot * 585;
	memcpy(d, image + 4096 + 2 * 585, 585);
	bytes_put_le(d + 5, slot + 1, 4);
	bytes_put_le(d + 9, 0xF0000000 | group, 4);
	bytes_put_le(d + 201, (uint64_t)filesystem, 4);
	bytes_put_le(d + 205, (uint64_t)role, 4);
}

/* sif.md 9.1: which of a SIF's partitions are for its container. */
static void partitions(void **state)
{
	(void)state;
	static const struct {
		int filesystem, partition;
		uint32_t group;
		bool listed;
		enum image_role role;
		enum image_filesystem is;
	} cases[] = {
		{ SIF_EXT3, SIF_OVERLAY, 1, true, IMAGE_OVERLAY, IMAGE_EXT3 },
		{ SIF_SQUASHFS, SIF_OVERLAY, 2, false, 0, 0 }, /* another image's */
		{ SIF_SQUASHFS, SIF_SYSTEM, 1, false, 0, 0 },  /* not the one that is used */
		{ SIF_RAW, SIF_DATA, 2, true, IMAGE_DATA, IMAGE_RAW },
		{ SIF_ARCHIVE, SIF_DATA, 1, false, 0, 0 },
		{ SIF_GOCRYPTFS_SQUASHFS, SIF_DATA, 1, true, IMAGE_DATA, IMAGE_SQUASHFS },
	};
	CLEANUP_TEXT char *path = fixture_path("plain.sif");
	CLEANUP_BUFFER struct buffer all = { 0 };
	CLEANUP_IMAGE struct image *img = NULL;
	char name[] = "/tmp/coffer-test-XXXXXX";
	size_t count = sizeof(cases) / sizeof(*cases), at = 1;
	assert_ok(fd_read_file(AT_FDCWD, path, 1 << 24, &all, err));
	for (size_t i = 0; i < count; i++)
		put_partition((uint8_t *)all.data, 3 + i, cases[i].filesystem, cases[i].partition,
			      cases[i].group);
	bytes_put_le((uint8_t *)all.data + 80, 48 - 3 - count, 8); /* free descriptors */
	CLEANUP_FD int fd = mkstemp(name);
	assert_true(fd >= 0);
	assert_int_equal(fd_write(fd, all.data, all.len), 0);
	assert_ok(image_open(name, &img, err));
	unlink(name);
	assert_ptr_equal(img->root, img->partitions);
	assert_int_equal(img->root->role, IMAGE_ROOT);
	for (size_t i = 0; i < count; i++) {
		if (!cases[i].listed)
			continue;
		const struct image_partition *p = &img->partitions[at++];
		assert_true(at <= img->partition_count);
		assert_int_equal(p->descriptor->id, 4 + i);
		assert_int_equal(p->role, cases[i].role);
		assert_int_equal(p->filesystem, cases[i].is);
		assert_ptr_equal(p->seal, cases[i].filesystem == SIF_GOCRYPTFS_SQUASHFS
						  ? &seal_gocryptfs
						  : NULL);
		assert_true(p->off == img->root->off && p->len == img->root->len);
	}
	assert_int_equal(at, img->partition_count);
}

/* A wrapped key of 64 KiB is read, and is none; a longer one is not. */
static void long_messages(void **state)
{
	(void)state;
	static const struct {
		size_t len;
		enum error_kind kind;
	} cases[] = { { 65536, ERROR_DAMAGED }, { 65537, ERROR_LIMIT } };
	CLEANUP_TEXT char *pem = fixture_path("rsa_private.pem");
	CLEANUP_KEY struct key *key = test_key(KEY_FOR_RUN, pem, NULL);
	for (size_t i = 0; i < 2; i++) {
		char name[] = "/tmp/coffer-test-XXXXXX";
		CLEANUP_IMAGE struct image *img = NULL;
		struct image_tree *tree = NULL;
		uint8_t place[16] = { 0 }; /* from the file's begin on */
		bytes_put_le(place + 8, cases[i].len, 8);
		changed_image("gocryptfs-pem.sif", 3, 17, place, sizeof(place), name);
		assert_ok(image_open(name, &img, err));
		assert_fails(cases[i].kind, image_unseal(img, key, NULL, &tree, err));
		unlink(name);
	}
}

/* Trees that mksquashfs packs, as outer file systems. */
static void outer_trees(void **state)
{
	(void)state;
	static const struct {
		const char *commands, *words;
		enum error_kind kind;
	} cases[] = {
		{ "echo x >squashfs-1", "gocryptfs.conf: ", ERROR_NOT_FOUND },
		{ "echo {} >gocryptfs.conf; echo x >squashfs-1", "cut off in its header",
		  ERROR_DAMAGED },
		{ "echo {} >gocryptfs.conf", "could not find", ERROR_DAMAGED },
		{ "echo {} >gocryptfs.conf; : >squashfs-1", "squashfs-1 file size should not be 0",
		  ERROR_DAMAGED },
		{ ": >a; echo {} >gocryptfs.conf; echo x >squashfs-1",
		  "a file size should not be 0", ERROR_DAMAGED },
		{ "echo {} >gocryptfs.conf; mkdir squashfs-1", "not a regular file",
		  ERROR_DAMAGED },
		{ "mkdir gocryptfs.conf; echo x >squashfs-1", "gocryptfs.conf is not a file",
		  ERROR_DAMAGED },
		{ "head -c 65537 /dev/zero >gocryptfs.conf; echo x >squashfs-1",
		  "gocryptfs.conf is larger", ERROR_LIMIT },
	};
	CLEANUP_KEY struct key *key = test_key(KEY_FOR_RUN, NULL, "secret");
	CLEANUP_TEXT char *plain = fixture_path("plain.sif");
	CLEANUP_BUFFER struct buffer all = { 0 };
	assert_ok(fd_read_file(AT_FDCWD, plain, 1 << 24, &all, err));
	uint8_t *descriptor = (uint8_t *)all.data + 4096 + 2 * 585;
	struct bytes b = bytes_of(descriptor + 17, 8);
	size_t off = bytes_le64(&b);
	bytes_put_le(descriptor + 201, SIF_GOCRYPTFS_SQUASHFS, 4);
	char name[] = "/tmp/coffer-test-XXXXXX";
	assert_non_null(mkdtemp(name));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEANUP_TEXT char *command = NULL, *outer = NULL, *path = NULL;
		CLEANUP_BUFFER struct buffer content = { 0 };
		CLEANUP_IMAGE struct image *img = NULL;
		CLEANUP_ERROR struct error *e = NULL;
		struct image_tree *tree = NULL;
		assert_true(asprintf(&command,
				     "cd %s && rm -rf t outer && mkdir t && cd t && { %s; } && "
				     "mksquashfs . ../outer -quiet -no-progress >/dev/null",
				     name, cases[i].commands) > 0);
		assert_int_equal(system(command), 0);
		assert_true(asprintf(&outer, "%s/outer", name) > 0);
		assert_true(asprintf(&path, "%s/image", name) > 0);
		assert_ok(fd_read_file(AT_FDCWD, outer, 1 << 20, &content, err));
		bytes_put_le(descriptor + 25, content.len, 8);
		CLEANUP_FD int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
		assert_int_equal(fd_write(fd, all.data, off), 0);
		assert_int_equal(fd_write(fd, content.data, content.len), 0);
		assert_ok(image_open(path, &img, err));
		if (image_unseal(img, key, NULL, &tree, &e) == 0)
			fail_msg("opened: %s", cases[i].commands);
		if (error_kind(e) != cases[i].kind || !strstr(error_message(e), cases[i].words))
			fail_msg("%s: kind %d: %s", cases[i].commands, (int)error_kind(e),
				 error_message(e));
	}
	CLEANUP_TEXT char *command = NULL;
	assert_true(asprintf(&command, "rm -rf %s", name) > 0);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reference_images), cmocka_unit_test(wrong_keys),
		cmocka_unit_test(no_images),	    cmocka_unit_test(changed_partitions),
		cmocka_unit_test(beside),	    cmocka_unit_test(partitions),
		cmocka_unit_test(long_messages),    cmocka_unit_test(outer_trees),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
