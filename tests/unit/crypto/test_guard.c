/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where keys lie while OpenSSL works with them: this process's memory is searched, all of it, for
 * their bytes. What is searched for is computed byte by byte, so that the test holds no copy.
 */
#include "unit.h"

#include <fcntl.h>
#include <malloc.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "crypto/crypto.h"

static unsigned char seed = 91;

static unsigned char key_byte(size_t i)
{
	return (unsigned char)((i * 167 + seed) ^ (i * i * 13));
}

/* Of a private key the bytes are known from its DER, which is kept inverted. */
static unsigned char inverted[4096];
static size_t inverted_len;

static unsigned char inverted_byte(size_t i)
{
	return (unsigned char)~inverted[i];
}

#define PIECE 16
/* Larger mappings are AddressSanitizer's own, terabytes of addresses with hardly any memory. */
#define ADDRESSES_ONLY (1UL << 27)

/* It looks where AddressSanitizer would not let it. */
__attribute__((no_sanitize_address)) static bool
piece_at(const volatile unsigned char *p, unsigned char (*byte)(size_t), size_t off, bool backwards)
{
	for (size_t i = 0; i < PIECE; i++)
		if (p[i] != byte(off + (backwards ? PIECE - 1 - i : i)))
			return false;
	return true;
}

struct found {
	size_t locked, plain;
};

/* The sixteen bytes from off, as they are or in the order of a number's words. */
__attribute__((no_sanitize_address)) static struct found search(unsigned char (*byte)(size_t),
								size_t off)
{
	CLEANUP_BUFFER struct buffer maps = { 0 };
	struct found found = { 0 };
	assert_ok(fd_read_file(AT_FDCWD, "/proc/self/smaps", 1 << 24, &maps, err));
	unsigned long from = 0, to = 0;
	char rights[8] = "", name[256] = "";
	for (char *line = strtok(maps.data, "\n"); line; line = strtok(NULL, "\n")) {
		unsigned long a, b;
		char r[8], n[256] = "";
		if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %255s", &a, &b, r, n) >= 3) {
			from = a;
			to = b;
			memcpy(rights, r, sizeof(rights));
			memcpy(name, n, sizeof(name));
			continue;
		}
		if (strncmp(line, "VmFlags:", 8) != 0 || rights[0] != 'r' ||
		    !strncmp(name, "[v", 2) || to - from > ADDRESSES_ONLY)
			continue;
		bool locked = strstr(line, " lo") && strstr(line, " dd");
		const unsigned char *p = (const unsigned char *)from;
		for (size_t i = 0; i + PIECE <= to - from; i++) {
			if (!piece_at(p + i, byte, off, false) && !piece_at(p + i, byte, off, true))
				continue;
			if (locked)
				found.locked++;
			else
				found.plain++;
			if (!locked)
				print_message("in clear: %s + %#zx\n", name, i);
		}
	}
	return found;
}

static void assert_guarded(unsigned char (*byte)(size_t), size_t off)
{
	struct found f = search(byte, off);
	assert_int_equal(f.plain, 0);
	assert_true(f.locked > 0);
}

static void assert_gone(unsigned char (*byte)(size_t), size_t off)
{
	struct found f = search(byte, off);
	assert_int_equal(f.plain, 0);
	assert_int_equal(f.locked, 0);
}

static struct secret *new_key(size_t len)
{
	struct secret *key = NULL;
	seed += 7;
	assert_ok(secret_new(len, &key, err));
	for (size_t i = 0; i < len; i++)
		secret_data(key)[i] = key_byte(i);
	return key;
}

/* What is searched for is found, where it is. */
static void finds_what_is_there(void **state)
{
	(void)state;
	struct secret *key = new_key(32);
	assert_guarded(key_byte, 0);
	unsigned char *copy = malloc(32);
	assert_non_null(copy);
	memcpy(copy, secret_bytes(key), 32);
	assert_true(search(key_byte, 16).plain > 0);
	explicit_bzero(copy, 32);
	assert_guarded(key_byte, 16);
	free(copy);
	secret_free(&key);
	assert_gone(key_byte, 0);
}

static void gcm_schedules(void **state)
{
	(void)state;
	static const uint8_t nonce[CRYPTO_GCM_NONCE_LEN];
	uint8_t text[64] = "some text", tag[CRYPTO_GCM_TAG_LEN];
	struct secret *key = new_key(32);
	struct crypto_gcm *g = NULL;
	assert_ok(crypto_gcm_new(key, CRYPTO_BOTH, &g, err));
	secret_free(&key);
	assert_ok(crypto_gcm_seal(g, nonce, NULL, 0, text, sizeof(text), text, tag, err));
	assert_ok(crypto_gcm_open(g, nonce, NULL, 0, text, sizeof(text), tag, text, err));
	assert_string_equal((char *)text, "some text");
	assert_guarded(key_byte, 0);
	assert_guarded(key_byte, 16);
	crypto_gcm_free(&g);
	assert_gone(key_byte, 0);
	assert_gone(key_byte, 16);
}

static void xts_schedules(void **state)
{
	(void)state;
	uint8_t text[512] = "some text";
	struct secret *key = new_key(64);
	struct crypto_xts *x = NULL;
	assert_ok(crypto_xts_new(key, CRYPTO_BOTH, &x, err));
	secret_free(&key);
	assert_ok(crypto_xts_encrypt(x, 5, 1, sizeof(text), text, 1, err));
	assert_ok(crypto_xts_decrypt(x, 5, 1, sizeof(text), text, 1, err));
	assert_string_equal((char *)text, "some text");
	for (size_t off = 0; off < 64; off += PIECE)
		assert_guarded(key_byte, off);
	crypto_xts_free(&x);
	for (size_t off = 0; off < 64; off += PIECE)
		assert_gone(key_byte, off);
}

/* A cipher of one direction holds one copy of its key, and can do nothing the other way. */
static void one_direction(void **state)
{
	(void)state;
	static const uint8_t nonce[CRYPTO_GCM_NONCE_LEN];
	uint8_t text[512] = "some text", tag[CRYPTO_GCM_TAG_LEN] = { 0 };
	struct secret *key = new_key(64);
	struct crypto_gcm *g = NULL;
	struct crypto_xts *x = NULL;
	assert_ok(crypto_xts_new(key, CRYPTO_DECRYPT, &x, err));
	assert_int_equal(search(key_byte, 0).locked, 2);
	assert_fails(ERROR_INTERNAL, crypto_xts_encrypt(x, 0, 1, sizeof(text), text, 1, err));
	assert_ok(crypto_xts_decrypt(x, 0, 1, sizeof(text), text, 1, err));
	crypto_xts_free(&x);
	assert_ok(crypto_xts_new(key, CRYPTO_ENCRYPT, &x, err));
	assert_int_equal(search(key_byte, 0).locked, 2);
	assert_fails(ERROR_INTERNAL, crypto_xts_decrypt(x, 0, 1, sizeof(text), text, 1, err));
	crypto_xts_free(&x);
	secret_shorten(key, 32);
	assert_ok(crypto_gcm_new(key, CRYPTO_DECRYPT, &g, err));
	assert_int_equal(search(key_byte, 0).locked, 2);
	assert_fails(ERROR_INTERNAL,
		     crypto_gcm_seal(g, nonce, NULL, 0, text, sizeof(text), text, tag, err));
	crypto_gcm_free(&g);
	assert_ok(crypto_gcm_new(key, CRYPTO_ENCRYPT, &g, err));
	assert_int_equal(search(key_byte, 0).locked, 2);
	assert_fails(ERROR_INTERNAL,
		     crypto_gcm_open(g, nonce, NULL, 0, text, sizeof(text), tag, text, err));
	crypto_gcm_free(&g);
	secret_free(&key);
	assert_gone(key_byte, 0);
}

static void derivations(void **state)
{
	(void)state;
	struct secret *in = new_key(40), *out = NULL;
	assert_ok(crypto_scrypt(in, "salt", 4, 1024, 8, 1, 32, &out, err));
	secret_free(&out);
	assert_guarded(key_byte, 0);
	assert_ok(crypto_hkdf_sha256(in, NULL, 0, "info", 32, &out, err));
	secret_free(&out);
	assert_guarded(key_byte, 16);
	assert_ok(crypto_pbkdf2(CRYPTO_SHA256, in, "salt", 4, 1000, 32, &out, err));
	secret_free(&out);
	assert_guarded(key_byte, 0);
	secret_free(&in);
	assert_gone(key_byte, 0);
	assert_gone(key_byte, 16);
}

static void *derive_for_ever(void *argument)
{
	struct secret *out = NULL;
	assert_ok(crypto_pbkdf2(CRYPTO_SHA256, argument, "salt", 4, UINT32_MAX, 32, &out, err));
	return out;
}

/* The time that it has had tells that it is at work, however busy the machine. */
static int look_while_deriving(void)
{
	/* A fork loses the locks of what was made before. */
	secret_keep_all();
	struct secret *in = new_key(40), *out = NULL;
	pthread_t thread;
	clockid_t clock;
	struct timespec used = { 0 };
	/* What OpenSSL does but once. */
	assert_ok(crypto_pbkdf2(CRYPTO_SHA256, in, "salt", 4, 1, 32, &out, err));
	if (pthread_create(&thread, NULL, derive_for_ever, in) != 0 ||
	    pthread_getcpuclockid(thread, &clock) != 0)
		return 1;
	while (used.tv_sec == 0 && used.tv_nsec < 20000000) {
		sched_yield();
		if (clock_gettime(clock, &used) < 0)
			return 1;
	}
	for (size_t off = 0; off < 32; off += PIECE) {
		struct found f = search(key_byte, off);
		if (f.plain || f.locked < 2) /* the one that we have, and OpenSSL's */
			return 2;
	}
	return 0;
}

static void while_a_key_is_derived(void **state)
{
	(void)state;
	int status = 0;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(look_while_deriving());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* As large as scrypt's: whether OpenSSL leaves all of it or one KiB in its midst, it is wiped. */
static void working_memory(void **state)
{
	(void)state;
	const size_t len = 3 << 20;
	/* Freed memory stays in the map, where it can be searched. */
	(void)mallopt(M_MMAP_THRESHOLD, 8 << 20);
	(void)mallopt(M_TRIM_THRESHOLD, 32 << 20);
	crypto_start();
	for (unsigned part = 0; part < 2; part++) {
		crypto_guard_begin();
		unsigned char *p = OPENSSL_malloc(len);
		crypto_guard_end();
		assert_non_null(p);
		seed += 7;
		memset(p, part ? 0 : 1, len);
		for (size_t i = 0; i < 64; i++)
			p[len / 2 + i] = key_byte(i);
		assert_true(search(key_byte, 0).plain > 0);
		OPENSSL_free(p);
		assert_gone(key_byte, 0);
		assert_gone(key_byte, 16);
	}
}

/* What a digest has come to stays in its context until the next one. */
static void digest_states(void **state)
{
	(void)state;
	uint8_t digest[CRYPTO_SHA256_LEN];
	struct secret *in = new_key(100);
	struct crypto_digest *d = NULL;
	assert_ok(crypto_digest_new(CRYPTO_SHA256, &d, err));
	assert_ok(crypto_digest_run(d, secret_bytes(in), secret_size(in), digest, err));
	/* Its words are the machine's there, and big endian in the result. */
	for (size_t i = 0; i < sizeof(digest); i++)
		inverted[i] = (unsigned char)~digest[(i & ~(size_t)3) + 3 - (i & 3)];
	explicit_bzero(digest, sizeof(digest));
	assert_guarded(inverted_byte, 0);
	assert_guarded(inverted_byte, 16);
	crypto_digest_free(&d);
	assert_gone(inverted_byte, 0);
	assert_gone(inverted_byte, 16);
	secret_free(&in);
}

/* A new private key as PKCS#1; returns where its first prime begins. */
static struct secret *new_private_key(size_t *ret_prime)
{
	EVP_PKEY *pkey = EVP_RSA_gen(2048);
	assert_non_null(pkey);
	struct secret *der = NULL;
	int len = i2d_PrivateKey(pkey, NULL);
	assert_true(len > 0 && (size_t)len < sizeof(inverted));
	assert_ok(secret_new((size_t)len, &der, err));
	unsigned char *to = secret_data(der);
	assert_int_equal(i2d_PrivateKey(pkey, &to), len);
	inverted_len = (size_t)len;
	for (size_t i = 0; i < inverted_len; i++)
		inverted[i] = (unsigned char)~secret_bytes(der)[i];
	BIGNUM *p = NULL;
	assert_int_equal(EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_FACTOR1, &p), 1);
	unsigned char number[128];
	assert_int_equal(BN_bn2bin(p, number), sizeof(number));
	const unsigned char *at =
		memmem(secret_bytes(der), secret_size(der), number, sizeof(number));
	assert_non_null(at);
	*ret_prime = (size_t)(at - secret_bytes(der));
	explicit_bzero(number, sizeof(number));
	BN_clear_free(p);
	EVP_PKEY_free(pkey);
	return der;
}

static void private_keys(void **state)
{
	(void)state;
	crypto_start();
	uint8_t sealed[256];
	size_t prime;
	struct secret *der = new_private_key(&prime), *opened = NULL;
	struct crypto_rsa *rsa = NULL;
	assert_ok(crypto_rsa_from_der(secret_bytes(der), secret_size(der), CRYPTO_RSA_PRIVATE, &rsa,
				      err));
	secret_free(&der);
	/* In the middle of both primes: they follow one another, with a head of four bytes. */
	size_t offs[] = { prime + 40, prime + 128 + 4 + 40 };
	for (size_t i = 0; i < 2; i++)
		assert_guarded(inverted_byte, offs[i]);
	memset(sealed, 1, sizeof(sealed));
	assert_fails(ERROR_KEY_WRONG, crypto_rsa_decrypt(rsa, "", sealed, &opened, err));
	for (size_t i = 0; i < 2; i++)
		assert_guarded(inverted_byte, offs[i]);
	crypto_rsa_free(&rsa);
	for (size_t i = 0; i < 2; i++)
		assert_gone(inverted_byte, offs[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_is_there), cmocka_unit_test(gcm_schedules),
		cmocka_unit_test(xts_schedules),       cmocka_unit_test(one_direction),
		cmocka_unit_test(derivations),	       cmocka_unit_test(while_a_key_is_derived),
		cmocka_unit_test(working_memory),      cmocka_unit_test(digest_states),
		cmocka_unit_test(private_keys),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
