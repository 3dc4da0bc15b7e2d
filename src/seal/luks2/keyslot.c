/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the passphrase to the volume key (encryption.md 5.4).
 *
 * Keyslots with PBKDF2, as coffer makes them for a random secret, are opened here: loading
 * libcryptsetup would take twice as long as that, and what it allocates is not guarded. Argon2 is
 * not among OpenSSL 3.0's algorithms: there it does the work.
 */
#include "seal/luks2/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * A keyslot holds the volume key, split into 4000 stripes (af.c) so that a part of it which
 * survives on a disk after it was overwritten is worth nothing, and encrypted with what the KDF
 * makes of the passphrase. Nothing in it says whether the passphrase was right: it always decrypts
 * to something. Only the digest does, over the key that comes out. So each slot costs its whole KDF
 * before it can say no, and a wrong passphrase costs the sum of all: json.c bounds that.
 */
/* Key material is read in pieces of so many bytes; a slot's area is a multiple of it. */
#define PIECE LUKS2_AREA_ALIGNMENT

int luks2_check_memory(const struct luks2_header *header, struct error **err)
{
	for (unsigned i = 0; i < header->count; i++) {
		const struct luks2_keyslot *slot = &header->keyslots[i];
		char what[32];
		snprintf(what, sizeof(what), "keyslot %u", slot->id);
		if (crypto_kdf_check("/", what, (uint64_t)slot->kdf.memory_kib << 10, err) < 0)
			return -1;
	}
	return 0;
}

int luks2_wrong_key(struct error **err)
{
	error_set(err, ERROR_KEY_WRONG, "no key available with this passphrase");
	return error_hint(err, "give the passphrase or key that the image was built with");
}

/* ------------------------------------------------------------------ PBKDF2 */

/* What json.c has let pass is base64, of a length that is known. */
static int decode(const char *text, uint8_t to[LUKS2_BASE64_MAX], size_t *ret_len,
		  struct error **err)
{
	if (base64_decode(text, strlen(text), false, to, ret_len))
		return 0;
	return error_set(err, ERROR_INTERNAL, "a LUKS2 header that was not vetted");
}

/* Decrypts the key material and merges it. */
static int merge_area(const struct luks2_keyslot *slot, struct source *device,
		      struct crypto_xts *xts, struct luks2_af *af, struct error **err)
{
	CLEANUP_SECRET struct secret *piece = NULL;
	size_t key_len = secret_size(af->key), stripes = 0;
	if (secret_new(PIECE, &piece, err) < 0)
		return -1;
	for (uint64_t off = 0; stripes < LUKS2_STRIPES; off += PIECE) {
		uint8_t *at = secret_data(piece);
		if (source_read(device, at, PIECE, slot->area_off + off, err) < 0 ||
		    crypto_xts_decrypt(xts, off / LUKS2_SECTOR_MIN, 1, LUKS2_SECTOR_MIN, at,
				       PIECE / LUKS2_SECTOR_MIN, err) < 0)
			return -1;
		for (size_t i = 0; i < PIECE / key_len && stripes < LUKS2_STRIPES; i++) {
			stripes++;
			if (luks2_af_merge(af, at + i * key_len, stripes == LUKS2_STRIPES, err) < 0)
				return -1;
		}
	}
	return 0;
}

/* 1: it is the volume key; 0: it is not; -1: an error. */
static int check_digest(const struct luks2_header *header, const struct secret *key,
			struct error **err)
{
	uint8_t salt[LUKS2_BASE64_MAX], digest[LUKS2_BASE64_MAX];
	CLEANUP_SECRET struct secret *want = NULL, *got = NULL;
	enum crypto_hash hash = luks2_hash(header->digest_hash);
	size_t salt_len, len;
	if (decode(header->digest_salt, salt, &salt_len, err) < 0 ||
	    decode(header->digest, digest, &len, err) < 0)
		return -1;
	if (crypto_pbkdf2(hash, key, salt, salt_len, header->digest_iterations, len, &got, err) <
		    0 ||
	    secret_copy(digest, len, &want, err) < 0)
		return -1;
	return secret_equal(want, got);
}

int luks2_check_key(const struct luks2_header *header, const struct secret *key, struct error **err)
{
	int r = secret_size(key) == header->key_len ? check_digest(header, key, err) : 0;
	if (r < 0)
		return -1;
	return r ? 0 : error_set(err, ERROR_DAMAGED, "the volume key is not that of this volume");
}

/* 1 with *ret, 0 when the passphrase is not that of this slot, -1: encryption.md 5.4, step by step.
 */
static int open_slot(const struct luks2_header *header, const struct luks2_keyslot *slot,
		     struct source *device, const struct secret *passphrase, struct secret **ret,
		     struct error **err)
{
	uint8_t salt[LUKS2_BASE64_MAX];
	size_t salt_len;
	CLEANUP_SECRET struct secret *area_key = NULL;
	CLEANUP_LUKS2_AF struct luks2_af af = { 0 };
	struct crypto_xts *xts = NULL;
	if (decode(slot->kdf.salt, salt, &salt_len, err) < 0 ||
	    crypto_pbkdf2(luks2_hash(slot->kdf.hash), passphrase, salt, salt_len,
			  slot->kdf.iterations, slot->area_key_len, &area_key, err) < 0 ||
	    luks2_af_init(&af, luks2_hash(slot->af_hash), header->key_len, err) < 0 ||
	    crypto_xts_new(area_key, CRYPTO_DECRYPT, &xts, err) < 0)
		return -1;
	int r = merge_area(slot, device, xts, &af, err);
	crypto_xts_free(&xts);
	if (r == 0)
		r = check_digest(header, af.key, err);
	if (r == 1)
		*ret = take_pointer(&af.key);
	return r;
}

/* Those of the highest priority first; a slot of priority 0 is for who asks for it by number. */
static int open_slots(const struct luks2_header *header, struct source *device,
		      const struct secret *passphrase, struct secret **ret, struct error **err)
{
	for (unsigned priority = 2; priority; priority--) {
		for (unsigned i = 0; i < header->count; i++) {
			const struct luks2_keyslot *slot = &header->keyslots[i];
			if (slot->priority != priority)
				continue;
			int r = open_slot(header, slot, device, passphrase, ret, err);
			if (r)
				return r < 0 ? -1 : 0;
		}
	}
	return luks2_wrong_key(err);
}

/* One such slot is enough: the library then tries all of them, in its own order. */
static bool has_argon2(const struct luks2_header *header)
{
	for (unsigned i = 0; i < header->count; i++)
		if (!header->keyslots[i].kdf.hash)
			return true;
	return false;
}

/* ------------------------------------------------------------------ the library */

/* Memory first: the library would start a derivation that the machine cannot finish. */
static int open_by_library(const struct luks2_header *header, struct source *device,
			   const struct secret *passphrase, struct secret **ret, struct error **err)
{
	CLEANUP_FD int fd = -1;
	CLEANUP_SECRET struct secret *key = NULL;
	if (luks2_check_memory(header, err) < 0 ||
	    luks2_header_to_memory(header, device, &fd, err) < 0 ||
	    secret_new(header->key_len, &key, err) < 0)
		return -1;

	CLEANUP_LUKS2_DEVICE struct luks2_device d = { 0 };
	if (luks2_device_init(&d, fd, NULL, err) < 0 || luks2_device_load(&d, err) < 0)
		return -1;
	size_t len = secret_size(key);
	int r = crypt_volume_key_get(d.cd, CRYPT_ANY_SLOT, (char *)secret_data(key), &len,
				     (const char *)secret_bytes(passphrase),
				     secret_size(passphrase));
	if (r == -EPERM || r == -ENOENT)
		return luks2_wrong_key(err);
	if (r < 0)
		return luks2_device_error(&d, r, "unlock a keyslot", err);
	if (len != secret_size(key))
		return error_set(err, ERROR_INTERNAL, "a volume key of %zu bytes", len);
	*ret = take_pointer(&key);
	return 0;
}

int luks2_unlock(const struct luks2_header *header, struct source *device,
		 const struct secret *passphrase, struct secret **ret, struct error **err)
{
	return has_argon2(header) ? open_by_library(header, device, passphrase, ret, err)
				  : open_slots(header, device, passphrase, ret, err);
}
