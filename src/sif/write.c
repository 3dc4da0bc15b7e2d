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
#include "sif/sif.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/crypto.h"
#include "sif/format.h"

/* What Apptainer writes, in its order (sif.md, sections 2 to 8): objects, table, header. */
struct sif_writer {
	struct sink *file; /* borrowed */
	struct sif_write_options options;
	struct sif_descriptor slots[SIF_TABLE_SLOTS];
	size_t count;
	uint64_t end;		/* where the last object ends */
	uint64_t partition_off; /* of the partition begun; 0: none */
	char arch[4];		/* of the primary partition */
};

int sif_write_begin(struct sink *file, const struct sif_write_options *options,
		    struct sif_writer **ret, struct error **err)
{
	struct sif_writer *w = calloc(1, sizeof(*w));
	if (!w)
		return error_no_memory(err);
	w->file = file;
	w->options = *options;
	w->end = SIF_DATA_OFF;
	strcpy(w->arch, "00");
	*ret = w;
	return 0;
}

/* Fills the next slot for an object at off. */
static struct sif_descriptor *next_slot(struct sif_writer *w, enum sif_type type, uint64_t off,
					uint64_t len, struct error **err)
{
	if (w->count == SIF_TABLE_SLOTS) {
		error_set(err, ERROR_LIMIT,
			  "insufficient descriptor capacity to add data object(s) to image");
		return NULL;
	}
	struct sif_descriptor *d = &w->slots[w->count++];
	*d = (struct sif_descriptor){
		.type = type,
		.id = (uint32_t)w->count,
		.group = 1,
		.off = off,
		.len = len,
		.len_padded = off - w->end + len,
	};
	w->end = off + len;
	return d;
}

int sif_write_object(struct sif_writer *w, enum sif_type type, const char *name, const void *data,
		     size_t len, struct error **err)
{
	if (strlen(name) > SIF_NAME_LEN)
		return error_set(err, ERROR_LIMIT, "name value too large");
	if (sink_write(w->file, data, len, w->end, err) < 0)
		return -1;
	struct sif_descriptor *d = next_slot(w, type, w->end, len, err);
	if (!d)
		return -1;
	memcpy(d->name, name, strlen(name));
	return 0;
}

int sif_write_partition_begin(struct sif_writer *w, uint64_t *ret_off, struct error **err)
{
	if (w->partition_off)
		return error_set(err, ERROR_INTERNAL, "image already contains a primary partition");
	/* On a boundary in the file, so that a loop device may begin there. */
	w->partition_off = (w->end + SIF_ALIGNMENT - 1) / SIF_ALIGNMENT * SIF_ALIGNMENT;
	*ret_off = w->partition_off;
	return 0;
}

int sif_write_partition_end(struct sif_writer *w, enum sif_filesystem filesystem, const char *arch,
			    uint64_t len, struct error **err)
{
	struct sif_descriptor *d = next_slot(w, SIF_PARTITION, w->partition_off, len, err);
	if (!d)
		return -1;
	bytes_put_le(d->extra, filesystem, 4);
	bytes_put_le(d->extra + 4, SIF_PRIMARY, 4);
	memcpy(d->extra + 8, arch, strnlen(arch, 2));
	memcpy(w->arch, arch, strnlen(arch, 2));
	return 0;
}

int sif_write_crypt_message(struct sif_writer *w, const void *pem, size_t len, struct error **err)
{
	/* Readers look for the message by its link to the primary partition (sif.md 9.1). */
	uint32_t partition = w->slots[w->count - 1].id;
	if (sif_write_object(w, SIF_CRYPT_MESSAGE, "", pem, len, err) < 0)
		return -1;
	struct sif_descriptor *d = &w->slots[w->count - 1];
	d->link = partition;
	bytes_put_le(d->extra, SIF_MESSAGE_PEM, 4);
	bytes_put_le(d->extra + 4, SIF_MESSAGE_RSA_OAEP, 4);
	return 0;
}

static int64_t write_time(const struct sif_writer *w)
{
	return w->options.deterministic ? SIF_ZERO_TIME : w->options.time;
}

static void put_descriptor(const struct sif_writer *w, const struct sif_descriptor *d, uint8_t *to)
{
	uint64_t when = (uint64_t)write_time(w);
	bytes_put_le(to, (uint32_t)d->type, 4);
	to[4] = 1;
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

static int put_header(const struct sif_writer *w, uint8_t to[SIF_HEADER_LEN], struct error **err)
{
	uint64_t when = (uint64_t)write_time(w);
	memset(to, 0, SIF_HEADER_LEN);
	memcpy(to, SIF_LAUNCH_SCRIPT, strlen(SIF_LAUNCH_SCRIPT));
	memcpy(to + SIF_MAGIC_OFF, SIF_MAGIC, SIF_MAGIC_LEN);
	memcpy(to + 42, SIF_VERSION, sizeof(SIF_VERSION));
	memcpy(to + 45, w->arch, 3);
	if (!w->options.deterministic) {
		if (crypto_random(to + 48, 16, err) < 0)
			return -1;
		/* RFC 4122, section 4.4: version 4, variant 10 */
		to[48 + 6] = (uint8_t)((to[48 + 6] & 0x0f) | 0x40);
		to[48 + 8] = (uint8_t)((to[48 + 8] & 0x3f) | 0x80);
	}
	bytes_put_le(to + 64, when, 8);
	bytes_put_le(to + 72, when, 8);
	bytes_put_le(to + 80, SIF_TABLE_SLOTS - w->count, 8);
	bytes_put_le(to + 88, SIF_TABLE_SLOTS, 8);
	bytes_put_le(to + 96, SIF_TABLE_OFF, 8);
	bytes_put_le(to + 104, SIF_DATA_OFF - SIF_TABLE_OFF, 8);
	bytes_put_le(to + 112, SIF_DATA_OFF, 8);
	bytes_put_le(to + 120, w->end - SIF_DATA_OFF, 8);
	return 0;
}

int sif_write_finish(struct sif_writer *w, struct error **err)
{
	uint8_t table[SIF_TABLE_SLOTS * SIF_DESCRIPTOR_LEN] = { 0 }, header[SIF_HEADER_LEN];
	for (size_t i = 0; i < w->count; i++)
		put_descriptor(w, &w->slots[i], table + i * SIF_DESCRIPTOR_LEN);
	if (put_header(w, header, err) < 0 ||
	    sink_write(w->file, table, sizeof(table), SIF_TABLE_OFF, err) < 0)
		return -1;
	return sink_write(w->file, header, sizeof(header), 0, err);
}

void sif_writer_free(struct sif_writer **w)
{
	free(*w);
	*w = NULL;
}
