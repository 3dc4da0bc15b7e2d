/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listing of a directory: what the image has in it, and before that the places that are shown
 * beside it.
 */
#include "serve/internal.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

struct listing {
	fuse_req_t req;
	fuse_ino_t node;
	char *buf;
	size_t len, cap;
	bool full;
};

/* Adds one entry; false when there is no more room. */
static bool listing_add(struct listing *l, const char *name, const struct fuse_entry_param *e,
			uint64_t next)
{
	size_t room = l->cap - l->len;
	size_t n = fuse_add_direntry_plus(l->req, l->buf + l->len, room, name, e, (off_t)next);
	l->full = n > room;
	if (!l->full)
		l->len += n;
	return !l->full;
}

/*
 * Positions in a listing, as the kernel keeps them: 0 is before ".", 1 before "..", then one for
 * each place, then squash's own, moved up. They have to fit into 32 bits, too.
 */
#define POSITION_PLACES 2
#define POSITION_IMAGE (POSITION_PLACES + PLACES_MAX)

static int listing_each(void *context, const struct squash_dirent *entry, uint64_t next_position)
{
	CLEANUP_ERROR struct error *err = NULL;
	struct listing *l = context;
	struct ops *ops = ops_of(l->req);
	struct fuse_entry_param e = { 0 };
	struct squash_inode inode;
	char name[NAME_MAX + 2];
	if (entry->len >= sizeof(name))
		return 0;
	/* A link that a place covers. */
	if (places_find(&ops->places, l->node, entry->name, entry->len))
		return 0;
	memcpy(name, entry->name, entry->len);
	name[entry->len] = '\0';
	if (squash_inode(ops->squash, entry->ref, &inode, &err) == 0) {
		ops_entry(ops, &inode, &e);
	} else {
		/* Node 0: the name alone. Who looks it up gets the error. */
		e.attr.st_ino = entry->number;
		e.attr.st_mode = entry->type;
	}
	return listing_add(l, name, &e, next_position + POSITION_IMAGE) ? 0 : 1;
}

/* "." and "..", which squashfs does not store. */
static bool listing_dots(struct listing *l, uint64_t number, uint64_t parent, uint64_t off)
{
	/* Node 0: the kernel knows these two. */
	struct fuse_entry_param e = { .attr.st_mode = S_IFDIR, .attr.st_ino = number };
	if (off == 0 && !listing_add(l, ".", &e, 1))
		return false;
	e.attr.st_ino = parent;
	return off > 1 || listing_add(l, "..", &e, POSITION_PLACES);
}

/* The places in this directory, before what the image has in it. */
static bool listing_places(struct listing *l, uint64_t off)
{
	struct ops *ops = ops_of(l->req);
	uint64_t node = PLACES_NODE + (off > POSITION_PLACES ? off - POSITION_PLACES : 0);
	while ((node = places_next(&ops->places, l->node, node))) {
		struct fuse_entry_param e;
		struct squash_inode inode;
		const char *name = places_inode(&ops->places, node++, &inode);
		ops_entry(ops, &inode, &e);
		if (!listing_add(l, name, &e, node - PLACES_NODE + POSITION_PLACES))
			return false;
	}
	return true;
}

/* What ".." is numbered as; answers the request itself when that cannot be known. */
static bool parent_number(fuse_req_t req, fuse_ino_t node, const struct squash_inode *dir,
			  uint64_t *ret)
{
	struct ops *ops = ops_of(req);
	struct squash_inode above = *dir;
	if (places_is(node) && !ops_inode(req, places_parent(&ops->places, node), &above))
		return false;
	*ret = places_is(node) || node == FUSE_ROOT_ID ? ops_number(ops, &above) : dir->parent;
	return true;
}

/*
 * A listing with the attributes of each entry, so that a walk over a tree makes no look-ups. It is
 * given in pieces as large as the kernel's buffer; the position behind each entry says where the
 * next piece begins.
 */
void ops_readdirplus(fuse_req_t req, fuse_ino_t node, size_t size, off_t position,
		     struct fuse_file_info *fi)
{
	(void)fi;
	CLEANUP_ERROR struct error *err = NULL;
	struct ops *ops = ops_of(req);
	struct squash_inode dir;
	uint64_t off = (uint64_t)position, parent;
	if (!ops_inode(req, node, &dir))
		return;
	if (!S_ISDIR(dir.mode) || position < 0) {
		fuse_reply_err(req, ENOTDIR);
		return;
	}
	struct listing l = { .req = req, .node = node, .buf = ops_answer(size), .cap = size };
	if (!l.buf) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	if (!parent_number(req, node, &dir, &parent))
		return;
	uint64_t from = off > POSITION_IMAGE ? off - POSITION_IMAGE : 0;
	/* What was listed before an error is given; the error comes with the next call. */
	if (listing_dots(&l, ops_number(ops, &dir), parent, off) && listing_places(&l, off) &&
	    !places_is(node) &&
	    squash_readdir(ops->squash, &dir, from, listing_each, &l, &err) < 0 && !l.len) {
		ops_reply_error(req, err);
		return;
	}
	fuse_reply_buf(req, l.buf, l.len);
}
