/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_SIF_SIF_H
#define COFFER_SIF_SIF_H

#include <sys/types.h>

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
#define SIF_KEY_OBJECT_NAME "coffer-key.age"
#define SIF_KEY_OBJECT_MAX ((size_t)4 << 20)
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
	size_t slot; /* its place in the table, free ones counted */
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
/* the key object that is linked to a partition (docs/formats/key-object.md); */
const struct sif_descriptor *sif_key_object(const struct sif *s,
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
/* The number of a format of Apptainer's names, or 0: sif.md 5.5. */
int32_t sif_sbom_format(const char *name);
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
	bool bare;	    /* without a launch script: sif.md 11.5 */
};
/* `file` begins empty, is borrowed and outlives *ret. */
int sif_write_begin(struct sink *file, const struct sif_write_options *options,
		    struct sif_writer **ret, struct error **err);
/*
 * The same for a file that takes over what `keeps` says of another one, which is borrowed for the
 * call: copy.c. Where that is its primary partition, the bytes of it are left out, and the
 * partition that is written next takes its place and number. ERROR_DAMAGED where objects overlap.
 */
typedef bool sif_keeps(const void *context, const struct sif_descriptor *d);
int sif_write_begin_copy(struct sink *file, const struct sif *s, struct source *from,
			 sif_keeps *keeps, const void *context, int64_t time,
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
/*
 * The key object, linked to the partition and of a group of its own: whoever has signed the image's
 * group has not signed who may open it. An object of no group would make `apptainer verify` refuse
 * the image, whatever is signed.
 */
int sif_write_key_object(struct sif_writer *w, const void *data, size_t len, struct error **err);
/* Writes table and header: from here on the file is a SIF. It is not synced. */
int sif_write_finish(struct sif_writer *w, struct error **err);
/* Frees *w, if any, and sets it to NULL. What was not finished stays no SIF. */
void sif_writer_free(struct sif_writer **w);

/*
 * Changes a file in place, a regular one that is open for reading and writing: gives the primary
 * partition this key object instead of the one that it has, or none where len is 0. Whatever ends
 * it, the file has the old object or the new one: edit.c. now: seconds, for the times of it. Who
 * else may do so at the same time is the caller's to exclude. ERROR_NOT_FOUND without a primary
 * partition; ERROR_LIMIT without a free slot; those of sif_read.
 */
int sif_set_key_object(int fd, const void *data, size_t len, int64_t now, struct error **err);

/*
 * A file to be changed, open for reading and writing and locked: two commands that change it come
 * one after the other. *ret is the caller's to close, which unlocks it. ERROR_UNSUPPORTED for what
 * is no regular file.
 */
int sif_open_locked(const char *path, int *ret, struct error **err);

/* An object to be added: sif.md 11.6. */
struct sif_addition {
	int fd; /* its bytes, from the descriptor's position to the end; borrowed */
	enum sif_type type;
	uint32_t group; /* 0: none */
	uint32_t link;	/* as it is stored: SIF_GROUP_MASK in it for a group */
	const char *name;
	int64_t alignment;	      /* of its place in the file; up to 1: none */
	uint8_t extra[SIF_EXTRA_LEN]; /* sif.md 5; OCI's digests are added */
};
/* What extra holds: each sets all that the type has. arch: two digits. */
void sif_extra_partition(uint8_t extra[SIF_EXTRA_LEN], int32_t filesystem, int32_t partition,
			 const char *arch);
void sif_extra_signature(uint8_t extra[SIF_EXTRA_LEN], int32_t hash, const uint8_t entity[20]);
void sif_extra_sbom(uint8_t extra[SIF_EXTRA_LEN], int32_t format);

/*
 * Changes in place of a file that sif_open_locked has opened, as Apptainer makes them: objects.c.
 * Whatever ends one, the file is the old one or the new one. now: seconds, for its times. Besides
 * those of sif_read: ERROR_NOT_FOUND for a number that no object has; ERROR_LIMIT without a free
 * slot; ERROR_EXISTS for a second primary partition; ERROR_USAGE for what cannot be the primary
 * one.
 */
int sif_add_object(int fd, const struct sif_addition *a, int64_t now, struct error **err);
/* Its bytes stay in the file, but those of a key object. */
int sif_remove_object(int fd, uint32_t id, int64_t now, struct error **err);
int sif_set_primary(int fd, uint32_t id, int64_t now, struct error **err);

/* A new file without objects at path, with this mode less the umask; one that is there is replaced
 * in one step, and keeps its mode: sif.md 11.5. */
int sif_create(const char *path, mode_t mode, int64_t now, struct error **err);

/*
 * Signatures, made with a PEM key, of the objects of a group: sif.md 10. Which of them: all groups,
 * where neither is set.
 */
struct sif_selection {
	bool by_group, by_object;
	uint32_t group, object;
};
struct crypto_signer;
/* Adds one for each group, or for the group and the object. As sif_add_object; the words of its
 * errors are Apptainer's. */
int sif_sign(int fd, struct crypto_signer *key, const struct sif_selection *which, int64_t now,
	     struct error **err);
/* What has come of one signature; all is borrowed for the call. */
struct sif_verdict {
	const struct sif_descriptor *signature;
	const struct sif_descriptor *const *verified; /* whose digests are right */
	size_t verified_count;
	const char *error; /* or NULL */
};
typedef int sif_told(void *context, const struct sif_verdict *v, struct error **err);
/*
 * Looks at all signatures of what is selected, and tells of each; ends with the first that does not
 * hold. ERROR_KEY_WRONG for one that the key has not made, ERROR_DAMAGED for what it is not of any
 * more, ERROR_NOT_FOUND where there is none, ERROR_KEY_MISSING for one of PGP's.
 */
int sif_verify(struct source *file, const struct sif *s, struct crypto_signer *key,
	       const struct sif_selection *which, sif_told *told, void *context,
	       struct error **err);

#endif
