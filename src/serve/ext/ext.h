/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_SERVE_EXT_EXT_H
#define COFFER_SERVE_EXT_EXT_H

#include "serve/internal.h"

/* The numbers by which the program, and what it starts, know their descriptors. */
#define EXT_SAYS STDERR_FILENO /* to the command: its words, and EXT_READY among them */
#define EXT_FUSE 3
#define EXT_IMAGE 4 /* holds the lock on the image as long as the program lives */
#define EXT_TELLS 5 /* the same as EXT_SAYS, which libfuse closes for what it starts */
#define EXT_LAST EXT_TELLS
#define EXT_READY '\006'

/* The names in the cell. */
#define EXT_PROGRAM "/bin/fuse2fs"
#define EXT_FILE "/image"
#define EXT_PLACE "/mnt"

/*
 * cell.c: this process, in namespaces of its own, is put where there is nothing but what the
 * program needs: itself, libraries, the image. program: its path outside.
 */
int serve_cell_enter(const struct serve_ext *ext, const char *program, struct error **err);
/* Before that: the ids that this process had before the fork are its own in there, and no others.
 */
int serve_cell_map(uid_t uid, gid_t gid, struct error **err);
/* No privilege, few resources, and no system call that a file system has no business with. */
int serve_cell_lock(const struct serve_ext *ext, struct error **err);

#endif
