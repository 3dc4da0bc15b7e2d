/* SPDX-License-Identifier: Apache-2.0 */
#include "seal/gocryptfs/internal.h"

#include <string.h>

/* encryption.md 4.5: the block's number and the file's id are authenticated with each block. */
static void put_aad(uint8_t aad[AAD_LEN], const struct gocryptfs_content *content, uint64_t number)
{
	bytes_put_be(aad, number, 8);
	memcpy(aad + 8, content->file_id, FILE_ID_LEN);
}

/*
 * gocryptfs takes a block of zeros for a hole. Nobody who writes an image leaves one, while
 * anybody could cut blocks out of it that way: to us it is damaged, as is any nonce of zeros.
 */
static bool nonce_is_zero(const uint8_t *nonce)
{
	static const uint8_t zeros[CRYPTO_GCM_NONCE_LEN];
	return !memcmp(nonce, zeros, sizeof(zeros));
}

int gocryptfs_blocks_open(const struct gocryptfs_content *content, uint64_t number, uint8_t *cipher,
			  size_t cipher_len, size_t skip, void *buf, size_t len, struct error **err)
{
	uint8_t aad[AAD_LEN];
	uint8_t *to = buf;
	for (; len; number++, skip = 0) {
		size_t block_len = cipher_len < CIPHER_LEN ? cipher_len : CIPHER_LEN;
		if (block_len <= OVERHEAD_LEN + skip)
			return error_set(err, ERROR_INTERNAL, "too few blocks were read");
		size_t plain_len = block_len - OVERHEAD_LEN;
		size_t want = plain_len - skip < len ? plain_len - skip : len;
		uint8_t *body = cipher + CRYPTO_GCM_NONCE_LEN;
		/* Straight to where it is wanted, or in place when only a part of it is. */
		uint8_t *clear = want == plain_len ? to : body;
		put_aad(aad, content, number);
		if (nonce_is_zero(cipher))
			return error_set(err, ERROR_DAMAGED,
					 "block %llu of the encrypted file is empty",
					 (unsigned long long)number);
		if (crypto_gcm_open(content->gcm, cipher, aad, AAD_LEN, body, plain_len,
				    body + plain_len, clear, err) < 0)
			return error_wrap(err, "block %llu of the encrypted file",
					  (unsigned long long)number);
		if (clear != to)
			memcpy(to, clear + skip, want);
		to += want;
		len -= want;
		cipher += block_len;
		cipher_len -= block_len;
	}
	return 0;
}

int gocryptfs_blocks_seal(const struct gocryptfs_content *content, uint64_t number,
			  const uint8_t *plain, size_t len, uint8_t *cipher, size_t *ret_len,
			  struct error **err)
{
	uint8_t aad[AAD_LEN], nonces[RUN_BLOCKS][CRYPTO_GCM_NONCE_LEN];
	uint8_t *to = cipher;
	size_t left = 0;
	for (; len; number++) {
		size_t plain_len = len < BLOCK_LEN ? len : BLOCK_LEN;
		/* One call for many: a system call each would cost as much as the block. */
		if (!left) {
			left = (len + BLOCK_LEN - 1) / BLOCK_LEN;
			if (left > RUN_BLOCKS)
				left = RUN_BLOCKS;
			if (crypto_random(nonces, left * sizeof(nonces[0]), err) < 0)
				return -1;
		}
		uint8_t *body = to + CRYPTO_GCM_NONCE_LEN;
		memcpy(to, nonces[--left], CRYPTO_GCM_NONCE_LEN);
		put_aad(aad, content, number);
		if (crypto_gcm_seal(content->gcm, to, aad, AAD_LEN, plain, plain_len, body,
				    body + plain_len, err) < 0)
			return -1;
		plain += plain_len;
		len -= plain_len;
		to = body + plain_len + CRYPTO_GCM_TAG_LEN;
	}
	*ret_len = (size_t)(to - cipher);
	return 0;
}
