/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_SQUASH_WRITE_NODE_H
#define COFFER_SQUASH_WRITE_NODE_H

#include <sys/stat.h>

#include "squash/squash.h"
#include "squash/write/sqfs.h"

/* The tree that is packed, in memory from the walk (tree.c) to the tables (meta.c). */

struct squash_packer;

struct squash_node {
	struct squash_node *next;   /* sibling, in byte order of names */
	struct squash_node *parent; /* NULL for the root */
	struct squash_node *same;   /* a further name of that node: nothing else is valid here */
	union {
		struct squash_node *children; /* directories; owned */
		char *target;		      /* links; owned */
		uint32_t device;	      /* devices, in the encoding of the format */
	};
	sqfs_inode_generic_t *inode; /* files (NULL: empty), directories once listed; owned */
	uint64_t ref;		     /* where the inode was written */
	uint32_t number;
	uint32_t links; /* names of it in the tree; of a directory: 2 + its directories */
	uint32_t mtime;
	uint32_t xattr;
	uint16_t mode; /* type and permissions */
	uint16_t uid, gid;
	bool written;
	char name[];
};

/* ---------------------------------------------------------------- node.c */

/* NULL when there is no memory. */
struct squash_node *squash_node_new(const char *name, struct squash_node *parent);
void squash_nodes_free(struct squash_node *list);
/* The node's path from the root on, "/" for the root itself; "?" when there is no memory. */
char *squash_node_path(const struct squash_node *n);
/* Puts "<path>: " before the error. Returns -1. */
int squash_at_node(const struct squash_node *n, struct error **err);
/* Tells the caller of squash_pack. */
void squash_leave_out(struct squash_packer *p, const struct squash_node *n,
		      enum squash_left_out what, const char *why);
/* What could not be done at the node, with its path. Returns -1. */
int squash_node_errno(const struct squash_node *n, int errnum, const char *what,
		      struct error **err);

/* ---------------------------------------------------------------- entry.c, xattr.c */

/* Owner, mode and time. fd: the file, or the directory that it is in. */
int squash_set_attributes(struct squash_packer *p, struct squash_node *n, int fd,
			  const struct stat *st, struct error **err);
/* Its inode's number. */
int squash_give_number(struct squash_packer *p, struct squash_node *n, struct error **err);
/*
 * An entry of an open directory, with its data unless it is a directory; n->mode: its kind as far
 * as the listing says it, or 0. 1: it is not to be in the image.
 */
int squash_add_entry(struct squash_packer *p, struct squash_node *n, int directory,
		     struct error **err);
/* xattr.c: of an open file, or (fd -1) of the entry `name` of the directory. */
int squash_add_xattrs(struct squash_packer *p, struct squash_node *n, int fd, int directory,
		      struct error **err);

#endif
