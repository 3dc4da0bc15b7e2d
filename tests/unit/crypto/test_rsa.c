/* SPDX-License-Identifier: Apache-2.0 */
#include "folder.h"

#include "crypto/crypto.h"

/* The keys come from the openssl tool. */

static int set_up(void **state)
{
	assert_int_equal(folder_make(state), 0);
	folder_shell("openssl genrsa -out a.pem 2048");
	folder_shell("openssl rsa -in a.pem -traditional -outform DER -out pkcs1.private");
	folder_shell("openssl pkcs8 -topk8 -nocrypt -in a.pem -outform DER -out pkcs8.private");
	folder_shell("openssl rsa -in a.pem -pubout -outform DER -out spki.public");
	folder_shell("openssl rsa -in a.pem -RSAPublicKey_out -outform DER -out pkcs1.public");
	folder_shell(
		"openssl genrsa -traditional 2048 | openssl rsa -traditional -outform DER -out "
		"other.private");
	folder_shell("openssl genrsa -out 1024.pem 1024");
	folder_shell("openssl rsa -in 1024.pem -traditional -outform DER -out 1024.private");
	folder_shell("openssl rsa -in 1024.pem -pubout -outform DER -out 1024.public");
	folder_shell("openssl genrsa 512 | openssl rsa -traditional -outform DER -out 512.private");
	folder_shell(
		"openssl ecparam -name prime256v1 -genkey -noout -outform DER -out ec.private");
	folder_shell("openssl pkcs8 -topk8 -nocrypt -inform DER -in ec.private -outform DER "
		     "-out ec8.private");
	folder_shell("openssl ec -inform DER -in ec.private -pubout -outform DER -out ec.public");
	folder_shell(
		"openssl req -x509 -key a.pem -subj /CN=x -days 9 -outform DER -out certificate");
	folder_shell(
		"openssl pkcs8 -topk8 -v2 aes-256-cbc -passout pass:secret -in a.pem -outform DER "
		"-out protected");
	return 0;
}

static int from_file(const char *name, enum crypto_rsa_form form, struct crypto_rsa **ret,
		     struct error **err)
{
	struct buffer der CLEANUP_BUFFER = folder_load(name);
	return crypto_rsa_from_der(der.data, der.len, form, ret, err);
}

static void every_form_round_trip(void **state)
{
	(void)state;
	const char *publics[] = { "pkcs1.public", "spki.public" };
	const char *privates[] = { "pkcs1.private", "pkcs8.private" };
	const char text[] = "0123456789abcdef0123456789abcdef";
	for (size_t i = 0; i < 2; i++)
		for (size_t j = 0; j < 2; j++) {
			struct crypto_rsa *public = NULL, *private = NULL;
			struct secret *got = NULL;
			uint8_t sealed[256];
			assert_ok(from_file(publics[i], CRYPTO_RSA_PUBLIC, &public, err));
			assert_ok(from_file(privates[j], CRYPTO_RSA_PRIVATE, &private, err));
			assert_int_equal(crypto_rsa_size(public), 256);
			assert_ok(crypto_rsa_encrypt(public, text, 32, sealed, err));
			assert_ok(crypto_rsa_decrypt(private, sealed, &got, err));
			assert_int_equal(secret_size(got), 32);
			assert_memory_equal(secret_bytes(got), text, 32);
			secret_free(&got);
			sealed[100] ^= 1;
			assert_fails(ERROR_KEY_WRONG,
				     crypto_rsa_decrypt(private, sealed, &got, err));
			crypto_rsa_free(&public);
			crypto_rsa_free(&private);
		}
}

#define OAEP \
	" -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256"

/* The padding is the standard's: the tool reads ours, and we read the tool's. */
static void as_the_tool_does(void **state)
{
	(void)state;
	struct crypto_rsa *public = NULL, *private = NULL, *other = NULL;
	struct secret *got = NULL;
	uint8_t sealed[256];
	folder_shell("printf 'from the tool' >text");
	folder_shell("openssl pkeyutl -encrypt -inkey a.pem -in text -out sealed" OAEP);
	struct buffer theirs CLEANUP_BUFFER = folder_load("sealed");
	assert_ok(from_file("pkcs8.private", CRYPTO_RSA_PRIVATE, &private, err));
	assert_int_equal(theirs.len, 256);
	assert_ok(crypto_rsa_decrypt(private, theirs.data, &got, err));
	assert_int_equal(secret_size(got), 13);
	assert_memory_equal(secret_bytes(got), "from the tool", 13);
	secret_free(&got);
	assert_ok(from_file("other.private", CRYPTO_RSA_PRIVATE, &other, err));
	assert_fails(ERROR_KEY_WRONG, crypto_rsa_decrypt(other, theirs.data, &got, err));

	assert_ok(from_file("spki.public", CRYPTO_RSA_PUBLIC, &public, err));
	assert_ok(crypto_rsa_encrypt(public, "to the tool", 11, sealed, err));
	folder_save("ours", sealed, sizeof(sealed));
	folder_shell("test \"$(openssl pkeyutl -decrypt -inkey a.pem -in ours" OAEP
		     ")\" = 'to the tool'");
	crypto_rsa_free(&public);
	crypto_rsa_free(&private);
	crypto_rsa_free(&other);
}

static void assert_refused(const char *name, enum crypto_rsa_form form, const char *words)
{
	struct crypto_rsa *rsa = NULL;
	struct error *err CLEANUP_ERROR = NULL;
	assert_true(from_file(name, form, &rsa, &err) < 0);
	assert_int_equal(error_kind(err), ERROR_KEY_INVALID);
	if (!strstr(error_message(err), words))
		fail_msg("%s: %s", name, error_message(err));
}

static void what_is_refused(void **state)
{
	(void)state;
	struct crypto_rsa *rsa = NULL;
	assert_refused("pkcs1.private", CRYPTO_RSA_PUBLIC, "this is a private key");
	assert_refused("pkcs8.private", CRYPTO_RSA_PUBLIC, "this is a private key");
	assert_refused("protected", CRYPTO_RSA_PUBLIC, "this is a private key");
	assert_refused("pkcs1.public", CRYPTO_RSA_PRIVATE, "this is a public key");
	assert_refused("spki.public", CRYPTO_RSA_PRIVATE, "this is a public key");
	assert_refused("ec.private", CRYPTO_RSA_PRIVATE, "not an RSA key");
	assert_refused("ec8.private", CRYPTO_RSA_PRIVATE, "not an RSA key");
	assert_refused("ec.public", CRYPTO_RSA_PUBLIC, "not an RSA key");
	assert_refused("certificate", CRYPTO_RSA_PUBLIC, "certificate");
	assert_refused("protected", CRYPTO_RSA_PRIVATE, "protected");
	assert_refused("1024.public", CRYPTO_RSA_PUBLIC, "1024 bits");
	assert_refused("512.private", CRYPTO_RSA_PRIVATE, "512 bits");
	assert_ok(from_file("1024.private", CRYPTO_RSA_PRIVATE, &rsa, err));
	assert_int_equal(crypto_rsa_size(rsa), 128);
	crypto_rsa_free(&rsa);
}

/* Cut anywhere it is refused, and longer by a byte inside it is too. */
static void cut_keys(void **state)
{
	(void)state;
	const char *names[] = { "pkcs1.private", "pkcs8.private", "spki.public", "pkcs1.public" };
	for (size_t i = 0; i < 4; i++) {
		struct buffer der CLEANUP_BUFFER = folder_load(names[i]);
		enum crypto_rsa_form form = i < 2 ? CRYPTO_RSA_PRIVATE : CRYPTO_RSA_PUBLIC;
		struct crypto_rsa *rsa = NULL;
		for (size_t len = 0; len < der.len; len++)
			assert_fails(ERROR_KEY_INVALID,
				     crypto_rsa_from_der(der.data, len, form, &rsa, err));
	}
	struct crypto_rsa *rsa = NULL;
	struct buffer der CLEANUP_BUFFER = folder_load("pkcs1.public");
	der.data[der.len - 1] ^= 1; /* an even exponent */
	assert_fails(ERROR_KEY_INVALID,
		     crypto_rsa_from_der(der.data, der.len, CRYPTO_RSA_PUBLIC, &rsa, err));
}

static void protected_pkcs8(void **state)
{
	(void)state;
	struct buffer der CLEANUP_BUFFER = folder_load("protected");
	struct secret *good CLEANUP_SECRET = NULL, *bad CLEANUP_SECRET = NULL;
	struct secret *plain CLEANUP_SECRET = NULL;
	struct crypto_rsa *rsa = NULL;
	assert_ok(secret_copy("secret", 6, &good, err));
	assert_ok(secret_copy("Secret", 6, &bad, err));
	assert_true(crypto_der_is_encrypted_key(der.data, der.len));
	assert_fails(ERROR_KEY_WRONG, crypto_pkcs8_decrypt(der.data, der.len, bad, &plain, err));
	assert_ok(crypto_pkcs8_decrypt(der.data, der.len, good, &plain, err));
	assert_ok(crypto_rsa_from_der(secret_bytes(plain), secret_size(plain), CRYPTO_RSA_PRIVATE,
				      &rsa, err));
	crypto_rsa_free(&rsa);
}

/* X.690 10.1: one value has one encoding. */
static void der_lengths(void **state)
{
	(void)state;
	struct bytes content, b = bytes_of("\x04\x02xyz", 5);
	assert_int_equal(crypto_der_peek(&b), 4);
	assert_true(crypto_der_take(&b, 4, &content));
	assert_int_equal(content.len, 2);
	assert_int_equal(bytes_left(&b), 1);
	static const struct {
		const char *text;
		size_t len;
	} bad[] = {
		{ "\x04\x81\x02xyz", 6 },
		{ "\x04\x80xyz", 5 },
		{ "\x04\x05xyz", 5 },
		{ "\x04\x82\x00\x02xyz", 7 },
		{ "\x05\x01x", 3 },
		{ "\x04", 1 },
		{ "\x04\x85\x00\x00\x00\x00\x01x", 8 },
		{ "", 0 },
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		b = bytes_of(bad[i].text, bad[i].len);
		assert_false(crypto_der_take(&b, 4, &content));
		assert_false(bytes_ok(&b));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_round_trip), cmocka_unit_test(as_the_tool_does),
		cmocka_unit_test(what_is_refused),	 cmocka_unit_test(cut_keys),
		cmocka_unit_test(protected_pkcs8),	 cmocka_unit_test(der_lengths),
	};
	return cmocka_run_group_tests(tests, set_up, folder_remove);
}
