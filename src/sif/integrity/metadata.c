/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a signature of an image is of (sif.md 10): a JSON text with a digest of the header and two
 * of each object, of its descriptor and of its bytes. Of header and descriptor those fields are in
 * it that stay when objects are added: places, groups and the time of the last change are not. An
 * object's number is told from the least one of its group.
 *
 * The bytes are taken as they are in the file, an encrypted partition's in its cipher: nobody needs
 * a key to look at a signature.
 */
#include "sif/integrity/internal.h"

#include <stdlib.h>
#include <string.h>

#include "json/json.h"

#define VERSION 1
#define STEP 262144

static const struct {
	const char *name;
	enum crypto_hash hash;
} hashes[] = {
	{ "sha256", CRYPTO_SHA256 },
	{ "sha384", CRYPTO_SHA384 },
	{ "sha512", CRYPTO_SHA512 },
};

void signed_done(struct signed_metadata *m)
{
	free(m->objects);
	*m = (struct signed_metadata){ 0 };
}

/* ------------------------------------------------------------------ digests */

static int digest(struct crypto_digest *d, struct source *file, uint64_t off, uint64_t len,
		  struct error **err)
{
	CLEANUP_BUFFER struct buffer piece = { 0 };
	size_t step = len < STEP ? (size_t)len : STEP;
	char *to = buffer_reserve(&piece, step ? step : 1, err);
	if (!to)
		return -1;
	for (uint64_t done = 0; done < len; done += step) {
		if (len - done < step)
			step = (size_t)(len - done);
		if (source_read(file, to, step, off + done, err) < 0 ||
		    crypto_digest_add(d, to, step, err) < 0)
			return -1;
	}
	return 0;
}

/* Of some bytes, or (bytes NULL) of a part of the file. */
static int digest_of(const struct signed_file *f, enum crypto_hash hash, const void *bytes,
		     uint64_t off, uint64_t len, struct signed_digest *ret, struct error **err)
{
	struct crypto_digest *d = NULL;
	*ret = (struct signed_digest){ .hash = hash };
	if (crypto_digest_new(hash, &d, err) < 0)
		return -1;
	int r = crypto_digest_begin(d, err);
	if (r == 0)
		r = bytes ? crypto_digest_add(d, bytes, (size_t)len, err)
			  : digest(d, f->file, off, len, err);
	if (r == 0)
		r = crypto_digest_end(d, ret->value, err);
	crypto_digest_free(&d);
	return r;
}

/* Launch script, magic, version; identity: sif.md 2. */
static int header_digest(const struct signed_file *f, enum crypto_hash hash,
			 struct signed_digest *ret, struct error **err)
{
	uint8_t raw[SIF_HEADER_LEN];
	if (source_read(f->file, raw, sizeof(raw), 0, err) < 0)
		return -1;
	memmove(raw + 45, raw + 48, 16);
	return digest_of(f, hash, raw, 0, 45 + 16, ret, err);
}

/* Type, used, the number, link, size, time of making, owners, name, extra: sif.md 3. */
static int descriptor_digest(const struct signed_file *f, const struct sif_descriptor *d,
			     uint32_t relative_id, enum crypto_hash hash, struct signed_digest *ret,
			     struct error **err)
{
	static const struct {
		size_t off, len;
	} fields[] = { { 13, 4 }, { 25, 8 }, { 41, 8 }, { 57, 16 + SIF_NAME_LEN + SIF_EXTRA_LEN } };
	uint8_t raw[SIF_DESCRIPTOR_LEN], text[SIF_DESCRIPTOR_LEN] = { 0 };
	if (source_read(f->file, raw, sizeof(raw),
			f->sif->descriptors_off + d->slot * SIF_DESCRIPTOR_LEN, err) < 0)
		return -1;
	memcpy(text, raw, 4);
	text[4] = 1;
	bytes_put_le(text + 5, relative_id, 4);
	size_t len = 9;
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		memcpy(text + len, raw + fields[i].off, fields[i].len);
		len += fields[i].len;
	}
	return digest_of(f, hash, text, 0, len, ret, err);
}

static int object_digest(const struct signed_file *f, const struct sif_descriptor *d,
			 enum crypto_hash hash, struct signed_digest *ret, struct error **err)
{
	return digest_of(f, hash, NULL, d->off, d->len, ret, err);
}

static bool equal(const struct signed_digest *a, const struct signed_digest *b)
{
	return a->hash == b->hash && !memcmp(a->value, b->value, crypto_hash_len(a->hash));
}

int signed_header_fits(const struct signed_file *f, const struct signed_metadata *m,
		       struct error **err)
{
	struct signed_digest now;
	return header_digest(f, m->header.hash, &now, err) < 0 ? -1 : equal(&now, &m->header);
}

int signed_descriptor_fits(const struct signed_file *f, const struct signed_object *o,
			   const struct sif_descriptor *d, struct error **err)
{
	struct signed_digest now;
	if (descriptor_digest(f, d, o->relative_id, o->descriptor.hash, &now, err) < 0)
		return -1;
	return equal(&now, &o->descriptor);
}

int signed_object_fits(const struct signed_file *f, const struct signed_object *o,
		       const struct sif_descriptor *d, struct error **err)
{
	struct signed_digest now;
	return object_digest(f, d, o->object.hash, &now, err) < 0 ? -1 : equal(&now, &o->object);
}

/* ------------------------------------------------------------------ written */

static int put_digest(const char *name, const struct signed_digest *d, struct buffer *ret,
		      struct error **err)
{
	if (buffer_printf(ret, err, "\"%s\":\"sha256:", name) < 0 ||
	    buffer_hex(ret, d->value, crypto_hash_len(d->hash), err) < 0)
		return -1;
	return buffer_puts(ret, "\"", err);
}

static int put_object(const struct signed_file *f, const struct sif_descriptor *d, uint32_t min_id,
		      struct buffer *ret, struct error **err)
{
	struct signed_digest descriptor, object;
	uint32_t id = d->id - min_id;
	if (descriptor_digest(f, d, id, CRYPTO_SHA256, &descriptor, err) < 0 ||
	    object_digest(f, d, CRYPTO_SHA256, &object, err) < 0 ||
	    buffer_printf(ret, err, "{\"relativeId\":%u,", id) < 0 ||
	    put_digest("descriptorDigest", &descriptor, ret, err) < 0 ||
	    buffer_puts(ret, ",", err) < 0 || put_digest("objectDigest", &object, ret, err) < 0)
		return -1;
	return buffer_puts(ret, "}", err);
}

int signed_make(const struct signed_file *f, uint32_t min_id,
		const struct sif_descriptor *const *objects, size_t count, struct buffer *ret,
		struct error **err)
{
	struct signed_digest header;
	if (header_digest(f, CRYPTO_SHA256, &header, err) < 0 ||
	    buffer_printf(ret, err, "{\"version\":%d,\"header\":{", VERSION) < 0 ||
	    put_digest("digest", &header, ret, err) < 0 ||
	    buffer_puts(ret, "},\"objects\":[", err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if ((i && buffer_puts(ret, ",", err) < 0) ||
		    put_object(f, objects[i], min_id, ret, err) < 0)
			return -1;
	return buffer_puts(ret, "]}", err);
}

/* ------------------------------------------------------------------ read */

static int get_digest(const struct json_at *at, const char *member, struct signed_digest *ret,
		      struct error **err)
{
	const char *text;
	if (json_get_text(at, member, &text, err) < 0)
		return -1;
	const char *colon = strchr(text, ':');
	if (!colon)
		return json_damaged(at, member, "is no digest", err);
	for (size_t i = 0; i < sizeof(hashes) / sizeof(*hashes); i++) {
		if (strncmp(text, hashes[i].name, (size_t)(colon - text)) != 0 ||
		    hashes[i].name[colon - text])
			continue;
		*ret = (struct signed_digest){ .hash = hashes[i].hash };
		return text_hex(colon + 1, ret->value, crypto_hash_len(ret->hash))
			       ? 0
			       : json_damaged(at, member, "is no digest", err);
	}
	return error_set(err, ERROR_UNSUPPORTED, "hash algorithm unsupported");
}

static int get_object(const struct json_at *at, struct signed_object *ret, struct error **err)
{
	uint64_t id;
	if (json_get_number(at, "relativeId", 0, UINT32_MAX, &id, err) < 0 ||
	    get_digest(at, "descriptorDigest", &ret->descriptor, err) < 0 ||
	    get_digest(at, "objectDigest", &ret->object, err) < 0)
		return -1;
	ret->relative_id = (uint32_t)id;
	return 0;
}

static int get_all(const struct json_at *root, struct signed_metadata *m, struct error **err)
{
	struct json_at header, objects;
	uint64_t version;
	if (json_get_number(root, "version", 0, UINT32_MAX, &version, err) < 0)
		return -1;
	if (version != VERSION)
		return error_set(err, ERROR_UNSUPPORTED, "signed metadata: version %u is not known",
				 (unsigned)version);
	if (json_get(root, "header", JSON_OBJECT, &header, err) < 0 ||
	    get_digest(&header, "digest", &m->header, err) < 0 ||
	    json_get(root, "objects", JSON_LIST, &objects, err) < 0)
		return -1;
	size_t count = json_count(&objects);
	m->objects = calloc(count ? count : 1, sizeof(*m->objects));
	if (!m->objects)
		return error_no_memory(err);
	for (; m->count < count; m->count++) {
		struct json_at one = json_item(&objects, m->count);
		if (get_object(&one, &m->objects[m->count], err) < 0)
			return -1;
	}
	return 0;
}

int signed_read(const char *text, size_t len, struct signed_metadata *ret, struct error **err)
{
	static const struct json_limits limits = { .what = "signed metadata",
						   .bytes = METADATA_MAX,
						   .depth = 8,
						   .values = (size_t)5 * SIF_SLOTS_MAX,
						   .last_counts = true };
	CLEANUP_JSON struct json *j = NULL;
	CLEANUP_METADATA struct signed_metadata m = { 0 };
	if (json_read(text, len, &limits, &j, err) < 0)
		return -1;
	struct json_at root = json_root(j);
	if (get_all(&root, &m, err) < 0)
		return -1;
	*ret = m;
	m.objects = NULL;
	return 0;
}
