/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_IMAGE_INTERNAL_H
#define COFFER_IMAGE_INTERNAL_H

#include "image/image.h"

/*
 * object.c: the key object. secret: what the seal is opened with besides, where nobody chose it; or
 * NULL. key has recipients. The object is appended to *ret.
 */
int object_write(const struct key *key, const struct seal *seal, const struct seal_made *made,
		 const struct secret *secret, struct buffer *ret, struct error **err);
/* What is in a key object; from object_read on the caller's, whatever it returned. */
struct object_text {
	struct image_opener opener; /* the volume key, and of whose volume it says that it is */
	struct secret *secret;	    /* or NULL */
	struct strings recipients;  /* a line for each: key_for_recipients */
	size_t stanzas;		    /* for how many the object was written; 0: there is none */
};
void object_text_done(struct object_text *t);
#define CLEANUP_OBJECT_TEXT __attribute__((cleanup(object_text_done)))
/* 1 with *ret, 0 when no identity of the key opens it, -1. */
int object_read(const struct image *img, const struct key *key, struct object_text *ret,
		struct error **err);
/* ERROR_KEY_MISSING when the list is not of all that the object is for: they would be lost. */
int object_check_list(const struct image *img, const struct object_text *text, struct error **err);
/* 1 with the volume key in *ret, 0 when no identity of the key opens it, -1. */
int object_open(const struct image *img, const struct key *key, struct image_opener *ret,
		struct error **err);
/* ERROR_DAMAGED when what came of an object is for another volume than this. */
int object_check(const struct image_opener *o, const struct seal_volume *volume,
		 struct error **err);
/*
 * open.c: gives the image's sealed volume, vetted, to `use`. t is the caller's, with its partition,
 * and keeps what the volume's bytes lie in.
 */
typedef int image_use_volume(void *context, const struct seal_volume *volume, struct error **err);
int image_with_volume(const struct image *img, struct image_tree *t, image_use_volume *use,
		      void *context, struct error **err);
/* open.c: the configuration beside the sealed file, by its inode in t->outer, which is open. */
int image_find_conf(const struct image_tree *t, struct squash_inode *ret, struct error **err);
/* opener.c: what is said when no identity opens the image. Returns -1. */
int image_no_identity(const struct image *img, struct error **err);
/*
 * pack.c: the new image's partition, sealed, and what lies beside it for those who can open it.
 * What it is filled with, the squashfs, `fill` writes into `to`, which is neither finished nor
 * freed by it.
 */
struct image_filling {
	const struct seal *seal; /* or NULL: in clear */
	const struct key *key;	 /* with a seal; to build with */
	const char *arch;
	uint32_t time;
	int (*fill)(void *context, struct sink *to, struct error **err);
	void *context;
};
int image_pack_partition(struct sif_writer *w, struct sink *file, const struct image_filling *plan,
			 struct error **err);
/*
 * again.c: a key to build with, for everybody whom the image is for now: who has the passphrase or
 * the RSA key, and its recipients. ERROR_KEY_MISSING where that cannot be found out.
 */
int image_key_again(const struct image *img, const struct key *key, struct key **ret,
		    struct error **err);
/* formats.c: how a SIF names a squashfs under this seal, or under none (NULL). */
enum sif_filesystem image_sif_filesystem(const struct seal *seal);

#endif
