/* SPDX-License-Identifier: Apache-2.0 */
#include "image/image.h"

#include <stdio.h>

#include "crypto/crypto.h"
#include "seal/seal.h"

/*
 * The road up, the mirror of open.c. A file is a stack of sinks, and the squashfs writer writes
 * into the topmost:
 *
 *   plain      squash → partition → file
 *   LUKS2      squash → payload (luks2) → partition → file
 *   gocryptfs  squash → payload (gocryptfs) → sealed (the data of one file) → partition → file,
 *              then the outer file system is written round that data
 */
struct pack_stack {
	struct sink *file;
	struct sink *partition;
	struct sink *sealed;  /* gocryptfs */
	struct sink *payload; /* LUKS2, gocryptfs */
	struct buffer conf;   /* gocryptfs.conf */
};

static void pack_stack_free(struct pack_stack *s)
{
	sink_free(&s->payload);
	sink_free(&s->sealed);
	sink_free(&s->partition);
	sink_free(&s->file);
	buffer_free(&s->conf);
}

static const struct seal *seal_of(enum image_kind kind)
{
	return kind == IMAGE_LUKS2 ? &seal_luks2 : kind == IMAGE_GOCRYPTFS ? &seal_gocryptfs : NULL;
}

static int seal(struct pack_stack *s, const struct image_pack_plan *plan, struct buffer *message,
		struct error **err)
{
	CLEANUP_SECRET struct secret *secret = NULL;
	bool random = false;
	const struct seal *row = seal_of(plan->kind);
	enum key_secret_form form =
		plan->kind == IMAGE_LUKS2 ? KEY_SECRET_LUKS2 : KEY_SECRET_GOCRYPTFS;
	if (key_make_secret(plan->key, form, &secret, &random, message, err) < 0)
		return -1;
	if (row->in_outer && sink_offset(s->partition, SQUASH_OUTER_DATA, &s->sealed, err) < 0)
		return -1;
	return row->create(row->in_outer ? s->sealed : s->partition, secret, random, &s->conf,
			   &s->payload, err);
}

/* What comes after the last byte of the squashfs. */
static int close_seal(struct pack_stack *s, const struct image_pack_plan *plan, struct error **err)
{
	if (s->payload && sink_finish(s->payload, err) < 0)
		return -1;
	if (!s->sealed)
		return 0;
	/* Apptainer's name is that of a temporary file of this form; it tells nothing. */
	char name[32];
	uint32_t number;
	if (crypto_random(&number, sizeof(number), err) < 0)
		return -1;
	snprintf(name, sizeof(name), "squashfs-%u", number);
	return squash_outer_finish(s->partition, name, s->sealed->size, s->conf.data, s->conf.len,
				   (uint32_t)plan->sif.time, err);
}

static int pack_partition(struct sif_writer *w, struct pack_stack *s,
			  const struct image_pack_plan *plan, struct error **err)
{
	CLEANUP_BUFFER struct buffer message = { 0 };
	uint64_t off;
	if (sif_write_partition_begin(w, &off, err) < 0 ||
	    sink_offset(s->file, off, &s->partition, err) < 0)
		return -1;
	if (plan->kind != IMAGE_SIF && seal(s, plan, &message, err) < 0)
		return -1;
	if (squash_pack(plan->root, s->payload ? s->payload : s->partition, &plan->squash, err) < 0)
		return error_wrap(err, "while creating squashfs");
	if (close_seal(s, plan, err) < 0)
		return -1;
	enum sif_filesystem filesystem = plan->kind == IMAGE_LUKS2	 ? SIF_ENCRYPTED_SQUASHFS
					 : plan->kind == IMAGE_GOCRYPTFS ? SIF_GOCRYPTFS_SQUASHFS
									 : SIF_SQUASHFS;
	if (sif_write_partition_end(w, filesystem, plan->arch, s->partition->size, err) < 0)
		return -1;
	return message.len ? sif_write_crypt_message(w, message.data, message.len, err) : 0;
}

static int pack_objects(struct sif_writer *w, const struct image_pack_plan *plan,
			struct error **err)
{
	if (sif_write_object(w, SIF_DEFFILE, "", plan->definition, plan->definition_len, err) < 0)
		return -1;
	for (size_t i = 0; i < plan->json_count; i++) {
		const struct image_json *json = &plan->json[i];
		if (json->len &&
		    sif_write_object(w, SIF_JSON, json->name, json->text, json->len, err) < 0)
			return -1;
	}
	return 0;
}

int image_pack_load(enum image_kind kind, enum squash_codec codec, struct error **err)
{
	const struct seal *row = seal_of(kind);
	if (row && row->load && row->load(err) < 0)
		return -1;
	return squash_pack_load(codec, err);
}

int image_pack(const struct image_pack_plan *plan, int out_fd, struct error **err)
{
	__attribute__((cleanup(pack_stack_free))) struct pack_stack s = { 0 };
	__attribute__((cleanup(sif_writer_free))) struct sif_writer *w = NULL;
	if (plan->kind != IMAGE_SIF && !plan->key) {
		error_set(err, ERROR_INTERNAL, "an encrypted image without a key");
		return error_at(err, PLACE_WRITING);
	}
	if (sink_from_fd(out_fd, &s.file, err) < 0 ||
	    sif_write_begin(s.file, &plan->sif, &w, err) < 0 || pack_objects(w, plan, err) < 0 ||
	    pack_partition(w, &s, plan, err) < 0 || sif_write_finish(w, err) < 0)
		return error_at(err, PLACE_WRITING);
	return 0;
}
