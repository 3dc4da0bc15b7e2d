/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/descriptor.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/*
 * OCI image layout and index: index.json leads to a manifest (manifest.c). Docker's names for the
 * same are taken as well.
 */

#define REF_NAME "org.opencontainers.image.ref.name"

/* ------------------------------------------------------------------ descriptors */

enum media { MEDIA_INDEX, MEDIA_MANIFEST, MEDIA_OTHER };

int oci_read_descriptor(const struct json_at *at, struct oci_descriptor *ret, struct error **err)
{
	const char *digest;
	struct json_at type;
	ret->type = "";
	if (json_find(at, "mediaType", &type) && json_kind(&type) != JSON_NULL &&
	    json_get_text(at, "mediaType", &ret->type, err) < 0)
		return -1;
	if (json_get_text(at, "digest", &digest, err) < 0 ||
	    json_get_number(at, "size", 0, OCI_BLOB_MAX, &ret->blob.size, err) < 0)
		return -1;
	return oci_blob_parse_digest(digest, ret->blob.digest, err) < 0
		       ? error_wrap(err, "%s", at->path)
		       : 0;
}

/* What is not named is a manifest: what it really is shows when it is read. */
static int media_of(const char *type, enum media *ret, struct error **err)
{
	static const char *const indexes[] = {
		"application/vnd.oci.image.index.v1+json",
		"application/vnd.docker.distribution.manifest.list.v2+json", NULL
	};
	static const char *const manifests[] = {
		"", "application/vnd.oci.image.manifest.v1+json",
		"application/vnd.docker.distribution.manifest.v2+json", NULL
	};
	*ret = MEDIA_OTHER;
	for (size_t i = 0; indexes[i]; i++)
		if (!strcmp(indexes[i], type))
			*ret = MEDIA_INDEX;
	for (size_t i = 0; manifests[i]; i++)
		if (!strcmp(manifests[i], type))
			*ret = MEDIA_MANIFEST;
	if (!strncmp(type, "application/vnd.docker.distribution.manifest.v1+", 48)) {
		error_set(err, ERROR_UNSUPPORTED,
			  "an image of Docker's first form (schema 1) is not read by coffer");
		return error_hint(err, "skopeo copy --format oci makes a new one of it");
	}
	return 0;
}

/* ------------------------------------------------------------------ choosing */

struct search {
	int layout;
	const struct oci_wish *wish;
	uint8_t digest[32];	 /* of the wish */
	unsigned indexes;	 /* read so far: one can be named many times, at each depth */
	struct buffer platforms; /* that were not chosen, for the message */
};

static const char *text_or(const struct json_at *at, const char *member, const char *otherwise)
{
	struct json_at value;
	size_t len;
	const char *text = json_find(at, member, &value) ? json_text(&value, &len) : NULL;
	return text && strlen(text) == len ? text : otherwise;
}

/* Whether an entry of an index is for the machine: 1, 0; -1 where it does not say. */
static int fits(struct search *s, const struct json_at *entry, struct error **err)
{
	struct json_at platform;
	if (!json_find(entry, "platform", &platform) || json_kind(&platform) != JSON_OBJECT)
		return -1;
	const char *os = text_or(&platform, "os", ""),
		   *arch = text_or(&platform, "architecture", ""),
		   *variant = text_or(&platform, "variant", "");
	const char *wanted = s->wish->variant;
	if (!strcmp(os, "linux") && !strcmp(arch, s->wish->arch) &&
	    (!wanted || !strcmp(variant, wanted)))
		return 1;
	/* What is no image at all, as build systems put it there, is not worth a word. */
	if (strcmp(arch, "unknown") != 0 && s->platforms.len < 200 &&
	    (buffer_printf(&s->platforms, err, "%s%s/%s", s->platforms.len ? ", " : "",
			   json_shown(os), json_shown(arch)) < 0 ||
	     (*variant && buffer_printf(&s->platforms, err, "/%s", json_shown(variant)) < 0)))
		return -2;
	return 0;
}

static bool has_name(const struct json_at *entry, const char *name)
{
	struct json_at annotations;
	return json_find(entry, "annotations", &annotations) &&
	       json_kind(&annotations) == JSON_OBJECT &&
	       !strcmp(text_or(&annotations, REF_NAME, ""), name);
}

static int search_index(struct search *s, const struct json *index, unsigned depth, bool by_digest,
			struct oci_blob *ret, struct error **err);

/* What an entry leads to. With by_digest: 0 where what is wished for is not below it. */
static int follow(struct search *s, const struct oci_descriptor *d, unsigned depth, bool by_digest,
		  struct oci_blob *ret, struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	CLEANUP_JSON struct json *index = NULL;
	enum media media;
	const struct json_limits l = oci_json_limits("image index");
	if (media_of(d->type, &media, err) < 0)
		return -1;
	if (media == MEDIA_MANIFEST && !by_digest) {
		*ret = d->blob;
		return 1;
	}
	if (media != MEDIA_INDEX)
		return by_digest ? 0
				 : error_set(err, ERROR_UNSUPPORTED,
					     "the layout has a thing of type %s, which is no image",
					     json_shown(d->type));
	if (depth >= OCI_INDEX_DEPTH)
		return error_set(err, ERROR_LIMIT, "more than %d indexes in indexes",
				 OCI_INDEX_DEPTH);
	if (++s->indexes > OCI_INDEXES_MAX)
		return error_set(err, ERROR_LIMIT, "more than %d indexes", OCI_INDEXES_MAX);
	if (oci_blob_read(s->layout, &d->blob, &text, err) < 0 ||
	    json_read(text.data ? text.data : "", text.len, &l, &index, err) < 0)
		return -1;
	return search_index(s, index, depth + 1, by_digest, ret, err);
}

static int search_digest(struct search *s, const struct json_at *list, unsigned depth,
			 struct oci_blob *ret, struct error **err)
{
	for (size_t i = 0; i < json_count(list); i++) {
		struct json_at entry = json_item(list, i);
		struct oci_descriptor d;
		if (oci_read_descriptor(&entry, &d, err) < 0)
			return -1;
		bool same = !memcmp(d.blob.digest, s->digest, sizeof(s->digest));
		int r = follow(s, &d, depth, !same, ret, err);
		if (r)
			return r;
	}
	return 0;
}

/* The one entry that is meant: its number, -1 with *err. */
static int choose(struct search *s, const struct json_at *list, unsigned depth, size_t *ret,
		  struct error **err)
{
	size_t named = 0, silent = 0, last = 0, fitting = 0, best = 0;
	const char *name = depth ? NULL : s->wish->name;
	for (size_t i = 0; i < json_count(list); i++) {
		struct json_at entry = json_item(list, i);
		if (name && !has_name(&entry, name))
			continue;
		int r = fits(s, &entry, err);
		if (r < -1)
			return -1;
		named++;
		last = i;
		silent += r == -1;
		/* The first of several, as everybody else takes it. */
		if (r == 1 && !fitting++)
			best = i;
	}
	if (fitting) {
		*ret = best;
		return 0;
	}
	if (named == 1 && silent) {
		*ret = last;
		return 0;
	}
	if (!named)
		return name ? error_set(err, ERROR_NOT_FOUND, "image \"%s\" not found in layout",
					name)
			    : error_set(err, ERROR_NOT_FOUND, "there is no image in the layout");
	if (silent) {
		error_set(err, ERROR_USAGE,
			  "must specify a digest - layout contains multiple images");
		return error_hint(err,
				  "write @sha256:... behind the folder; its index.json has them");
	}
	const char *variant = s->wish->variant;
	error_set(err, ERROR_NOT_FOUND, "there is no image for linux/%s%s%s in it, but for %s",
		  s->wish->arch, variant ? "/" : "", variant ? variant : "",
		  s->platforms.len ? s->platforms.data : "no machine");
	return error_hint(err, "--arch NAME and --arch-variant NAME choose another");
}

/* 1 with *ret; with by_digest 0 where it is not there. */
static int search_index(struct search *s, const struct json *index, unsigned depth, bool by_digest,
			struct oci_blob *ret, struct error **err)
{
	struct json_at root = json_root(index), list;
	struct oci_descriptor d;
	size_t i;
	if (json_get(&root, "manifests", JSON_LIST, &list, err) < 0)
		return -1;
	if (by_digest)
		return search_digest(s, &list, depth, ret, err);
	if (choose(s, &list, depth, &i, err) < 0)
		return -1;
	struct json_at entry = json_item(&list, i);
	if (oci_read_descriptor(&entry, &d, err) < 0)
		return -1;
	return follow(s, &d, depth, false, ret, err);
}

int oci_find_manifest(int layout, const struct oci_wish *wish, struct oci_blob *ret,
		      struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	CLEANUP_JSON struct json *index = NULL;
	struct search s = { .layout = layout, .wish = wish };
	const struct json_limits l = oci_json_limits("index.json");
	if (wish->digest && oci_blob_parse_digest(wish->digest, s.digest, err) < 0)
		return error_set_kind(err, ERROR_USAGE);
	CLEANUP_FD int fd =
		path_open_no_links(layout, "index.json", O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (fd < 0)
		return error_errno(err, -fd, "open index.json");
	if (fd_read_all(fd, OCI_JSON_MAX, "index.json", &text, err) < 0 ||
	    json_read(text.data ? text.data : "", text.len, &l, &index, err) < 0)
		return -1;
	int r = search_index(&s, index, 0, wish->digest != NULL, ret, err);
	buffer_free(&s.platforms);
	if (r)
		return r < 0 ? -1 : 0;
	return error_set(err, ERROR_NOT_FOUND, "image \"%s\" not found in layout", wish->digest);
}
