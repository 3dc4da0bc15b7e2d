/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_IMAGE_IMAGE_H
#define COFFER_IMAGE_IMAGE_H

#include "config/config.h"
#include "io/io.h"
#include "key/key.h"
#include "seal/seal.h"
#include "sif/sif.h"
#include "squash/squash.h"

/*
 * The door of image/: open.c is the whole road from a file to a readable tree, pack.c the whole
 * road back. Start reading there. formats.c has the tables: formats, and what a SIF's numbers of
 * file systems mean.
 */

struct image;

/*
 * What the file is as a whole, one row each: formats.c. Which file systems lie in it, and whether
 * they are sealed, is told by its partitions, whatever the format.
 */
struct image_format {
	const char *name;	/* as the site's log has it: "sif" */
	const char *title;	/* as people have it: "a SIF" */
	const char *containers; /* Apptainer's words, when one that is not encrypted is refused */
	struct config_permission allowed; /* one that is not encrypted */
	bool folder;			  /* a tree as it lies there: no file and no partitions */
	/* Vets the frame and lists the partitions; NULL for a folder. off: where it begins. */
	int (*read)(struct image *img, uint64_t off, struct error **err);
};
extern const struct image_format image_sandbox;	 /* a directory */
extern const struct image_format image_squashfs; /* a bare squashfs file */
extern const struct image_format image_sif;
extern const struct image_format image_ext3; /* a bare ext2, ext3 or ext4: never a root of ours */

/* What a partition is for: sif.md 9.1. */
enum image_role {
	IMAGE_ROOT,    /* the container's root file system: one at most */
	IMAGE_OVERLAY, /* lies above the root of its image; one of another group is not listed */
	IMAGE_DATA,
};
/* What is in a partition, once it is unsealed. */
enum image_filesystem {
	IMAGE_SQUASHFS,
	IMAGE_EXT3,
	IMAGE_RAW,
};
struct image_partition {
	enum image_role role;
	enum image_filesystem filesystem;	 /* as the frame says it: nobody has looked */
	const struct seal *seal;		 /* or NULL: it lies there in clear */
	uint64_t off, len;			 /* vetted: within the file */
	const struct sif_descriptor *descriptor; /* NULL outside of a SIF; borrowed from it */
};

struct image {
	const struct image_format *format;
	char *path;	     /* absolute, as given (links not resolved); owned */
	int directory;	     /* of a folder: O_PATH descriptor; else -1 */
	int fd;		     /* the file, also held by `file`; -1 for a folder */
	struct source *file; /* the whole file; NULL for a folder */
	struct sif *sif;     /* NULL unless a SIF */
	/* The root first, then overlays and data in the order of the file. None for a folder. */
	struct image_partition *partitions;
	size_t partition_count;
	const struct image_partition *root; /* the first of them: squashfs; NULL for a folder */
	bool beside;			    /* by image_open_beside */
};

/* As many of a file's first bytes tell what it is: runtime.md 2. */
#define IMAGE_HEAD_LEN 2048
struct image_probe {
	/* A file's, or NULL: not known. Not whether it is a good one. */
	const struct image_format *format;
	uint64_t off; /* where a squashfs begins: a launch line may stand before it */
	/* Not known, or known and no root of a container: what it is ("a web page", "empty"), and
	 * what to do then; or NULL. Static. */
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
/*
 * The same for one that shall lie above another image or be bound into it (runtime.md 9 and 10.1):
 * a file, which need not have a root, and whose partitions may be of any file system. All those of
 * a SIF that are a root, an overlay or data are listed; `root` is NULL unless it is squashfs.
 */
int image_open_beside(const char *path, struct image **ret, struct error **err);
/* Closes the file, frees *img, if any, and sets it to NULL. */
void image_free(struct image **img);
#define CLEANUP_IMAGE __attribute__((cleanup(image_free)))
/* Whether it is a tree as it lies there, not a file. */
static inline bool image_is_folder(const struct image *img)
{
	return img->format->folder;
}
/* What is open of it: the file, or the folder by its O_PATH descriptor. */
static inline int image_descriptor(const struct image *img)
{
	return image_is_folder(img) ? img->directory : img->fd;
}
/* The seal of its root file system, or NULL when that lies there in clear. */
static inline const struct seal *image_seal(const struct image *img)
{
	return img->root ? img->root->seal : NULL;
}
/* Whether it takes a key. */
static inline bool image_is_encrypted(const struct image *img)
{
	return image_seal(img) != NULL;
}
/* The root's own wrapped key, borrowed; or NULL, where the seal takes a passphrase. */
const struct sif_descriptor *image_wrapped_key(const struct image *img);
/* Appends what it is: "a SIF with an encrypted squashfs (LUKS2)". */
int image_describe(const struct image *img, struct buffer *ret, struct error **err);
/* ERROR_UNSUPPORTED when the image is for another kind of machine that cannot be run here. */
int image_check_architecture(const struct image *img, struct error **err);

/*
 * The secret that opens the seal of an encrypted image, from the user's passphrase or RSA key and
 * the image's wrapped key.
 */
int image_open_secret(const struct image *img, const struct key *key, struct secret **ret,
		      struct error **err);

/*
 * What the user's key gives: the volume key, where it is an identity that the image's key object
 * was written for (object.c), or else the secret. For --mount=kernel, which unseals elsewhere.
 */
struct image_opener {
	struct secret *secret;			      /* or NULL */
	struct secret *volume_key;		      /* or NULL */
	char seal[16], volume_id[SEAL_VOLUME_ID_MAX]; /* of whose volume it says that it is */
};
void image_opener_done(struct image_opener *o);
#define CLEANUP_IMAGE_OPENER __attribute__((cleanup(image_opener_done)))
int image_find_opener(const struct image *img, const struct key *key, struct image_opener *ret,
		      struct error **err);
/* The volume key, a new secret. ERROR_KEY_WRONG; ERROR_DAMAGED when the key object is that of
 * another image. */
int image_unlock(const struct image_opener *o, const struct seal_volume *volume,
		 struct secret **ret, struct error **err);

/* Whether the image has a key object, and so may be opened by an identity. */
bool image_has_key_object(const struct image *img);
/* Appends a line for each recipient that it names: key_list_object. ERROR_NOT_FOUND. */
int image_list_recipients(const struct image *img, struct buffer *ret, struct error **err);

struct metadata_asked; /* tree/metadata.h */
/*
 * Appends what it says about itself, as the JSON of its inspect metadata: sif.md 8.3. No key is
 * asked for, and nothing of the image is run. *ret_repeated: it stands in the SIF so; else the tree
 * was read as metadata_show does it.
 */
int image_metadata(const struct image *img, const struct metadata_asked *asked, struct buffer *ret,
		   bool *ret_repeated, struct error **err);
/* Whom the key object is for, as key_for_recipients has them: lines, added to *ret. Needs one of
 * their identities. ERROR_NOT_FOUND; those of image_unseal. */
int image_name_recipients(const struct image *img, const struct key *key, struct strings *ret,
			  struct error **err);
/* What is to be changed of them. All of it is borrowed. */
struct image_recipients_change {
	bool remove;		 /* those named; else they are added */
	const struct key *key;	 /* opens the image */
	const struct key *named; /* to build with: recipients */
	int64_t now;		 /* seconds */
};
struct image_recipients_changed {
	size_t changed;		 /* how many were added or removed */
	size_t left;		 /* how many there are now */
	uint32_t unsigned_group; /* 0, or that of the object, over which there is a signature */
	bool otherwise; /* whether a passphrase or an RSA key in Apptainer's way opens it, too */
};
/*
 * Changes the file in place, wholly or not at all, whatever ends it; two at once wait for each
 * other. Who is named and is one already is no error; to remove who is none is ERROR_NOT_FOUND,
 * and to remove the last one where nothing else opens the image ERROR_USAGE.
 */
int image_change_recipients(const char *path, const struct image_recipients_change *wish,
			    struct image_recipients_changed *ret, struct error **err);

/* A new ext3 file system to be laid over an image. */
struct image_ext3_wish {
	uint64_t len;		/* in bytes */
	bool sparse;		/* the file may have holes where nothing is yet */
	bool as_root;		/* of containers with --fakeroot: not its maker, but root owns it */
	struct strings folders; /* that it begins with, below what it changes; none goes up */
};
/*
 * Makes the open file, empty so far, one: ext3.c. path: how messages name it. Starts mkfs.ext3,
 * which writes to standard error what it does not like. ERROR_NOT_FOUND where it is not there.
 */
int image_make_ext3(int fd, const char *path, const struct image_ext3_wish *wish,
		    struct error **err);

/* Another passphrase in the place of one. All of it is borrowed. */
struct image_passphrase_change {
	const struct key *old;	      /* opens the image */
	const struct key *passphrase; /* to build with; may be the old one, for another cost */
	struct seal_cost cost;
};
/*
 * Whether image_change_passphrase may be let loose on the image itself: whatever ends it, one of
 * the passphrases opens it then. Else it needs a copy that takes the image's place afterwards.
 */
bool image_passphrase_in_place(const struct image *img);
/* The signatures over what is changed, the partition or its group: they do not hold any more. */
size_t image_passphrase_signatures(const struct image *img);
/*
 * fd is the encrypted image itself, or else an empty file, which becomes a changed copy of it when
 * nothing but the writing can fail any more: a regular file open for reading and writing, which
 * nobody else changes meanwhile. *ret_ways: how many secrets unlock it. ERROR_KEY_WRONG;
 * ERROR_USAGE for keys that are no passphrases, and for a cost that the seal cannot have; those of
 * seal.h, change.
 */
int image_change_passphrase(const struct image *img, int fd,
			    const struct image_passphrase_change *wish, unsigned *ret_ways,
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
/* The tree of a partition that is squashfs and lies there in clear. */
int image_open_partition(const struct image *img, const struct image_partition *part,
			 const struct squash_options *options, struct image_tree **ret,
			 struct error **err);
/* Wipes all keys in it. */
void image_tree_free(struct image_tree **tree);
#define CLEANUP_IMAGE_TREE __attribute__((cleanup(image_tree_free)))

/*
 * The inode that a path of the tree leads to, links followed, its last name included: 1; 0 when
 * there is none; -1.
 */
int image_find(struct squash *sq, const char *path, struct squash_inode *ret, struct error **err);

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
	const char *arch;	 /* two digits: sif.md 5.3 */
	const struct seal *seal; /* or NULL: in clear */
	const struct key *key;	 /* with a seal */
	struct squash_write_options squash;
	struct sif_write_options sif;
};
/*
 * Loads the libraries that image_pack needs for such an image. A process that will enter another
 * root directory calls this first, since the libraries there are not the host's.
 */
int image_pack_load(const struct seal *seal, enum squash_codec codec, struct error **err);

/*
 * The whole road up: writes a complete SIF into out_fd, an empty regular file opened for reading
 * and writing. Each byte of the partition is sealed before it is written, at its final place.
 * Naming, syncing and permissions of the file are the caller's.
 */
int image_pack(const struct image_pack_plan *plan, int out_fd, struct error **err);

/* What becomes of an image that is there: convert.c. All of it is borrowed. */
struct image_convert_plan {
	const struct image *from; /* with a root file system, no folder */
	const struct key *key;	  /* opens it; NULL where it lies there in clear */
	const struct seal *seal;  /* of the new image, or NULL: in clear */
	const struct key *named;  /* with a seal: to build with; NULL: whoever opens it now */
	int64_t time;		  /* seconds; of what is new */
};
struct image_converted {
	size_t signatures; /* left out, as they would not hold any more */
	size_t recipients; /* that the new image has */
};
/*
 * Writes the image anew into out_fd, as image_pack does: the same squashfs, byte for byte, under
 * another seal, a new volume key, or none. What else is in the SIF is kept. Nothing in clear is
 * written but without a seal. Where `named` is NULL and whoever opens the image now cannot all be
 * found out, ERROR_KEY_MISSING tells who is to be named again. ERROR_USAGE where a seal would leave
 * another file system of the SIF in clear; those of image_unseal.
 */
int image_convert(const struct image_convert_plan *plan, int out_fd, struct image_converted *ret,
		  struct error **err);

#endif
