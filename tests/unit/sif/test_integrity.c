/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures of images: made, looked at, and looked at again after each bit that they are of was
 * turned. That Apptainer takes them, and makes such, is shown by tests/peer/sign.bats.
 */
#include "unit.h"

#include <sys/mman.h>
#include <unistd.h>

#include "sif/integrity/internal.h"

/* RFC 8032, 7.1, TEST 1 and TEST 2: the private key as PKCS#8, the public one as RFC 8410 has it.
 */
#define PKCS8 "302e020100300506032b657004220420"
#define SPKI "302a300506032b6570032100"
#define SECRET_1 "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
#define PUBLIC_1 "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
#define PUBLIC_2 "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"

static struct crypto_signer *key_of(const char *hex, bool private)
{
	uint8_t der[64];
	struct crypto_signer *key = NULL;
	size_t len = unhex(hex, der, sizeof(der));
	assert_ok(crypto_signer_from_der(
		der, len, private ? CRYPTO_SIGNER_PRIVATE : CRYPTO_SIGNER_PUBLIC, &key, err));
	return key;
}

static void add(int fd, enum sif_type type, uint32_t group, const char *text)
{
	CLEANUP_FD int from = memfd_create("object", MFD_CLOEXEC);
	assert_int_equal(fd_pwrite(from, text, strlen(text), 0), 0);
	struct sif_addition a = { .fd = from, .type = type, .group = group, .name = "n" };
	assert_ok(sif_add_object(fd, &a, 1700000001, err));
}

#define OBJECTS_LEN (16 + 2 + 8) /* of these; then come the signatures */

static int new_file(void)
{
	int fd = memfd_create("sif", MFD_CLOEXEC);
	CLEANUP_SINK struct sink *file = NULL;
	struct sif_writer *w = NULL;
	struct sif_write_options options = { .time = 1700000000 };
	assert_ok(sink_from_fd(fd, &file, err));
	assert_ok(sif_write_begin(file, &options, &w, err));
	assert_ok(sif_write_finish(w, err));
	sif_writer_free(&w);
	add(fd, SIF_GENERIC, 2, "of another group");
	add(fd, SIF_JSON, 1, "{}");
	add(fd, SIF_DEFFILE, 1, "from: x\n");
	return fd;
}

static int sign(int fd, const struct sif_selection *which, struct error **err)
{
	CLEANUP_SIGNER struct crypto_signer *key = key_of(PKCS8 SECRET_1, true);
	return sif_sign(fd, key, which, 1700000002, err);
}

struct seen {
	size_t verdicts, verified;
	bool error;
};

static int note(void *context, const struct sif_verdict *v, struct error **err)
{
	struct seen *seen = context;
	(void)err;
	seen->verdicts++;
	seen->verified += v->verified_count;
	seen->error |= v->error != NULL;
	return 0;
}

static int verify_by(int fd, const char *public, const struct sif_selection *which,
		     struct seen *seen, struct error **err)
{
	CLEANUP_SIGNER struct crypto_signer *key = key_of(public, false);
	CLEANUP_SOURCE struct source *file = NULL;
	CLEANUP_SIF struct sif *s = NULL;
	*seen = (struct seen){ 0 };
	if (source_from_fd(dup(fd), &file, err) < 0 || sif_read(file, &s, err) < 0)
		return -1;
	return sif_verify(file, s, key, which, note, seen, err);
}

static const struct sif_selection everything;

static int verify(int fd, struct seen *seen, struct error **err)
{
	return verify_by(fd, SPKI PUBLIC_1, &everything, seen, err);
}

static void all_groups(void **state)
{
	(void)state;
	struct seen seen;
	CLEANUP_FD int fd = new_file();
	assert_fails(ERROR_NOT_FOUND, verify(fd, &seen, err));
	assert_ok(sign(fd, &everything, err));
	assert_ok(verify(fd, &seen, err));
	assert_int_equal(seen.verdicts, 2);
	assert_int_equal(seen.verified, 3);
	assert_false(seen.error);
	assert_fails(ERROR_KEY_WRONG, verify_by(fd, SPKI PUBLIC_2, &everything, &seen, err));
	assert_true(seen.error);
	assert_int_equal(seen.verified, 0);
}

static void chosen(void **state)
{
	(void)state;
	struct seen seen;
	CLEANUP_FD int fd = new_file();
	struct sif_selection one = { .by_object = true, .object = 3 },
			     group = { .by_group = true, .group = 1 },
			     none = { .by_group = true, .group = 7 },
			     zero = { .by_object = true, .object = 0 };
	assert_ok(sign(fd, &one, err));
	assert_ok(verify_by(fd, SPKI PUBLIC_1, &one, &seen, err));
	assert_int_equal(seen.verified, 1);
	/* Not a whole group's. */
	assert_fails(ERROR_DAMAGED, verify_by(fd, SPKI PUBLIC_1, &group, &seen, err));
	assert_fails(ERROR_NOT_FOUND, sign(fd, &none, err));
	assert_fails(ERROR_USAGE, sign(fd, &zero, err));
	assert_fails(ERROR_NOT_FOUND, verify_by(fd, SPKI PUBLIC_1, &none, &seen, err));
	assert_fails(ERROR_USAGE, verify_by(fd, SPKI PUBLIC_1, &zero, &seen, err));
	/* The signature itself is in no group. */
	struct sif_selection itself = { .by_object = true, .object = 4 };
	assert_fails(ERROR_USAGE, verify_by(fd, SPKI PUBLIC_1, &itself, &seen, err));
}

static void added_and_removed(void **state)
{
	(void)state;
	struct seen seen;
	CLEANUP_FD int fd = new_file();
	struct sif_selection two = { .by_group = true, .group = 2 };
	assert_ok(sign(fd, &everything, err));
	add(fd, SIF_JSON, 1, "new");
	assert_fails(ERROR_DAMAGED, verify(fd, &seen, err));
	/* The other group is as it was. */
	assert_ok(verify_by(fd, SPKI PUBLIC_1, &two, &seen, err));
	assert_ok(sif_remove_object(fd, 6, 0, err));
	assert_ok(verify(fd, &seen, err));
	assert_ok(sif_remove_object(fd, 3, 0, err));
	assert_fails(ERROR_DAMAGED, verify(fd, &seen, err));
	CLEANUP_FD int other = new_file();
	assert_ok(sign(other, &everything, err));
	add(other, SIF_JSON, 0, "of no group");
	assert_fails(ERROR_DAMAGED, verify(other, &seen, err));
}

/* Where a bit may be turned, and the signatures hold still: sif.md 10. */
static bool is_free_to_change(uint64_t off)
{
	if (off >= SIF_DATA_OFF)
		return false;
	if (off < SIF_TABLE_OFF)
		return (off >= 45 && off < 48) || (off >= 64 && off < SIF_TABLE_OFF);
	uint64_t in = (off - SIF_TABLE_OFF) % SIF_DESCRIPTOR_LEN,
		 slot = (off - SIF_TABLE_OFF) / SIF_DESCRIPTOR_LEN;
	/* The number, where it is the only one of its group, and the bits that no group has; */
	if ((slot == 0 && in >= 5 && in < 9) || in == 12)
		return true;
	/* Used (any but 0), size with padding, last change; of signatures what is not looked at. */
	return in == 4 || (in >= 33 && in < 41) || (in >= 49 && in < 57) ||
	       (slot >= 3 && (in >= 33 || (in >= 5 && in < 9)));
}

static void each_bit(void **state)
{
	(void)state;
	struct seen seen;
	CLEANUP_FD int fd = new_file();
	assert_ok(sign(fd, &everything, err));
	off_t size = lseek(fd, 0, SEEK_END);
	for (uint64_t off = 0; off < (uint64_t)size; off++) {
		/* Free slots, of which nothing is read, but whether they are. */
		if (off >= SIF_TABLE_OFF + 5 * SIF_DESCRIPTOR_LEN && off < SIF_DATA_OFF)
			continue;
		if (off >= SIF_HEADER_LEN && off < SIF_TABLE_OFF)
			continue;
		uint8_t was, now;
		assert_int_equal(fd_pread(fd, &was, 1, off), 1);
		now = was ^ (uint8_t)(1 << off % 8);
		assert_int_equal(fd_pwrite(fd, &now, 1, off), 0);
		struct error *e = NULL;
		int r = verify(fd, &seen, &e);
		/* In an envelope the name of the key, and of members that nobody needs. */
		assert_true(r < 0 || seen.verified == 3);
		if (r == 0 && off < SIF_DATA_OFF + OBJECTS_LEN && !is_free_to_change(off))
			fail_msg("byte %llu may be another", (unsigned long long)off);
		error_free(&e);
		assert_int_equal(fd_pwrite(fd, &was, 1, off), 0);
	}
	assert_ok(verify(fd, &seen, err));
}

static void strange_envelopes(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum error_kind kind;
	} cases[] = {
		{ "", ERROR_UNSUPPORTED },
		{ "{}", ERROR_UNSUPPORTED },
		{ "{\"payloadType\":\"other\"}", ERROR_UNSUPPORTED },
		{ "{\"payloadType\":\"application/vnd.sylabs.sif-metadata+json\"}", ERROR_DAMAGED },
		{ "{\"payloadType\":\"application/"
		  "vnd.sylabs.sif-metadata+json\",\"payload\":\"e30=\","
		  "\"signatures\":[]}",
		  ERROR_KEY_WRONG },
		{ "{\"payloadType\":\"application/"
		  "vnd.sylabs.sif-metadata+json\",\"payload\":\"e30=\","
		  "\"signatures\":[{\"keyid\":\"\",\"sig\":\"AAAA\"}]}",
		  ERROR_KEY_WRONG },
		{ "{\"payloadType\":\"application/"
		  "vnd.sylabs.sif-metadata+json\",\"payload\":\"e30\","
		  "\"signatures\":[]}",
		  ERROR_DAMAGED },
		{ "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{}\n", ERROR_KEY_MISSING },
		{ "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nSIFHASH:\n",
		  ERROR_NOT_FOUND },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct seen seen;
		CLEANUP_FD int fd = new_file(), from = memfd_create("text", MFD_CLOEXEC);
		struct sif_selection one = { .by_group = true, .group = 1 };
		struct sif_addition a = {
			.fd = from, .type = SIF_SIGNATURE, .link = SIF_GROUP_MASK | 1, .name = ""
		};
		assert_int_equal(fd_pwrite(from, cases[i].text, strlen(cases[i].text), 0), 0);
		sif_extra_signature(a.extra, SIF_HASH_SHA256, (const uint8_t[20]){ 0 });
		assert_ok(sif_add_object(fd, &a, 1, err));
		assert_fails(cases[i].kind, verify_by(fd, SPKI PUBLIC_1, &one, &seen, err));
	}
}

static void strange_metadata(void **state)
{
	(void)state;
#define DIGEST "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	static const struct {
		const char *text;
		enum error_kind kind;
	} cases[] = {
		{ "", ERROR_DAMAGED },
		{ "[]", ERROR_DAMAGED },
		{ "{\"version\":2,\"header\":{\"digest\":\"" DIGEST "\"},\"objects\":[]}",
		  ERROR_UNSUPPORTED },
		{ "{\"version\":1,\"header\":{\"digest\":\"sha1:00\"},\"objects\":[]}",
		  ERROR_UNSUPPORTED },
		{ "{\"version\":1,\"header\":{\"digest\":\"sha256:00\"},\"objects\":[]}",
		  ERROR_DAMAGED },
		{ "{\"version\":1,\"header\":{\"digest\":\"\"},\"objects\":[]}", ERROR_DAMAGED },
		{ "{\"version\":1,\"header\":{\"digest\":\"" DIGEST "\"},\"objects\":[{}]}",
		  ERROR_DAMAGED },
		{ "{\"version\":1,\"header\":{\"digest\":\"" DIGEST
		  "\"},\"objects\":[{\"relativeId\":-1}]}",
		  ERROR_DAMAGED },
	};
	CLEANUP_METADATA struct signed_metadata m = { 0 };
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct error *e = NULL;
		if (signed_read(cases[i].text, strlen(cases[i].text), &m, &e) == 0)
			fail_msg("case %zu is read", i);
		if (error_kind(e) != cases[i].kind)
			fail_msg("case %zu: %s", i, error_message(e));
		error_free(&e);
	}
	static const char good[] =
		"{\"version\":1,\"header\":{\"digest\":\"" DIGEST "\"},\"objects\":[]}";
	assert_ok(signed_read(good, strlen(good), &m, err));
	assert_int_equal(m.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_groups),	     cmocka_unit_test(chosen),
		cmocka_unit_test(added_and_removed), cmocka_unit_test(each_bit),
		cmocka_unit_test(strange_envelopes), cmocka_unit_test(strange_metadata),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
