/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An age file opened: which identity unwraps the file key, whether the header is what was written,
 * and all steps in one.
 *
 * The type of a stanza says which identities have to look at it; the others pass it over, whatever
 * it holds. One that has to and finds it no good gives up, as the header was then made by nobody
 * who knows the format.
 */
#include "age/internal.h"

#include <string.h>

int age_stanza_bad(const char *type, struct error **err)
{
	return error_set(err, ERROR_DAMAGED, "the age header has a stanza of type %s that is none",
			 type);
}

/* 1 with *ret, 0 when no stanza is for this key, -1. */
static int unwrap_by(const struct age_file *f, const struct age_key *k, struct secret **ret,
		     struct error **err)
{
	const struct age_type *type = &age_types[k->kind];
	unsigned tries = 0;
	for (size_t i = 0; i < f->count; i++) {
		const struct age_stanza *s = &f->stanzas[i];
		int r = age_is(age_argument(s, 0), type->name)
				? type->unwrap(k, s, &tries, ret, err)
				: 0;
		if (r)
			return r;
	}
	return 0;
}

int age_unwrap(const struct age_file *f, struct age_key *const *keys, size_t count,
	       size_t *ret_which, struct secret **ret_file_key, struct error **err)
{
	for (size_t i = 0; i < count; i++) {
		int r = keys[i]->identity ? unwrap_by(f, keys[i], ret_file_key, err) : 0;
		if (r < 0)
			return -1;
		if (r > 0 && ret_which)
			*ret_which = i;
		if (r > 0)
			return 0;
	}
	return error_set(err, ERROR_KEY_WRONG, "it was encrypted for other recipients");
}

int age_mac(const struct secret *file_key, const void *header, size_t len,
	    uint8_t ret[CRYPTO_SHA256_LEN], struct error **err)
{
	struct secret *key CLEANUP_SECRET = NULL;
	if (crypto_hkdf_sha256(file_key, NULL, 0, "header", CRYPTO_SHA256_LEN, &key, err) < 0)
		return -1;
	return crypto_hmac_sha256(key, header, len, ret, err);
}

int age_authenticate(const struct age_file *f, const struct secret *file_key, struct error **err)
{
	uint8_t mac[CRYPTO_SHA256_LEN];
	if (age_mac(file_key, f->all.data, f->mac_off + strlen(AGE_MAC_PREFIX), mac, err) < 0)
		return -1;
	return secret_equal_bytes(mac, f->mac, sizeof(mac))
		       ? 0
		       : error_set(err, ERROR_DAMAGED,
				   "the age header was altered (it does not authenticate)");
}

int age_open(const void *data, size_t len, struct age_key *const *keys, size_t count, size_t max,
	     struct secret **ret, struct error **err)
{
	struct age_file *f CLEANUP_AGE_FILE = NULL;
	struct secret *file_key CLEANUP_SECRET = NULL;
	if (age_read(data, len, &f, err) < 0 ||
	    age_unwrap(f, keys, count, NULL, &file_key, err) < 0 ||
	    age_authenticate(f, file_key, err) < 0)
		return -1;
	return age_payload(f, file_key, max, ret, err);
}

size_t age_stanza_count(const struct age_file *f)
{
	return f->count;
}

/* What a type's name and a tag may take in a listing. */
#define SHOWN_MAX 40
/* As many letters of base64 four bytes fill. */
#define SHOWN_TAG 5

int age_stanza_describe(const struct age_file *f, size_t i, struct buffer *ret, struct error **err)
{
	const struct age_stanza *s = &f->stanzas[i];
	struct bytes type = age_argument(s, 0), tag = age_argument(s, 1);
	uint8_t raw[AGE_TAG_LEN];
	bool cut = type.len > SHOWN_MAX;
	if (buffer_append(ret, type.data, cut ? SHOWN_MAX : type.len, err) < 0 ||
	    (cut && buffer_puts(ret, "...", err) < 0))
		return -1;
	if ((!age_is(type, AGE_TYPE_SSH_ED25519) && !age_is(type, AGE_TYPE_SSH_RSA)) ||
	    !age_base64_take(tag, raw, sizeof(raw)))
		return 0;
	return buffer_printf(ret, err, " SHA256:%.*s...", SHOWN_TAG, (const char *)tag.data);
}
