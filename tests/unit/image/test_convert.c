/* SPDX-License-Identifier: Apache-2.0 */
#include "image_test.h"

#include <fcntl.h>
#include <unistd.h>

#include "sif/format.h"

/* What a conversion keeps, leaves out, and refuses: the images of Apptainer, converted. */

struct converted {
	char name[32];
	int fd;
	struct image_converted done;
};

static void begin(struct converted *c)
{
	memcpy(c->name, "/tmp/coffer-test-XXXXXX", 24);
	c->fd = mkstemp(c->name);
	assert_true(c->fd >= 0);
}
static void end(struct converted *c)
{
	close(c->fd);
	unlink(c->name);
}

static int convert(const char *from, const struct key *key, const struct seal *seal,
		   const struct key *named, struct converted *ret, struct error **failed)
{
	CLEANUP_IMAGE struct image *img = NULL;
	assert_ok(image_open(from, &img, err));
	const struct image_convert_plan plan = {
		.from = img, .key = key, .seal = seal, .named = named, .time = 1800000000
	};
	return image_convert(&plan, ret->fd, &ret->done, failed);
}

static void assert_same_partition(const char *a, const char *b)
{
	CLEANUP_IMAGE struct image *one = NULL, *two = NULL;
	CLEANUP_BUFFER struct buffer left = { 0 }, right = { 0 };
	assert_ok(image_open(a, &one, err));
	assert_ok(image_open(b, &two, err));
	assert_ok(sif_object(one->file, one->root->descriptor, 1 << 26, &left, err));
	assert_ok(sif_object(two->file, two->root->descriptor, 1 << 26, &right, err));
	assert_int_equal(left.len, right.len);
	assert_memory_equal(left.data, right.data, left.len);
}

/* Plain, to a seal, to the other, under a new key, and plain again: to the byte. */
static void there_and_back(void **state)
{
	(void)state;
	CLEANUP_TEXT char *plain = fixture_path("plain.sif");
	CLEANUP_TEXT char *public_pem = fixture_path("rsa_public.pem");
	CLEANUP_TEXT char *private_pem = fixture_path("rsa_private.pem");
	CLEANUP_KEY struct key *build = test_key(KEY_FOR_BUILD, public_pem, NULL);
	CLEANUP_KEY struct key *run = test_key(KEY_FOR_RUN, private_pem, NULL);
	static const struct seal *const ways[] = { &seal_luks2, &seal_gocryptfs, &seal_gocryptfs,
						   &seal_luks2, &seal_luks2,	 NULL };
	struct converted old, new;
	for (size_t i = 0; i < 6; i++) {
		begin(&new);
		/* Who opens it now is asked of the image itself. */
		assert_ok(convert(i ? old.name : plain, i ? run : NULL, ways[i], i ? NULL : build,
				  &new, err));
		CLEANUP_IMAGE struct image *img = NULL;
		assert_ok(image_open(new.name, &img, err));
		assert_ptr_equal(image_seal(img), ways[i]);
		assert_true((image_wrapped_key(img) != NULL) == (ways[i] != NULL));
		if (i)
			end(&old);
		old = new;
	}
	assert_same_partition(plain, old.name);
	end(&old);
}

/* The passphrase is nowhere in the image: who does not give it loses nobody unseen. */
static void nobody_lost(void **state)
{
	(void)state;
	CLEANUP_TEXT char *pass = fixture_path("gocryptfs-pass.sif");
	CLEANUP_TEXT char *pem = fixture_path("gocryptfs-pem.sif");
	CLEANUP_KEY struct key *wrong = test_key(KEY_FOR_RUN, NULL, "another");
	CLEANUP_KEY struct key *right = test_key(KEY_FOR_RUN, NULL, "secret");
	CLEANUP_TEXT char *private_pem = fixture_path("rsa_private.pem");
	CLEANUP_KEY struct key *rsa = test_key(KEY_FOR_RUN, private_pem, NULL);
	struct converted c;
	struct error *failed = NULL;
	begin(&c);
	assert_int_equal(convert(pass, wrong, &seal_gocryptfs, NULL, &c, &failed), -1);
	assert_int_equal(error_kind(failed), ERROR_KEY_WRONG);
	error_free(&failed);
	assert_int_equal(convert(pem, right, &seal_gocryptfs, NULL, &c, &failed), -1);
	assert_int_equal(error_kind(failed), ERROR_KEY_WRONG);
	error_free(&failed);
	assert_int_equal(lseek(c.fd, 0, SEEK_END), 0);
	assert_ok(convert(pass, right, &seal_gocryptfs, NULL, &c, err));
	end(&c);
	begin(&c);
	assert_ok(convert(pem, rsa, &seal_gocryptfs, NULL, &c, err));
	end(&c);
}

/* A copy whose first object, the definition, is of another type. */
static void altered(const char *from, char name[32], int32_t type, uint32_t link)
{
	CLEANUP_BUFFER struct buffer b = { 0 };
	uint8_t field[4];
	memcpy(name, "/tmp/coffer-test-XXXXXX", 24);
	CLEANUP_FD int fd = mkstemp(name);
	assert_ok(fd_read_file(AT_FDCWD, from, 1 << 26, &b, err));
	assert_int_equal(write(fd, b.data, b.len), b.len);
	bytes_put_le(field, (uint32_t)type, 4);
	assert_int_equal(pwrite(fd, field, 4, SIF_TABLE_OFF), 4);
	bytes_put_le(field, link, 4);
	assert_int_equal(pwrite(fd, field, 4, SIF_TABLE_OFF + 13), 4);
}

static size_t count(const char *path, int32_t type)
{
	CLEANUP_IMAGE struct image *img = NULL;
	size_t n = 0;
	assert_ok(image_open(path, &img, err));
	for (size_t i = 0; i < img->sif->count; i++)
		n += img->sif->descriptors[i].type == type;
	return n;
}

/* A signature over what changes would be a lie; over something else it holds. */
static void signatures(void **state)
{
	(void)state;
	static const struct {
		uint32_t link;
		size_t left_out;
	} cases[] = { { SIF_GROUP_MASK | 1, 1 }, { SIF_GROUP_MASK | 9, 0 }, { 3, 1 }, { 2, 0 } };
	CLEANUP_TEXT char *plain = fixture_path("plain.sif");
	CLEANUP_TEXT char *public_pem = fixture_path("rsa_public.pem");
	CLEANUP_KEY struct key *build = test_key(KEY_FOR_BUILD, public_pem, NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char name[32];
		struct converted c;
		altered(plain, name, SIF_SIGNATURE, cases[i].link);
		begin(&c);
		assert_ok(convert(name, NULL, &seal_gocryptfs, build, &c, err));
		assert_int_equal(c.done.signatures, cases[i].left_out);
		assert_int_equal(count(c.name, SIF_SIGNATURE), 1 - cases[i].left_out);
		end(&c);
		unlink(name);
	}
}

/* Nothing that holds files is left in clear under a seal. */
static void other_partitions(void **state)
{
	(void)state;
	CLEANUP_TEXT char *plain = fixture_path("plain.sif");
	CLEANUP_TEXT char *public_pem = fixture_path("rsa_public.pem");
	CLEANUP_KEY struct key *build = test_key(KEY_FOR_BUILD, public_pem, NULL);
	char name[32];
	struct converted c;
	struct error *failed = NULL;
	altered(plain, name, SIF_PARTITION, 0);
	begin(&c);
	assert_int_equal(convert(name, NULL, &seal_gocryptfs, build, &c, &failed), -1);
	assert_int_equal(error_kind(failed), ERROR_USAGE);
	assert_non_null(strstr(error_message(failed), "would not be encrypted"));
	error_free(&failed);
	assert_int_equal(lseek(c.fd, 0, SEEK_END), 0);
	end(&c);
	unlink(name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(nobody_lost),
		cmocka_unit_test(signatures),
		cmocka_unit_test(other_partitions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
