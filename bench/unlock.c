/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints how many nanoseconds a part of an unlock takes by itself, in the libraries that do it:
 *
 *   unlock scrypt LOG_N   gocryptfs' KDF with N = 2^LOG_N, r = 8, p = 1
 *   unlock rsa KEY.pem    the first private-key operation of a process, OAEP with SHA-256
 *   unlock luks2          a LUKS2 keyslot of the least cost, its area in memory
 */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char password[] = "0123456789abcdef0123456789abcdef";
static const unsigned char salt[32] = "thirty-two bytes of salt, always";

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int derive(unsigned log_n)
{
	unsigned char key[32];
	return EVP_PBE_scrypt(password, sizeof(password) - 1, salt, sizeof(salt), 1ull << log_n, 8,
			      1, UINT64_C(1) << 28, key, sizeof(key)) == 1;
}

/* After a first one, in which OpenSSL starts. */
static uint64_t scrypt(unsigned log_n)
{
	if (!derive(1))
		return 0;
	uint64_t begin = now();
	if (!derive(log_n))
		return 0;
	return now() - begin;
}

static EVP_PKEY_CTX *rsa_context(EVP_PKEY *key, int (*init)(EVP_PKEY_CTX *))
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	if (!ctx || init(ctx) != 1 ||
	    EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) != 1 ||
	    EVP_PKEY_CTX_set_rsa_oaep_md(ctx, EVP_sha256()) != 1)
		return NULL;
	return ctx;
}

static uint64_t rsa(const char *path)
{
	unsigned char wrapped[2048], plain[2048];
	size_t wrapped_len = sizeof(wrapped), plain_len = sizeof(plain);
	FILE *file = fopen(path, "re");
	EVP_PKEY *key = file ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;
	EVP_PKEY_CTX *wrap = key ? rsa_context(key, EVP_PKEY_encrypt_init) : NULL;
	EVP_PKEY_CTX *unwrap = key ? rsa_context(key, EVP_PKEY_decrypt_init) : NULL;
	if (!wrap || !unwrap ||
	    EVP_PKEY_encrypt(wrap, wrapped, &wrapped_len, (const unsigned char *)password, 32) != 1)
		return 0;
	uint64_t begin = now();
	if (EVP_PKEY_decrypt(unwrap, plain, &plain_len, wrapped, wrapped_len) != 1 ||
	    memcmp(plain, password, 32) != 0)
		return 0;
	return now() - begin;
}

#define LUKS2_KEY 64
#define LUKS2_STRIPES 4000
#define LUKS2_SECTOR 512

static int stretch(const void *key, size_t key_len, int rounds, unsigned char *out, int out_len)
{
	return PKCS5_PBKDF2_HMAC(key, (int)key_len, salt, sizeof(salt), rounds, EVP_sha256(),
				 out_len, out);
}

/* A keyslot's stripes lie in sectors, each with its own number as the tweak. */
static int decrypt_sectors(const unsigned char *key, unsigned char *area, size_t len)
{
	unsigned char tweak[16] = { 0 };
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n, done = ctx && EVP_DecryptInit_ex(ctx, EVP_aes_256_xts(), NULL, key, tweak) == 1;
	for (size_t i = 0; done && i < len / LUKS2_SECTOR; i++) {
		tweak[0] = (unsigned char)i;
		tweak[1] = (unsigned char)(i >> 8);
		done = EVP_DecryptInit_ex(ctx, NULL, NULL, NULL, tweak) == 1 &&
		       EVP_DecryptUpdate(ctx, area + i * LUKS2_SECTOR, &n, area + i * LUKS2_SECTOR,
					 LUKS2_SECTOR) == 1;
	}
	EVP_CIPHER_CTX_free(ctx);
	return done;
}

/* Between one stripe and the next, each half of what has come out is hashed with its number. */
static int merge_stripes(const unsigned char *area, unsigned char *key)
{
	unsigned char piece[4 + LUKS2_KEY / 2] = { 0 };
	EVP_MD *md = EVP_MD_fetch(NULL, "SHA256", NULL);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int done = md && ctx;
	memset(key, 0, LUKS2_KEY);
	for (size_t i = 0; done && i < LUKS2_STRIPES; i++) {
		for (size_t k = 0; k < LUKS2_KEY; k++)
			key[k] ^= area[i * LUKS2_KEY + k];
		for (size_t half = 0; done && i + 1 < LUKS2_STRIPES && half < 2; half++) {
			unsigned char *at = key + half * LUKS2_KEY / 2;
			piece[3] = (unsigned char)half;
			memcpy(piece + 4, at, LUKS2_KEY / 2);
			done = EVP_DigestInit_ex2(ctx, md, NULL) == 1 &&
			       EVP_DigestUpdate(ctx, piece, sizeof(piece)) == 1 &&
			       EVP_DigestFinal_ex(ctx, at, NULL) == 1;
		}
	}
	EVP_MD_CTX_free(ctx);
	EVP_MD_free(md);
	return done;
}

/* After a first derivation, in which OpenSSL starts. */
static uint64_t luks2(void)
{
	static unsigned char area[LUKS2_STRIPES * LUKS2_KEY];
	unsigned char area_key[LUKS2_KEY], key[LUKS2_KEY], digest[32];
	memset(area, 1, sizeof(area));
	if (!stretch(password, 32, 1, digest, sizeof(digest)))
		return 0;
	uint64_t begin = now();
	if (!stretch(password, 32, 1000, area_key, sizeof(area_key)) ||
	    !decrypt_sectors(area_key, area, sizeof(area)) || !merge_stripes(area, key) ||
	    !stretch(key, sizeof(key), 1000, digest, sizeof(digest)))
		return 0;
	return now() - begin;
}

int main(int argc, char **argv)
{
	uint64_t took = 0;
	if (argc == 3 && !strcmp(argv[1], "scrypt"))
		took = scrypt((unsigned)atoi(argv[2]));
	else if (argc == 3 && !strcmp(argv[1], "rsa"))
		took = rsa(argv[2]);
	else if (argc == 2 && !strcmp(argv[1], "luks2"))
		took = luks2();
	if (!took)
		return 1;
	printf("%llu\n", (unsigned long long)took);
	return 0;
}
