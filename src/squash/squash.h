/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_SQUASH_SQUASH_H
#define COFFER_SQUASH_SQUASH_H

#include <sys/stat.h>

#include "io/io.h"

/*
 * The door of squash/: squashfs 4.0 read by our own code (it is the hot path and the attack
 * surface) and written by libsquashfs. Format: spec encryption.md, section 7, and
 * docs/formats/squashfs.md.
 */

/* ------------------------------------------------------------------ reading */

/*
 * An opened file system. It does not change after squash_open but for its caches, and every call
 * below may be made by several threads at once.
 */
struct squash;

struct squash_options {
	size_t cache_bytes; /* bound of decoded data blocks kept; 0: the default
			       (SQUASH_CACHE_DEFAULT) */
};
#define SQUASH_CACHE_DEFAULT ((size_t)14 << 20)

/*
 * Vets the superblock and the tables. `source` is borrowed and outlives *ret. options may be NULL.
 * ERROR_DAMAGED, ERROR_UNSUPPORTED (another version or compressor), ERROR_LIMIT (counts over those
 * of format.h), ERROR_SYSTEM (the compressor's library is missing).
 */
int squash_open(struct source *source, const struct squash_options *options, struct squash **ret,
		struct error **err);
/* Frees *sq, if any, and sets it to NULL. No other thread may be in it. */
void squash_free(struct squash **sq);
#define CLEANUP_SQUASH __attribute__((cleanup(squash_free)))

/* Bytes of the source that the file system uses (the superblock's bytes_used). */
uint64_t squash_bytes_used(const struct squash *sq);
/* How many inodes the superblock says there are, which the table has room for. */
uint64_t squash_inode_count(const struct squash *sq);
/* False: no file has an extended attribute, as the image has no table of them. */
bool squash_has_xattrs(const struct squash *sq);

/*
 * Where an inode is: position of its metadata block and offset in it, 48 bits. The name under
 * which files are known to callers; any value is safe to pass, a wrong one gives an error.
 */
typedef uint64_t squash_ref;
/* The root directory, which squash_open has found to be one. */
squash_ref squash_root(const struct squash *sq);

/* An inode, decoded and vetted. Plain data: copy it freely, nothing to free. */
struct squash_inode {
	squash_ref ref;
	uint32_t number; /* st_ino */
	uint32_t mode;	 /* S_IFMT and permission bits */
	uint32_t uid, gid;
	uint32_t mtime;
	uint32_t links;
	uint32_t device; /* as the file holds it: Linux' new encoding */
	uint32_t xattr;	 /* index or UINT32_MAX */
	uint64_t size;	 /* bytes: of a file, of a link's target; of a directory's listing */
	/* The rest is for squash/ itself. */
	uint64_t start;	    /* first data block, or the directory's listing block */
	uint64_t blocks_at; /* what follows the inode: block sizes, a target, a directory's index */
	uint32_t fragment;  /* index or UINT32_MAX */
	uint32_t offset;    /* in the fragment, or in the listing block */
	uint32_t parent;    /* directories: inode number of the parent */
	uint32_t index_count; /* directories: entries of the index */
};
/* Reads and vets the inode at ref; ERROR_DAMAGED when there is none that could be one. */
int squash_inode(struct squash *sq, squash_ref ref, struct squash_inode *ret, struct error **err);

/* Finds a name (len bytes, no NUL needed). ERROR_NOT_FOUND when it is not there. */
int squash_lookup(struct squash *sq, const struct squash_inode *dir, const char *name, size_t len,
		  squash_ref *ret, struct error **err);

struct squash_dirent {
	const char *name; /* len bytes, no NUL; valid until the next call */
	size_t len;
	squash_ref ref;
	uint32_t number;
	uint32_t type; /* S_IFMT bits */
};
/*
 * Reads a directory without "." and "..". It calls `each` for one entry after another, until `each`
 * returns non-zero or the listing ends. A position is 0 to begin with, and opaque; next_position
 * may be kept to go on behind that entry later. An entry for which `each` returned non-zero counts
 * as not yet passed. Any position is safe to give. Returns 0 or -1.
 */
typedef int (*squash_each)(void *context, const struct squash_dirent *entry,
			   uint64_t next_position);
int squash_readdir(struct squash *sq, const struct squash_inode *dir, uint64_t position,
		   squash_each each, void *context, struct error **err);

/* The target of a link: exactly inode->size bytes, no NUL; cap must be at least that. */
int squash_readlink(struct squash *sq, const struct squash_inode *inode, char *buf, size_t cap,
		    struct error **err);

/*
 * Reads up to len bytes of a file's data at off; returns how many (0 at the end), or -1. Decoded
 * blocks are cached.
 */
ssize_t squash_read(struct squash *sq, const struct squash_inode *inode, void *buf, size_t len,
		    uint64_t off, struct error **err);

/*
 * Read-ahead: after a read of len bytes at off has been answered, its thread may decode what is
 * likely to be asked for next, if reads go forward through the image. It takes no longer than a few
 * blocks do, and little where reads jump about. It gives no error: whoever reads a bad block later
 * gets it.
 */
void squash_ahead(struct squash *sq, const struct squash_inode *inode, size_t len, uint64_t off);

/*
 * Extended attributes, appended to *ret: all names as NUL-terminated strings one after another
 * (nothing when there are none), or the value of one. ERROR_NOT_FOUND when there is no such name.
 */
int squash_xattr_list(struct squash *sq, const struct squash_inode *inode, struct buffer *ret,
		      struct error **err);
int squash_xattr_get(struct squash *sq, const struct squash_inode *inode, const char *name,
		     struct buffer *ret, struct error **err);

/*
 * Where all of a file's bytes are stored unpacked and in a row: 1 with their offset in the source
 * that `sq` reads, 0 where they are not, -1.
 */
int squash_file_place(struct squash *sq, const struct squash_inode *inode, uint64_t *ret,
		      struct error **err);

/*
 * A file's data as a source. `sq` is borrowed and outlives it. Data stored unpacked and in a row,
 * as in the outer file system of a gocryptfs image, is read straight from below.
 */
int squash_file_source(struct squash *sq, const struct squash_inode *inode, struct source **ret,
		       struct error **err);

/*
 * Unpacks the whole tree below an empty directory, which gets the root's own mode, time and owner.
 * Never leaves it: names are vetted and opened without following links. What this process may not
 * do (owners, devices, privileged attributes) is left out as `rules` says.
 */
struct squash_extract_rules {
	bool owners; /* chown as the image says; a refusal is an error. Attributes besides user.* */
	/*
	 * Not NULL: what belongs to one who has no number in this user namespace becomes root's,
	 * without set-user-id bits, which would lend another's rights then; and this becomes true.
	 */
	bool *unmapped_to_root;
	bool devices; /* mknod; a refusal is an error */
	/*
	 * Keeps the set-user-id and set-group-id bits of files though owners are not kept. Where
	 * others can reach the tree, such a file would hand out this user's rights.
	 */
	bool setuid;
};
int squash_extract(struct squash *sq, int directory, const struct squash_extract_rules *rules,
		   struct error **err);

/* ------------------------------------------------------------------ writing */

enum squash_codec {
	SQUASH_GZIP = 1, /* numbers as in the superblock */
	SQUASH_LZO = 3,
	SQUASH_XZ = 4,
	SQUASH_LZ4 = 5,
	SQUASH_ZSTD = 6,
};
/* The enum squash_codec of a name ("gzip", ...), or -1. */
int squash_codec_by_name(const char *name);
/* Whether it has this level (0: its usual one): ERROR_USAGE. */
int squash_check_level(enum squash_codec codec, int level, struct error **err);

enum squash_left_out {
	SQUASH_LEFT_ATTRIBUTE, /* outside user, trusted and security (access control lists) */
	SQUASH_LEFT_SOCKET,
	SQUASH_LEFT_DEVICE,
};

struct squash_write_options {
	enum squash_codec codec; /* SQUASH_GZIP is the usual */
	int level;		 /* 0: the codec's default (gzip: 6, of 12) */
	uint32_t block_size;	 /* 0: 131072 */
	unsigned threads;	 /* 0: one per CPU */
	bool all_root;		 /* owners are not kept: all is root's */
	bool clamp_time; /* no time later than `time` (SOURCE_DATE_EPOCH); the image's is it */
	uint64_t time;
	/*
	 * The tree is somebody's, and may be in use: packed as if a copy had been made of it.
	 * Sockets are left out; a file has the size that it had when it was opened, and zeros where
	 * it was cut since.
	 */
	bool in_place;
	/* In a user namespace: devices are left out too, and who has no number here is root. */
	bool in_place_as_user;
	/* May be NULL. Called for what is left out. A file that cannot be read is an error. */
	void (*left_out)(void *context, enum squash_left_out what, const char *path,
			 const char *why);
	void *context;
};

/*
 * Loads the libraries that squash_pack and squash_outer_finish need. A process that will enter
 * another root directory calls this first, since the libraries there are not the host's.
 */
int squash_pack_load(enum squash_codec codec, struct error **err);

/*
 * Packs the tree below `directory` (its own owner, mode and attributes included) into `out`,
 * which begins empty; pads to 4096 bytes. Directories are read in byte order of names, so the
 * same tree gives the same image, to the byte if clamp_time is set. A file that changes its size
 * meanwhile is ERROR_IO, unless in_place. Needs /proc. Starts threads and ends them; after an error
 * `out` holds no file system (its superblock is written last).
 */
int squash_pack(int directory, struct sink *out, const struct squash_write_options *options,
		struct error **err);

/*
 * The outer file system of a gocryptfs image (encryption.md 4.2): one large file stored as it is,
 * whose data the caller has already put at SQUASH_OUTER_DATA, and gocryptfs.conf. Writes
 * everything round that data; pads to 4096 bytes.
 */
#define SQUASH_OUTER_DATA 96
int squash_outer_finish(struct sink *out, const char *name, uint64_t data_len, const char *conf,
			size_t conf_len, uint32_t time, struct error **err);

#endif
