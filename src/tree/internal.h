/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_TREE_INTERNAL_H
#define COFFER_TREE_INTERNAL_H

#include "tree/files.h"

/* What the walks over trees share. */

#define COPY_BUFFER_LEN ((size_t)256 << 10)

/* The data of one file, with its holes, by a buffer of COPY_BUFFER_LEN. 0 or -errno (data.c). */
int copy_data_by(int from, int to, char *buffer);
/* Extended attributes from one path to another. Some are not ours to set. 0 or -errno. */
int copy_attributes_of(const char *from, const char *to);

/* ------------------------------------------------------------------ %files (files.c) */

/* The folder of the root that a path lies in, as O_PATH; *ret_name points into path. */
int files_open_parent(int root, const char *path, const char **ret_name, struct error **err);
/*
 * Where in the root the copy of a source will be, as a path of the caller's: the destination, or
 * inside it when that is a folder. What is missing above it is made. NULL with *err.
 */
char *files_place(int root, const char *source, const char *destination, struct error **err);
/* Where a source goes that has no destination: its own path, taken as inside the root. */
char *files_same_path(const char *source, struct error **err);

#endif
