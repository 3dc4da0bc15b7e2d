/* SPDX-License-Identifier: Apache-2.0 */
#include "folder.h"

#include "key/key.h"
#include "seal/seal.h"

static int set_up(void **state)
{
	assert_int_equal(folder_make(state), 0);
	folder_shell("openssl genrsa -traditional -out a.pem 2048");
	folder_shell("openssl rsa -in a.pem -RSAPublicKey_out -out a.pub");
	folder_shell("openssl genrsa -traditional -out b.pem 2048");
	folder_shell("openssl genrsa -traditional -out c.pem 3072");
	folder_shell("openssl genrsa -traditional -out d.pem 1024");
	return 0;
}

static struct key *key_of(const char *path, enum key_use use)
{
	struct key_request request = { .use = use, .pem_path = path };
	struct key *k = NULL;
	assert_ok(key_choose(&request, &k, err));
	assert_non_null(k);
	return k;
}

static struct key *key_in_folder(const char *name, enum key_use use)
{
	char *path CLEANUP_TEXT = folder_path(name);
	return key_of(path, use);
}

static struct key *passphrase(const char *text)
{
	struct key_request request = { .use_environment = true };
	struct key *k = NULL;
	assert_int_equal(setenv("APPTAINER_ENCRYPTION_PASSPHRASE", text, 1), 0);
	assert_ok(key_choose(&request, &k, err));
	key_environment_wipe();
	assert_non_null(k);
	return k;
}

static const struct seal *const seals[] = { &seal_luks2, &seal_gocryptfs };
#define SEALS (sizeof(seals) / sizeof(*seals))

/* encryption.md 3.3: what is wrapped, by Apptainer and by us. */
static void check_made(const struct seal *seal, const struct secret *secret)
{
	if (seal == &seal_luks2) {
		assert_int_equal(secret_size(secret), 64);
		return;
	}
	assert_int_equal(secret_size(secret), 32);
	for (size_t i = 0; i < 32; i++)
		assert_non_null(memchr("0123456789abcdef", secret_bytes(secret)[i], 16));
}

static void round_trip(void **state)
{
	(void)state;
	struct key *public = key_in_folder("a.pub", KEY_FOR_BUILD);
	struct key *private = key_in_folder("a.pem", KEY_FOR_RUN);
	struct key *other = key_in_folder("b.pem", KEY_FOR_RUN);
	struct key *larger = key_in_folder("c.pem", KEY_FOR_RUN);
	struct key *smaller = key_in_folder("d.pem", KEY_FOR_RUN);
	for (size_t i = 0; i < SEALS; i++) {
		const struct secret_form *form = &seals[i]->secret;
		struct secret *made CLEANUP_SECRET = NULL, *again CLEANUP_SECRET = NULL;
		struct secret *got CLEANUP_SECRET = NULL, *none = NULL;
		struct buffer message CLEANUP_BUFFER = { 0 }, second CLEANUP_BUFFER = { 0 };
		bool random = false;
		assert_ok(key_make_secret(public, form, &made, &random, &message, err));
		assert_true(random);
		assert_int_equal(message.len, 400); /* encryption.md 3.3 */
		check_made(seals[i], made);
		assert_ok(key_open_secret(private, form, message.data, message.len, &got, err));
		assert_true(secret_equal(made, got));
		assert_fails(ERROR_KEY_WRONG,
			     key_open_secret(other, form, message.data, message.len, &none, err));
		assert_fails(ERROR_KEY_WRONG,
			     key_open_secret(larger, form, message.data, message.len, &none, err));
		assert_fails(ERROR_KEY_WRONG,
			     key_open_secret(smaller, form, message.data, message.len, &none, err));
		assert_fails(ERROR_KEY_WRONG, key_open_secret(private, form, NULL, 0, &none, err));
		assert_fails(ERROR_DAMAGED, key_open_secret(private, form, message.data,
							    message.len - 30, &none, err));
		assert_ok(key_make_secret(public, form, &again, &random, &second, err));
		assert_false(secret_equal(made, again));
	}
	key_free(&public);
	key_free(&private);
	key_free(&other);
	key_free(&larger);
	key_free(&smaller);
}

/* A 1024-bit key takes 64 bytes in two pieces; nothing of ours makes such a message. */
static void two_pieces(void **state)
{
	(void)state;
	folder_shell("i=0; while [ $i -lt 64 ]; do printf $((i % 10)); i=$((i + 1)); done >text");
	folder_shell(
		"o='-pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256"
		" -pkeyopt rsa_mgf1_md:sha256'; "
		"head -c 62 text | openssl pkeyutl -encrypt -inkey d.pem $o >one && "
		"tail -c 2 text | openssl pkeyutl -encrypt -inkey d.pem $o >two && "
		"{ printf '\\004\\202\\001\\000'; cat one two; printf after; } >der && "
		"{ echo '-----BEGIN ANY-----'; openssl base64 <der; echo '-----END ANY-----'; }"
		" >message");
	struct buffer message CLEANUP_BUFFER = folder_load("message");
	struct buffer text CLEANUP_BUFFER = folder_load("text");
	struct key *private CLEANUP_KEY = key_in_folder("d.pem", KEY_FOR_RUN);
	struct secret *got CLEANUP_SECRET = NULL;
	assert_ok(
		key_open_secret(private, &seal_luks2.secret, message.data, message.len, &got, err));
	assert_int_equal(secret_size(got), 64);
	assert_memory_equal(secret_bytes(got), text.data, 64);
}

/* Images that Apptainer made: their wrapped keys open with the key that lies beside them. */
static void from_apptainer(void **state)
{
	(void)state;
	static const char *const names[] = { "luks-pem.sif", "gocryptfs-pem.sif" };
	const char *fixtures = getenv("COFFER_FIXTURES");
	assert_non_null(fixtures);
	char *key_path CLEANUP_TEXT = NULL;
	assert_true(asprintf(&key_path, "%s/rsa_private.pem", fixtures) > 0);
	struct key *private CLEANUP_KEY = key_of(key_path, KEY_FOR_RUN);
	for (size_t i = 0; i < SEALS; i++) {
		struct buffer image CLEANUP_BUFFER = { 0 };
		struct secret *got CLEANUP_SECRET = NULL;
		char *path CLEANUP_TEXT = NULL;
		assert_true(asprintf(&path, "%s/%s", fixtures, names[i]) > 0);
		assert_ok(fd_read_file(AT_FDCWD, path, 64 << 20, &image, err));
		const char *message = memmem(image.data, image.len, "-----BEGIN MESSAGE", 18);
		assert_non_null(message);
		assert_ok(key_open_secret(private, &seals[i]->secret, message,
					  image.len - (size_t)(message - image.data), &got, err));
		check_made(seals[i], got);
	}
}

static void damaged_messages(void **state)
{
	(void)state;
	static const char *const messages[] = {
		"x", "-----BEGIN MESSAGE-----\nAgEB\n-----END MESSAGE-----\n", /* an INTEGER */
		"-----BEGIN MESSAGE-----\nBAA=\n-----END MESSAGE-----\n",      /* no bytes */
		"-----BEGIN MESSAGE-----\nBIEB\n-----END MESSAGE-----\n",      /* a wrong length */
	};
	struct key *private CLEANUP_KEY = key_in_folder("a.pem", KEY_FOR_RUN);
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		struct secret *none = NULL;
		assert_fails(ERROR_DAMAGED,
			     key_open_secret(private, &seal_luks2.secret, messages[i],
					     strlen(messages[i]), &none, err));
	}
}

/* encryption.md 2.5 */
static void passphrases(void **state)
{
	(void)state;
	char text[2050];
	bool random = true;
	struct buffer message CLEANUP_BUFFER = { 0 };
	struct secret *got = NULL;
	struct key *k = passphrase("two\nlines");
	assert_ok(key_make_secret(k, &seal_luks2.secret, &got, &random, &message, err));
	assert_false(random);
	assert_int_equal(message.len, 0);
	assert_int_equal(secret_size(got), 9);
	secret_free(&got);
	assert_fails(ERROR_KEY_INVALID,
		     key_make_secret(k, &seal_gocryptfs.secret, &got, &random, &message, err));
	/* An image that Apptainer made with it has the first line for its password. */
	assert_ok(key_open_secret(k, &seal_gocryptfs.secret, NULL, 0, &got, err));
	assert_int_equal(secret_size(got), 3);
	secret_free(&got);
	key_free(&k);

	k = passphrase("\n");
	assert_fails(ERROR_KEY_INVALID,
		     key_open_secret(k, &seal_gocryptfs.secret, NULL, 0, &got, err));
	key_free(&k);

	memset(text, 'x', sizeof(text));
	text[2049] = 0;
	k = passphrase(text);
	assert_fails(ERROR_KEY_INVALID,
		     key_make_secret(k, &seal_gocryptfs.secret, &got, &random, &message, err));
	assert_ok(key_make_secret(k, &seal_luks2.secret, &got, &random, &message, err));
	secret_free(&got);
	key_free(&k);
	text[2048] = 0;
	k = passphrase(text);
	assert_ok(key_make_secret(k, &seal_gocryptfs.secret, &got, &random, &message, err));
	assert_int_equal(secret_size(got), 2048);
	secret_free(&got);
	key_free(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),	  cmocka_unit_test(two_pieces),
		cmocka_unit_test(from_apptainer), cmocka_unit_test(damaged_messages),
		cmocka_unit_test(passphrases),
	};
	return cmocka_run_group_tests(tests, set_up, folder_remove);
}
