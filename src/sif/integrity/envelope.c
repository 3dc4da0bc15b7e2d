/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The envelope of a signature made with a PEM key: DSSE (the in-toto project's "Dead Simple Signing
 * Envelope", version 1), a JSON text with the signed text in base64 and its signatures. What is
 * signed is not the base64 but the text, with its type and both lengths before it (the
 * "pre-authentication encoding"), so that no other bytes give the same.
 *
 * All of an envelope is a stranger's, and nothing in it chooses how it is looked at: the hash is
 * the descriptor's word, out of three, the algorithm is the key's, and a key that the envelope
 * names is only a reason not to try ours.
 */
#include "sif/integrity/internal.h"

#include <string.h>

#include "json/json.h"

#define TYPE "application/vnd.sylabs.sif-metadata+json"
#define PGP_HEAD "-----BEGIN PGP SIGNED MESSAGE-----"
#define SIGNATURES_MAX ((size_t)64) /* of one envelope: each may cost an operation with a key */

static int encoding(const void *text, size_t len, struct buffer *ret, struct error **err)
{
	if (buffer_printf(ret, err, "DSSEv1 %zu %s %zu ", strlen(TYPE), TYPE, len) < 0)
		return -1;
	return buffer_append(ret, text, len, err);
}

int envelope_make(struct crypto_signer *key, const char *text, size_t len, struct buffer *ret,
		  struct error **err)
{
	CLEANUP_BUFFER struct buffer encoded = { 0 }, signature = { 0 };
	if (encoding(text, len, &encoded, err) < 0 ||
	    crypto_sign(key, CRYPTO_SHA256, encoded.data, encoded.len, &signature, err) < 0)
		return -1;
	if (buffer_puts(ret, "{\"payloadType\":\"" TYPE "\",\"payload\":\"", err) < 0 ||
	    base64_encode(text, len, 0, ret, err) < 0 ||
	    buffer_puts(ret, "\",\"signatures\":[{\"keyid\":\"", err) < 0 ||
	    crypto_signer_name(key, ret, err) < 0 || buffer_puts(ret, "\",\"sig\":\"", err) < 0 ||
	    base64_encode(signature.data, signature.len, 0, ret, err) < 0)
		return -1;
	return buffer_puts(ret, "\"}]}", err);
}

/* ------------------------------------------------------------------ read */

static int read_envelope(const char *text, size_t len, struct json **ret, struct error **err)
{
	static const struct json_limits limits = { .what = "DSSE envelope",
						   .bytes = SIGNATURE_MAX,
						   .depth = 8,
						   .values = 4 * SIGNATURES_MAX,
						   .last_counts = true };
	CLEANUP_JSON struct json *j = NULL;
	const char *type;
	if (json_read(text, len, &limits, &j, err) < 0)
		return -1;
	struct json_at root = json_root(j);
	if (json_get_text(&root, "payloadType", &type, err) < 0)
		return -1;
	if (strcmp(type, TYPE) != 0)
		return json_unsupported(&root, "payloadType", type, err);
	*ret = take_pointer(&j);
	return 0;
}

/* The text of a clear-signed message begins behind the first empty line. */
static bool is_legacy(const char *text, size_t len)
{
	static const char head[] = "SIFHASH:";
	const char *at = memmem(text, len, "\n\n", 2);
	size_t left = at ? (size_t)(text + len - at) - 2 : 0;
	return left >= strlen(head) && !memcmp(at + 2, head, strlen(head));
}

int envelope_kind(const char *text, size_t len, enum envelope_kind *ret, struct error **err)
{
	CLEANUP_JSON struct json *j = NULL;
	CLEANUP_ERROR struct error *no = NULL;
	*ret = ENVELOPE_DSSE;
	if (memmem(text, len, PGP_HEAD, strlen(PGP_HEAD))) {
		*ret = is_legacy(text, len) ? ENVELOPE_PGP_LEGACY : ENVELOPE_PGP;
		return 0;
	}
	if (read_envelope(text, len, &j, &no) == 0)
		return 0;
	*ret = ENVELOPE_OTHER;
	if (error_kind(no) != ERROR_MEMORY)
		return 0;
	*err = take_pointer(&no);
	return -1;
}

/* A member in base64. */
static int get_bytes(const struct json_at *at, const char *member, struct buffer *ret,
		     struct error **err)
{
	const char *text;
	size_t len;
	if (json_get_text(at, member, &text, err) < 0)
		return -1;
	char *to = buffer_reserve(ret, base64_decoded_max(strlen(text)), err);
	if (!to)
		return -1;
	if (!base64_decode(text, strlen(text), false, to, &len))
		return json_damaged(at, member, "is no base64", err);
	ret->len = len;
	ret->data[len] = '\0';
	return 0;
}

/* 1 when one of the signatures is the key's, 0 when none is. */
static int find(struct crypto_signer *key, enum crypto_hash hash, const struct json_at *list,
		const struct buffer *encoded, struct error **err)
{
	CLEANUP_BUFFER struct buffer name = { 0 };
	if (crypto_signer_name(key, &name, err) < 0)
		return -1;
	for (size_t i = 0; i < json_count(list) && i < SIGNATURES_MAX; i++) {
		CLEANUP_BUFFER struct buffer signature = { 0 };
		CLEANUP_ERROR struct error *no = NULL;
		struct json_at one = json_item(list, i), id;
		const char *named = NULL;
		if (json_find(&one, "keyid", &id) && json_own_text(&id, &named, err) < 0)
			return -1;
		if (get_bytes(&one, "sig", &signature, err) < 0)
			return -1;
		if (named && *named && strcmp(named, name.data) != 0)
			continue;
		if (crypto_verify(key, hash, encoded->data, encoded->len, signature.data,
				  signature.len, &no) == 0)
			return 1;
		if (error_kind(no) != ERROR_KEY_WRONG) {
			*err = take_pointer(&no);
			return -1;
		}
	}
	return 0;
}

int envelope_open(struct crypto_signer *key, enum crypto_hash hash, const char *text, size_t len,
		  struct buffer *ret, struct error **err)
{
	CLEANUP_JSON struct json *j = NULL;
	CLEANUP_BUFFER struct buffer payload = { 0 }, encoded = { 0 };
	struct json_at list;
	if (read_envelope(text, len, &j, err) < 0)
		return -1;
	struct json_at root = json_root(j);
	if (get_bytes(&root, "payload", &payload, err) < 0 ||
	    json_get(&root, "signatures", JSON_LIST, &list, err) < 0 ||
	    encoding(payload.data, payload.len, &encoded, err) < 0)
		return -1;
	int found = find(key, hash, &list, &encoded, err);
	if (found < 0)
		return -1;
	if (!found) {
		error_set(err, ERROR_KEY_WRONG,
			  "dsse: verify envelope failed: accepted signatures do not match "
			  "threshold, Found: 0, Expected 1");
		return error_hint(err, "none of its signatures was made with this key");
	}
	*ret = payload;
	payload = (struct buffer){ 0 };
	return 0;
}
