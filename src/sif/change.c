/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every change of a file in place is made of: the file as it is, places and slots that are
 * free, the writes and what makes them last. The order of these, by which a change that is cut off
 * leaves the old file or the new one, is told where the changes are: edit.c, objects.c.
 */
#include "sif/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEADER_ARCH_OFF 45 /* the first field that changes, once the file has its magic */
#define ZEROS 4096

void sif_edit_done(struct sif_edit *e)
{
	sif_free(&e->sif);
	source_free(&e->file);
}

int sif_edit_load(struct sif_edit *e, struct error **err)
{
	sif_edit_done(e);
	CLEANUP_FD int own = dup(e->fd);
	if (own < 0)
		return error_errno(err, errno, "read the file");
	if (source_from_fd(own, &e->file, err) < 0)
		return -1;
	(void)fd_steal(&own);
	if (sif_read(e->file, &e->sif, err) < 0)
		return -1;
	/* Who only reads does not mind; but what is written of the header would be slots, too. */
	if (e->sif->descriptors_off < SIF_HEADER_LEN) {
		error_set(err, ERROR_DAMAGED,
			  "the SIF's table of descriptors lies over its header");
		return error_hint(err, "the file is damaged: copy or build it again");
	}
	/* Nor this; what is added would go there. */
	if (e->sif->data_off > e->file->size) {
		error_set(err, ERROR_DAMAGED, "the SIF's data begin beyond the file's end");
		return error_hint(err, "the file is damaged or cut short: copy or build it again");
	}
	return 0;
}

int sif_edit_put(const struct sif_edit *e, const void *data, size_t len, uint64_t off,
		 struct error **err)
{
	int r = fd_pwrite(e->fd, data, len, off);
	return r < 0 ? error_errno(err, -r, "write the image") : 0;
}

int sif_edit_settle(const struct sif_edit *e, struct error **err)
{
	return fdatasync(e->fd) < 0 ? error_errno(err, errno, "write the image") : 0;
}

uint64_t sif_edit_slot_off(const struct sif_edit *e, size_t slot)
{
	return e->sif->descriptors_off + slot * SIF_DESCRIPTOR_LEN;
}

int sif_edit_mark(const struct sif_edit *e, size_t slot, uint8_t used, struct error **err)
{
	if (sif_edit_put(e, &used, 1, sif_edit_slot_off(e, slot) + SIF_SLOT_USED_OFF, err) < 0)
		return -1;
	return sif_edit_settle(e, err);
}

int sif_edit_wipe(const struct sif_edit *e, uint64_t off, uint64_t len, struct error **err)
{
	static const uint8_t zeros[ZEROS];
	for (uint64_t done = 0; done < len;) {
		size_t step = len - done < sizeof(zeros) ? (size_t)(len - done) : sizeof(zeros);
		if (sif_edit_put(e, zeros, step, off + done, err) < 0)
			return -1;
		done += step;
	}
	return 0;
}

int sif_edit_erase(const struct sif_edit *e, uint64_t off, uint64_t len, struct error **err)
{
	return sif_edit_wipe(e, off, len, err) < 0 ? -1 : sif_edit_settle(e, err);
}

/* ------------------------------------------------------------------ places */

uint64_t sif_table_len(const struct sif *s)
{
	return (uint64_t)s->descriptors_total * SIF_DESCRIPTOR_LEN;
}

static bool overlap(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
	return a < b + b_len && b < a + a_len;
}

bool sif_is_free(const struct sif *s, uint64_t off, uint64_t len)
{
	if (overlap(off, len, 0, SIF_HEADER_LEN) ||
	    overlap(off, len, s->descriptors_off, sif_table_len(s)))
		return false;
	for (size_t i = 0; i < s->count; i++)
		if (overlap(off, len, s->descriptors[i].off, s->descriptors[i].len))
			return false;
	return true;
}

uint64_t sif_data_end(const struct sif *s)
{
	uint64_t end = s->data_off;
	for (size_t i = 0; i < s->count; i++) {
		uint64_t own = s->descriptors[i].off + s->descriptors[i].len;
		end = own > end ? own : end;
	}
	return end;
}

static bool has_group(const struct sif *s, sif_keeps *keeps, const void *context, uint32_t group)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct sif_descriptor *d = &s->descriptors[i];
		if ((d->group == group || (d->link_is_group && d->link == group)) &&
		    (!keeps || keeps(context, d)))
			return true;
	}
	return false;
}

uint32_t sif_free_group(const struct sif *s, sif_keeps *keeps, const void *context)
{
	/* Each object takes two at most, so that one is found long before they end. */
	uint32_t group = SIF_KEY_OBJECT_GROUP;
	while (has_group(s, keeps, context, group))
		group++;
	return group;
}

int sif_find_slot(const struct sif *s, size_t *ret, struct error **err)
{
	size_t total = (size_t)s->descriptors_total;
	CLEANUP_BUFFER struct buffer used = { 0 };
	char *marks = buffer_reserve(&used, total, err);
	if (!marks)
		return -1;
	memset(marks, 0, total);
	for (size_t i = 0; i < s->count; i++)
		marks[s->descriptors[i].slot] = 1;
	for (size_t i = 0; i < total; i++) {
		if (marks[i] || sif_by_id(s, (uint32_t)i + 1))
			continue;
		*ret = i;
		return 0;
	}
	return sif_table_full(err);
}

/* ------------------------------------------------------------------ what was left */

/* A free slot that still names a key object: the object goes, and then the slot's text. */
static int sweep_slot(const struct sif_edit *e, const uint8_t *slot, size_t i, struct error **err)
{
	struct bytes b = bytes_of(slot, SIF_DESCRIPTOR_LEN);
	char name[SIF_NAME_LEN + 1] = "";
	bool names_generic = bytes_le32(&b) == SIF_GENERIC, used = bytes_u8(&b) != 0;
	bytes_skip(&b, 3 * sizeof(uint32_t));
	uint64_t off = bytes_le64(&b), len = bytes_le64(&b);
	bytes_skip(&b, 5 * sizeof(uint64_t));
	bytes_copy(&b, name, SIF_NAME_LEN);
	if (used || !names_generic || strcmp(name, SIF_KEY_OBJECT_NAME) != 0)
		return 0;
	/* A longer one is none of ours, but a stranger's wish to have the disk filled. */
	if (len <= SIF_KEY_OBJECT_MAX && range_within(off, len, e->file->size) &&
	    off >= e->sif->data_off && sif_is_free(e->sif, off, len) &&
	    sif_edit_erase(e, off, len, err) < 0)
		return -1;
	return sif_edit_wipe(e, sif_edit_slot_off(e, i), SIF_DESCRIPTOR_LEN, err);
}

int sif_edit_sweep(const struct sif_edit *e, struct error **err)
{
	CLEANUP_BUFFER struct buffer raw = { 0 };
	size_t len = (size_t)sif_table_len(e->sif);
	char *table = buffer_reserve(&raw, len, err);
	if (!table || source_read(e->file, table, len, e->sif->descriptors_off, err) < 0)
		return -1;
	for (size_t i = 0; i < (size_t)e->sif->descriptors_total; i++)
		if (sweep_slot(e, (const uint8_t *)table + i * SIF_DESCRIPTOR_LEN, i, err) < 0)
			return -1;
	return 0;
}

/* ------------------------------------------------------------------ the header */

int64_t sif_edit_time(const struct sif *s, int64_t now)
{
	static const uint8_t nil[sizeof(s->uuid)];
	return !memcmp(s->uuid, nil, sizeof(nil)) && s->created == SIF_ZERO_TIME &&
			       s->modified == SIF_ZERO_TIME
		       ? SIF_ZERO_TIME
		       : now;
}

int sif_edit_header(const struct sif_edit *e, const struct sif_edit_counts *counts,
		    struct error **err)
{
	uint8_t raw[SIF_HEADER_LEN];
	if (source_read(e->file, raw, sizeof(raw), 0, err) < 0)
		return -1;
	if (counts->arch)
		memcpy(raw + HEADER_ARCH_OFF, counts->arch, 3);
	bytes_put_le(raw + 72, (uint64_t)counts->time, 8);
	bytes_put_le(raw + 80, counts->free, 8);
	bytes_put_le(raw + 120, counts->data_len, 8);
	/* Within one sector: all of it or nothing. */
	return sif_edit_put(e, raw + HEADER_ARCH_OFF, sizeof(raw) - HEADER_ARCH_OFF,
			    HEADER_ARCH_OFF, err);
}
