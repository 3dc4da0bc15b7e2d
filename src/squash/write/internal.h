/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_SQUASH_WRITE_INTERNAL_H
#define COFFER_SQUASH_WRITE_INTERNAL_H

#include "squash/format.h"
#include "squash/write/sqfs.h"
#include "squash/squash.h"
#include "squash/write/codec/codec.h"
#include "squash/write/node.h"

/*
 * What the files of the writer share. The road of squash_pack: tree.c walks the directories
 * and fills nodes, data.c hands each file's data to libsquashfs' block processor on the way,
 * and when all blocks are out meta.c writes inodes, listings and tables from the nodes.
 */

/* Limits of what is written. */
#define SQUASH_WRITE_PAD 4096		   /* the image's length is a multiple of this */
#define SQUASH_WRITE_BLOCKS_MAX (1u << 26) /* blocks of one file with holes: 8 TiB of 128 KiB */
#define SQUASH_WRITE_THREADS_MAX 256

/* ---------------------------------------------------------------- output.c */

/* libsquashfs' idea of a file, on a sink. The first error of the sink is kept for squash_check. */
struct squash_output {
	sqfs_file_t file;
	struct sink *sink;   /* borrowed */
	struct error *error; /* owned */
	bool draining;	     /* something failed: touch the sink no more */
};

void squash_output_init(struct squash_output *o, struct sink *sink);
void squash_output_done(struct squash_output *o);
/*
 * Makes an error of what libsquashfs returned: 0, or -1 with *err set, from the sink's own error
 * where there is one. `what` says what was being done.
 */
int squash_check(struct squash_output *o, int returned, const char *what, struct error **err);
/* Zeros up to the next multiple of SQUASH_WRITE_PAD. */
int squash_output_pad(struct squash_output *o, struct error **err);

/* ---------------------------------------------------------------- blocks.c */

/*
 * What was submitted to be compressed, and where it goes: the blocks of one file, whose list the
 * writer fills as they come out, or one block of fragments, whose place it puts into the table.
 */
struct squash_blocks {
	struct squash_blocks *next;
	sqfs_inode_generic_t *inode; /* the node's; its list has all its length. NULL: fragments */
	uint32_t fragment;	     /* fragments: the number of the block */
	uint32_t block_size;
	uint32_t *submitted; /* with holes: the numbers of the blocks submitted, in order; owned */
	size_t count, cap;
	size_t written; /* how many of them have come out */
	uint64_t holes; /* bytes of the file that are in no block */
};

/*
 * The place where finished blocks arrive, in order. It leaves out a file whose blocks are all
 * there already. libsquashfs' own compares each file with all blocks before it; this one looks in
 * a table, so that the time is linear.
 */
sqfs_block_writer_t *squash_block_writer(struct squash_output *out, sqfs_frag_table_t *fragments);

/* ---------------------------------------------------------------- the packer */

struct squash_packer {
	const struct squash_write_options *options;
	struct squash_output out;
	uint32_t block_size;
	unsigned threads;
	sqfs_super_t super;
	sqfs_compressor_t *compressor;
	sqfs_block_writer_t *blocks;
	sqfs_frag_table_t *fragments;
	sqfs_block_processor_t *processor;
	sqfs_id_table_t *ids;
	sqfs_xattr_writer_t *xattrs;
	struct squash_node *root;
	uint32_t inodes;		 /* numbers given out */
	struct squash_blocks *submitted; /* owned: they live until all blocks are out */
	struct squash_tails *tails;
	struct squash_link *links; /* entry.c; open addressing, links_cap is a power of two */
	size_t links_len, links_cap;
	uint8_t *buffer; /* buffer_cap bytes for file data */
	size_t buffer_cap;
	char *xattr_names,
		*xattr_value; /* XATTR_LIST_MAX, XATTR_SIZE_MAX bytes; made when needed */
};

/* tree.c: walks the tree, reads all files; p->root is set also on failure. */
int squash_scan(struct squash_packer *p, int directory, struct error **err);

/* data.c: the data of an open regular file of that size; sets n->inode. */
int squash_submit(struct squash_packer *p, struct squash_blocks *b, uint32_t flags,
		  const void *data, size_t len, struct error **err);
/* Empty, and one of p->submitted. NULL with *err set when there is no memory. */
struct squash_blocks *squash_blocks_new(struct squash_packer *p, struct error **err);
int squash_add_data(struct squash_packer *p, struct squash_node *n, int fd, const struct stat *st,
		    struct error **err);

/*
 * fragments.c: the last bytes of files, less than a block, gathered to blocks. Nothing is
 * kept twice.
 */
int squash_tails_new(struct squash_packer *p, struct error **err);
void squash_tails_free(struct squash_packer *p);
/* Between two files: where the bytes are goes into the inode. */
int squash_add_tail(struct squash_packer *p, sqfs_inode_generic_t *inode, const void *data,
		    size_t len, struct error **err);
/* Submits what is gathered. */
int squash_flush_tails(struct squash_packer *p, struct error **err);

/* meta.c: everything after the data blocks, and the superblock. */
int squash_write_metadata(struct squash_packer *p, struct error **err);

#endif
