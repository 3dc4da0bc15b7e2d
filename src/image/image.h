/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_IMAGE_IMAGE_H
#define COFFER_IMAGE_IMAGE_H

#include "io/io.h"
#include "key/key.h"
#include "seal/seal.h"
#include "sif/sif.h"
#include "squash/squash.h"

/*
 * The door of image/: open.c is the whole road from a file to a readable tree, pack.c the whole
 * road back. Start reading there.
 */

enum image_kind {
	IMAGE_SANDBOX,	 /* a directory */
	IMAGE_SQUASHFS,	 /* a bare squashfs file */
	IMAGE_SIF,	 /* a SIF with a plain squashfs */
	IMAGE_LUKS2,	 /* a SIF with an "Encrypted squashfs" partition */
	IMAGE_GOCRYPTFS, /* a SIF with a "Gocryptfs squashfs" partition */
};

struct image {
	enum image_kind kind;
	char *path;	     /* absolute, as given (links not resolved); owned */
	int directory;	     /* IMAGE_SANDBOX: O_PATH descriptor; else -1 */
	int fd;		     /* the file, also held by `file`; -1 for a sandbox */
	struct source *file; /* the whole file; NULL for a sandbox */
	struct sif *sif;     /* NULL unless a SIF */
	const struct sif_descriptor *partition; /* the primary one; borrowed from sif */
	uint64_t before; /* IMAGE_SQUASHFS: bytes of the launch line that stands before it */
};

/* As many of a file's first bytes tell what it is: runtime.md 2. */
#define IMAGE_HEAD_LEN 2048
struct image_probe {
	bool known;	      /* one of the kinds below; not whether it is a good one */
	enum image_kind kind; /* IMAGE_SQUASHFS, or IMAGE_SIF for all kinds of SIF */
	uint64_t off;	      /* where a squashfs begins */
	/* Not known: what it is ("a web page", "empty"), and what to do then; or NULL. Static. */
	const char *what, *advice;
	bool definition; /* not known, but what build takes */
};
/* What a file is by its first bytes, at most IMAGE_HEAD_LEN of them. */
void image_probe(const void *bytes, size_t len, struct image_probe *ret);

/*
 * Opens the file, finds out what it is and vets what can be vetted without a key. The words of
 * the errors are Apptainer's (cli-messages.md 5.2): "could not open image ...". Images and trees
 * are one thread's at a time; the squash in a tree may be shared (squash/squash.h).
 */
int image_open(const char *path, struct image **ret, struct error **err);
/* Closes the file, frees *img, if any, and sets it to NULL. */
void image_free(struct image **img);
#define CLEANUP_IMAGE __attribute__((cleanup(image_free)))
/* Where its root file system lies in the file, sealed or not. Not for a sandbox. */
void image_extent(const struct image *img, uint64_t *ret_off, uint64_t *ret_len);
/* The seal of its root file system, or NULL when that lies there in clear. */
const struct seal *image_seal(const struct image *img);
/* Whether it takes a key. */
bool image_is_encrypted(const struct image *img);
/* ERROR_UNSUPPORTED when the image is for another kind of machine that cannot be run here. */
int image_check_architecture(const struct image *img, struct error **err);

/*
 * The secret that opens the seal of an encrypted image, from the user's key and the image's
 * wrapped key. For --mount=kernel, which unseals elsewhere.
 */
int image_open_secret(const struct image *img, const struct key *key, struct secret **ret,
		      struct error **err);

/* The opened tree of an image and the sources it stands on. */
struct image_tree {
	struct squash *squash;	  /* what callers use */
	struct source *partition; /* its bytes as they are in the file */
	struct source *payload;	  /* LUKS2, gocryptfs: its bytes in clear, which holds the key */
	struct squash *outer;	  /* gocryptfs: the file system in the partition */
	struct source *sealed;	  /* gocryptfs: the encrypted file in it */
};
/*
 * The rest of the road down. key: NULL for a plain image. ERROR_KEY_MISSING when it is encrypted
 * and there is none; ERROR_KEY_WRONG; ERROR_DAMAGED. `img` is borrowed and outlives *ret.
 */
int image_unseal(const struct image *img, const struct key *key,
		 const struct squash_options *options, struct image_tree **ret, struct error **err);
/* Wipes all keys in it. */
void image_tree_free(struct image_tree **tree);
#define CLEANUP_IMAGE_TREE __attribute__((cleanup(image_tree_free)))

struct image_json {
	const char *name; /* "inspect-metadata.json", ... */
	const char *text;
	size_t len;
};

/* What goes into a new SIF. All of it is borrowed. */
struct image_pack_plan {
	int root;		/* the tree: a directory descriptor */
	const char *definition; /* text of the Def.FILE object */
	size_t definition_len;
	const struct image_json *json; /* in ascending order of names */
	size_t json_count;
	const char *arch;      /* two digits: sif.md 5.3 */
	enum image_kind kind;  /* IMAGE_SIF, IMAGE_LUKS2 or IMAGE_GOCRYPTFS */
	const struct key *key; /* NULL for IMAGE_SIF */
	struct squash_write_options squash;
	struct sif_write_options sif;
};
/*
 * Loads the libraries that image_pack needs for such an image. A process that will enter another
 * root directory calls this first, since the libraries there are not the host's.
 */
int image_pack_load(enum image_kind kind, enum squash_codec codec, struct error **err);

/*
 * The whole road up: writes a complete SIF into out_fd, an empty regular file opened for reading
 * and writing. Each byte of the partition is sealed before it is written, at its final place.
 * Naming, syncing and permissions of the file are the caller's.
 */
int image_pack(const struct image_pack_plan *plan, int out_fd, struct error **err);

#endif
