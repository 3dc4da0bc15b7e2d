/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_BASE_DIRECTORY_H
#define COFFER_BASE_DIRECTORY_H

#include <dirent.h>

#include "base/buffer.h"

/*
 * The one way to read what is in a folder: "." and ".." are passed over, and an end of the list is
 * told from a failure to read on, which readdir(3) does by errno alone. The order is the kernel's.
 * One thread at a time may use a struct directory.
 */
struct directory {
	DIR *stream;
	int errnum; /* why directory_next() came to an end: 0 where there is nothing more */
};

/*
 * Opens the folder at a path below a descriptor (links are followed; "." is the folder that the
 * descriptor is of, read from its beginning). Returns 0, or -errno with *ret as it was.
 */
int directory_open(int at, const char *path, struct directory *ret);
/* The next entry, valid until the next call; NULL at the end and after a failure (errnum). */
const struct dirent *directory_next(struct directory *d);
/* Closes it, if it is open. */
void directory_close(struct directory *d);
#define CLEANUP_DIRECTORY __attribute__((cleanup(directory_close)))

/*
 * Adds the names of all entries of a folder, opened as above. Returns 0, or -errno: -ENOMEM with
 * no memory; what was read till then has been added.
 */
int directory_names(int at, const char *path, struct strings *ret);

#endif
