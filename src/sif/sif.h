/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_SIF_SIF_H
#define COFFER_SIF_SIF_H

#include "io/io.h"

/*
 * The door of sif/: the file, its header and its descriptors. Format: spec sif.md.
 */

enum sif_type {
	SIF_DEFFILE = 0x4001,
	SIF_ENVIRONMENT = 0x4002,
	SIF_LABELS = 0x4003,
	SIF_PARTITION = 0x4004,
	SIF_SIGNATURE = 0x4005,
	SIF_JSON = 0x4006,
	SIF_GENERIC = 0x4007,
	SIF_CRYPT_MESSAGE = 0x4008,
	SIF_SBOM = 0x4009,
	SIF_OCI_INDEX = 0x400A,
	SIF_OCI_BLOB = 0x400B,
};

enum sif_filesystem {
	SIF_SQUASHFS = 1,
	SIF_EXT3 = 2,
	SIF_ARCHIVE = 3,
	SIF_RAW = 4,
	SIF_ENCRYPTED_SQUASHFS = 5, /* LUKS2 */
	SIF_GOCRYPTFS_SQUASHFS = 6,
};

enum sif_partition {
	SIF_SYSTEM = 1,
	SIF_PRIMARY = 2,
	SIF_DATA = 3,
	SIF_OVERLAY = 4,
};

#define SIF_NAME_LEN 128
#define SIF_EXTRA_LEN 384
#define SIF_LAUNCH_LEN 32
#define SIF_LAUNCH_SCRIPT "#!/usr/bin/env run-singularity\n"
#define SIF_ALIGNMENT 4096 /* of partitions */

struct sif_descriptor {
	int32_t type; /* enum sif_type, or anything */
	uint32_t id;
	uint32_t group; /* 0: none */
	uint32_t link;	/* 0: none */
	bool link_is_group;
	uint64_t off, len, len_padded; /* off and len are vetted: they lie within the file */
	int64_t created, modified;     /* seconds */
	char name[SIF_NAME_LEN + 1];
	uint8_t extra[SIF_EXTRA_LEN];
	/* decoded from extra, for partitions and crypto messages; 0 elsewhere */
	int32_t filesystem, partition;
	char arch[4]; /* two digits */
	int32_t message_format, message_kind;
};

struct sif {
	char launch[SIF_LAUNCH_LEN + 1];
	char version[3];
	char arch[4];
	uint8_t uuid[16];
	int64_t created, modified;
	int64_t descriptors_free, descriptors_total;
	uint64_t descriptors_off, descriptors_len, data_off, data_len;
	struct sif_descriptor *descriptors; /* the used ones, in slot order */
	size_t count;
};

/* True when the first bytes look like a SIF: sif.md 9.1. len: up to 2048 bytes are looked at. */
bool sif_probe(const void *head, size_t len);

/*
 * Reads and vets header and descriptors; nothing of the objects. `file` is borrowed for the call
 * alone. What holds of *ret is at the head of read.c. ERROR_DAMAGED, ERROR_UNSUPPORTED (another
 * version), ERROR_IO. *ret does not change any more: threads may share it.
 */
int sif_read(struct source *file, struct sif **ret, struct error **err);
/* Frees *s, if any, and sets it to NULL; descriptors got from it are gone then. */
void sif_free(struct sif **s);
#define CLEANUP_SIF __attribute__((cleanup(sif_free)))

/* SHA-256 of the global header and of all slots of the table, used or not, as they are in the file.
 */
int sif_digest(const struct sif *s, struct source *file, uint8_t ret[32], struct error **err);

/* The first descriptor that fits, borrowed from *s, or NULL: the one with an id; */
const struct sif_descriptor *sif_by_id(const struct sif *s, uint32_t id);
/* the primary system partition; */
const struct sif_descriptor *sif_primary(const struct sif *s);
/* the PEM/RSA-OAEP message that is linked to a partition; */
const struct sif_descriptor *sif_crypt_message(const struct sif *s,
					       const struct sif_descriptor *partition);
/* the object of a type and, unless NULL, a name. */
const struct sif_descriptor *sif_find(const struct sif *s, enum sif_type type, const char *name);
/* Appends an object's bytes; more than limit is ERROR_LIMIT. */
int sif_object(struct source *file, const struct sif_descriptor *d, size_t limit,
	       struct buffer *ret, struct error **err);

/* Apptainer's words: "FS", "Squashfs", "*System", "amd64", ... ("Unknown", "unknown" where none).
 */
const char *sif_type_name(int32_t type);
const char *sif_filesystem_name(int32_t filesystem);
const char *sif_partition_name(int32_t partition);
const char *sif_arch_name(const char *code);
/* The code of the machine we run on. */
const char *sif_arch_native(void);

/* Appends what `sif list`, `sif header` and `sif info` print, to the byte: sif.md 11.1 to 11.3. */
int sif_print_list(const struct sif *s, struct buffer *ret, struct error **err);
int sif_print_header(const struct sif *s, struct buffer *ret, struct error **err);
int sif_print_info(const struct sif_descriptor *d, struct buffer *ret, struct error **err);

/*
 * Writing a new file, in Apptainer's order and layout. The magic is written last, by
 * sif_write_finish, so an interrupted file is none.
 */
struct sif_writer;
struct sif_write_options {
	int64_t time;	    /* of all objects */
	bool deterministic; /* nil UUID, no times: sif.md 7 */
};
/* `file` begins empty, is borrowed and outlives *ret. */
int sif_write_begin(struct sink *file, const struct sif_write_options *options,
		    struct sif_writer **ret, struct error **err);
/* Adds an object of group 1 whose bytes are at hand. */
int sif_write_object(struct sif_writer *w, enum sif_type type, const char *name, const void *data,
		     size_t len, struct error **err);
/* Where the bytes of the next partition begin (absolute, aligned): the caller writes them there. */
int sif_write_partition_begin(struct sif_writer *w, uint64_t *ret_off, struct error **err);
/* Their length, once written; the partition becomes the primary one. arch: two digits. */
int sif_write_partition_end(struct sif_writer *w, enum sif_filesystem filesystem, const char *arch,
			    uint64_t len, struct error **err);
/* The wrapped key, linked to the partition just ended. */
int sif_write_crypt_message(struct sif_writer *w, const void *pem, size_t len, struct error **err);
/* Writes table and header: from here on the file is a SIF. It is not synced. */
int sif_write_finish(struct sif_writer *w, struct error **err);
/* Frees *w, if any, and sets it to NULL. What was not finished stays no SIF. */
void sif_writer_free(struct sif_writer **w);

#endif
