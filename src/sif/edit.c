/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another key object for a file that is there already, in place: a few KiB are written, whatever
 * the partition's size.
 *
 * What ends this at any moment, a kill, a full disk or a power failure, leaves a file with the old
 * object or with the new one. So nothing that a reader looks at is overwritten, and the step from
 * one to the other is one byte, the mark of a slot as used:
 *
 *   1. the new object is written where no object lies, and its descriptor into a free slot, which
 *      stays marked as free: synced
 *   2. the slot is marked as used: synced. Now there are two; the first in the table counts
 *      (sif_key_object), so this is the step where the new slot is the first of them
 *   3. the old slot is marked as free: synced. This is the step where it was the first
 *
 * Then the old object is overwritten with zeros where it lay, as its recipients may be others, and
 * its slot, too, once the zeros have settled (sif.md 3). If this is cut off, the slot still tells
 * where it was: each change, those of objects.c too, begins with what the last one may have left;
 * here the second of two objects included, so that step 3 never brings an older one back.
 *
 * The header's counts are for who adds objects; they are written with step 2. The object's number
 * is that of its slot (sif.md 6), so it changes by turns.
 */
#include "sif/internal.h"

#include <string.h>
#include <unistd.h>

/* The first place behind the partition: where an object of before lay, or at the end. */
static uint64_t find_place(const struct sif *s, const struct sif_descriptor *partition, size_t len)
{
	uint64_t begin = partition->off + partition->len, last = sif_data_end(s);
	uint64_t table_end = s->descriptors_off + sif_table_len(s), best;
	if (last < table_end)
		last = table_end;
	best = last;
	for (size_t i = 0; i < s->count; i++) {
		uint64_t off = s->descriptors[i].off + s->descriptors[i].len;
		if (off >= begin && off < best && sif_is_free(s, off, len))
			best = off;
	}
	return best;
}

/* ------------------------------------------------------------------ the steps */

/* All but the one that counts. */
static int drop_others(const struct sif_edit *e, const struct sif_descriptor *partition,
		       struct error **err)
{
	const struct sif_descriptor *own = sif_key_object(e->sif, partition);
	for (size_t i = 0; i < e->sif->count; i++) {
		const struct sif_descriptor *d = &e->sif->descriptors[i];
		if (d != own && sif_is_key_object(d, partition) &&
		    sif_edit_mark(e, d->slot, 0, err) < 0)
			return -1;
	}
	return 0;
}

/* The old one's, or one that no object has: what is signed of the others holds (sif.md 10). */
static uint32_t own_group(const struct sif *s, const struct sif_descriptor *old)
{
	return old && old->group ? old->group : sif_free_group(s, NULL, NULL);
}

/* free: slots after the change. */
static int put_header(const struct sif_edit *e, uint64_t end, size_t free, int64_t time,
		      struct error **err)
{
	struct sif_edit_counts counts = { .time = time,
					  .free = free,
					  .data_len = end - e->sif->data_off };
	return sif_edit_header(e, &counts, err);
}

/* Steps 1 and 2. */
static int add(const struct sif_edit *e, const struct sif_descriptor *partition,
	       const struct sif_descriptor *old, const void *data, size_t len, int64_t time,
	       struct error **err)
{
	uint8_t slot[SIF_DESCRIPTOR_LEN] = { 0 };
	struct sif_descriptor d = { .type = SIF_GENERIC,
				    .name = SIF_KEY_OBJECT_NAME,
				    .group = own_group(e->sif, old),
				    .link = partition->id,
				    .off = find_place(e->sif, partition, len),
				    .len = len,
				    .len_padded = len };
	size_t used = e->sif->count + !old;
	uint64_t end = sif_data_end(e->sif);
	if (sif_find_slot(e->sif, &d.slot, err) < 0)
		return -1;
	d.id = (uint32_t)d.slot + 1;
	sif_put_descriptor(&d, time, slot);
	slot[SIF_SLOT_USED_OFF] = 0;
	if (d.off + len > end)
		end = d.off + len;
	if (sif_edit_put(e, data, len, d.off, err) < 0) {
		if (ftruncate(e->fd, (off_t)e->file->size) < 0)
			log_verbose("A part of a key object stays behind the image's end");
		return -1;
	}
	if (sif_edit_put(e, slot, sizeof(slot), sif_edit_slot_off(e, d.slot), err) < 0 ||
	    sif_edit_settle(e, err) < 0)
		return -1;
	if (put_header(e, end, (size_t)e->sif->descriptors_total - used, time, err) < 0)
		return -1;
	return sif_edit_mark(e, d.slot, 1, err);
}

static int set_object(struct sif_edit *e, const void *data, size_t len, int64_t now,
		      struct error **err)
{
	const struct sif_descriptor *partition = sif_primary(e->sif);
	int64_t time = sif_edit_time(e->sif, now);
	if (!partition)
		return error_set(err, ERROR_NOT_FOUND, "no root filesystem found");
	if (drop_others(e, partition, err) < 0 || sif_edit_load(e, err) < 0 ||
	    sif_edit_sweep(e, err) < 0)
		return -1;
	partition = sif_primary(e->sif);
	const struct sif_descriptor *old = sif_key_object(e->sif, partition);
	if (len && add(e, partition, old, data, len, time, err) < 0)
		return -1;
	if (!len && old &&
	    put_header(e, sif_data_end(e->sif),
		       (size_t)e->sif->descriptors_total - e->sif->count + 1, time, err) < 0)
		return -1;
	if (old && sif_edit_mark(e, old->slot, 0, err) < 0)
		return -1;
	if (sif_edit_load(e, err) < 0 || sif_edit_sweep(e, err) < 0)
		return -1;
	return sif_edit_settle(e, err);
}

int sif_set_key_object(int fd, const void *data, size_t len, int64_t now, struct error **err)
{
	CLEANUP_SIF_EDIT struct sif_edit e = { .fd = fd };
	return sif_edit_load(&e, err) < 0 ? -1 : set_object(&e, data, len, now, err);
}
