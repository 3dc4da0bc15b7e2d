/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_SIF_INTERNAL_H
#define COFFER_SIF_INTERNAL_H

#include "sif/format.h"
#include "sif/sif.h"

/* write.c: a used slot for d, whose two times are `time`. to: SIF_DESCRIPTOR_LEN bytes of zeros. */
void sif_put_descriptor(const struct sif_descriptor *d, int64_t time, uint8_t *to);

/* A file that is being written: write.c, and copy.c for what is taken over from another one. */
struct sif_writer {
	struct sink *file; /* borrowed */
	struct sif_write_options options;
	char launch[SIF_LAUNCH_LEN + 1];
	uint8_t uuid[16];
	int64_t created;
	uint8_t *table; /* as it will be in the file; slots that are free are zeros */
	size_t total;	/* of its slots */
	uint64_t data_off;
	uint64_t end;		   /* where the last object ends */
	uint32_t group, key_group; /* of new objects, and of the key object */
	uint64_t partition_off;	   /* of the partition begun; 0: none */
	uint32_t partition_id;	   /* of the one ended, or kept */
	uint8_t *primary;	   /* the slot of a primary partition that was kept, or NULL */
	char arch[4];		   /* of the primary partition */
};
/* write.c: an empty one, whose header's fields are the caller's to fill. */
int sif_writer_new(struct sink *file, const struct sif_write_options *options, size_t slots,
		   struct sif_writer **ret, struct error **err);
/* write.c: ERROR_LIMIT, and what helps. */
int sif_table_full(struct error **err);
/* write.c: of new objects. */
int64_t sif_write_time(const struct sif_writer *w);
static inline uint8_t *sif_writer_slot(const struct sif_writer *w, size_t i)
{
	return w->table + i * SIF_DESCRIPTOR_LEN;
}
/* Where a partition may begin, from off on. */
static inline uint64_t sif_align(uint64_t off)
{
	return (off + SIF_ALIGNMENT - 1) / SIF_ALIGNMENT * SIF_ALIGNMENT;
}
/* copy.c: what the new partition changes in the slot that was kept for it. Returns 0. */
int sif_write_primary(struct sif_writer *w, enum sif_filesystem filesystem, uint64_t len);

/* read.c: whether d is a key object of this partition; of several the first counts. */
bool sif_is_key_object(const struct sif_descriptor *d, const struct sif_descriptor *partition);

/* names.c: Apptainer's word for the format of an SBOM object. */
const char *sif_sbom_name(int32_t format);

/* change.c: a file that is changed in place. */
struct sif_edit {
	int fd;		     /* borrowed */
	struct source *file; /* of the same, as long as it is now */
	struct sif *sif;
};
#define CLEANUP_SIF_EDIT __attribute__((cleanup(sif_edit_done)))
void sif_edit_done(struct sif_edit *e);
/* The file as it is now; once more after each change. */
int sif_edit_load(struct sif_edit *e, struct error **err);
/* Writes; what was written lasts once it has settled. */
int sif_edit_put(const struct sif_edit *e, const void *data, size_t len, uint64_t off,
		 struct error **err);
int sif_edit_wipe(const struct sif_edit *e, uint64_t off, uint64_t len, struct error **err);
/* A key object's bytes, before the slot that names them may go: wiped, and settled. */
int sif_edit_erase(const struct sif_edit *e, uint64_t off, uint64_t len, struct error **err);
int sif_edit_settle(const struct sif_edit *e, struct error **err);
/* A slot marked as used (1) or free (0), one byte, and settled. */
int sif_edit_mark(const struct sif_edit *e, size_t slot, uint8_t used, struct error **err);
uint64_t sif_edit_slot_off(const struct sif_edit *e, size_t slot);
/* What a change that was cut off has left of key objects: each that a free slot still names is
 * wiped, and then the slot. */
int sif_edit_sweep(const struct sif_edit *e, struct error **err);
/* The fields of the header that a change changes; arch: three bytes, or NULL for the old one. */
struct sif_edit_counts {
	int64_t time;
	size_t free;	   /* slots after the change */
	uint64_t data_len; /* sif.md 6 */
	const char *arch;
};
int sif_edit_header(const struct sif_edit *e, const struct sif_edit_counts *counts,
		    struct error **err);
/* now, or no time in a file that was made without times (sif.md 7). */
int64_t sif_edit_time(const struct sif *s, int64_t now);
uint64_t sif_table_len(const struct sif *s);
/* Whether nothing lies there that a reader looks at. */
bool sif_is_free(const struct sif *s, uint64_t off, uint64_t len);
/* The end of the last object, where the next one would go: sif.md 6. */
uint64_t sif_data_end(const struct sif *s);
/* The lowest group, from that of key objects on, that no object has and no signature is of; keeps:
 * of those that it names alone, or NULL for all. */
uint32_t sif_free_group(const struct sif *s, sif_keeps *keeps, const void *context);
/* A slot that is free, and whose number no object has. */
int sif_find_slot(const struct sif *s, size_t *ret, struct error **err);

#endif
