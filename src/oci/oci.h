/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_OCI_OCI_H
#define COFFER_OCI_OCI_H

#include "base/base.h"

/*
 * The door of oci/: an image in an OCI image layout, a folder that strangers made, to a root tree.
 * Facts: the OCI image specification 1.1 (image-layout, manifest, config, layer). Nothing of it is
 * believed: each blob is of the size and the SHA-256 that the one above it says, each layer's
 * content has the digest that the image's configuration says.
 */

/* ------------------------------------------------------------------ the layout (layout.c) */

/* Which image of several: `arch` is Go's name ("amd64"), `variant` its kind of that ("v7"). */
struct oci_wish {
	const char *arch;
	const char *variant; /* NULL: any */
	const char *digest;  /* "sha256:...", or NULL */
	const char *name;    /* of the annotation org.opencontainers.image.ref.name, or NULL */
};

struct oci_blob {
	uint8_t digest[32]; /* SHA-256 */
	uint64_t size;
};

struct oci_layer {
	struct oci_blob blob;
	uint8_t content[32]; /* SHA-256 of what it is uncompressed */
};

struct oci_pair {
	char *name, *value;
};

/* What of the image's configuration means something here. Texts have no NUL in them. */
struct oci_config {
	struct strings entrypoint, cmd, env; /* items may be empty texts */
	struct oci_pair *labels;	     /* in the order of the text */
	size_t label_count, label_cap;
	bool has_labels;    /* also when there are none in it */
	struct buffer json; /* the object `config` as Apptainer stores it: sif.md 8.3 */
};

struct oci_image {
	struct oci_layer *layers; /* the lowest first */
	size_t layer_count;
	struct oci_config config;
};

/*
 * Finds and reads an image of the layout that is this folder. ERROR_NOT_FOUND where it has none
 * that is wished for, ERROR_UNSUPPORTED for what coffer does not read. Owned by the caller.
 */
int oci_open(int layout, const struct oci_wish *wish, struct oci_image **ret, struct error **err);
void oci_free(struct oci_image **image);
#define CLEANUP_OCI_IMAGE __attribute__((cleanup(oci_free)))

/*
 * A file that is kept as an image is: the one layer of a manifest, when it is of that type (OCI
 * image specification 1.1, manifest, "Guidelines for Artifact Usage"). ERROR_UNSUPPORTED where it
 * is not.
 */
int oci_find_file(int layout, const struct oci_wish *wish, const char *type, struct oci_blob *ret,
		  struct error **err);
/* Opens a blob of any size and reads all of it: a descriptor of the caller's, at the end, or -1. */
int oci_blob_open_checked(int layout, const struct oci_blob *blob, struct error **err);

/* ------------------------------------------------------------------ layers (unpack.c) */

enum oci_left_out {
	OCI_LEFT_DEVICE,    /* not made */
	OCI_LEFT_OWNER,	    /* an id that there is not here: root's */
	OCI_LEFT_ATTRIBUTE, /* an extended attribute that the kernel refused */
};

/* Of the layers of one image together; 0: what format.h has. */
struct oci_limits {
	uint64_t entries;    /* and of folders that are made for them */
	uint64_t attributes; /* bytes */
	uint64_t bytes;	     /* of files, with their holes; and of the layers unpacked */
};

struct oci_rules {
	bool owners;  /* give files their owners; else all belong to this process */
	bool devices; /* make devices; else they are left out */
	/* Told of each thing that is left out; NULL: nobody is. */
	void (*left_out)(void *context, enum oci_left_out what, const char *path, const char *why);
	void *context;
	struct oci_limits limits;
};

/*
 * Layers on their way into a tree, which begins empty and is nobody else's. Every path is resolved
 * inside it by the kernel (base/path.h): nothing is read, made or changed anywhere else. The
 * current folder of the process changes, and its umask is to be 0.
 */
struct oci_unpacker;
int oci_unpacker_new(int root, const struct oci_rules *rules, struct oci_unpacker **ret,
		     struct error **err);
/* One layer, upon those before it. What there was stays half changed after an error. */
int oci_unpack_layer(struct oci_unpacker *u, int layout, const struct oci_layer *layer,
		     struct error **err);
void oci_unpacker_free(struct oci_unpacker **u);
#define CLEANUP_OCI_UNPACKER __attribute__((cleanup(oci_unpacker_free)))

/* The decompressors, for a process that enters another root directory. */
int oci_load(struct error **err);
/* The file of a blob in the layout: "blobs/sha256/..."; the text is the caller's. */
char *oci_blob_path(const struct oci_blob *blob, struct error **err);

/* ------------------------------------------------------------------ run-time facts (scripts.c) */

/* Appends /.singularity.d/runscript: spec deffile.md 4, OCI agents. */
int oci_put_runscript(const struct oci_config *config, struct buffer *ret, struct error **err);
/* Appends the script that sets the variables of Env: the same. */
int oci_put_environment(const struct oci_config *config, struct buffer *ret, struct error **err);

#endif
