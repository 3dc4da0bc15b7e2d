/* SPDX-License-Identifier: Apache-2.0 */
/* From what the user has to the volume key: by the image's key object, or else by its secret. */
#include "image/internal.h"

/* The largest crypto message that is read: RSA keys end at 16384 bits, pieces at a handful. */
#define CRYPT_MESSAGE_MAX 65536

static int need_key(const struct key *key, struct error **err)
{
	if (key)
		return 0;
	error_set(err, ERROR_KEY_MISSING, "required option --passphrase or --pem-path missing");
	return error_hint(err, "give the image's key: --passphrase, --pem-path=FILE, or "
			       "APPTAINER_ENCRYPTION_PASSPHRASE or _PEM_PATH in the environment");
}

int image_open_secret(const struct image *img, const struct key *key, struct secret **ret,
		      struct error **err)
{
	CLEANUP_BUFFER struct buffer message = { 0 };
	const struct sif_descriptor *d = image_wrapped_key(img);
	if (need_key(key, err) < 0)
		return error_at(err, PLACE_UNLOCKING);
	if (d && sif_object(img->file, d, CRYPT_MESSAGE_MAX, &message, err) < 0) {
		error_wrap(err, "read the wrapped key");
		return error_at(err, PLACE_UNLOCKING);
	}
	if (key_open_secret(key, &image_seal(img)->secret, d ? message.data : NULL, message.len,
			    ret, err) < 0)
		return error_at(err, PLACE_UNLOCKING);
	return 0;
}

bool image_has_key_object(const struct image *img)
{
	return img->sif && img->root && sif_key_object(img->sif, img->root->descriptor);
}

void image_opener_done(struct image_opener *o)
{
	secret_free(&o->secret);
	secret_free(&o->volume_key);
}

/* No identity opens it, and there is nothing else. */
int image_no_identity(const struct image *img, struct error **err)
{
	if (image_has_key_object(img)) {
		error_set(err, ERROR_KEY_WRONG, "none of the identities opens the image");
		return error_hint(err,
				  "coffer recipient list %s tells for what kinds of keys it "
				  "is",
				  img->path);
	}
	error_set(err, ERROR_KEY_WRONG, "the image has no key object for an identity to open");
	return error_hint(err, "it was built without --recipient, or the object was taken away: "
			       "give its passphrase or RSA key, or get the image anew");
}

/*
 * The object first: it needs no derivation. A damaged one is an error, whatever other key there is.
 * A passphrase opens the image as always, and so does an RSA key where there is Apptainer's
 * message.
 */
int image_find_opener(const struct image *img, const struct key *key, struct image_opener *ret,
		      struct error **err)
{
	bool object = image_has_key_object(img);
	bool rsa = key && key_is_rsa(key) && !image_wrapped_key(img);
	bool other = key && (key_is_passphrase(key) || key_is_rsa(key));
	if (key && (key_age_count(key) || (object && rsa))) {
		int r = object ? object_open(img, key, ret, err) : 0;
		if (r == 0 && (!other || (object && rsa)))
			r = image_no_identity(img, err);
		if (r < 0)
			return error_at(err, PLACE_UNLOCKING);
		if (r > 0)
			return 0;
	}
	return image_open_secret(img, key, &ret->secret, err);
}

int image_unlock(const struct image_opener *o, const struct seal_volume *volume,
		 struct secret **ret, struct error **err)
{
	const struct seal *seal = volume->seal;
	if (!o->volume_key)
		return seal->unlock(volume, o->secret, ret, err);
	if (object_check(o, volume, err) < 0)
		return -1;
	return secret_copy(secret_bytes(o->volume_key), secret_size(o->volume_key), ret, err);
}
