/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_CLI_COMMANDS_LOOK_INTERNAL_H
#define COFFER_CLI_COMMANDS_LOOK_INTERNAL_H

#include "cli/commands/internal.h"
#include "image/image.h"

/* Looking into an image: look.c is the commands; list.c and read.c are what runs locked in. */

/* What the locked-in process writes, gathered into large pieces. */
struct look_out {
	int fd;
	struct buffer text;
};
/* Writes out what there is, once it is much; with `all` in any case. */
int look_flush(struct look_out *out, bool all, struct error **err);

struct look_wish {
	const char *const *paths; /* in the image, NULL-terminated; at least one */
	bool recursive, details;  /* ls */
	bool terminal;		  /* names go to one: each is to stay on its line */
	bool find;		  /* full paths, one a line, and nothing else */
	char separator;		  /* find: behind each */
	const char *name;	  /* find: a pattern of the last name, or NULL */
	mode_t type;		  /* find: S_IFMT, or 0 */
};

/* serve_work (serve/serve.h): context is a struct look_wish. */
int look_list(void *context, struct squash *sq, int out, struct error **err);
int look_cat(void *context, struct squash *sq, int out, struct error **err);
/* The inode of a path that has to be there. */
int look_find(struct squash *sq, const char *path, struct squash_inode *ret, struct error **err);

#endif
