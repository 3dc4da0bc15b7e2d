/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_OCI_INTERNAL_H
#define COFFER_OCI_INTERNAL_H

#include <sys/stat.h>

#include "oci/format.h"
#include "oci/oci.h"

/* ------------------------------------------------------------------ blobs (blob.c) */

/* Opens a blob that has the size that is said: a descriptor, or -1 with *err. */
int oci_blob_open(int layout, const struct oci_blob *blob, struct error **err);
/* Appends a whole small blob, its digest verified. */
int oci_blob_read(int layout, const struct oci_blob *blob, struct buffer *ret, struct error **err);
/* "sha256:..." in words; others are ERROR_UNSUPPORTED. */
int oci_blob_parse_digest(const char *text, uint8_t ret[32], struct error **err);

/* ------------------------------------------------------------------ configuration (config.c) */

struct json_at;
/* Reads the whole configuration's object into an empty *ret, which is freed in any case. */
int oci_config_read(const struct json_at *root, struct oci_config *ret, struct error **err);
void oci_config_free(struct oci_config *c);

/* ------------------------------------------------------------------ content (stream.c) */

/* A layer as it is uncompressed, read once from its beginning. */
struct stream;
/* Takes the descriptor over, also on failure. *left, borrowed: bytes of content that may come. */
int oci_stream_open(int fd, const struct oci_layer *layer, uint64_t *left, struct stream **ret,
		    struct error **err);
/* Reads len bytes, less at the end of the content alone; *ret_len: how many. */
int oci_stream_read(struct stream *s, void *buf, size_t len, size_t *ret_len, struct error **err);
/* Reads what is left of content and file, and verifies both digests. */
int oci_stream_finish(struct stream *s, struct error **err);
void oci_stream_free(struct stream **s);
#define CLEANUP_STREAM __attribute__((cleanup(oci_stream_free)))

/* ------------------------------------------------------------------ entries (tar.c, pax.c) */

struct tar_piece { /* of a file with holes */
	uint64_t off, len;
};

struct tar_attribute {
	char *name;
	char *value; /* may hold any bytes */
	size_t len;
};

struct tar_entry {
	char type; /* '0' for every kind of regular file */
	char *path, *link;
	uint32_t mode; /* 07777 of it */
	uint64_t uid, gid;
	uint64_t size; /* of the file; its data in the archive may be less */
	uint64_t major, minor;
	struct timespec time;
	struct tar_attribute *attributes;
	size_t attribute_count, attribute_cap;
	bool sparse; /* the pieces are all there is, in order; what is between them is zeros */
	struct tar_piece *pieces;
	size_t piece_count, piece_cap;
};
void oci_tar_entry_free(struct tar_entry *e);

struct tar {
	struct stream *stream;	/* borrowed */
	uint64_t left, padding; /* of the entry's data */
	bool ended;
};
/* The next entry into an empty *ret: 1; or 0 at the end of the archive. What was left of the last
 * one's data is passed over. */
int oci_tar_next(struct tar *t, struct tar_entry *ret, struct error **err);
/* Reads exactly len bytes of the entry's data. */
int oci_tar_data(struct tar *t, void *buf, size_t len, struct error **err);

/* What an extended header says. */
struct pax {
	bool has_uid, has_gid, has_size, has_time, has_real;
	uint64_t uid, gid, size, real;
	struct timespec time;
	bool sparse, map_in_data; /* GNU's formats 0.0 and 0.1; 1.0 */
	uint64_t offset;	  /* 0.0: of the piece whose length follows */
	bool has_offset;
	struct tar_entry *entry; /* takes path, link, attributes and pieces */
	char *sparse_name;
};
int oci_pax_read(struct pax *p, const char *text, size_t len, struct error **err);
void oci_pax_free(struct pax *p);
int oci_tar_add_piece(struct tar_entry *e, uint64_t off, uint64_t len, struct error **err);

/* ------------------------------------------------------------------ attributes.c */

/* Owner, attributes, mode and time of what an entry has made; the current folder changes. */
int oci_entry_finish(const struct oci_rules *rules, int folder, const char *name,
		     const struct tar_entry *e, struct error **err);
void oci_entry_left_out(const struct oci_rules *rules, enum oci_left_out what, const char *name,
			const char *why);

/* ------------------------------------------------------------------ lower layers (lower.c) */

/* Which names of which folders this layer has made: whiteouts are for what was there before it. */
struct upper {
	uint64_t *slots;
	size_t count, cap; /* cap: a power of two */
	uint64_t seed;
};
int oci_upper_add(struct upper *u, ino_t folder, const char *name, struct error **err);
bool oci_upper_has(const struct upper *u, ino_t folder, const char *name);
void oci_upper_clear(struct upper *u);

/*
 * Removes `name`, or with NULL all that is in the folder, but for what `upper` has (NULL: all
 * goes). A folder with something of it stays. What is not there is no error.
 */
int oci_lower_remove(int folder, const char *name, const struct upper *upper, struct error **err);

#endif
