/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signing an image: for each group that is asked for, one object more, which is linked to the group
 * and belongs to none (sif.md 10). All texts are signed before the first is added, so that what can
 * fail for the key or the image fails with nothing changed; each is added as any object is
 * (objects.c), by one byte.
 */
#include "sif/integrity/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct signature {
	uint32_t group;
	struct buffer text;
};

struct signing {
	struct signed_file file;
	struct crypto_signer *key;
	struct signature *all;
	size_t count, cap;
};

static void signing_done(struct signing *s)
{
	for (size_t i = 0; i < s->count; i++)
		buffer_free(&s->all[i].text);
	free(s->all);
}

/* Of the whole group, or of one object of it. */
static int sign_objects(struct signing *s, uint32_t group, const struct sif_descriptor *one,
			struct error **err)
{
	const struct sif_descriptor **objects = NULL;
	CLEANUP_BUFFER struct buffer text = { 0 };
	size_t count;
	uint32_t min_id;
	if (signed_group(s->file.sif, group, &objects, &count, &min_id, err) < 0)
		return -1;
	int r = one ? signed_make(&s->file, min_id, &one, 1, &text, err)
		    : signed_make(&s->file, min_id, objects, count, &text, err);
	free(objects);
	struct signature *grown =
		r < 0 ? NULL : array_grow(s->all, s->count, &s->cap, sizeof(*s->all), err);
	if (!grown)
		return -1;
	s->all = grown;
	struct signature *last = &s->all[s->count++];
	*last = (struct signature){ .group = group };
	return envelope_make(s->key, text.data, text.len, &last->text, err);
}

static int sign_all(struct signing *s, const struct sif_selection *which, struct error **err)
{
	uint32_t *groups = NULL;
	size_t count = 0;
	const struct sif_descriptor *object = NULL;
	if (which->by_group && sign_objects(s, which->group, NULL, err) < 0)
		return -1;
	if (which->by_object &&
	    (signed_object_by_id(s->file.sif, which->object, &object, err) < 0 ||
	     sign_objects(s, object->group, object, err) < 0))
		return -1;
	if (which->by_group || which->by_object)
		return 0;
	int r = signed_groups(s->file.sif, &groups, &count, err);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = sign_objects(s, groups[i], NULL, err);
	free(groups);
	return r;
}

static int add(int fd, const struct signature *one, int64_t now, struct error **err)
{
	static const uint8_t nobody[20]; /* the fingerprint is for keys of PGP */
	CLEANUP_FD int text = memfd_create("signature", MFD_CLOEXEC);
	int r = text < 0 ? -errno : fd_pwrite(text, one->text.data, one->text.len, 0);
	if (r < 0)
		return error_errno(err, -r, "keep a signature");
	struct sif_addition a = {
		.fd = text, .type = SIF_SIGNATURE, .link = SIF_GROUP_MASK | one->group, .name = ""
	};
	sif_extra_signature(a.extra, SIF_HASH_SHA256, nobody);
	return sif_add_object(fd, &a, now, err);
}

int sif_sign(int fd, struct crypto_signer *key, const struct sif_selection *which, int64_t now,
	     struct error **err)
{
	CLEANUP_SIF_EDIT struct sif_edit e = { .fd = fd };
	__attribute__((cleanup(signing_done))) struct signing s = { .key = key };
	if (sif_edit_load(&e, err) < 0)
		return -1;
	s.file = (struct signed_file){ .file = e.file, .sif = e.sif };
	if (sign_all(&s, which, err) < 0)
		return error_wrap(err, "integrity");
	for (size_t i = 0; i < s.count; i++)
		if (add(fd, &s.all[i], now, err) < 0)
			return error_wrap(err, "integrity: failed to add object");
	return 0;
}
