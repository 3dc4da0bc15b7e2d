/* SPDX-License-Identifier: Apache-2.0 */
#include "folder.h"

#include <argon2.h>

#include "crypto/crypto.h"

static struct secret *secret_of(const void *data, size_t len)
{
	struct secret *s = NULL;
	assert_ok(secret_copy(data, len, &s, err));
	return s;
}

static void assert_secret(struct secret *got, const char *want_hex)
{
	uint8_t want[128];
	size_t len = unhex(want_hex, want, sizeof(want));
	assert_int_equal(secret_size(got), len);
	assert_memory_equal(secret_bytes(got), want, len);
}

/* FIPS 180-4, example of one block. */
static void sha256(void **state)
{
	(void)state;
	uint8_t got[CRYPTO_SHA256_LEN], want[CRYPTO_SHA256_LEN];
	unhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", want, 32);
	assert_ok(crypto_sha256("abc", 3, got, err));
	assert_memory_equal(got, want, 32);
}

static void scrypt(void **state)
{
	(void)state;
	struct secret *password CLEANUP_SECRET = secret_of("password", 8), *got = NULL;
	/* RFC 7914, section 12 */
	assert_ok(crypto_scrypt(password, "NaCl", 4, 1024, 8, 16, 64, &got, err));
	assert_secret(got, "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
			   "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640");
	secret_free(&got);
	secret_free(&password);
	/* encryption.md 4.6; 64 MiB, more than OpenSSL's own bound */
	uint8_t salt[32];
	for (uint8_t i = 0; i < 32; i++)
		salt[i] = i;
	password = secret_of("secret", 6);
	assert_ok(crypto_scrypt(password, salt, 32, 65536, 8, 1, 32, &got, err));
	assert_secret(got, "61f4b0a5fca4080bd53a64b166657255aab675c103fc4ee667518cef9dd6597c");
	secret_free(&got);
}

static void hkdf(void **state)
{
	(void)state;
	uint8_t in[32];
	/* RFC 5869, A.3 */
	memset(in, 0x0b, 22);
	struct secret *key CLEANUP_SECRET = secret_of(in, 22), *got = NULL;
	assert_ok(crypto_hkdf_sha256(key, NULL, 0, "", 42, &got, err));
	assert_secret(got, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
			   "9d201395faa4b61a96c8");
	secret_free(&got);
	secret_free(&key);
	/* RFC 5869, A.1 */
	uint8_t salt[13],
		info[] = { 0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0 };
	for (uint8_t i = 0; i < 13; i++)
		salt[i] = i;
	key = secret_of(in, 22);
	assert_ok(crypto_hkdf_sha256(key, salt, 13, (const char *)info, 42, &got, err));
	assert_secret(got, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
			   "34007208d5b887185865");
	secret_free(&got);
	secret_free(&key);
	/* An empty one is one, too: HMAC of HMAC, as RFC 5869 2 writes it. */
	assert_ok(crypto_hkdf_sha256(NULL, salt, 13, "x", 32, &got, err));
	uint8_t prk[CRYPTO_SHA256_LEN], okm[CRYPTO_SHA256_LEN];
	key = secret_of(salt, 13);
	assert_ok(crypto_hmac_sha256(key, "", 0, prk, err));
	secret_free(&key);
	key = secret_of(prk, sizeof(prk));
	assert_ok(crypto_hmac_sha256(key, "x\1", 2, okm, err));
	assert_memory_equal(secret_bytes(got), okm, sizeof(okm));
	secret_free(&got);
	secret_free(&key);
	/* encryption.md 4.6 */
	for (uint8_t i = 0; i < 32; i++)
		in[i] = 0x80 + i;
	key = secret_of(in, 32);
	assert_ok(
		crypto_hkdf_sha256(key, NULL, 0, "AES-GCM file content encryption", 32, &got, err));
	assert_secret(got, "387be05fabaa90a24cf3d8734f0cdf3c5fd88b206ae69b1c36e286d84282f2fb");
	secret_free(&got);
}

/* RFC 4231, 4.3 */
static void hmac(void **state)
{
	(void)state;
	uint8_t got[CRYPTO_SHA256_LEN], want[CRYPTO_SHA256_LEN];
	struct secret *key CLEANUP_SECRET = secret_of("Jefe", 4);
	assert_ok(crypto_hmac_sha256(key, "what do ya want for nothing?", 28, got, err));
	unhex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", want, 32);
	assert_memory_equal(got, want, 32);
}

/* RFC 7914, section 11 */
static void pbkdf2(void **state)
{
	(void)state;
	struct secret *password CLEANUP_SECRET = secret_of("passwd", 6), *got = NULL;
	assert_ok(crypto_pbkdf2(CRYPTO_SHA256, password, "salt", 4, 1, 64, &got, err));
	assert_secret(got, "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
			   "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783");
	secret_free(&got);
	secret_free(&password);
	password = secret_of("Password", 8);
	assert_ok(crypto_pbkdf2(CRYPTO_SHA256, password, "NaCl", 4, 80000, 64, &got, err));
	assert_secret(got, "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"
			   "a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d");
	secret_free(&got);
}

/* RFC 6070, and its inputs with SHA-512 as Python's hashlib computes it. */
static void pbkdf2_of_other_hashes(void **state)
{
	(void)state;
	struct secret *password CLEANUP_SECRET = secret_of("password", 8), *got = NULL;
	assert_ok(crypto_pbkdf2(CRYPTO_SHA1, password, "salt", 4, 4096, 20, &got, err));
	assert_secret(got, "4b007901b765489abead49d926f721d065a429c1");
	secret_free(&got);
	assert_ok(crypto_pbkdf2(CRYPTO_SHA512, password, "salt", 4, 4096, 32, &got, err));
	assert_secret(got, "d197b1b33db0143e018b12f3d1d1479e6cdebdcc97c5c0f87f6902e072f457b5");
	secret_free(&got);
}

/* RFC 9106, section 5.3: the library that libcryptsetup unlocks with computes what it should. */
static void argon2id(void **state)
{
	(void)state;
	uint8_t password[32], salt[16], key[8], data[12], out[32], want[32];
	memset(password, 1, sizeof(password));
	memset(salt, 2, sizeof(salt));
	memset(key, 3, sizeof(key));
	memset(data, 4, sizeof(data));
	argon2_context context = {
		.out = out,
		.outlen = sizeof(out),
		.pwd = password,
		.pwdlen = sizeof(password),
		.salt = salt,
		.saltlen = sizeof(salt),
		.secret = key,
		.secretlen = sizeof(key),
		.ad = data,
		.adlen = sizeof(data),
		.t_cost = 3,
		.m_cost = 32,
		.lanes = 4,
		.threads = 1,
		.version = ARGON2_VERSION_13,
	};
	assert_int_equal(argon2id_ctx(&context), ARGON2_OK);
	unhex("0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659", want, 32);
	assert_memory_equal(out, want, 32);
}

/* Before any key is proved: the figures are a folder's. */
static void memory(void **state)
{
	(void)state;
	const uint64_t mib = 1 << 20;
	struct error *e CLEANUP_ERROR = NULL;
	folder_make(NULL);
	folder_shell("mkdir -p proc/self sys/fs/cgroup/job");
	folder_save("proc/meminfo", "MemAvailable: 2097152 kB\n", 25);
	folder_save("proc/self/cgroup", "0::/job\n", 8);
	assert_ok(crypto_kdf_check(folder, "it", 1536 * mib, err));
	assert_fails(ERROR_MEMORY, crypto_kdf_check(folder, "it", 1536 * mib + 1, err));
	folder_save("sys/fs/cgroup/job/memory.max", "268435456\n", 10);
	assert_ok(crypto_kdf_check(folder, "it", 192 * mib, err));
	assert_int_equal(crypto_kdf_check(folder, "keyslot 1", 4096 * mib, &e), -1);
	assert_non_null(strstr(error_message(e), "keyslot 1 asks for 4096 MiB"));
	assert_non_null(strstr(error_message(e), "may have 192 MiB"));
	assert_non_null(strstr(error_hint_text(e), "--max-kdf-memory=4096"));
	/* The user knows better, in both directions. */
	crypto_kdf_allow(4096 * mib);
	assert_ok(crypto_kdf_check(folder, "it", 4096 * mib, err));
	crypto_kdf_allow(64 * mib);
	assert_fails(ERROR_MEMORY, crypto_kdf_check(folder, "it", 65 * mib, err));
	/* A little is had in any case. */
	assert_ok(crypto_kdf_check(folder, "it", 16 * mib, err));
	crypto_kdf_allow(0);
	folder_remove(NULL);
}

static void randoms_differ(void **state)
{
	(void)state;
	uint8_t a[64] = { 0 }, b[64] = { 0 };
	assert_ok(crypto_random(a, 64, err));
	assert_ok(crypto_random(b, 64, err));
	assert_memory_not_equal(a, b, 64);
	assert_memory_not_equal(a + 32, b + 32, 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256),	  cmocka_unit_test(scrypt),
		cmocka_unit_test(hkdf),		  cmocka_unit_test(hmac),
		cmocka_unit_test(pbkdf2),	  cmocka_unit_test(pbkdf2_of_other_hashes),
		cmocka_unit_test(argon2id),	  cmocka_unit_test(memory),
		cmocka_unit_test(randoms_differ),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
