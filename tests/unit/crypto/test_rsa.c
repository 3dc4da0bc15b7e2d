/* SPDX-License-Identifier: Apache-2.0 */
#include "folder.h"

#include <openssl/err.h>

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
	folder_shell("openssl req -new -key a.pem -subj /CN=x -outform DER -out request && "
		     "openssl x509 -inform DER -in certificate -out certificate.pem && "
		     "openssl pkcs12 -export -inkey a.pem -in certificate.pem -passout pass:x "
		     "-out p12 && "
		     "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
		     "-keyout ec.key -subj /CN=x -days 9 -outform DER -out ec.certificate");
	folder_shell(
		"openssl pkcs8 -topk8 -v2 aes-256-cbc -passout pass:secret -in a.pem -outform DER "
		"-out protected");
	/* With a cipher that OpenSSL 3 keeps for old files alone. */
	folder_shell("openssl pkcs8 -topk8 -v2 des -provider legacy -provider default "
		     "-passout pass:secret -in a.pem -outform DER -out old");
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
			assert_ok(crypto_rsa_encrypt(public, "", text, 32, sealed, err));
			assert_ok(crypto_rsa_decrypt(private, "", sealed, &got, err));
			assert_int_equal(secret_size(got), 32);
			assert_memory_equal(secret_bytes(got), text, 32);
			secret_free(&got);
			sealed[100] ^= 1;
			assert_fails(ERROR_KEY_WRONG,
				     crypto_rsa_decrypt(private, "", sealed, &got, err));
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
	assert_ok(crypto_rsa_decrypt(private, "", theirs.data, &got, err));
	assert_int_equal(secret_size(got), 13);
	assert_memory_equal(secret_bytes(got), "from the tool", 13);
	secret_free(&got);
	assert_ok(from_file("other.private", CRYPTO_RSA_PRIVATE, &other, err));
	assert_fails(ERROR_KEY_WRONG, crypto_rsa_decrypt(other, "", theirs.data, &got, err));

	assert_ok(from_file("spki.public", CRYPTO_RSA_PUBLIC, &public, err));
	assert_ok(crypto_rsa_encrypt(public, "", "to the tool", 11, sealed, err));
	folder_save("ours", sealed, sizeof(sealed));
	folder_shell("test \"$(openssl pkeyutl -decrypt -inkey a.pem -in ours" OAEP
		     ")\" = 'to the tool'");
	crypto_rsa_free(&public);
	crypto_rsa_free(&private);
	crypto_rsa_free(&other);
}

/* Wycheproof, rsa_oaep_2048_sha256_mgf1sha256_test.json: the key and the ciphertexts 4 and 7. */
static const char published_key[] =
	"308204bd020100300d06092a864886f70d0101010500048204a7308204a30201000282010100a2b4"
	"51a07d0aa5f96e455671513550514a8a5b462ebef717094fa1fee82224e637f9746d3f7cafd31878"
	"d80325b6ef5a1700f65903b469429e89d6eac8845097b5ab393189db92512ed8a7711a1253facd20"
	"f79c15e8247f3d3e42e46e48c98e254a2fe9765313a03eff8f17e1a029397a1fa26a8dce26f490ed"
	"81299615d9814c22da610428e09c7d9658594266f5c021d0fceca08d945a12be82de4d1ece6b4c03"
	"145b5d3495d4ed5411eb878daf05fd7afc3e09ada0f1126422f590975a1969816f48698bcbba1b4d"
	"9cae79d460d8f9f85e7975005d9bc22c4e5ac0f7c1a45d12569a62807d3b9a02e5a530e773066f45"
	"3d1f5b4c2e9cf7820283f742b9d50203010001028201007627eef3567b2a27268e52053ecd31c3a7"
	"172ccb9ddcee819b306a5b3c66b7573ca4fa88efc6f3c4a00bfa0ae7139f64543a4dac3d05823f6f"
	"f477cfcec84fe2ac7a68b17204b390232e110310c4e899c4e7c10967db4acde042dbbf19dbe00b4b"
	"4741de1020aaaaffb5054c797c9f136f7d93ac3fc8caff6654242d7821ebee517bf537f44366a0fd"
	"d45ae05b9909c2e6cc1ed9281eff4399f76c96b96233ec29ae0bbf0d752b234fc197389f51050aa1"
	"acd01c074c3ac8fbdb9ea8b651a95995e8db4ad5c43b6c8673e5a126e7ee94b8dff4c5afc01259bc"
	"8da76950bae6f8bae715f50985b0d6f66d04c6fef3b700720eecdcdf171bb7b1ecbe7289c467c102"
	"818100dc431050f782e894fb5248247d98cb7d58b8d1e24f3b55d041c56e4de086b0d5bb028bda42"
	"eeb5d234d5681e5809d415e6a289ad4cfbf78f978f6c35814f50eebff1c5b80a69f788e81e6bab5d"
	"daa78369d659d143ec6f17e79813a575cfad9c569156b90113e2e9110ad9e7b48a1c9348a6e65332"
	"1191290ea36cfb3a5b18f102818100bd1a81e7977f9898122273ae3222b598ea5fb19eb4eabc3830"
	"8a5e32196603b2e500ffb79f5b886816611debc472fac45544070beb057c941378a6868af3b7a03d"
	"3f9880ec47d5e089b94fbde542aba9ae8d72c57088d7abf5b131f39098f7bc160f90536abc9492fd"
	"4e06f3ed7299d4b97bb03677207d95669f140cfbc20f2502818100a94b528b28f291599121d91952"
	"ffd1c7f21d7c1479d99d478885fb161870ee1218bf08472612dbe5497e8d9c650688e09c786961ae"
	"3e2c354dc48ae34514759c4c23c4588488961dc06b414e61c0e1e7fbbd2923d31532fe289f96da22"
	"0711e58c14019808e00414276933bb07e4efb9b4a9b37656917205209f33f09515d7c10281803af0"
	"e72a933aef09ff2503df78bafed531c02ff1a2bc437c540cdcbd4ad35435cf511763596543480629"
	"b114ca7f780ff7efa32ea0cb6e000d6d9ea1f2ef71fd9cf9948422a165557e37e755edfe70d90b92"
	"0502eb478bc98a63f788ce3a0f856d6ede7251a383bfa8fa480a81a925af7b3cc538c4bab8c9f759"
	"7ffb68011d8d0281802640fbfbcfefb163ee7a87b6483a66ee41f956d90fa8a7939bfc042ee0924b"
	"1b7993d0445f758d51933e85179c0320b0c968b48a91c38b5be923e1097c0c562f88d42294b6a275"
	"9bafa5428a74f1270874e45f6fcc60f21602de5eccd143cf31241f5921b5ad3983fb54ef17be3b28"
	"5367e50c999c67247b552fe4bfce945f7b";
static const char published_4[] =
	"0da290b0bf71a1141b2adc62b5b42b07fc52520cb05d1f39ccca7b7c22d379a6c2f2d93143d05705"
	"0140527a1e5638243938b531ec3de7014b0151301e49b9fa433482a02abdfd94193dc9c70157e557"
	"776a69ded01ecbeac405133595c61165a428b6284729a4746b47d2bbaca9d7432c3b5693591cfee4"
	"88eb3c68ddb6cde0dd61cfc6952423f994abecee34f5683732b29934a2c498ad48cdd30c14917718"
	"9f48eefd9cc7232df18be11ff5f7e3af7319e3115997c599e2d8f7f4f663dcc40032d403436d3058"
	"a5ea66473660f0e195281ec6eba997d2a951ca6ca5f3c112715c89da1d3dfb20a21940594ed10ade"
	"90ed7452b753757d7241cb8a803c373a";
static const char published_7[] =
	"096958786ee7972050d67a9e4b69d6c6af7db7cc674386df725770dd29129b826e39552330104c8d"
	"71e6cc3a3014dd2f61b54153af51b0438d447ee939f9e3c13bb8b00a37dea6a068f6c9d27e848b1b"
	"e7a1eeeb3ee50b78036fba95ae46948ca5b13f356ea24db10f60dc09e4b8bad8f766b668ef725244"
	"32080a0ce00ed676d6d5e354984b1078520412525848156d06f0652469f95791baa3d9a798ae5370"
	"94f76f976faecd5c9ce0c930a75910c63dacf63485cb4b5e7bdbcf4d80e74037eaa1a8fe4b52930b"
	"ec6be99cf6ac88cf5878dbf6859d456a95dbc34654eec425de84ca2a535d517403a9aada827e7d00"
	"93ecfc97ed056a7652825e9a45cb2dcb";

static void published_vectors(void **state)
{
	(void)state;
	static const struct {
		const char *sealed, *text;
	} vectors[] = {
		{ published_4, "313233343030" },
		{ published_7, "e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff" },
	};
	uint8_t der[1280], sealed[256], want[32];
	struct crypto_rsa *private = NULL;
	size_t len = unhex(published_key, der, sizeof(der));
	assert_ok(crypto_rsa_from_der(der, len, CRYPTO_RSA_PRIVATE, &private, err));
	for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
		struct secret *got = NULL;
		len = unhex(vectors[i].text, want, sizeof(want));
		assert_int_equal(unhex(vectors[i].sealed, sealed, sizeof(sealed)), 256);
		assert_ok(crypto_rsa_decrypt(private, "", sealed, &got, err));
		assert_int_equal(secret_size(got), len);
		assert_memory_equal(secret_bytes(got), want, len);
		secret_free(&got);
		sealed[i] ^= 1;
		assert_fails(ERROR_KEY_WRONG, crypto_rsa_decrypt(private, "", sealed, &got, err));
	}
	crypto_rsa_free(&private);
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
	assert_refused("certificate", CRYPTO_RSA_PRIVATE, "this is a certificate");
	assert_refused("request", CRYPTO_RSA_PUBLIC, "certificate signing request");
	assert_refused("request", CRYPTO_RSA_PRIVATE, "certificate signing request");
	assert_refused("p12", CRYPTO_RSA_PRIVATE, "PKCS#12");
	assert_refused("ec.certificate", CRYPTO_RSA_PUBLIC, "not an RSA key");
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
	const char *names[] = { "pkcs1.private", "pkcs8.private", "spki.public", "pkcs1.public",
				"certificate" };
	for (size_t i = 0; i < 5; i++) {
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

static void what_the_password_cannot_open(void **state)
{
	(void)state;
	struct buffer old CLEANUP_BUFFER = folder_load("old");
	struct secret *good CLEANUP_SECRET = NULL, *plain CLEANUP_SECRET = NULL;
	uint8_t cut[31] = { 0 };
	assert_ok(secret_copy("secret", 6, &good, err));
	assert_fails(ERROR_UNSUPPORTED, crypto_pkcs8_decrypt(old.data, old.len, good, &plain, err));
	/* A line is missing. */
	assert_fails(ERROR_KEY_INVALID,
		     crypto_dek_decrypt("AES-128-CBC,00112233445566778899AABBCCDDEEFF", cut,
					sizeof(cut), good, &plain, err));
	assert_fails(ERROR_KEY_WRONG,
		     crypto_dek_decrypt("AES-128-CBC,00112233445566778899AABBCCDDEEFF", cut, 16,
					good, &plain, err));
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

/* That of `openssl pkey -pubin -outform DER | sha256sum`, from either half. */
static void fingerprints(void **state)
{
	(void)state;
	static const struct {
		const char *name, *spki;
		enum crypto_rsa_form form;
	} keys[] = {
		{ "pkcs1.public", "spki.public", CRYPTO_RSA_PUBLIC },
		{ "spki.public", "spki.public", CRYPTO_RSA_PUBLIC },
		{ "certificate", "spki.public", CRYPTO_RSA_PUBLIC },
		{ "pkcs1.private", "spki.public", CRYPTO_RSA_PRIVATE },
		{ "pkcs8.private", "spki.public", CRYPTO_RSA_PRIVATE },
		{ "1024.private", "1024.public", CRYPTO_RSA_PRIVATE },
	};
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		struct crypto_rsa *rsa = NULL;
		struct buffer spki CLEANUP_BUFFER = folder_load(keys[i].spki);
		uint8_t got[CRYPTO_SHA256_LEN], want[CRYPTO_SHA256_LEN];
		assert_ok(from_file(keys[i].name, keys[i].form, &rsa, err));
		assert_ok(crypto_sha256(spki.data, spki.len, want, err));
		assert_ok(crypto_rsa_fingerprint(rsa, got, err));
		assert_memory_equal(got, want, sizeof(want));
		crypto_rsa_free(&rsa);
	}
}

/* Memory that was missing once is not what is wrong with the next key. */
static void errors_of_before(void **state)
{
	(void)state;
	struct crypto_rsa *rsa = NULL;
	crypto_start();
	ERR_raise(ERR_LIB_EVP, ERR_R_MALLOC_FAILURE);
	assert_fails(ERROR_KEY_INVALID,
		     crypto_rsa_from_der("none", 4, CRYPTO_RSA_PUBLIC, &rsa, err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_of_before), cmocka_unit_test(every_form_round_trip),
		cmocka_unit_test(as_the_tool_does), cmocka_unit_test(published_vectors),
		cmocka_unit_test(what_is_refused),  cmocka_unit_test(cut_keys),
		cmocka_unit_test(protected_pkcs8),  cmocka_unit_test(what_the_password_cannot_open),
		cmocka_unit_test(der_lengths),	    cmocka_unit_test(fingerprints),
	};
	return cmocka_run_group_tests(tests, set_up, folder_remove);
}
