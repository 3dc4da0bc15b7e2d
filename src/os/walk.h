/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_OS_WALK_H
#define COFFER_OS_WALK_H

#include <sys/stat.h>

#include "base/base.h"

/*
 * The walk over a tree of files, once. Folders are opened one name at a time, from the descriptor
 * of the one they are in and no link followed, so that nothing that is renamed or linked meanwhile
 * leads out of the tree. Depth costs memory, neither stack nor descriptors: the last WAY_OPEN
 * folders of the way down are open (and the first). An older one is closed, and opened again when
 * the way comes back to it: as ".." of the one below, and it must be the folder that it was.
 */

#define WAY_OPEN 32

/* ------------------------------------------------------------------ the way down */

struct way_level {
	int fd; /* -1: closed meanwhile */
	dev_t device;
	ino_t inode;
};

/* The folders from the first to the one we are in; all zero at first. One thread uses it. */
struct way {
	struct way_level *levels;
	size_t depth, cap;
};

/*
 * Enters a folder, whose descriptor is taken over, also on failure; *ret is what it is. Returns 0
 * or -errno.
 */
int way_enter(struct way *w, int fd, struct stat *ret);
/* The descriptor of the folder we are in: the way's, until it is left. The way is not empty. */
int way_here(const struct way *w);
/*
 * The same of the folder above, opened again if it was closed: at least two have been entered.
 * Returns -errno, and -ESTALE when what lies above is not the folder that we came through.
 */
int way_above(struct way *w);
/* Leaves a folder for the one above: 0, or what way_above() failed with. */
int way_leave(struct way *w);
/* Closes all. */
void way_free(struct way *w);
#define CLEANUP_WAY __attribute__((cleanup(way_free)))

/* ------------------------------------------------------------------ the walk */

/* Where the walk is. All is the walk's, for the time of the call. */
struct walk_at {
	int folder;		   /* the folder that this is in */
	const struct stat *inside; /* which is this one */
	const char *name;
	const char *path; /* from the beginning of the walk: "/a/b" */
};

enum walk_step { WALK_ON, WALK_ENTER };

/*
 * Who walks. Each returns an enum walk_step, or a negative number with *err set, which ends the
 * walk. They may remove what they are shown.
 */
struct walk_visitor {
	/* Each entry. WALK_ENTER: it is a folder, and what is in it is to be seen. */
	int (*entry)(void *context, const struct walk_at *at, struct error **err);
	/* Such a folder, open for reading but not read yet: WALK_ON leaves out what is in it. May
	 * be NULL. */
	int (*enter)(void *context, const struct walk_at *at, int fd, const struct stat *st,
		     struct error **err);
	/* A folder that was entered, when all in it has been seen; st is from before. May be NULL.
	 */
	int (*leave)(void *context, const struct walk_at *at, int fd, const struct stat *st,
		     struct error **err);
	const char *of;	  /* stands behind a path in the walk's own errors: " of the source" */
	size_t depth_max; /* folders in folders; more is ERROR_LIMIT */
};

/*
 * Walks over all that is in a folder, in the order that the kernel lists it; the folder itself is
 * not shown. 0, or -1 with *err: a visitor's, or the walk's own.
 */
int walk_tree(int folder, const struct walk_visitor *visitor, void *context, struct error **err);
/* Walks over one entry of a folder (or, from AT_FDCWD, a path), which is shown first. */
int walk_entry(int folder, const char *name, const struct walk_visitor *visitor, void *context,
	       struct error **err);

#endif
