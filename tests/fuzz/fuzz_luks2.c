/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A LUKS2 device: our check of the binary headers and the JSON, then the keyslots, or libcryptsetup
 * on the memory file that is written from what was vetted, then the payload.
 *
 * The input is a byte of switches, the first BINARY_LEN bytes of the binary header, and the JSON;
 * the device round them is made here, with its checksums and with one keyslot that FUZZ_PASSWORD
 * opens: its area would be 256,000 bytes of input.
 */
#include "fuzz.h"

#include <libcryptsetup.h>
#include <stdlib.h>
#include <string.h>

#include "seal/luks2/internal.h"

#define FUZZ_PASSWORD "fuzz"
#define BINARY_LEN 512
#define JSON_CAP (LUKS2_JSON_MAX + 4096)
#define DEVICE_LEN ((2u << 20) + 65536)
#define KEY_LEN 64
#define AREA_OFF 32768
#define AREA_LEN 258048
#define ITERATIONS 1000
#define SALT "0123456789abcdef0123456789abcdef"
/* What unlocking may cost, so that a run is short. */
#define COST_MAX 2000

enum {
	NO_FIRST = 1,
	NO_SECOND = 2,
	BAD_FIRST = 4, /* its checksum is left wrong */
	BAD_SECOND = 8,
	SECOND_NEWER = 16,
	UNLOCK = 32, /* always; else for one input in many, as it takes long */
};
#define UNLOCK_EVERY 32

/* A run takes milliseconds. Of its calls that is every third, and a new secret makes three. */
const unsigned fuzz_faults = 400;

static uint8_t area[AREA_LEN];
static uint8_t headers[2][BINARY_LEN];
static uint8_t json[JSON_CAP];
static size_t json_len;
static uint64_t header_len;

/* ------------------------------------------------------------------ the device */

static void overlay(uint8_t *buf, size_t len, uint64_t off, uint64_t at, const void *data,
		    size_t data_len)
{
	uint64_t from = off > at ? off : at,
		 to = off + len < at + data_len ? off + len : at + data_len;
	if (from < to)
		memcpy(buf + (from - off), (const uint8_t *)data + (from - at),
		       (size_t)(to - from));
}

static int device_read(struct source *s, void *buf, size_t len, uint64_t off, struct error **err)
{
	(void)s;
	if (fault_now())
		return error_set(err, ERROR_IO, "a read that shall fail");
	memset(buf, 0, len);
	overlay(buf, len, off, AREA_OFF, area, AREA_LEN);
	size_t n = json_len < header_len - LUKS2_BINARY_LEN ? json_len
							    : (size_t)header_len - LUKS2_BINARY_LEN;
	for (unsigned i = 0; i < 2; i++) {
		overlay(buf, len, off, i * header_len, headers[i], BINARY_LEN);
		overlay(buf, len, off, i * header_len + LUKS2_BINARY_LEN, json, n);
	}
	return 0;
}

static void device_free(struct source *s)
{
	(void)s;
}

static const struct source_ops device_ops = { .read = device_read, .free = device_free };
static struct source device = { .ops = &device_ops, .size = DEVICE_LEN };

static void put_sum(unsigned i)
{
	static uint8_t whole[4u << 20];
	struct error *err CLEANUP_ERROR = NULL;
	if (header_len > DEVICE_LEN / 2)
		return;
	memset(headers[i] + LUKS2_CHECKSUM_OFF, 0, LUKS2_CHECKSUM_LEN);
	if (device_read(&device, whole, header_len, i * header_len, &err) < 0 ||
	    crypto_sha256(whole, header_len, headers[i] + LUKS2_CHECKSUM_OFF, &err) < 0)
		fuzz_bug("the checksum: %s", error_message(err));
}

static void make_device(uint8_t switches, struct bytes *b)
{
	size_t n = bytes_left(b) < BINARY_LEN ? bytes_left(b) : BINARY_LEN;
	memset(headers, 0, sizeof(headers));
	bytes_copy(b, headers[0], n);
	json_len = bytes_left(b) < JSON_CAP ? bytes_left(b) : JSON_CAP;
	bytes_copy(b, json, json_len);
	struct bytes h = bytes_of(headers[0], BINARY_LEN);
	bytes_skip(&h, LUKS2_MAGIC_LEN + 2);
	header_len = bytes_be64(&h);
	if (header_len < 16384 || header_len > 4u << 20 || header_len & (header_len - 1))
		header_len = 16384;
	memcpy(headers[1], headers[0], BINARY_LEN);
	for (size_t i = 0; i < 4; i++)
		headers[1][i] = headers[0][3 - i]; /* LUKS, SKUL */
	bytes_put_be(headers[1] + 256, header_len, 8);
	if (switches & SECOND_NEWER)
		headers[1][23]++;
	if (switches & NO_FIRST)
		memset(headers[0], 0, BINARY_LEN);
	if (switches & NO_SECOND)
		memset(headers[1], 0, BINARY_LEN);
	if (!(switches & BAD_FIRST))
		put_sum(0);
	if (!(switches & BAD_SECOND))
		put_sum(1);
}

/* ------------------------------------------------------------------ the keyslot */

/* LUKS1's anti-forensic splitter (LUKS2 specification 3.2.1) with stripes of zeros. */
static void split(const uint8_t key[KEY_LEN], uint8_t *last)
{
	uint8_t in[4 + CRYPTO_SHA256_LEN], d[KEY_LEN] = { 0 };
	struct error *err CLEANUP_ERROR = NULL;
	for (unsigned i = 0; i + 1 < LUKS2_STRIPES; i++)
		for (unsigned k = 0; k < KEY_LEN / CRYPTO_SHA256_LEN; k++) {
			bytes_put_be(in, k, 4);
			memcpy(in + 4, d + k * CRYPTO_SHA256_LEN, CRYPTO_SHA256_LEN);
			if (crypto_sha256(in, sizeof(in), d + k * CRYPTO_SHA256_LEN, &err) < 0)
				fuzz_bug("%s", error_message(err));
		}
	for (unsigned i = 0; i < KEY_LEN; i++)
		last[i] = d[i] ^ key[i];
}

static void volume_key(uint8_t key[KEY_LEN])
{
	for (unsigned i = 0; i < KEY_LEN; i++)
		key[i] = (uint8_t)i;
}

void fuzz_start(void)
{
	uint8_t key[KEY_LEN];
	struct error *err CLEANUP_ERROR = NULL;
	struct secret *password CLEANUP_SECRET = NULL, *slot CLEANUP_SECRET = NULL;
	struct crypto_xts *xts = NULL;
	volume_key(key);
	split(key, area + (LUKS2_STRIPES - 1) * KEY_LEN);
	if (secret_copy(FUZZ_PASSWORD, strlen(FUZZ_PASSWORD), &password, &err) < 0 ||
	    crypto_pbkdf2(CRYPTO_SHA256, password, SALT, strlen(SALT), ITERATIONS, KEY_LEN, &slot,
			  &err) < 0 ||
	    crypto_xts_new(slot, CRYPTO_ENCRYPT, &xts, &err) < 0 ||
	    crypto_xts_encrypt(xts, 0, 1, LUKS2_SECTOR_MIN, area, AREA_LEN / LUKS2_SECTOR_MIN,
			       &err) < 0)
		fuzz_bug("the keyslot: %s", error_message(err));
	crypto_xts_free(&xts);
}

int fuzz_seed(struct buffer *ret, struct error **err)
{
	uint8_t key[KEY_LEN];
	struct secret *volume CLEANUP_SECRET = NULL, *digest CLEANUP_SECRET = NULL;
	struct buffer text CLEANUP_BUFFER = { 0 }, sum CLEANUP_BUFFER = { 0 };
	struct luks2_header h = {
		.header_len = 16384,
		.keyslots_len = 2 * AREA_LEN / 4096 * 4096,
		.key_len = KEY_LEN,
		.count = 1,
		.digest_hash = "sha256",
		.digest_iterations = ITERATIONS,
		.data_off = 2u << 20,
		.data_len = 65536,
		.sector_len = 4096,
	};
	h.keyslots[0] = (struct luks2_keyslot){
		.priority = 1,
		.af_hash = "sha256",
		.area_off = AREA_OFF,
		.area_len = AREA_LEN,
		.area_key_len = KEY_LEN,
		.kdf = { .name = "pbkdf2", .hash = "sha256", .iterations = ITERATIONS },
	};
	struct buffer salt CLEANUP_BUFFER = { 0 };
	volume_key(key);
	if (base64_encode(SALT, strlen(SALT), 0, &salt, err) < 0 ||
	    secret_copy(key, sizeof(key), &volume, err) < 0 ||
	    crypto_pbkdf2(CRYPTO_SHA256, volume, SALT, strlen(SALT), ITERATIONS, CRYPTO_SHA256_LEN,
			  &digest, err) < 0 ||
	    base64_encode(secret_bytes(digest), CRYPTO_SHA256_LEN, 0, &sum, err) < 0)
		return -1;
	memcpy(h.keyslots[0].kdf.salt, salt.data, salt.len + 1);
	memcpy(h.digest_salt, salt.data, salt.len + 1);
	memcpy(h.digest, sum.data, sum.len + 1);
	if (luks2_json_write(&h, &text, err) < 0)
		return -1;
	uint8_t *at = (uint8_t *)buffer_reserve(ret, 1 + BINARY_LEN, err);
	if (!at)
		return -1;
	memset(at, 0, 1 + BINARY_LEN);
	*at++ = UNLOCK;
	memcpy(at, "LUKS\xba\xbe\0\2", 8);
	bytes_put_be(at + 8, h.header_len, 8);
	bytes_put_be(at + 16, 1, 8);
	memcpy(at + 72, "sha256", 6);
	memcpy(at + 168, "01234567-89ab-cdef-0123-456789abcdef", 36);
	ret->len += 1 + BINARY_LEN;
	return buffer_append(ret, text.data, text.len, err);
}

/* ------------------------------------------------------------------ a run */

/* A few MiB take as long as some hundred rounds. */
static uint64_t argon2_cost(const struct luks2_kdf *kdf)
{
	return (uint64_t)kdf->memory_kib * kdf->passes + (kdf->cpus > 1 ? COST_MAX : 0);
}

static bool is_cheap(const struct luks2_header *h)
{
	uint64_t cost = h->digest_iterations;
	for (unsigned i = 0; i < h->count; i++)
		cost += h->keyslots[i].kdf.memory_kib ? argon2_cost(&h->keyslots[i].kdf)
						      : h->keyslots[i].kdf.iterations;
	return cost <= COST_MAX && h->count <= 2;
}

static void check_header(const struct luks2_header *h)
{
	if (h->count > LUKS2_KEYSLOTS_MAX || (h->key_len != 32 && h->key_len != 64) ||
	    (h->sector_len != 512 && h->sector_len != 4096) ||
	    !range_within(h->data_off, h->data_len, DEVICE_LEN) || h->data_len % h->sector_len)
		fuzz_bug("a header passed that should not");
	for (unsigned i = 0; i < h->count; i++)
		if (!range_within(h->keyslots[i].area_off, h->keyslots[i].area_len, DEVICE_LEN) ||
		    h->keyslots[i].area_len > LUKS2_AREA_MAX)
			fuzz_bug("keyslot %u passed that should not", i);
}

static int load(const struct luks2_header *h, struct error **err)
{
	int fd CLEANUP_FD = -1;
	CLEANUP_LUKS2_DEVICE struct luks2_device d = { 0 };
	if (luks2_header_to_memory(h, &device, &fd, err) < 0 ||
	    luks2_device_init(&d, fd, NULL, err) < 0)
		return -1;
	int r = crypt_load(d.cd, CRYPT_LUKS2, NULL);
	return r < 0 ? luks2_device_error(&d, r, "load the LUKS2 header", err) : 0;
}

int fuzz_run(const uint8_t *data, size_t len, struct error **err)
{
	static uint8_t buf[DEVICE_LEN];
	struct luks2_header header = { 0 };
	struct bytes b = bytes_of(data, len);
	uint8_t switches = bytes_u8(&b);
	uint32_t sum = 0;
	fault_pause();
	make_device(switches, &b);
	fault_resume();
	if (luks2_header_read(&device, &header, err) < 0)
		return -1;
	check_header(&header);
	fuzz_saw_number(header.data_off ^ header.data_len ^ header.iv_tweak);
	for (size_t i = 0; i < json_len; i++)
		sum = sum * 31 + json[i];
	if (!is_cheap(&header) || !(switches & UNLOCK || sum % UNLOCK_EVERY == 0))
		return load(&header, err);

	struct secret *password CLEANUP_SECRET = NULL;
	struct source *clear CLEANUP_SOURCE = NULL;
	if (secret_copy(FUZZ_PASSWORD, strlen(FUZZ_PASSWORD), &password, err) < 0 ||
	    seal_open(&seal_luks2, &(struct sealed){ .bytes = &device }, password, &clear, err) < 0)
		return -1;
	if (clear->size != header.data_len)
		fuzz_bug("a payload of another length");
	size_t n = clear->size < 5000 ? (size_t)clear->size : 5000;
	if (source_read(clear, buf, n, 0, err) < 0 ||
	    source_read(clear, buf, n, clear->size - n, err) < 0)
		return -1;
	fuzz_saw(buf, n);
	return 0;
}
