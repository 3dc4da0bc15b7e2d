/* SPDX-License-Identifier: Apache-2.0 */
/* Images that others made: Apptainer's fixtures, and what cryptsetup formats. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/os.h"
#include "seal/luks2/internal.h"

#define PARTITION_OFF 36864 /* of both fixtures */

static char dir[] = "/tmp/coffer-test-XXXXXX";

static const char *in_dir(const char *name)
{
	static char path[2][256];
	static int turn;
	turn = !turn;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", dir, name);
	return path[turn];
}

static void put_file(const char *path, const void *data, size_t len)
{
	CLEANUP_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fd_pwrite(fd, data, len, 0), 0);
}

static int make_dir(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	put_file(in_dir("right"), "secret", 6);
	put_file(in_dir("other"), "other", 5);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	static const char *const names[] = { "right", "other", "image", "key" };
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		unlink(in_dir(names[i]));
	return rmdir(dir);
}

static struct source *open_file(const char *path)
{
	struct source *s = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_ok(source_from_fd(fd, &s, err));
	return s;
}

static int unlock(struct source *device, const char *passphrase, struct source **ret,
		  struct error **err)
{
	struct secret *p CLEANUP_SECRET = NULL;
	if (secret_copy(passphrase, strlen(passphrase), &p, err) < 0)
		return -1;
	return seal_open(&seal_luks2, &(struct sealed){ .bytes = device }, p, ret, err);
}

static void run(const char *const *argv)
{
	struct process_spawn spawn = PROCESS_SPAWN;
	struct error *why = NULL;
	spawn.argv = argv;
	int r = process_run(&spawn, &why);
	if (r != 0)
		fail_msg("%s %s: %s", argv[0], argv[1], why ? error_message(why) : "failed");
}
#define RUN(...) run((const char *const[]){ __VA_ARGS__, NULL })

static void test_apptainer(void **state)
{
	(void)state;
	char path[4096];
	snprintf(path, sizeof(path), "%s/luks-pass.sif", getenv("COFFER_FIXTURES"));
	struct source *file CLEANUP_SOURCE = open_file(path);
	struct source *part CLEANUP_SOURCE = NULL, *clear CLEANUP_SOURCE = NULL;
	assert_ok(source_slice(file, PARTITION_OFF, file->size - PARTITION_OFF, &part, err));
	assert_ok(luks2_check(part, err));
	assert_fails(ERROR_KEY_WRONG, unlock(part, "Secret", &clear, err));
	assert_ok(unlock(part, "secret", &clear, err));
	assert_int_equal(clear->size, part->size - (16 << 20));

	/* a squashfs: its magic, and bytes_used, which fits the padded size of the payload */
	uint8_t super[96];
	assert_ok(source_read(clear, super, sizeof(super), 0, err));
	assert_memory_equal(super, "hsqs", 4);
	struct bytes b = bytes_of(super, sizeof(super));
	bytes_skip(&b, 40);
	uint64_t used = bytes_le64(&b);
	assert_int_equal((used + 4095) / 4096 * 4096, clear->size);
}

/* Every offset and length round sector boundaries gives the same bytes as one large read. */
static void check_ranges(struct source *clear, const uint8_t *want)
{
	static const uint64_t edges[] = { 0, 512, 4096, 8192, 65536 };
	uint8_t *buf = malloc(clear->size);
	assert_non_null(buf);
	for (size_t i = 0; i < 5; i++) {
		for (size_t j = 0; j < 5; j++) {
			for (int d = -2; d <= 2; d++) {
				uint64_t from = edges[i] + (uint64_t)d, to = edges[j] + 17;
				if (from > to || to > clear->size)
					continue;
				memset(buf, 0xee, clear->size);
				assert_ok(source_read(clear, buf, to - from, from, err));
				assert_memory_equal(buf, want + from, to - from);
				assert_int_equal(buf[to - from], 0xee);
			}
		}
	}
	free(buf);
}

struct reader {
	struct source *clear;
	const uint8_t *want;
	bool good;
};

static void *read_often(void *context)
{
	struct reader *r = context;
	uint8_t buf[10000];
	r->good = true;
	for (uint64_t i = 0; i < 300; i++) {
		struct error *err = NULL;
		uint64_t off = i * 331 % 100000;
		if (source_read(r->clear, buf, sizeof(buf), off, &err) < 0 ||
		    memcmp(buf, r->want + off, sizeof(buf)) != 0)
			r->good = false;
		error_free(&err);
	}
	return NULL;
}

static void check_threads(struct source *clear, const uint8_t *want)
{
	pthread_t threads[4];
	struct reader readers[4];
	for (int i = 0; i < 4; i++) {
		readers[i] = (struct reader){ .clear = clear, .want = want };
		assert_int_equal(pthread_create(&threads[i], NULL, read_often, &readers[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		assert_true(readers[i].good);
	}
}

#define IMAGE_LEN ((16 << 20) + (128 << 10))

/*
 * Formats a file with the volume key 00, 01, 02, ... and these sizes, encrypts a known payload,
 * adds keyslots, and reads it.
 */
static void check_format(const char *sector, const char *bits, const char *pbkdf, const char *hash,
			 int keyslots)
{
	size_t sector_len = (size_t)atoi(sector), key_len = (size_t)atoi(bits) / 8;
	uint8_t raw[64];
	for (size_t i = 0; i < sizeof(raw); i++)
		raw[i] = (uint8_t)i;
	put_file(in_dir("key"), raw, key_len);
	put_file(in_dir("image"), "", 0);
	const char *image = in_dir("image"), *key = in_dir("key");
	assert_int_equal(truncate(image, IMAGE_LEN), 0);
	bool argon2 = pbkdf[0] == 'a';
	static char key_option[300], file_option[300];
	snprintf(key_option, sizeof(key_option), "--volume-key-file=%s", key);
	snprintf(file_option, sizeof(file_option), "--key-file=%s/right", dir);
	RUN("cryptsetup", "luksFormat", "-q", "--type=luks2", "--pbkdf", pbkdf,
	    "--pbkdf-force-iterations", argon2 ? "4" : "1000", argon2 ? "--pbkdf-memory=64" : "-q",
	    "--hash", hash, "--sector-size", sector, "--key-size", bits, key_option, file_option,
	    image);
	static char new_file[300];
	for (int i = 1; i < keyslots; i++) {
		/* the right one is in the last slot */
		snprintf(new_file, sizeof(new_file), "%s/other", dir);
		if (i == 1)
			RUN("cryptsetup", "luksChangeKey", "-q", "--pbkdf=pbkdf2",
			    "--pbkdf-force-iterations=1000", file_option, image, new_file);
		snprintf(file_option, sizeof(file_option), "--key-file=%s/other", dir);
		snprintf(new_file, sizeof(new_file), "%s/%s", dir,
			 i + 1 == keyslots ? "right" : "other");
		RUN("cryptsetup", "luksAddKey", "-q", "--pbkdf=pbkdf2",
		    "--pbkdf-force-iterations=1000", file_option, image, new_file);
	}

	uint8_t *want = malloc(128 << 10), *hidden = malloc(128 << 10);
	assert_true(want && hidden);
	for (size_t i = 0; i < 128 << 10; i++)
		want[i] = hidden[i] = (uint8_t)(i * 7 + i / 251);
	struct secret *volume_key CLEANUP_SECRET = NULL;
	struct crypto_xts *xts = NULL;
	assert_ok(secret_copy(raw, key_len, &volume_key, err));
	assert_ok(crypto_xts_new(volume_key, CRYPTO_ENCRYPT, &xts, err));
	assert_ok(crypto_xts_encrypt(xts, 0, sector_len / 512, sector_len, hidden,
				     (128 << 10) / sector_len, err));
	crypto_xts_free(&xts);
	CLEANUP_FD int fd = open(image, O_WRONLY | O_CLOEXEC);
	assert_int_equal(fd_pwrite(fd, hidden, 128 << 10, 16 << 20), 0);
	free(hidden);

	struct source *file CLEANUP_SOURCE = open_file(image), *clear CLEANUP_SOURCE = NULL;
	assert_fails(ERROR_KEY_WRONG, unlock(file, "wrong", &clear, err));
	assert_ok(unlock(file, "secret", &clear, err));
	assert_int_equal(clear->size, 128 << 10);
	check_ranges(clear, want);
	check_threads(clear, want);
	free(want);

	/* dm-crypt knows no part of a sector */
	struct source *part CLEANUP_SOURCE = NULL, *less CLEANUP_SOURCE = NULL;
	assert_ok(source_slice(file, 0, file->size - 100, &part, err));
	assert_ok(unlock(part, "secret", &less, err));
	assert_int_equal(less->size, (128 << 10) - sector_len);
}

static void test_cryptsetup(void **state)
{
	(void)state;
	check_format("512", "512", "pbkdf2", "sha256", 1);
	check_format("512", "256", "pbkdf2", "sha1", 1);
	check_format("4096", "512", "pbkdf2", "sha512", 2);
	check_format("4096", "512", "argon2id", "sha256", 1);
	check_format("512", "256", "argon2i", "sha256", 2);
	check_format("4096", "256", "pbkdf2", "sha256", 8);
}

/* The vectors of encryption.md 5.5: key 00..3F, zeros; here through a whole image. */
static void test_vectors(void **state)
{
	(void)state;
	uint8_t sectors[2][32], clear_bytes[2][32], zeros[32] = { 0 };
	unhex("cd6b103236fbd87dba93e9001e29bc3d5e885d6abd1577e3e0e0a5f49e444894", sectors[0], 32);
	unhex("0c22ed7e2168a8500b30154c2ec00d26f8f158f9af844bffaf0387b64c761a1e", sectors[1], 32);
	check_format("512", "512", "pbkdf2", "sha256", 1);
	CLEANUP_FD int fd = open(in_dir("image"), O_WRONLY | O_CLOEXEC);
	assert_int_equal(fd_pwrite(fd, sectors[0], 32, 16 << 20), 0);
	assert_int_equal(fd_pwrite(fd, sectors[1], 32, (16 << 20) + 512), 0);
	struct source *file CLEANUP_SOURCE = open_file(in_dir("image"));
	struct source *clear CLEANUP_SOURCE = NULL;
	assert_ok(unlock(file, "secret", &clear, err));
	assert_ok(source_read(clear, clear_bytes[0], 32, 0, err));
	assert_ok(source_read(clear, clear_bytes[1], 32, 512, err));
	assert_memory_equal(clear_bytes[0], zeros, 32);
	assert_memory_equal(clear_bytes[1], zeros, 32);
}

/* A damaged keyslot area opens nothing, and says so as a wrong key: nothing tells them apart. */
static void test_damaged_area(void **state)
{
	(void)state;
	check_format("512", "512", "pbkdf2", "sha256", 1);
	CLEANUP_FD int fd = open(in_dir("image"), O_WRONLY | O_CLOEXEC);
	assert_int_equal(fd_pwrite(fd, "xxxxxxxx", 8, 32768), 0);
	struct source *file CLEANUP_SOURCE = open_file(in_dir("image"));
	struct source *clear CLEANUP_SOURCE = NULL;
	assert_fails(ERROR_KEY_WRONG, unlock(file, "secret", &clear, err));
}

/* As libcryptsetup does: those to be preferred first, and none that is to be ignored. */
static void test_priorities(void **state)
{
	(void)state;
	static const struct {
		unsigned priorities[2];
		enum error_kind kind; /* unless it opens */
		bool opens;
	} cases[] = {
		{ .priorities = { 1, 2 }, .opens = true },
		{ .priorities = { 0, 1 }, .opens = true },
		{ .priorities = { 0, 2 }, .opens = true },
		{ .priorities = { 2, 1 }, .kind = ERROR_INTERNAL },
		{ .priorities = { 1, 1 }, .kind = ERROR_INTERNAL },
		{ .priorities = { 0, 0 }, .kind = ERROR_KEY_WRONG },
	};
	check_format("512", "512", "pbkdf2", "sha256", 2);
	struct source *file CLEANUP_SOURCE = open_file(in_dir("image"));
	struct secret *passphrase CLEANUP_SECRET = NULL;
	struct luks2_header h;
	assert_ok(secret_copy("secret", 6, &passphrase, err));
	assert_ok(luks2_header_read(file, &h, err));
	assert_int_equal(h.count, 2);
	/* The passphrase is in the second one; whoever tries the first one stumbles. */
	bool second = h.keyslots[1].id == 1;
	h.keyslots[!second].kdf.salt[0] = '!';
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct secret *key CLEANUP_SECRET = NULL;
		h.keyslots[!second].priority = cases[i].priorities[0];
		h.keyslots[second].priority = cases[i].priorities[1];
		if (cases[i].opens)
			assert_ok(luks2_unlock(&h, file, passphrase, &key, err));
		else
			assert_fails(cases[i].kind, luks2_unlock(&h, file, passphrase, &key, err));
	}
}

/* 20 bytes, which a header has that was LUKS1 once, are the beginning of the digest. */
static void test_short_digest(void **state)
{
	(void)state;
	check_format("512", "512", "pbkdf2", "sha256", 1);
	struct source *file CLEANUP_SOURCE = open_file(in_dir("image"));
	struct secret *passphrase CLEANUP_SECRET = NULL, *key CLEANUP_SECRET = NULL;
	struct buffer text CLEANUP_BUFFER = { 0 };
	struct luks2_header h;
	uint8_t digest[LUKS2_BASE64_MAX];
	size_t len;
	assert_ok(secret_copy("secret", 6, &passphrase, err));
	assert_ok(luks2_header_read(file, &h, err));
	assert_true(base64_decode(h.digest, strlen(h.digest), false, digest, &len));
	assert_int_equal(len, 32);
	assert_ok(base64_encode(digest, LUKS1_DIGEST_LEN, 0, &text, err));
	memcpy(h.digest, text.data, text.len + 1);
	assert_ok(luks2_unlock(&h, file, passphrase, &key, err));
	secret_free(&key);
	/* Of the bytes: another letter of the text may be no base64. */
	digest[0] ^= 1;
	buffer_free(&text);
	assert_ok(base64_encode(digest, LUKS1_DIGEST_LEN, 0, &text, err));
	memcpy(h.digest, text.data, text.len + 1);
	assert_fails(ERROR_KEY_WRONG, luks2_unlock(&h, file, passphrase, &key, err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_apptainer),  cmocka_unit_test(test_cryptsetup),
		cmocka_unit_test(test_vectors),	   cmocka_unit_test(test_damaged_area),
		cmocka_unit_test(test_priorities), cmocka_unit_test(test_short_digest),
	};
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
