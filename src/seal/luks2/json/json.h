/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_SEAL_LUKS2_JSON_JSON_H
#define COFFER_SEAL_LUKS2_JSON_JSON_H

#include "json/json.h"
#include "seal/luks2/internal.h"

/*
 * What the readers of the JSON share (json.c). Each takes a member of the object `at`, and fails
 * with ERROR_DAMAGED, ERROR_LIMIT or ERROR_UNSUPPORTED and the member's path.
 */

int luks2_get_number(const struct json_at *at, const char *member, uint32_t min, uint32_t max,
		     uint32_t *ret, struct error **err);
/* Sizes and offsets are texts of decimal digits (spec 3). */
int luks2_get_digits(const struct json_at *at, const char *member, uint64_t *ret,
		     struct error **err);
/* As it is written; *ret_len is how many bytes it stands for. */
int luks2_get_base64(const struct json_at *at, const char *member, char ret[LUKS2_BASE64_MAX + 1],
		     size_t *ret_len, struct error **err);
/* "salt": all KDFs and the digest have salts of one length. */
int luks2_get_salt(const struct json_at *at, char ret[LUKS2_BASE64_MAX + 1], struct error **err);
/* "encryption": the one cipher there is (spec 3.2.3). */
int luks2_check_cipher(const struct json_at *at, struct error **err);
/* "key_size": 32 for AES-128-XTS, 64 for AES-256-XTS. */
int luks2_get_key_len(const struct json_at *at, uint32_t *ret, struct error **err);
/* The hashes that are taken, by enum crypto_hash; NULL at the end. */
extern const char *const luks2_hashes[];

/* keyslots.c: the number of a keyslot, "0" to "31": 0, or -1 where it is none, and no error.
 */
int luks2_parse_id(const char *text, unsigned *ret);
/* All of them, into *ret, whose lengths are known: one for each number. */
int luks2_read_keyslots(const struct json_at *root, struct luks2_header *ret, struct error **err);

#endif
