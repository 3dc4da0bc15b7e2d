/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_MOUNT_PLACES_H
#define COFFER_MOUNT_PLACES_H

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

/* Node numbers: squashfs' own have 49 bits (ops.c). */
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

/* What places_take has to know of the image, and to tell of what is new. */
struct places_image {
	struct squash *squash;
	uint64_t root; /* the root's node */
	squash_ref (*ref_of)(void *context, uint64_t node);
	uint64_t (*node_of)(void *context, squash_ref ref);
	void (*changed)(void *context, uint64_t parent, const char *name);
	void *context;
};

/*
 * Takes the list, which may be anybody's: only the first one, and that whole. ERROR_POLICY for
 * another, ERROR_DAMAGED for a list that is none.
 */
int places_take(struct places *places, const struct places_image *image,
		const struct places_message *message, struct error **err);
void places_free(struct places *places);

/* The number of the place of that name, or SIZE_MAX. */
size_t places_find(const struct places *places, uint64_t parent, const char *name, size_t len);
/* The next place in a directory, from a number on, or SIZE_MAX. */
size_t places_next(const struct places *places, uint64_t parent, size_t from);

static inline bool places_is(uint64_t node)
{
	return node & PLACES_NODE;
}

#endif
