/* SPDX-License-Identifier: Apache-2.0 */
/* The keyslots of a LUKS2 header: where each lies, and what it costs to try it, and all of them. */
#include "seal/luks2/json/json.h"

#include <string.h>

/* What trying all slots costs, summed up while they are read. */
struct work {
	uint64_t argon2_kib, pbkdf2;
};

/* spec 3.2.4 */
static int read_kdf(const struct json_at *at, struct luks2_kdf *ret, struct work *work,
		    struct error **err)
{
	if (JSON_CHOICE(at, "type", &ret->name, err, "argon2id", "argon2i", "pbkdf2") < 0 ||
	    luks2_get_salt(at, ret->salt, err) < 0)
		return -1;
	if (!strcmp(ret->name, "pbkdf2")) {
		if (JSON_ONLY(at, err, "type", "salt", "hash", "iterations") < 0 ||
		    json_get_choice(at, "hash", luks2_hashes, &ret->hash, err) < 0 ||
		    luks2_get_number(at, "iterations", 1, (uint32_t)LUKS2_PBKDF2_WORK_MAX,
				     &ret->iterations, err) < 0)
			return -1;
		work->pbkdf2 += ret->iterations;
		if (work->pbkdf2 > LUKS2_PBKDF2_WORK_MAX)
			return json_over_limit(at, "iterations, with the other keyslots,",
					       LUKS2_PBKDF2_WORK_MAX, err);
		return 0;
	}
	if (JSON_ONLY(at, err, "type", "salt", "time", "memory", "cpus") < 0 ||
	    luks2_get_number(at, "cpus", 1, LUKS2_ARGON2_CPUS_MAX, &ret->cpus, err) < 0 ||
	    luks2_get_number(at, "memory", 8, LUKS2_ARGON2_KIB_MAX, &ret->memory_kib, err) < 0 ||
	    luks2_get_number(at, "time", 1, UINT32_MAX, &ret->passes, err) < 0)
		return -1;
	/* RFC 9106, 3.1: at least 8 KiB for each lane */
	if (ret->memory_kib < 8 * ret->cpus)
		return json_damaged(at, "memory", "is too small", err);
	/* 22 and 32 bits: the product fits, and the sum of two, as the first is within the limit */
	work->argon2_kib += (uint64_t)ret->memory_kib * ret->passes;
	if (work->argon2_kib > LUKS2_ARGON2_WORK_KIB_MAX)
		return json_over_limit(at, "memory times time, with the other keyslots,",
				       LUKS2_ARGON2_WORK_KIB_MAX, err);
	return 0;
}

/* spec 3.2.2 and 3.2.3 */
static int read_keyslot(const struct json_at *at, struct luks2_header *header,
			struct luks2_keyslot *ret, struct work *work, struct error **err)
{
	struct json_at af, area, kdf;
	const char *ignored;
	uint32_t key_len = 0, n = 0;
	/* The kind first: a keyslot of a reencryption has members that others have not. */
	if (JSON_CHOICE(at, "type", &ignored, err, "luks2") < 0 ||
	    JSON_ONLY(at, err, "type", "key_size", "af", "area", "kdf", "priority") < 0 ||
	    luks2_get_key_len(at, &key_len, err) < 0 ||
	    json_get(at, "af", JSON_OBJECT, &af, err) < 0 ||
	    json_get(at, "area", JSON_OBJECT, &area, err) < 0 ||
	    json_get(at, "kdf", JSON_OBJECT, &kdf, err) < 0)
		return -1;
	/* All slots hold the same key, so they state the same length. */
	if (header->key_len && key_len != header->key_len)
		return json_damaged(at, "key_size", "differs from that of other keyslots", err);
	header->key_len = key_len;
	ret->priority = 1;
	if (json_find(at, "priority", NULL)) {
		if (luks2_get_number(at, "priority", 0, 2, &n, err) < 0)
			return -1;
		ret->priority = n;
	}

	/* The splitter (af.c): of one kind, and always of 4000 stripes. */
	if (JSON_CHOICE(&af, "type", &ignored, err, "luks1") < 0 ||
	    JSON_ONLY(&af, err, "type", "stripes", "hash") < 0 ||
	    json_get_choice(&af, "hash", luks2_hashes, &ret->af_hash, err) < 0 ||
	    luks2_get_number(&af, "stripes", 1, UINT32_MAX, &n, err) < 0)
		return -1;
	if (n != LUKS2_STRIPES)
		return json_damaged(&af, "stripes", "is not 4000", err);

	/* The area: where the stripes lie, and how they are encrypted. */
	if (JSON_CHOICE(&area, "type", &ignored, err, "raw") < 0 ||
	    JSON_ONLY(&area, err, "type", "offset", "size", "encryption", "key_size") < 0 ||
	    luks2_check_cipher(&area, err) < 0 ||
	    luks2_get_key_len(&area, &ret->area_key_len, err) < 0 ||
	    luks2_get_digits(&area, "offset", &ret->area_off, err) < 0 ||
	    luks2_get_digits(&area, "size", &ret->area_len, err) < 0)
		return -1;
	if (ret->area_len > LUKS2_AREA_MAX)
		return json_over_limit(&area, "size", LUKS2_AREA_MAX, err);
	if (ret->area_len < (uint64_t)key_len * LUKS2_STRIPES)
		return json_damaged(&area, "size", "is too small for the key", err);
	if (ret->area_off % LUKS2_AREA_ALIGNMENT || ret->area_len % LUKS2_AREA_ALIGNMENT)
		return json_damaged(&area, "offset or size", "is not a multiple of 4096", err);
	/* Behind both headers: else a keyslot's area could be the JSON that describes it. */
	if (ret->area_off < 2 * header->header_len ||
	    !range_within(ret->area_off - 2 * header->header_len, ret->area_len,
			  header->keyslots_len))
		return json_damaged(&area, "offset", "is outside the keyslots area", err);
	return read_kdf(&kdf, &ret->kdf, work, err);
}

/* The number of a keyslot: "0" to "31". */
int luks2_parse_id(const char *text, unsigned *ret)
{
	size_t len = strlen(text);
	if (!len || len > 2 || strspn(text, "0123456789") != len || (len == 2 && *text == '0'))
		return -1;
	unsigned v = len == 2 ? (unsigned)(text[0] - '0') * 10 + (unsigned)(text[1] - '0')
			      : (unsigned)(text[0] - '0');
	if (v >= LUKS2_KEYSLOTS_MAX)
		return -1;
	*ret = v;
	return 0;
}

/* One for each number, in the order of the text. At least one: else nothing could be opened. */
int luks2_read_keyslots(const struct json_at *root, struct luks2_header *ret, struct error **err)
{
	struct json_at all, one;
	struct work work = { 0 };
	if (json_get(root, "keyslots", JSON_OBJECT, &all, err) < 0)
		return -1;
	const void *cursor = NULL;
	const char *member;
	while (json_next(&all, &cursor, &member, &one)) {
		/* No member is there twice, so there are no more than there are numbers. */
		struct luks2_keyslot *slot = &ret->keyslots[ret->count];
		if (luks2_parse_id(member, &slot->id) < 0)
			return json_damaged(&all, json_shown(member), "is no keyslot number", err);
		if (json_get(&all, member, JSON_OBJECT, &one, err) < 0 ||
		    read_keyslot(&one, ret, slot, &work, err) < 0)
			return -1;
		ret->count++;
	}
	return ret->count ? 0 : json_damaged(&all, "", "has no keyslot", err);
}
