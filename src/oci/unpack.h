/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_OCI_UNPACK_H
#define COFFER_OCI_UNPACK_H

#include "oci/internal.h"

/* What unpack.c and folder.c share. */

struct oci_unpacker {
	int root; /* a descriptor of ours */
	struct oci_rules rules;
	struct upper upper;
	uint64_t entries, bytes, attributes; /* of all layers so far */
	uint64_t content_left;		     /* of what may be unpacked */
	uint8_t *buffer;
	/* The folder that was used last, its path, and its time, which what is put into it changes.
	 */
	int folder;
	ino_t folder_ino;
	char *folder_path;
	struct timespec folder_time;
};

/*
 * The path relative to the root, "." and ".." and double slashes taken out; "" is the root. The
 * text is the caller's; NULL with ERROR_LIMIT where it is too long or too deep.
 */
char *oci_path_clean(const char *path, struct error **err);
/* Parts "a/b/c" in place: the folder "a/b", and the name, which is returned. */
const char *oci_path_part(char *path, const char **ret_folder);

/* One more entry or folder: ERROR_LIMIT where there are too many. */
int oci_count_entry(struct oci_unpacker *u, struct error **err);

/*
 * Makes u->folder the folder of that path, made where it is missing. ERROR_DAMAGED where the path
 * leads nowhere.
 */
int oci_folder_enter(struct oci_unpacker *u, const char *path, struct error **err);
/* Closes it, if one is open; its time becomes what it was before it was worked in. */
int oci_folder_leave(struct oci_unpacker *u, struct error **err);

#endif
