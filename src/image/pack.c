/* SPDX-License-Identifier: Apache-2.0 */
#include "image/internal.h"

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
	buffer_free(&s->conf);
}

/* What lies beside the partition, for those who can open it. */
struct pack_keys {
	struct buffer message; /* for an RSA key, Apptainer's */
	struct buffer object;  /* for recipients */
};

static void pack_keys_free(struct pack_keys *k)
{
	buffer_free(&k->message);
	buffer_free(&k->object);
}

static int seal(struct pack_stack *s, const struct image_filling *plan, struct pack_keys *keys,
		struct error **err)
{
	CLEANUP_SECRET struct secret *secret = NULL;
	CLEANUP_SEAL_MADE struct seal_made made = { 0 };
	bool recipients = key_age_count(plan->key) > 0;
	bool random = false;
	const struct seal *row = plan->seal;
	if (key_make_secret(plan->key, &row->secret, &secret, &random, &keys->message, err) < 0)
		return -1;
	if (row->in_outer && sink_offset(s->partition, SQUASH_OUTER_DATA, &s->sealed, err) < 0)
		return -1;
	if (row->create(row->in_outer ? s->sealed : s->partition, secret, random, &s->conf,
			recipients ? &made : NULL, &s->payload, err) < 0)
		return -1;
	if (!recipients)
		return 0;
	/* A passphrase that a person chose is theirs, and may open more than this image. */
	return object_write(plan->key, row, &made, random ? secret : NULL, &keys->object, err);
}

/* What comes after the last byte of the squashfs. */
static int close_seal(struct pack_stack *s, const struct image_filling *plan, struct error **err)
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
				   plan->time, err);
}

static int pack_partition(struct sif_writer *w, struct sink *file, struct pack_stack *s,
			  const struct image_filling *plan, struct error **err)
{
	__attribute__((cleanup(pack_keys_free))) struct pack_keys keys = { 0 };
	uint64_t off;
	if (sif_write_partition_begin(w, &off, err) < 0 ||
	    sink_offset(file, off, &s->partition, err) < 0)
		return -1;
	if (plan->seal && seal(s, plan, &keys, err) < 0)
		return -1;
	if (plan->fill(plan->context, s->payload ? s->payload : s->partition, err) < 0 ||
	    close_seal(s, plan, err) < 0)
		return -1;
	if (sif_write_partition_end(w, image_sif_filesystem(plan->seal), plan->arch,
				    s->partition->size, err) < 0)
		return -1;
	if (keys.message.len &&
	    sif_write_crypt_message(w, keys.message.data, keys.message.len, err) < 0)
		return -1;
	return keys.object.len ? sif_write_key_object(w, keys.object.data, keys.object.len, err)
			       : 0;
}

int image_pack_partition(struct sif_writer *w, struct sink *file, const struct image_filling *plan,
			 struct error **err)
{
	__attribute__((cleanup(pack_stack_free))) struct pack_stack s = { 0 };
	return pack_partition(w, file, &s, plan, err);
}

/* ------------------------------------------------------------------ of a tree */

static int pack_tree(void *context, struct sink *to, struct error **err)
{
	const struct image_pack_plan *plan = context;
	return squash_pack(plan->root, to, &plan->squash, err) < 0
		       ? error_wrap(err, "while creating squashfs")
		       : 0;
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

int image_pack_load(const struct seal *seal, enum squash_codec codec, struct error **err)
{
	if (seal && seal->load && seal->load(err) < 0)
		return -1;
	return squash_pack_load(codec, err);
}

int image_pack(const struct image_pack_plan *plan, int out_fd, struct error **err)
{
	CLEANUP_SINK struct sink *file = NULL;
	__attribute__((cleanup(sif_writer_free))) struct sif_writer *w = NULL;
	if (plan->seal && !plan->key) {
		error_set(err, ERROR_INTERNAL, "an encrypted image without a key");
		return error_at(err, PLACE_WRITING);
	}
	struct image_pack_plan tree = *plan;
	const struct image_filling filling = {
		.seal = plan->seal,
		.key = plan->key,
		.arch = plan->arch,
		.time = (uint32_t)plan->sif.time,
		.fill = pack_tree,
		.context = &tree,
	};
	if (sink_from_fd(out_fd, &file, err) < 0 ||
	    sif_write_begin(file, &plan->sif, &w, err) < 0 || pack_objects(w, plan, err) < 0 ||
	    image_pack_partition(w, file, &filling, err) < 0 || sif_write_finish(w, err) < 0)
		return error_at(err, PLACE_WRITING);
	return 0;
}
