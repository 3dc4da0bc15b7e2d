/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_SIF_INTEGRITY_INTERNAL_H
#define COFFER_SIF_INTEGRITY_INTERNAL_H

#include "crypto/crypto.h"
#include "sif/internal.h"

#define SIGNATURE_MAX \
	((size_t)1 << 20) /* of an object that is a signature; one for 48 objects has 17 KiB */
#define METADATA_MAX (SIGNATURE_MAX / 4 * 3)

/* ------------------------------------------------------------------ metadata.c */

struct signed_digest {
	enum crypto_hash hash;
	uint8_t value[64];
};
struct signed_object {
	uint32_t relative_id;
	struct signed_digest descriptor, object;
};
/* What a signature is of: sif.md 10. */
struct signed_metadata {
	struct signed_digest header;
	struct signed_object *objects; /* owned */
	size_t count;
};
void signed_done(struct signed_metadata *m);
#define CLEANUP_METADATA __attribute__((cleanup(signed_done)))

/* The file whose objects are looked at. */
struct signed_file {
	struct source *file;
	const struct sif *sif;
};
/* The digests of the file as it is, SHA-256. */
int signed_make(const struct signed_file *f, uint32_t min_id,
		const struct sif_descriptor *const *objects, size_t count, struct buffer *ret,
		struct error **err);
/* ERROR_DAMAGED, ERROR_LIMIT. The text is a stranger's until its signature was looked at. */
int signed_read(const char *text, size_t len, struct signed_metadata *ret, struct error **err);
/* 1 when it is so, 0 when not. */
int signed_header_fits(const struct signed_file *f, const struct signed_metadata *m,
		       struct error **err);
int signed_descriptor_fits(const struct signed_file *f, const struct signed_object *o,
			   const struct sif_descriptor *d, struct error **err);
int signed_object_fits(const struct signed_file *f, const struct signed_object *o,
		       const struct sif_descriptor *d, struct error **err);

/* ------------------------------------------------------------------ envelope.c */

/* Appends a DSSE envelope with the text, signed. */
int envelope_make(struct crypto_signer *key, const char *text, size_t len, struct buffer *ret,
		  struct error **err);
/* What a signature object is; an error where that could not be looked at, for want of memory. */
enum envelope_kind { ENVELOPE_OTHER, ENVELOPE_DSSE, ENVELOPE_PGP, ENVELOPE_PGP_LEGACY };
int envelope_kind(const char *text, size_t len, enum envelope_kind *ret, struct error **err);
/* The text of an envelope that the key has signed: ERROR_KEY_WRONG when it has not. */
int envelope_open(struct crypto_signer *key, enum crypto_hash hash, const char *text, size_t len,
		  struct buffer *ret, struct error **err);

/* ------------------------------------------------------------------ verify.c */

/* The objects of a group, borrowed in *ret, which is the caller's to free; the least of their
 * numbers. ERROR_NOT_FOUND "group not found", ERROR_USAGE for group 0. */
int signed_group(const struct sif *s, uint32_t group, const struct sif_descriptor ***ret,
		 size_t *ret_count, uint32_t *ret_min_id, struct error **err);
/* The numbers of all groups, in their order. ERROR_NOT_FOUND "no groups found". */
int signed_groups(const struct sif *s, uint32_t **ret, size_t *ret_count, struct error **err);
/* One object by its number: ERROR_USAGE for 0, ERROR_NOT_FOUND, ERROR_DAMAGED for several. */
int signed_object_by_id(const struct sif *s, uint32_t id, const struct sif_descriptor **ret,
			struct error **err);

#endif
