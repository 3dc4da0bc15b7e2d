/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing a SIF in Apptainer's layout, to the byte (sif.md 2 to 8): header, a table of 48 slots,
 * then the objects one behind another.
 *
 * Objects are written first, then the table, then the header with its magic: so a file whose
 * writing was cut off is no SIF, and nobody takes half an image for one. The partition is the one
 * object that is not at hand when it is added. Its place is told (sif_write_partition_begin), the
 * caller writes there, through a seal, what may be gigabytes, and says how long it became
 * (..._end).
 *
 * Two fields look wrong and are right, since Apptainer has them so: an object's padded size counts
 * the gap before it, not behind it, and the header's data size ends with the last object.
 */
#include "sif/internal.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/crypto.h"

int sif_write_begin(struct sink *file, const struct sif_write_options *options,
		    struct sif_writer **ret, struct error **err)
{
	struct sif_writer *w = NULL;
	if (sif_writer_new(file, options, SIF_TABLE_SLOTS, &w, err) < 0)
		return -1;
	if (!options->bare)
		strcpy(w->launch, SIF_LAUNCH_SCRIPT);
	w->created = sif_write_time(w);
	if (!options->deterministic) {
		if (crypto_random(w->uuid, sizeof(w->uuid), err) < 0) {
			sif_writer_free(&w);
			return -1;
		}
		/* RFC 4122, section 4.4: version 4, variant 10 */
		w->uuid[6] = (uint8_t)((w->uuid[6] & 0x0f) | 0x40);
		w->uuid[8] = (uint8_t)((w->uuid[8] & 0x3f) | 0x80);
	}
	*ret = w;
	return 0;
}

int sif_writer_new(struct sink *file, const struct sif_write_options *options, size_t slots,
		   struct sif_writer **ret, struct error **err)
{
	struct sif_writer *w = calloc(1, sizeof(*w));
	uint8_t *table = calloc(slots, SIF_DESCRIPTOR_LEN);
	if (!w || !table) {
		free(w);
		free(table);
		return error_no_memory(err);
	}
	*w = (struct sif_writer){ .file = file,
				  .options = *options,
				  .table = table,
				  .total = slots,
				  .data_off = SIF_TABLE_OFF + slots * SIF_DESCRIPTOR_LEN,
				  .group = 1,
				  .key_group = SIF_KEY_OBJECT_GROUP };
	w->end = w->data_off;
	strcpy(w->arch, SIF_ARCH_NONE);
	*ret = w;
	return 0;
}

int64_t sif_write_time(const struct sif_writer *w)
{
	return w->options.deterministic ? SIF_ZERO_TIME : w->options.time;
}

/* ------------------------------------------------------------------ slots */

static bool has_number(const struct sif_writer *w, uint32_t id)
{
	for (size_t i = 0; i < w->total; i++) {
		struct bytes b = bytes_of(sif_writer_slot(w, i), SIF_DESCRIPTOR_LEN);
		bytes_skip(&b, SIF_SLOT_USED_OFF);
		if (bytes_u8(&b) && bytes_le32(&b) == id)
			return true;
	}
	return false;
}

int sif_table_full(struct error **err)
{
	error_set(err, ERROR_LIMIT,
		  "insufficient descriptor capacity to add data object(s) to image");
	return error_hint(err, "the image's table is full: take objects out of it, or out of a "
			       "copy, by `coffer sif del`; or build it anew");
}

static int find_slot(const struct sif_writer *w, size_t *ret, struct error **err)
{
	size_t i = 0;
	while (i < w->total &&
	       (sif_writer_slot(w, i)[SIF_SLOT_USED_OFF] || has_number(w, (uint32_t)i + 1)))
		i++;
	*ret = i;
	return i < w->total ? 0 : sif_table_full(err);
}

/* Gives an object, whose bytes are at off, the next slot and its number. */
static int put_slot(struct sif_writer *w, struct sif_descriptor *d, struct error **err)
{
	size_t i;
	if (find_slot(w, &i, err) < 0)
		return -1;
	d->id = (uint32_t)i + 1;
	d->len_padded = d->off - w->end + d->len;
	w->end = d->off + d->len;
	sif_put_descriptor(d, sif_write_time(w), sif_writer_slot(w, i));
	return 0;
}

static int write_object(struct sif_writer *w, struct sif_descriptor *d, const void *data,
			struct error **err)
{
	d->off = w->end;
	return sink_write(w->file, data, d->len, d->off, err) < 0 ? -1 : put_slot(w, d, err);
}

int sif_write_object(struct sif_writer *w, enum sif_type type, const char *name, const void *data,
		     size_t len, struct error **err)
{
	struct sif_descriptor d = { .type = type, .group = w->group, .len = len };
	if (strlen(name) > SIF_NAME_LEN)
		return error_set(err, ERROR_LIMIT, "name value too large");
	memcpy(d.name, name, strlen(name));
	return write_object(w, &d, data, err);
}

int sif_write_partition_begin(struct sif_writer *w, uint64_t *ret_off, struct error **err)
{
	if (w->partition_off)
		return error_set(err, ERROR_INTERNAL, "image already contains a primary partition");
	/* Here, not when gigabytes have been written. */
	size_t slot;
	if (!w->primary && find_slot(w, &slot, err) < 0)
		return -1;
	/* On a boundary in the file, so that a loop device may begin there. */
	w->partition_off = sif_align(w->end);
	*ret_off = w->partition_off;
	return 0;
}

void sif_extra_partition(uint8_t extra[SIF_EXTRA_LEN], int32_t filesystem, int32_t partition,
			 const char *arch)
{
	bytes_put_le(extra, (uint32_t)filesystem, 4);
	bytes_put_le(extra + 4, (uint32_t)partition, 4);
	memcpy(extra + SIF_EXTRA_ARCH_OFF, arch, strnlen(arch, 2));
}

void sif_extra_signature(uint8_t extra[SIF_EXTRA_LEN], int32_t hash, const uint8_t entity[20])
{
	bytes_put_le(extra, (uint32_t)hash, 4);
	memcpy(extra + 4, entity, 20);
}

void sif_extra_sbom(uint8_t extra[SIF_EXTRA_LEN], int32_t format)
{
	bytes_put_le(extra, (uint32_t)format, 4);
}

int sif_write_partition_end(struct sif_writer *w, enum sif_filesystem filesystem, const char *arch,
			    uint64_t len, struct error **err)
{
	struct sif_descriptor d = {
		.type = SIF_PARTITION, .group = w->group, .off = w->partition_off, .len = len
	};
	memcpy(w->arch, arch, strnlen(arch, 2));
	if (w->primary)
		return sif_write_primary(w, filesystem, len);
	sif_extra_partition(d.extra, filesystem, SIF_PRIMARY, arch);
	if (put_slot(w, &d, err) < 0)
		return -1;
	w->partition_id = d.id;
	return 0;
}

int sif_write_crypt_message(struct sif_writer *w, const void *pem, size_t len, struct error **err)
{
	/* Readers look for the message by its link to the primary partition (sif.md 9.1). */
	struct sif_descriptor d = {
		.type = SIF_CRYPT_MESSAGE, .group = w->group, .link = w->partition_id, .len = len
	};
	bytes_put_le(d.extra, SIF_MESSAGE_PEM, 4);
	bytes_put_le(d.extra + 4, SIF_MESSAGE_RSA_OAEP, 4);
	return write_object(w, &d, pem, err);
}

int sif_write_key_object(struct sif_writer *w, const void *data, size_t len, struct error **err)
{
	struct sif_descriptor d = { .type = SIF_GENERIC,
				    .name = SIF_KEY_OBJECT_NAME,
				    .group = w->key_group,
				    .link = w->partition_id,
				    .len = len };
	return write_object(w, &d, data, err);
}

void sif_put_descriptor(const struct sif_descriptor *d, int64_t time, uint8_t *to)
{
	uint64_t when = (uint64_t)time;
	bytes_put_le(to, (uint32_t)d->type, 4);
	to[SIF_SLOT_USED_OFF] = 1;
	bytes_put_le(to + 5, d->id, 4);
	bytes_put_le(to + 9, SIF_GROUP_MASK | d->group, 4);
	bytes_put_le(to + 13, d->link, 4);
	bytes_put_le(to + 17, d->off, 8);
	bytes_put_le(to + 25, d->len, 8);
	bytes_put_le(to + 33, d->len_padded, 8);
	bytes_put_le(to + 41, when, 8);
	bytes_put_le(to + 49, when, 8);
	memcpy(to + 73, d->name, SIF_NAME_LEN);
	memcpy(to + 201, d->extra, SIF_EXTRA_LEN);
}

/* ------------------------------------------------------------------ the header */

static void put_header(const struct sif_writer *w, uint8_t to[SIF_HEADER_LEN])
{
	size_t used = 0;
	for (size_t i = 0; i < w->total; i++)
		used += sif_writer_slot(w, i)[SIF_SLOT_USED_OFF] != 0;
	memset(to, 0, SIF_HEADER_LEN);
	memcpy(to, w->launch, SIF_LAUNCH_LEN);
	memcpy(to + SIF_MAGIC_OFF, SIF_MAGIC, SIF_MAGIC_LEN);
	memcpy(to + 42, SIF_VERSION, sizeof(SIF_VERSION));
	memcpy(to + 45, w->arch, 3);
	memcpy(to + 48, w->uuid, sizeof(w->uuid));
	bytes_put_le(to + 64, (uint64_t)w->created, 8);
	bytes_put_le(to + 72, (uint64_t)sif_write_time(w), 8);
	bytes_put_le(to + 80, w->total - used, 8);
	bytes_put_le(to + 88, w->total, 8);
	bytes_put_le(to + 96, SIF_TABLE_OFF, 8);
	bytes_put_le(to + 104, w->data_off - SIF_TABLE_OFF, 8);
	bytes_put_le(to + 112, w->data_off, 8);
	bytes_put_le(to + 120, w->end - w->data_off, 8);
}

int sif_write_finish(struct sif_writer *w, struct error **err)
{
	uint8_t header[SIF_HEADER_LEN];
	/* Its slot still says where it lay in the old file. */
	if (w->primary && !w->partition_off)
		return error_set(err, ERROR_INTERNAL, "the primary partition was not written");
	put_header(w, header);
	if (sink_write(w->file, w->table, w->total * SIF_DESCRIPTOR_LEN, SIF_TABLE_OFF, err) < 0)
		return -1;
	return sink_write(w->file, header, sizeof(header), 0, err);
}

void sif_writer_free(struct sif_writer **w)
{
	if (*w)
		free((*w)->table);
	free(*w);
	*w = NULL;
}
