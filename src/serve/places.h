/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_SERVE_PLACES_H
#define COFFER_SERVE_PLACES_H

#include <stdatomic.h>
#include <sys/ioctl.h>

#include "base/base.h"
#include "squash/squash.h"

/*
 * What the server shows beside the image: places for mounts that the image lacks. Without them an
 * overlay would have to lie above every image, and each file be known to the kernel twice.
 *
 * The list comes once, from the container's process before anything of the image runs, and is
 * never changed again: so threads read it without a lock.
 */

/* The list as one call hands it over: for each a letter, d or f, and its path, each with its NUL.
 */
struct places_message {
	uint32_t len;
	char text[16000]; /* a call's argument has at most 16383 bytes */
};
#define PLACES_CALL _IOW('c', 1, struct places_message)

/*
 * Node numbers need no table. The kernel calls the root 1; any other inode of the image is its
 * reference plus two. A reference has 48 bits, so the sum never wraps and is never 0 or 1: no two
 * inodes share a number, and all hard links of one have the same. For the same reason FORGET has
 * nothing to do. Places have numbers far above.
 */
static inline uint64_t node_of(squash_ref root, squash_ref ref)
{
	return ref == root ? 1 : ref + 2;
}
static inline squash_ref ref_of(squash_ref root, uint64_t node)
{
	return node == 1 ? root : node - 2;
}
#define PLACES_NODE (UINT64_C(1) << 60)
#define PLACES_MAX \
	(sizeof(((struct places_message *)0)->text) / 2) /* each has a name and a slash */

struct place {
	uint64_t parent; /* node */
	char *name;	 /* owned */
	bool directory;
	uint32_t mtime; /* that of the image's directory above it */
};

struct places {
	struct place *list; /* owned; written before `count` says so */
	_Atomic size_t count;
	atomic_bool given;
};

/* Told of each name that is new, and of the node of the directory that has it. */
typedef void (*places_tell)(void *context, uint64_t parent, const char *name);

/*
 * Takes the list, which may be anybody's: only the first one. ERROR_POLICY for another,
 * ERROR_DAMAGED for a list that is none. After an error what was taken before it stays: whoever
 * sent it puts an overlay above everything.
 */
int places_take(struct places *places, struct squash *squash, const struct places_message *message,
		places_tell tell, void *context, struct error **err);
void places_free(struct places *places);

/* The node of the place of that name, or 0. */
uint64_t places_find(const struct places *places, uint64_t parent, const char *name, size_t len);
/* The next place in a directory, from a place's node on, or 0. */
uint64_t places_next(const struct places *places, uint64_t parent, uint64_t from);

/* The node of the directory that a place is in. */
static inline uint64_t places_parent(const struct places *places, uint64_t node)
{
	return places->list[node - PLACES_NODE].parent;
}

/* A place's name, and what it is: an inode without data, attributes, or entries in the image. */
const char *places_inode(const struct places *places, uint64_t node, struct squash_inode *ret);

static inline bool places_is(uint64_t node)
{
	return node & PLACES_NODE;
}

#endif
