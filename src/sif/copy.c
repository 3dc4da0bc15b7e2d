/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file written anew from one that is there, with another primary partition: what else is in it
 * is kept, each object in its slot, under its number and in its group, and so is what a signature
 * covers of the header (sif.md 10). So a signature over objects that stay as they are still holds.
 *
 * The slots are copied as they lie in the file, since a signature covers fields of them that nobody
 * here reads. The objects are written in the order of the table, before the partition, whose slot
 * waits for it.
 *
 * Descriptors may name the same bytes many times over, and a small file would become a huge one. No
 * program writes such a file, so the sum of what is kept may not be more than the file is long.
 */
#include "sif/internal.h"

#include <stdlib.h>
#include <string.h>

#define COPY_LEN ((size_t)256 << 10)

static int copy_bytes(struct sif_writer *w, struct source *from, const struct sif_descriptor *d,
		      uint64_t off, struct error **err)
{
	CLEANUP_BUFFER struct buffer b = { 0 };
	char *piece = buffer_reserve(&b, COPY_LEN, err);
	if (!piece)
		return -1;
	for (uint64_t done = 0; done < d->len;) {
		size_t n = d->len - done < COPY_LEN ? (size_t)(d->len - done) : COPY_LEN;
		if (source_read(from, piece, n, d->off + done, err) < 0 ||
		    sink_write(w->file, piece, n, off + done, err) < 0)
			return -1;
		done += n;
	}
	return 0;
}

static int copy_object(struct sif_writer *w, struct source *from, const struct sif_descriptor *d,
		       struct error **err)
{
	uint8_t *slot = sif_writer_slot(w, d->slot);
	uint64_t off = d->type == SIF_PARTITION ? sif_align(w->end) : w->end;
	if (copy_bytes(w, from, d, off, err) < 0)
		return -1;
	bytes_put_le(slot + 17, off, 8);
	bytes_put_le(slot + 33, off - w->end + d->len, 8);
	w->end = off + d->len;
	return 0;
}

/*
 * The slot as it is now, once more: a signature covers all of it. Who changes the file meanwhile
 * may have put something else there, which nobody has vetted.
 */
static int read_slot(const struct sif *s, struct source *from, const struct sif_descriptor *d,
		     uint8_t *to, struct error **err)
{
	if (source_read(from, to, SIF_DESCRIPTOR_LEN,
			s->descriptors_off + d->slot * SIF_DESCRIPTOR_LEN, err) < 0)
		return -1;
	struct bytes b = bytes_of(to, SIF_DESCRIPTOR_LEN);
	bool same =
		(int32_t)bytes_le32(&b) == d->type && bytes_u8(&b) != 0 && bytes_le32(&b) == d->id;
	bytes_skip(&b, 2 * sizeof(uint32_t)); /* group and link */
	if (same && bytes_le64(&b) == d->off && bytes_le64(&b) == d->len)
		return 0;
	error_set(err, ERROR_DAMAGED, "object %u has just become another one", d->id);
	return error_hint(err, "somebody is changing the file: try again");
}

/* Takes the slots of what is kept over; what comes anew fills those that are free then. */
static int keep_slots(struct sif_writer *w, const struct sif *s, struct source *from,
		      sif_keeps *keeps, const void *context, struct error **err)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < s->count; i++) {
		const struct sif_descriptor *d = &s->descriptors[i];
		if (!keeps(context, d))
			continue;
		if (!checked_add(sum, d->len, &sum) || sum > from->size)
			return error_set(err, ERROR_DAMAGED,
					 "the SIF's objects lie over one another");
		if (read_slot(s, from, d, sif_writer_slot(w, d->slot), err) < 0)
			return -1;
	}
	w->key_group = sif_free_group(s, keeps, context);
	return 0;
}

static int copy(struct sif_writer *w, const struct sif *s, struct source *from, sif_keeps *keeps,
		const void *context, struct error **err)
{
	const struct sif_descriptor *primary = sif_primary(s);
	if (keep_slots(w, s, from, keeps, context, err) < 0)
		return -1;
	for (size_t i = 0; i < s->count; i++) {
		const struct sif_descriptor *d = &s->descriptors[i];
		if (d != primary && keeps(context, d) && copy_object(w, from, d, err) < 0)
			return -1;
	}
	if (primary && keeps(context, primary)) {
		w->primary = sif_writer_slot(w, primary->slot);
		w->partition_id = primary->id;
		w->group = primary->group ? primary->group : w->group;
	}
	return 0;
}

int sif_write_begin_copy(struct sink *file, const struct sif *s, struct source *from,
			 sif_keeps *keeps, const void *context, int64_t time,
			 struct sif_writer **ret, struct error **err)
{
	__attribute__((cleanup(sif_writer_free))) struct sif_writer *w = NULL;
	size_t slots = (size_t)s->descriptors_total;
	const struct sif_write_options options = {
		.time = time,
		.deterministic = sif_edit_time(s, time) == SIF_ZERO_TIME,
	};
	if (sif_writer_new(file, &options, slots < SIF_TABLE_SLOTS ? SIF_TABLE_SLOTS : slots, &w,
			   err) < 0)
		return -1;
	memcpy(w->launch, s->launch, sizeof(w->launch));
	memcpy(w->uuid, s->uuid, sizeof(w->uuid));
	w->created = s->created;
	if (copy(w, s, from, keeps, context, err) < 0)
		return -1;
	*ret = take_pointer(&w);
	return 0;
}

int sif_write_primary(struct sif_writer *w, enum sif_filesystem filesystem, uint64_t len)
{
	uint8_t *slot = w->primary;
	bytes_put_le(slot + 17, w->partition_off, 8);
	bytes_put_le(slot + 25, len, 8);
	bytes_put_le(slot + 33, w->partition_off - w->end + len, 8);
	bytes_put_le(slot + 49, (uint64_t)sif_write_time(w), 8);
	bytes_put_le(slot + 201, filesystem, 4);
	w->end = w->partition_off + len;
	return 0;
}
