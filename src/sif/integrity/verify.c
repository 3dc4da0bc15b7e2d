/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at an image's signatures (sif.md 10), in Apptainer's order and with its words: all of a
 * group's signatures have to hold, each has to be of exactly the objects that the group has now,
 * and no object but signatures may be outside of all groups. One object by its number may be one of
 * several that a signature is of.
 *
 * Everything that is read is a stranger's. The order keeps what costs behind what is cheap: the
 * envelope is opened by the key before its text is read, the text is compared with the table before
 * a digest is made, and each object is read once for each signature of its group. What a verdict
 * says was verified had its digests compared; the caller is told of it before an error ends all.
 */
#include "sif/integrity/internal.h"

#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ which objects */

int signed_object_by_id(const struct sif *s, uint32_t id, const struct sif_descriptor **ret,
			struct error **err)
{
	const struct sif_descriptor *found = NULL;
	if (!id)
		return error_set(err, ERROR_USAGE, "invalid object ID");
	for (size_t i = 0; i < s->count; i++) {
		if (s->descriptors[i].id != id)
			continue;
		if (found)
			return error_set(err, ERROR_DAMAGED, "multiple objects found");
		found = &s->descriptors[i];
	}
	*ret = found;
	return found ? 0 : error_set(err, ERROR_NOT_FOUND, "object not found");
}

int signed_group(const struct sif *s, uint32_t group, const struct sif_descriptor ***ret,
		 size_t *ret_count, uint32_t *ret_min_id, struct error **err)
{
	if (!group)
		return error_set(err, ERROR_USAGE, "invalid group ID");
	const struct sif_descriptor **found = calloc(s->count ? s->count : 1, sizeof(void *));
	if (!found)
		return error_no_memory(err);
	*ret_count = 0;
	*ret_min_id = UINT32_MAX;
	for (size_t i = 0; i < s->count; i++) {
		const struct sif_descriptor *d = &s->descriptors[i];
		if (d->group != group)
			continue;
		found[(*ret_count)++] = d;
		if (d->id < *ret_min_id)
			*ret_min_id = d->id;
	}
	if (*ret_count) {
		*ret = found;
		return 0;
	}
	free(found);
	return error_set(err, ERROR_NOT_FOUND, "group not found");
}

static int compare(const void *a, const void *b)
{
	uint32_t one, two;
	memcpy(&one, a, sizeof(one));
	memcpy(&two, b, sizeof(two));
	return (one > two) - (one < two);
}

int signed_groups(const struct sif *s, uint32_t **ret, size_t *ret_count, struct error **err)
{
	uint32_t *all = calloc(s->count ? s->count : 1, sizeof(*all));
	size_t count = 0, kept = 0;
	if (!all)
		return error_no_memory(err);
	for (size_t i = 0; i < s->count; i++)
		if (s->descriptors[i].group)
			all[count++] = s->descriptors[i].group;
	qsort(all, count, sizeof(*all), compare);
	for (size_t i = 0; i < count; i++)
		if (!i || all[i] != all[i - 1])
			all[kept++] = all[i];
	*ret_count = kept;
	if (kept) {
		*ret = all;
		return 0;
	}
	free(all);
	return error_set(err, ERROR_NOT_FOUND, "no groups found");
}

/* ------------------------------------------------------------------ one signature */

struct task {
	uint32_t group, min_id;
	const struct sif_descriptor **objects; /* owned */
	size_t count;
	bool subset; /* one object: the signature may be of more */
};

struct verification {
	struct signed_file file;
	struct crypto_signer *key;
	sif_told *told;
	void *context;
};

static const struct signed_object *find(const struct signed_metadata *m, const struct task *t,
					uint32_t id)
{
	for (size_t i = 0; i < m->count; i++)
		if (t->min_id + m->objects[i].relative_id == id)
			return &m->objects[i];
	return NULL;
}

static int not_signed(uint32_t id, struct error **err)
{
	error_set(err, ERROR_DAMAGED, "object %u: object not signed", id);
	return error_hint(err, "it was added after the signature, or the signature is of one "
			       "object alone: --sif-id");
}

/* The objects of the group and of the text are the same. */
static int check_ids(const struct signed_metadata *m, const struct task *t, struct error **err)
{
	for (size_t i = 0; i < t->count; i++)
		if (!find(m, t, t->objects[i]->id))
			return not_signed(t->objects[i]->id, err);
	for (size_t i = 0; i < m->count; i++) {
		uint32_t id = t->min_id + m->objects[i].relative_id;
		bool there = false;
		for (size_t k = 0; k < t->count; k++)
			there |= t->objects[k]->id == id;
		if (!there)
			return error_set(err, ERROR_DAMAGED, "object %u: signed object not found",
					 id);
	}
	return 0;
}

static int check_object(const struct verification *v, const struct signed_object *o,
			const struct sif_descriptor *d, struct error **err)
{
	int fits = signed_descriptor_fits(&v->file, o, d, err);
	if (fits == 0)
		return error_set(err, ERROR_DAMAGED,
				 "data object descriptor integrity compromised: %u", d->id);
	if (fits > 0)
		fits = signed_object_fits(&v->file, o, d, err);
	if (fits == 0)
		return error_set(err, ERROR_DAMAGED, "data object integrity compromised: %u",
				 d->id);
	return fits < 0 ? -1 : 0;
}

static int check_all(const struct verification *v, const struct signed_metadata *m,
		     const struct task *t, size_t *ret_verified, struct error **err)
{
	if (!t->subset && check_ids(m, t, err) < 0)
		return -1;
	int fits = signed_header_fits(&v->file, m, err);
	if (fits == 0)
		return error_set(err, ERROR_DAMAGED, "header integrity compromised");
	if (fits < 0)
		return -1;
	for (size_t i = 0; i < t->count; i++) {
		const struct signed_object *o = find(m, t, t->objects[i]->id);
		if (!o)
			return not_signed(t->objects[i]->id, err);
		if (check_object(v, o, t->objects[i], err) < 0)
			return -1;
		++*ret_verified;
	}
	return 0;
}

static int find_hash(const struct sif_descriptor *signature, enum crypto_hash *ret,
		     struct error **err)
{
	static const enum crypto_hash hashes[] = { CRYPTO_SHA256, CRYPTO_SHA384, CRYPTO_SHA512 };
	struct bytes b = bytes_of(signature->extra, sizeof(signature->extra));
	uint32_t n = bytes_le32(&b);
	if (n < 1 || n > sizeof(hashes) / sizeof(*hashes))
		return error_set(err, ERROR_UNSUPPORTED, "hash algorithm unsupported");
	*ret = hashes[n - 1];
	return 0;
}

static int verify_text(const struct verification *v, const struct sif_descriptor *signature,
		       const struct buffer *text, const struct task *t, size_t *ret_verified,
		       struct error **err)
{
	CLEANUP_BUFFER struct buffer opened = { 0 };
	CLEANUP_METADATA struct signed_metadata m = { 0 };
	enum crypto_hash hash;
	if (find_hash(signature, &hash, err) < 0)
		return -1;
	if (envelope_open(v->key, hash, text->data, text->len, &opened, err) < 0 ||
	    signed_read(opened.data, opened.len, &m, err) < 0)
		return error_wrap(err, "signature object %u not valid", signature->id);
	return check_all(v, &m, t, ret_verified, err);
}

static int verify_one(const struct verification *v, const struct sif_descriptor *signature,
		      enum envelope_kind kind, const struct buffer *text, const struct task *t,
		      struct error **err)
{
	struct sif_verdict verdict = { .signature = signature, .verified = t->objects };
	switch (kind) {
	case ENVELOPE_DSSE:
		break;
	case ENVELOPE_PGP:
		error_set(err, ERROR_KEY_MISSING,
			  "key material not provided for PGP clear-sign signature");
		return error_hint(err, "`apptainer verify` looks at it with the keys of its "
				       "keyring");
	case ENVELOPE_PGP_LEGACY:
	case ENVELOPE_OTHER:
		return error_set(err, ERROR_UNSUPPORTED, "signature format not recognized");
	}
	int r = verify_text(v, signature, text, t, &verdict.verified_count, err);
	verdict.error = r < 0 ? error_message(*err) : NULL;
	return v->told(v->context, &verdict, err) < 0 ? -1 : r;
}

/* ------------------------------------------------------------------ all of them */

static bool is_of_group(const struct sif_descriptor *d, uint32_t group)
{
	return d->type == SIF_SIGNATURE && d->link_is_group && d->link == group;
}

static int verify_task(const struct verification *v, const struct task *t, struct error **err)
{
	size_t count = 0;
	if (!t->group)
		return error_set(err, ERROR_USAGE, "invalid group ID");
	for (size_t i = 0; i < v->file.sif->count; i++) {
		const struct sif_descriptor *d = &v->file.sif->descriptors[i];
		CLEANUP_BUFFER struct buffer text = { 0 };
		enum envelope_kind kind;
		if (!is_of_group(d, t->group))
			continue;
		if (sif_object(v->file.file, d, SIGNATURE_MAX, &text, err) < 0 ||
		    envelope_kind(text.data, text.len, &kind, err) < 0)
			return -1;
		/* These do not count: nothing of header and table is in them. */
		if (kind == ENVELOPE_PGP_LEGACY)
			continue;
		if (verify_one(v, d, kind, &text, t, err) < 0)
			return -1;
		count++;
	}
	if (count)
		return 0;
	error_set(err, ERROR_NOT_FOUND, "signature not found for object group %u", t->group);
	return error_hint(err, "nobody has signed it, or in a way of before 2020 that coffer does "
			       "not take");
}

static void tasks_free(struct task *tasks, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(tasks[i].objects);
	free(tasks);
}

static int group_task(const struct sif *s, uint32_t group, struct task *ret, struct error **err)
{
	ret->group = group;
	return signed_group(s, group, &ret->objects, &ret->count, &ret->min_id, err);
}

static int object_task(const struct sif *s, uint32_t id, struct task *ret, struct error **err)
{
	const struct sif_descriptor *d = NULL;
	if (signed_object_by_id(s, id, &d, err) < 0)
		return -1;
	ret->subset = true;
	ret->group = d->group;
	/* That it is in none is said when its turn comes. */
	if (d->group &&
	    signed_group(s, d->group, &ret->objects, &ret->count, &ret->min_id, err) < 0)
		return -1;
	if (d->group) {
		ret->objects[0] = d;
		ret->count = 1;
	}
	return 0;
}

static int make_tasks(const struct sif *s, const struct sif_selection *which, struct task **ret,
		      size_t *ret_count, struct error **err)
{
	uint32_t *groups = NULL, one = which->group;
	bool all = !which->by_group && !which->by_object;
	size_t group_count = which->by_group ? 1 : 0, count = 0;
	if (all && signed_groups(s, &groups, &group_count, err) < 0)
		return -1;
	struct task *tasks = calloc(group_count + 1, sizeof(*tasks));
	int r = tasks ? 0 : error_no_memory(err);
	for (size_t i = 0; r == 0 && i < group_count; i++)
		r = group_task(s, all ? groups[i] : one, &tasks[count++], err);
	if (r == 0 && which->by_object)
		r = object_task(s, which->object, &tasks[count++], err);
	free(groups);
	if (r < 0) {
		tasks_free(tasks, count);
		return -1;
	}
	*ret = tasks;
	*ret_count = count;
	return 0;
}

static int verify_tasks(const struct verification *v, const struct task *tasks, size_t count,
			struct error **err)
{
	for (size_t i = 0; i < v->file.sif->count; i++) {
		const struct sif_descriptor *d = &v->file.sif->descriptors[i];
		if (d->group || d->type == SIF_SIGNATURE)
			continue;
		error_set(err, ERROR_DAMAGED,
			  "non-signature object not associated with object group");
		return error_hint(err, "no signature can be of object %u, which is in no group",
				  d->id);
	}
	for (size_t i = 0; i < count; i++)
		if (verify_task(v, &tasks[i], err) < 0)
			return -1;
	return 0;
}

int sif_verify(struct source *file, const struct sif *s, struct crypto_signer *key,
	       const struct sif_selection *which, sif_told *told, void *context, struct error **err)
{
	struct verification v = {
		.file = { .file = file, .sif = s }, .key = key, .told = told, .context = context
	};
	struct task *tasks = NULL;
	size_t count = 0;
	if (make_tasks(s, which, &tasks, &count, err) < 0)
		return error_wrap(err, "integrity");
	int r = verify_tasks(&v, tasks, count, err);
	tasks_free(tasks, count);
	return r < 0 ? error_wrap(err, "integrity") : 0;
}
