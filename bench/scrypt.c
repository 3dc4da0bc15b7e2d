/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints how many nanoseconds the KDF of an image that Apptainer built takes by itself: gocryptfs'
 * scrypt with N = 2^16, r = 8, p = 1.
 */
#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int main(void)
{
	static const unsigned char salt[32] = "thirty-two bytes of salt, always";
	static const char password[] = "0123456789abcdef0123456789abcdef";
	unsigned char key[32];
	uint64_t begin = now();
	if (EVP_PBE_scrypt(password, sizeof(password) - 1, salt, sizeof(salt), 1 << 16, 8, 1,
			   UINT64_C(1) << 28, key, sizeof(key)) != 1)
		return 1;
	printf("%llu\n", (unsigned long long)(now() - begin));
	return 0;
}
