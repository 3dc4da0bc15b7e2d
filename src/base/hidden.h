/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_BASE_HIDDEN_H
#define COFFER_BASE_HIDDEN_H

#include "base/error.h"

/*
 * A file that nobody sees until it is whole: without a name (O_TMPFILE), so that whatever ends the
 * process leaves nothing; where the file system has none of these, with a hidden name, which
 * whoever gives the file up removes.
 */
struct hidden {
	int folder; /* where it is; open, the caller's */
	int fd;	    /* for reading and writing; its owner's alone */
	char *name; /* below the folder, or NULL while it has none */
};
#define HIDDEN_NONE ((struct hidden){ .folder = -1, .fd = -1 })

/* ".NAME.NUMBER": nobody's, and short enough. The caller's, or NULL with *err set. */
char *hidden_name(const char *name, struct error **err);
/* One in the folder, for a file that will be called `name`: 0, or -errno with nothing made. */
int hidden_open(int folder, const char *name, struct hidden *ret);
/* The same in the folder of `path`, which is opened, and the caller's. */
int hidden_open_beside(const char *path, int *ret_folder, struct hidden *ret);
/* Gives it a hidden name where it has none: 0 or -errno. */
int hidden_link(struct hidden *h, const char *name);
/* Gives it the name `path` in one step, where nothing has that: 0 or -errno. */
int hidden_place_new(struct hidden *h, const char *path);
/* Closes it, and takes its hidden name away where it has one. The folder stays open. */
void hidden_free(struct hidden *h);
#define CLEANUP_HIDDEN __attribute__((cleanup(hidden_free)))

#endif
