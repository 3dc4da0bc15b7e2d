/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints how many nanoseconds a part of an unlock takes by itself, in the libraries that do it:
 *
 *   unlock scrypt LOG_N   gocryptfs' KDF with N = 2^LOG_N, r = 8, p = 1
 *   unlock rsa KEY.pem    the first private-key operation of a process, OAEP with SHA-256
 *   unlock luks2          a LUKS2 keyslot of the least cost, its header in memory
 */
#include <libcryptsetup.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static const char password[] = "0123456789abcdef0123456789abcdef";

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int derive(unsigned log_n)
{
	static const unsigned char salt[32] = "thirty-two bytes of salt, always";
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

static uint64_t luks2(void)
{
	static const struct crypt_pbkdf_type least = { .type = CRYPT_KDF_PBKDF2,
						       .hash = "sha256",
						       .iterations = 1000,
						       .flags = CRYPT_PBKDF_NO_BENCHMARK };
	struct crypt_device *cd = NULL;
	char device[64], volume_key[64];
	size_t len = sizeof(volume_key);
	int fd = memfd_create("header", MFD_CLOEXEC);
	snprintf(device, sizeof(device), "/proc/self/fd/%d", fd);
	if (fd < 0 || ftruncate(fd, 32 << 20) < 0 || crypt_init(&cd, device) < 0 ||
	    crypt_set_pbkdf_type(cd, &least) < 0 ||
	    crypt_format(cd, CRYPT_LUKS2, "aes", "xts-plain64", NULL, NULL, len, NULL) < 0 ||
	    crypt_keyslot_add_by_volume_key(cd, CRYPT_ANY_SLOT, NULL, 0, password, 32) < 0)
		return 0;
	crypt_free(cd);
	uint64_t begin = now();
	if (crypt_init(&cd, device) < 0 || crypt_load(cd, CRYPT_LUKS2, NULL) < 0 ||
	    crypt_volume_key_get(cd, CRYPT_ANY_SLOT, volume_key, &len, password, 32) < 0)
		return 0;
	crypt_free(cd);
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
