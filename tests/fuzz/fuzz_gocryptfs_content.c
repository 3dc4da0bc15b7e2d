/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The content file of gocryptfs under a known key. The first byte says which blocks get a right
 * tag (bit i: the blocks i, i+8, ...), the next two where reads begin. A block with a right tag
 * must be read as what it holds, a read that meets any other must fail.
 */
#include "fuzz.h"
#include "kdf.h"

#include <string.h>

#include "seal/gocryptfs/internal.h"

#define BLOCKS_MAX 8
#define CONTROL_LEN 3

static struct buffer conf;
static struct crypto_gcm *known;
static uint8_t cipher[HEADER_LEN + BLOCKS_MAX * CIPHER_LEN];
static uint8_t plain[BLOCKS_MAX * BLOCK_LEN], clear_bytes[BLOCKS_MAX * BLOCK_LEN];
static bool good[BLOCKS_MAX];

void fuzz_start(void)
{
	struct error *err CLEANUP_ERROR = NULL;
	struct secret *master CLEANUP_SECRET = NULL;
	if (fuzz_conf(&conf, &err) < 0 ||
	    secret_copy(FUZZ_MASTER, strlen(FUZZ_MASTER), &master, &err) < 0 ||
	    gocryptfs_content_key(master, CRYPTO_ENCRYPT, &known, &err) < 0)
		fuzz_bug("the known configuration: %s", error_message(err));
}

/* Two blocks and a part of a third. */
int fuzz_seed(struct buffer *ret, struct error **err)
{
	uint8_t *at = (uint8_t *)buffer_reserve(ret, CONTROL_LEN + sizeof(cipher), err);
	if (!at)
		return -1;
	size_t len = HEADER_LEN + 2 * CIPHER_LEN + OVERHEAD_LEN + 100;
	memset(at, 'x', CONTROL_LEN + len);
	at[0] = 0xff;
	bytes_put_be(at + CONTROL_LEN, VERSION, 2);
	ret->len = CONTROL_LEN + len;
	return 0;
}

/* Gives the blocks their tags, and finds out what they hold. */
static void repair(uint8_t which, size_t len)
{
	uint8_t aad[AAD_LEN] = { 0 }, tag[CRYPTO_GCM_TAG_LEN];
	memcpy(aad + 8, cipher + 2, FILE_ID_LEN);
	for (size_t i = 0; HEADER_LEN + i * CIPHER_LEN < len; i++) {
		uint8_t *at = cipher + HEADER_LEN + i * CIPHER_LEN;
		uint8_t *body = at + CRYPTO_GCM_NONCE_LEN;
		size_t block_len = len - (size_t)(at - cipher);
		struct error *err CLEANUP_ERROR = NULL;
		if (block_len > CIPHER_LEN)
			block_len = CIPHER_LEN;
		good[i] = false;
		if (block_len <= OVERHEAD_LEN)
			return;
		size_t n = block_len - OVERHEAD_LEN;
		bytes_put_be(aad, i, 8);
		/* Counter mode: sealing what is sealed opens it. */
		if (crypto_gcm_seal(known, at, aad, AAD_LEN, body, n, plain + i * BLOCK_LEN, tag,
				    &err) < 0 ||
		    crypto_gcm_seal(known, at, aad, AAD_LEN, plain + i * BLOCK_LEN, n, clear_bytes,
				    tag, &err) < 0)
			fuzz_bug("seal a block: %s", error_message(err));
		if (memcmp(clear_bytes, body, n) != 0)
			fuzz_bug("sealing twice is not the same");
		if (which >> (i % 8) & 1)
			memcpy(body + n, tag, sizeof(tag));
		uint8_t nonce = 0;
		for (size_t k = 0; k < CRYPTO_GCM_NONCE_LEN; k++)
			nonce |= at[k];
		good[i] = nonce && !memcmp(body + n, tag, sizeof(tag));
	}
}

static void check_read(struct source *s, size_t off, size_t len, struct error **first)
{
	struct error *err CLEANUP_ERROR = NULL;
	bool fits = true;
	if (off >= s->size)
		return;
	if (len > s->size - off)
		len = (size_t)(s->size - off);
	for (size_t i = off / BLOCK_LEN; len && i <= (off + len - 1) / BLOCK_LEN; i++)
		fits = fits && good[i];
	int r = source_read(s, clear_bytes, len, off, &err);
	if (r == 0 && !fits)
		fuzz_bug("a block that does not authenticate was read");
	if (r < 0 && fits && !fault_armed())
		fuzz_bug("a good block was refused: %s", error_message(err));
	if (r == 0 && memcmp(clear_bytes, plain + off, len) != 0)
		fuzz_bug("a good block was read wrongly");
	if (r == 0)
		fuzz_saw(clear_bytes, len);
	fuzz_note(first, &err);
}

int fuzz_run(const uint8_t *data, size_t len, struct error **err)
{
	struct secret *password CLEANUP_SECRET = NULL;
	struct source *file CLEANUP_SOURCE = NULL, *clear CLEANUP_SOURCE = NULL;
	struct bytes b = bytes_of(data, len);
	uint8_t which = bytes_u8(&b);
	size_t at = bytes_le16(&b);
	size_t left = bytes_left(&b);
	if (left > sizeof(cipher))
		left = sizeof(cipher);
	bytes_copy(&b, cipher, left);
	if (left > HEADER_LEN) {
		fault_pause();
		repair(which, left);
		fault_resume();
	}
	if (secret_copy(FUZZ_PASSWORD, strlen(FUZZ_PASSWORD), &password, err) < 0 ||
	    fuzz_source(cipher, left, &file, err) < 0 ||
	    seal_open(&seal_gocryptfs, &(struct sealed){ file, conf.data, conf.len }, password,
		      &clear, err) < 0)
		return -1;
	fuzz_saw_number(clear->size);
	if (clear->size > sizeof(plain))
		fuzz_bug("a file of %llu bytes", (unsigned long long)clear->size);
	struct error *first = NULL;
	check_read(clear, 0, SIZE_MAX, &first);
	check_read(clear, at, 1, &first);
	check_read(clear, at, BLOCK_LEN, &first);
	check_read(clear, at / BLOCK_LEN * BLOCK_LEN, BLOCK_LEN, &first);
	check_read(clear, at % BLOCK_LEN, 3 * BLOCK_LEN, &first);
	*err = first;
	return first ? -1 : 0;
}
