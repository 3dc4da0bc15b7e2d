/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who opens an image now, as a key to build another one with: nobody more, and nobody less.
 *
 * There are two ways into an image. The secret of the seal is a person's passphrase, or a random
 * one that Apptainer's message holds for an RSA key, or that nobody holds where there are but
 * recipients. The key object names the recipients, to who is one of them.
 *
 * A passphrase is nowhere but in the head of who knows it, and of an RSA key the image has no
 * public half. So each way that there is has to be shown by the key that is given: it has to be
 * able to go it. Else the caller is told what to name again, and nothing is guessed.
 *
 * What the key object says is not believed either. Whoever may write the file may have written the
 * object, and other programs change keyslots: its secret has to open the seal, and its list has to
 * be as long as the object has recipients.
 */
#include "image/internal.h"

#include <stdlib.h>

/* what: who would be lost. */
static int name_again(const struct image *img, const char *what, struct error **err)
{
	error_set(err, ERROR_KEY_MISSING, "%s: %s", img->path, what);
	return error_hint(err, "name all that the new image is to be for: --new-passphrase, "
			       "--new-pem-path, --recipient; or give their keys as well");
}

struct secret_way {
	const struct image *img;
	const struct key *key;
	const struct secret *drawn; /* what the key object says that it is, or NULL */
	bool by_key;		    /* found: the key goes it; else nobody can */
};

/*
 * 1 when the secret is the one that nobody has chosen, 0 when it is another: then somebody has
 * chosen it since. -1.
 */
static int try_drawn(const struct secret_way *way, const struct seal_volume *volume,
		     struct error **err)
{
	CLEANUP_SECRET struct secret *volume_key = NULL;
	if (!way->drawn)
		return 0;
	if (volume->seal->unlock(volume, way->drawn, &volume_key, err) == 0)
		return 1;
	if (error_kind(*err) != ERROR_KEY_WRONG)
		return -1;
	error_free(err);
	return 0;
}

/* Whether the passphrase, or what the RSA key unwraps, is the only secret, and the right one. */
static int try_secret(void *context, const struct seal_volume *volume, struct error **err)
{
	struct secret_way *way = context;
	CLEANUP_SECRET struct secret *secret = NULL, *volume_key = NULL;
	if (volume->seal->ways && volume->seal->ways(volume) != 1)
		return name_again(way->img,
				  "it has several keyslots, whose passphrases are not in it", err);
	int r = try_drawn(way, volume, err);
	if (r)
		return r < 0 ? -1 : 0;
	if (way->drawn && !key_is_passphrase(way->key))
		return name_again(way->img,
				  "it also has a passphrase, of which its key object does not tell",
				  err);
	way->by_key = true;
	if (image_open_secret(way->img, way->key, &secret, err) < 0)
		return -1;
	return volume->seal->unlock(volume, secret, &volume_key, err);
}

static int check_secret(struct secret_way *way, struct error **err)
{
	CLEANUP_IMAGE_TREE struct image_tree *t = calloc(1, sizeof(*t));
	const struct image *img = way->img;
	if (!t)
		return error_no_memory(err);
	if (source_slice(img->file, img->root->off, img->root->len, &t->partition, err) < 0 ||
	    image_with_volume(img, t, try_secret, way, err) < 0)
		return error_at(err, PLACE_UNLOCKING);
	return 0;
}

/* *ret: the key, where it goes the way of the secret; NULL where nobody can. */
static int secret_way(const struct image *img, const struct key *key,
		      const struct object_text *text, const struct key **ret, struct error **err)
{
	bool message = image_wrapped_key(img) != NULL;
	struct secret_way way = { .img = img, .key = key, .drawn = message ? NULL : text->secret };
	if (message && !key_is_rsa(key))
		return name_again(img, "it is also for an RSA key, whose public half is not in it",
				  err);
	if (!message && !text->secret && !key_is_passphrase(key))
		return name_again(img, "it also has a passphrase, which is not known", err);
	if (check_secret(&way, err) < 0)
		return -1;
	*ret = way.by_key ? key : NULL;
	return 0;
}

int image_key_again(const struct image *img, const struct key *key, struct key **ret,
		    struct error **err)
{
	CLEANUP_OBJECT_TEXT struct object_text text = { 0 };
	const struct key *way = NULL;
	if (image_has_key_object(img)) {
		int r = object_read(img, key, &text, err);
		if (r == 0)
			name_again(img, "its recipients are told to one of them alone", err);
		if (r <= 0)
			return error_at(err, PLACE_UNLOCKING);
	}
	int r = secret_way(img, key, &text, &way, err);
	if (r == 0 && !way && !text.recipients.len)
		r = name_again(img, "nobody would be able to open the new one", err);
	if (r < 0 || object_check_list(img, &text, err) < 0)
		return error_at(err, PLACE_UNLOCKING);
	return key_again(way, &text.recipients, ret, err);
}
