/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The recipients of an image that is there, changed: the key object is written anew, for those who
 * are recipients then, and takes the old one's place in the file (sif/edit.c). The partition stays
 * as it is, byte for byte, and with it whatever else opens the image.
 *
 * The new object has a file key of its own. Who was a recipient knows that of the old one, and
 * would else read every later one. The names of those who stay are in the object's text for that
 * reason: an age file does not tell for whom its stanzas are.
 *
 * An image without an object, of Apptainer's or of a passphrase alone, is unlocked once by the key
 * that it has. With an object it has to be an identity: who knows the volume key but not the
 * recipients would drop them unseen.
 */
#include "image/internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ------------------------------------------------------------------ what there is */

struct volume {
	const struct image_opener *opener;
	struct seal_made *made;
};

static int take_volume(void *context, const struct seal_volume *volume, struct error **err)
{
	const struct volume *v = context;
	volume->seal->identify(volume, v->made->volume_id);
	return image_unlock(v->opener, volume, &v->made->volume_key, err);
}

static int find_text(const struct image *img, const struct key *key, struct object_text *ret,
		     struct error **err)
{
	int r = 1;
	if (image_has_key_object(img))
		r = object_read(img, key, ret, err);
	else if (!key_is_passphrase(key) && !key_is_rsa(key))
		r = 0;
	else
		return image_open_secret(img, key, &ret->opener.secret, err);
	if (r == 0)
		image_no_identity(img, err);
	return r > 0 ? 0 : -1;
}

/* The volume key, held to be that of the volume; and the secret, where no person chose it. */
static int unlock(const struct image *img, const struct key *key, struct object_text *text,
		  struct seal_made *made, struct error **err)
{
	CLEANUP_IMAGE_TREE struct image_tree *t = calloc(1, sizeof(*t));
	struct volume v = { .opener = &text->opener, .made = made };
	if (!t)
		return error_no_memory(err);
	if (find_text(img, key, text, err) < 0)
		return error_at(err, PLACE_UNLOCKING);
	if (source_slice(img->file, img->root->off, img->root->len, &t->partition, err) < 0 ||
	    image_with_volume(img, t, take_volume, &v, err) < 0)
		return error_at(err, PLACE_UNSEALING);
	if (text->opener.secret && !key_is_passphrase(key))
		text->secret = take_pointer(&text->opener.secret);
	return 0;
}

/* ------------------------------------------------------------------ the change */

/* Its number in the list, or the list's length. */
static size_t find(const struct strings *list, const char *line)
{
	size_t i = 0;
	while (i < list->len && strcmp(list->items[i], line) != 0)
		i++;
	return i;
}

static int add(struct strings *list, const struct strings *named, size_t *ret_changed,
	       struct error **err)
{
	for (size_t i = 0; i < named->len; i++) {
		if (find(list, named->items[i]) < list->len)
			continue;
		if (strings_add(list, named->items[i], err) < 0)
			return -1;
		++*ret_changed;
	}
	return 0;
}

static int remove_named(const struct image *img, struct strings *list, const struct strings *named,
			size_t *ret_changed, struct error **err)
{
	for (size_t i = 0; i < named->len; i++) {
		size_t at = find(list, named->items[i]);
		if (at == list->len) {
			error_set(err, ERROR_NOT_FOUND, "%.40s is no recipient of %s",
				  named->items[i], img->path);
			return error_hint(err,
					  "coffer recipient list --identity=FILE %s shows "
					  "them all; nothing was changed",
					  img->path);
		}
		free(list->items[at]);
		memmove(list->items + at, list->items + at + 1,
			(list->len - at) * sizeof(*list->items));
		list->len--;
		++*ret_changed;
	}
	return 0;
}

static int last_one(struct error **err)
{
	error_set(err, ERROR_USAGE, "nobody could open the image any more");
	return error_hint(err, "it has neither a passphrase nor Apptainer's own message: add "
			       "another recipient first");
}

/* The new object, or an empty one for none. */
static int write_object(const struct image *img, const struct object_text *text,
			const struct seal_made *made, struct buffer *ret, struct error **err)
{
	CLEANUP_KEY struct key *all = NULL;
	if (!text->recipients.len)
		return text->secret && !image_wrapped_key(img) ? last_one(err) : 0;
	if (key_for_recipients(&text->recipients, &all, err) < 0)
		return -1;
	return object_write(all, image_seal(img), made, text->secret, ret, err);
}

/* The group of the object, where somebody has signed it: that is for the old one. */
static uint32_t signed_group(const struct image *img)
{
	const struct sif_descriptor *d = sif_key_object(img->sif, img->root->descriptor);
	for (size_t i = 0; d && i < img->sif->count; i++) {
		const struct sif_descriptor *s = &img->sif->descriptors[i];
		if (s->type == SIF_SIGNATURE && s->link_is_group && s->link == d->group)
			return d->group;
	}
	return 0;
}

static int change(const struct image *img, int fd, const struct image_recipients_change *wish,
		  struct image_recipients_changed *ret, struct error **err)
{
	CLEANUP_OBJECT_TEXT struct object_text text = { 0 };
	CLEANUP_SEAL_MADE struct seal_made made = { 0 };
	CLEANUP_STRINGS struct strings named = { 0 };
	CLEANUP_BUFFER struct buffer object = { 0 };
	size_t changed = 0;
	if (unlock(img, wish->key, &text, &made, err) < 0 ||
	    object_check_list(img, &text, err) < 0 || key_recipients(wish->named, &named, err) < 0)
		return -1;
	if ((wish->remove ? remove_named(img, &text.recipients, &named, &changed, err)
			  : add(&text.recipients, &named, &changed, err)) < 0)
		return -1;
	if (changed && (write_object(img, &text, &made, &object, err) < 0 ||
			sif_set_key_object(fd, object.data, object.len, wish->now, err) < 0))
		return -1;
	*ret = (struct image_recipients_changed){ .changed = changed,
						  .unsigned_group = changed ? signed_group(img) : 0,
						  .left = text.recipients.len,
						  .otherwise =
							  image_wrapped_key(img) || !text.secret };
	return 0;
}

/* ------------------------------------------------------------------ the file */

static bool same_file(int a, int b)
{
	struct stat one, two;
	return fstat(a, &one) == 0 && fstat(b, &two) == 0 && one.st_dev == two.st_dev &&
	       one.st_ino == two.st_ino;
}

int image_change_recipients(const char *path, const struct image_recipients_change *wish,
			    struct image_recipients_changed *ret, struct error **err)
{
	CLEANUP_FD int fd = -1;
	CLEANUP_IMAGE struct image *img = NULL;
	if (sif_open_locked(path, &fd, err) < 0 || image_open(path, &img, err) < 0)
		return -1;
	if (!image_is_encrypted(img)) {
		error_set(err, ERROR_USAGE, "%s is not encrypted", path);
		return error_hint(err, "everybody can read it: build it with --recipient");
	}
	if (!same_file(fd, img->fd)) {
		error_set(err, ERROR_SYSTEM, "%s has just become another file", path);
		return error_hint(err, "somebody has put another image there: try again");
	}
	return change(img, fd, wish, ret, err) < 0 ? error_wrap(err, "%s", path) : 0;
}

int image_name_recipients(const struct image *img, const struct key *key, struct strings *ret,
			  struct error **err)
{
	CLEANUP_OBJECT_TEXT struct object_text text = { 0 };
	CLEANUP_SEAL_MADE struct seal_made made = { 0 };
	if (!image_has_key_object(img)) {
		error_set(err, ERROR_NOT_FOUND, "%s names no recipients", img->path);
		return error_hint(err, "coffer recipient add names some");
	}
	if (unlock(img, key, &text, &made, err) < 0)
		return error_wrap(err, "%s", img->path);
	*ret = text.recipients;
	text.recipients = (struct strings){ 0 };
	return 0;
}
