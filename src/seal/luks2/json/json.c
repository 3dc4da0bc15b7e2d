/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON of a header (LUKS2 specification, "spec", section 3; encryption.md 5.3): vetted into a
 * plain structure, and written anew from it.
 *
 * It is read by a closed list: each object has the members named here and no others, each value
 * is of the kind and within the limits named here. What libcryptsetup gets to see afterwards is
 * written from the structure, so the two parsers cannot come to different conclusions.
 *
 * What an image could want to gain by its JSON, and what stops it:
 * - a weaker cipher, or none (a segment or a keyslot with the null cipher, which reads anything):
 *   aes-xts-plain64 alone, for both;
 * - a key that fits whatever is typed (a digest that is too short to tell keys apart): its length
 *   is that of its hash;
 * - our memory or our time (a KDF of many gibibytes, or one cheap enough in each of 32 keyslots
 *   but not in all): limits for each, and for the sum, since a wrong passphrase tries them all;
 * - code of its choice (a token's type is the name of a plug-in for libcryptsetup): no tokens;
 * - a state between two (reencryption): no requirement, and no second segment;
 * - bytes that are not its own (areas and segments outside, or on top of the headers): every area
 *   lies in the keyslots' part, and the payload begins behind that.
 *
 * The order is that of what people need to hear: a requirement that is unknown first, since it
 * explains what else looks wrong, then keyslots, segment, and the digest that refers to both.
 */
#include "seal/luks2/json/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* spec 3.3: one of kind "crypt", from data_off to the end of the device or for some length */
static int read_segment(const struct json_at *root, uint64_t device_len, struct luks2_header *ret,
			struct error **err)
{
	struct json_at all, at;
	const char *text;
	uint64_t area_end, space;
	uint32_t sector;
	if (json_get(root, "segments", JSON_OBJECT, &all, err) < 0)
		return -1;
	/* Several mean a reencryption under way, or a payload of other parts than Apptainer's. */
	if (json_count(&all) != 1)
		return error_set(err, ERROR_UNSUPPORTED,
				 "LUKS2 header: segments has %zu members: exactly one is supported",
				 json_count(&all));
	if (json_get(&all, "0", JSON_OBJECT, &at, err) < 0 ||
	    JSON_CHOICE(&at, "type", &text, err, "crypt") < 0 || luks2_check_cipher(&at, err) < 0 ||
	    JSON_ONLY(&at, err, "type", "offset", "size", "iv_tweak", "encryption", "sector_size") <
		    0 ||
	    luks2_get_digits(&at, "offset", &ret->data_off, err) < 0 ||
	    luks2_get_digits(&at, "iv_tweak", &ret->iv_tweak, err) < 0 ||
	    luks2_get_number(&at, "sector_size", 1, UINT32_MAX, &sector, err) < 0 ||
	    json_get_text(&at, "size", &text, err) < 0)
		return -1;
	if (sector != LUKS2_SECTOR_MIN && sector != LUKS2_SECTOR_MAX)
		return error_set(err, ERROR_UNSUPPORTED,
				 "LUKS2 header: segments.0.sector_size %" PRIu32
				 " is not supported (512 and 4096 are)",
				 sector);
	ret->sector_len = sector;
	if (ret->data_off % LUKS2_SECTOR_MIN)
		return json_damaged(&at, "offset", "is not a multiple of 512", err);
	/* The payload begins behind both headers and all keyslots, and before the end. */
	if (!checked_add(2 * ret->header_len, ret->keyslots_len, &area_end) ||
	    ret->data_off < area_end)
		return json_damaged(&at, "offset", "lies within the header", err);
	if (!checked_sub(device_len, ret->data_off, &space) || space < sector)
		return json_damaged(&at, "offset", "lies past the end", err);
	/* A last piece that is no whole sector belongs to nothing. */
	if (!strcmp(text, "dynamic")) {
		ret->data_len = space - space % sector;
		return 0;
	}
	if (luks2_get_digits(&at, "size", &ret->data_len, err) < 0)
		return -1;
	if (!ret->data_len || ret->data_len % sector)
		return json_damaged(&at, "size", "is not a multiple of the sector size", err);
	if (ret->data_len > space)
		return json_damaged(&at, "size", "reaches past the end", err);
	return 0;
}

/* A text of a list, without NUL in it; NULL where it is none. */
static const char *text_item(const struct json_at *list, size_t i)
{
	const struct json_at one = json_item(list, i);
	size_t len = 0;
	const char *text = json_text(&one, &len);
	return text && strlen(text) == len ? text : NULL;
}

/* spec 3.4: one that covers the segment and every keyslot */
static int read_digest(const struct json_at *root, struct luks2_header *ret, struct error **err)
{
	struct json_at all, at, slots, segments;
	const char *text;
	size_t digest_len = 0;
	if (json_get(root, "digests", JSON_OBJECT, &all, err) < 0)
		return -1;
	if (json_count(&all) != 1)
		return error_set(err, ERROR_UNSUPPORTED,
				 "LUKS2 header: digests has %zu members: exactly one is supported",
				 json_count(&all));
	if (json_get(&all, "0", JSON_OBJECT, &at, err) < 0 ||
	    JSON_CHOICE(&at, "type", &text, err, "pbkdf2") < 0 ||
	    JSON_ONLY(&at, err, "type", "keyslots", "segments", "hash", "iterations", "salt",
		      "digest") < 0 ||
	    json_get_choice(&at, "hash", luks2_hashes, &ret->digest_hash, err) < 0 ||
	    luks2_get_number(&at, "iterations", 1, LUKS2_DIGEST_ITERATIONS_MAX,
			     &ret->digest_iterations, err) < 0 ||
	    luks2_get_salt(&at, ret->digest_salt, err) < 0 ||
	    luks2_get_base64(&at, "digest", ret->digest, &digest_len, err) < 0 ||
	    json_get(&at, "keyslots", JSON_LIST, &slots, err) < 0 ||
	    json_get(&at, "segments", JSON_LIST, &segments, err) < 0)
		return -1;

	/* The longer one would have a wrong key fit, or a shorter one many keys. */
	if (digest_len != LUKS1_DIGEST_LEN &&
	    digest_len != crypto_hash_len(luks2_hash(ret->digest_hash)))
		return json_damaged(&at, "digest", "is not as long as its hash", err);

	/* There is one segment, so the digest has to be its. */
	const char *text_of = json_count(&segments) == 1 ? text_item(&segments, 0) : NULL;
	if (!text_of || strcmp(text_of, "0") != 0)
		return json_damaged(&at, "segments", "is not the one segment", err);

	/* A slot that the digest does not cover could not be told right from wrong. */
	uint32_t seen = 0, wanted = 0;
	for (unsigned i = 0; i < ret->count; i++)
		wanted |= (uint32_t)1 << ret->keyslots[i].id;
	for (size_t i = 0; i < json_count(&slots); i++) {
		unsigned id;
		text_of = text_item(&slots, i);
		if (!text_of || luks2_parse_id(text_of, &id) < 0 || !(wanted >> id & 1))
			return json_damaged(&at, "keyslots", "names a keyslot that does not exist",
					    err);
		seen |= (uint32_t)1 << id;
	}
	if (seen != wanted)
		return error_set(err, ERROR_UNSUPPORTED,
				 "LUKS2 header: digests.0.keyslots leaves a keyslot out: "
				 "unbound keyslots are not supported");
	return 0;
}

/* spec 3.5. Requirements come before all else: they say what else may be in the header. */
static int read_requirements(const struct json_at *config, struct error **err)
{
	struct json_at at;
	if (!json_find(config, "requirements", NULL))
		return 0;
	if (json_get(config, "requirements", JSON_OBJECT, &at, err) < 0)
		return -1;
	const void *cursor = NULL;
	const char *member;
	struct json_at list;
	while (json_next(&at, &cursor, &member, &list)) {
		if (json_kind(&list) != JSON_LIST)
			return json_damaged(&list, "", "is not a list", err);
		if (!json_count(&list))
			continue;
		const char *first = text_item(&list, 0);
		if (!first)
			return json_damaged(&list, "", "is not a list of texts", err);
		return json_unsupported(&list, "", first, err);
	}
	return 0;
}

/* Flags that change how the kernel works on a device, not what is on it. */
static int read_flags(const struct json_at *config, struct error **err)
{
	static const char *const harmless[] = { "allow-discards",	  "same-cpu-crypt",
						"submit-from-crypt-cpus", "no-read-workqueue",
						"no-write-workqueue",	  NULL };
	struct json_at list;
	if (!json_find(config, "flags", NULL))
		return 0;
	if (json_get(config, "flags", JSON_LIST, &list, err) < 0)
		return -1;
	for (size_t i = 0; i < json_count(&list); i++) {
		const char *text = text_item(&list, i);
		if (!text)
			return json_damaged(config, "flags", "is not a list of texts", err);
		size_t n = 0;
		while (harmless[n] && strcmp(harmless[n], text) != 0)
			n++;
		if (!harmless[n])
			return json_unsupported(config, "flags", text, err);
	}
	return 0;
}

/* spec 3.5: how long the JSON and the keyslots' part are; both are held to what we have seen. */
static int read_config(const struct json_at *root, struct luks2_header *ret, struct error **err)
{
	struct json_at at;
	uint64_t json_len = 0;
	if (json_get(root, "config", JSON_OBJECT, &at, err) < 0 ||
	    read_requirements(&at, err) < 0 || read_flags(&at, err) < 0 ||
	    JSON_ONLY(&at, err, "json_size", "keyslots_size", "flags", "requirements") < 0 ||
	    luks2_get_digits(&at, "json_size", &json_len, err) < 0 ||
	    luks2_get_digits(&at, "keyslots_size", &ret->keyslots_len, err) < 0)
		return -1;
	if (json_len != ret->header_len - LUKS2_BINARY_LEN)
		return json_damaged(&at, "json_size", "differs from the binary header", err);
	if (ret->keyslots_len > LUKS2_KEYSLOTS_LEN_MAX)
		return json_over_limit(&at, "keyslots_size", LUKS2_KEYSLOTS_LEN_MAX, err);
	if (ret->keyslots_len % LUKS2_AREA_ALIGNMENT)
		return json_damaged(&at, "keyslots_size", "is not a multiple of 4096", err);
	return 0;
}

/* Config before the others: it has the requirements, and the length that areas must lie in. */
static int read_root(const struct json *j, uint64_t device_len, struct luks2_header *ret,
		     struct error **err)
{
	const struct json_at root = json_root(j);
	struct json_at tokens;
	if (json_kind(&root) != JSON_OBJECT)
		return error_set(err, ERROR_DAMAGED, "LUKS2 header: the JSON is not an object");
	if (read_config(&root, ret, err) < 0 ||
	    json_get(&root, "tokens", JSON_OBJECT, &tokens, err) < 0)
		return -1;
	if (json_count(&tokens))
		return error_set(err, ERROR_UNSUPPORTED, "LUKS2 header: tokens are not supported");
	if (JSON_ONLY(&root, err, "keyslots", "tokens", "segments", "digests", "config") < 0 ||
	    luks2_read_keyslots(&root, ret, err) < 0 ||
	    read_segment(&root, device_len, ret, err) < 0)
		return -1;
	return read_digest(&root, ret, err);
}

int luks2_json_read(const char *text, size_t len, uint64_t header_len, uint64_t device_len,
		    struct luks2_header *ret, struct error **err)
{
	/* The area is larger than its text, which ends at the first zero byte. */
	size_t text_len = strnlen(text, len);
	/* spec 2.2: what is unused is zero */
	for (size_t i = text_len; i < len; i++)
		if (text[i])
			return error_set(err, ERROR_DAMAGED,
					 "LUKS2 header: bytes after the end of the JSON");

	static const struct json_limits limits = {
		.what = "LUKS2 header",
		.bytes = LUKS2_JSON_MAX,
		.depth = LUKS2_JSON_DEPTH,
		.values = LUKS2_JSON_MAX,
	};
	CLEANUP_JSON struct json *j = NULL;
	if (json_read(text, text_len, &limits, &j, err) < 0)
		return -1;

	/* Filled here and handed over whole: *ret is written on success alone. */
	struct luks2_header header = { .header_len = header_len };
	if (read_root(j, device_len, &header, err) < 0)
		return -1;
	*ret = header;
	return 0;
}

/* ------------------------------------------------------------------ written anew */

/* All texts below are from closed lists or vetted base64, so nothing needs to be escaped. */
static int write_keyslot(const struct luks2_keyslot *slot, uint32_t key_len, struct buffer *b,
			 struct error **err)
{
	const struct luks2_kdf *kdf = &slot->kdf;
	if (buffer_printf(b, err,
			  "\"%u\":{\"type\":\"luks2\",\"key_size\":%" PRIu32 ",\"priority\":%u,"
			  "\"af\":{\"type\":\"luks1\",\"stripes\":%d,\"hash\":\"%s\"},"
			  "\"area\":{\"type\":\"raw\",\"offset\":\"%" PRIu64 "\","
			  "\"size\":\"%" PRIu64 "\",\"encryption\":\"aes-xts-plain64\","
			  "\"key_size\":%" PRIu32 "},\"kdf\":{\"type\":\"%s\",\"salt\":\"%s\",",
			  slot->id, key_len, slot->priority, LUKS2_STRIPES, slot->af_hash,
			  slot->area_off, slot->area_len, slot->area_key_len, kdf->name,
			  kdf->salt) < 0)
		return -1;
	if (kdf->hash)
		return buffer_printf(b, err, "\"hash\":\"%s\",\"iterations\":%" PRIu32 "}}",
				     kdf->hash, kdf->iterations);
	return buffer_printf(b, err,
			     "\"time\":%" PRIu32 ",\"memory\":%" PRIu32 ",\"cpus\":%" PRIu32 "}}",
			     kdf->passes, kdf->memory_kib, kdf->cpus);
}

int luks2_json_write(const struct luks2_header *header, struct buffer *ret, struct error **err)
{
	if (buffer_puts(ret, "{\"keyslots\":{", err) < 0)
		return -1;
	for (unsigned i = 0; i < header->count; i++)
		if ((i && buffer_puts(ret, ",", err) < 0) ||
		    write_keyslot(&header->keyslots[i], header->key_len, ret, err) < 0)
			return -1;
	if (buffer_printf(ret, err,
			  "},\"tokens\":{},\"segments\":{\"0\":{\"type\":\"crypt\","
			  "\"offset\":\"%" PRIu64 "\",\"size\":\"%" PRIu64 "\","
			  "\"iv_tweak\":\"%" PRIu64 "\",\"encryption\":\"aes-xts-plain64\","
			  "\"sector_size\":%" PRIu32 "}},"
			  "\"digests\":{\"0\":{\"type\":\"pbkdf2\",\"segments\":[\"0\"],"
			  "\"hash\":\"%s\",\"iterations\":%" PRIu32 ",\"salt\":\"%s\","
			  "\"digest\":\"%s\",\"keyslots\":[",
			  header->data_off, header->data_len, header->iv_tweak, header->sector_len,
			  header->digest_hash, header->digest_iterations, header->digest_salt,
			  header->digest) < 0)
		return -1;
	for (unsigned i = 0; i < header->count; i++)
		if (buffer_printf(ret, err, "%s\"%u\"", i ? "," : "", header->keyslots[i].id) < 0)
			return -1;
	return buffer_printf(ret, err,
			     "]}},\"config\":{\"json_size\":\"%" PRIu64 "\","
			     "\"keyslots_size\":\"%" PRIu64 "\"}}",
			     header->header_len - LUKS2_BINARY_LEN, header->keyslots_len);
}
