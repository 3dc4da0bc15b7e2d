/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_TREE_FILES_H
#define COFFER_TREE_FILES_H

#include "definition/definition.h"

/* Whole trees and the files that %files names: spec deffile.md 4 (localimage) and 11. */

/* ------------------------------------------------------------------ trees (copy.c) */

struct copy_rules {
	bool owners;	       /* give files their owners; a refusal is an error */
	bool unmapped_to_root; /* with owners: who has no number here becomes root */
	bool devices;	       /* make devices; else they are left out with a warning */
	/*
	 * Paths of folders ("/etc"; the top one is always among them), the last NULL: only their
	 * own entries are copied. Other folders, and files of a certain size, are not: they are
	 * mounted in their places, read-only. For a mount namespace of one's own. NULL: all is
	 * copied.
	 */
	const char *const *changed;
	/*
	 * `to` may hold something: folders that are in both become one, anything else is replaced.
	 * Its own mode and owner stay.
	 */
	bool merge;
};
/*
 * Copies all that is below a folder: modes, times, attributes, hard links, holes, special files;
 * sockets are left out. What cannot be read is an error, not a gap. Unless it is merged `to`
 * begins empty, and its own mode, owner and attributes become those of `from`.
 */
int copy_tree(int from, int to, const struct copy_rules *rules, struct error **err);
/*
 * What a path of a root leads to, links followed in the root, becomes `name` in the folder `to`: a
 * folder of mode 0755 with what is below it, or a file as it is. What is there is merged, whatever
 * the rules say.
 */
int copy_from_root(int root, const char *path, int to, const char *name,
		   const struct copy_rules *rules, struct error **err);
/* Removes a file or a folder with all that is in it; a missing one is no error. */
int copy_remove(int parent, const char *name, struct error **err);
/* Gives folders u+rwx and regular files u+rw: --fix-perms. */
int copy_fix_permissions(int root, struct error **err);
/* Takes the set-user-ID and set-group-ID bits from all regular files; *ret_count had one. */
int copy_drop_set_ids(int root, size_t *ret_count, struct error **err);
/* The data of one file, with its holes. Returns 0 or -errno. */
int copy_data(int from, int to);

/* ------------------------------------------------------------------ patterns (expand.c) */

/*
 * The paths that a source of %files stands for, on the host (root: -1) or in a root: braces, then
 * wildcards, with no shell and nothing run. A pattern that fits nothing stays as it is. Variables,
 * commands and ~ are refused.
 */
int expand_source(int root, const char *pattern, struct strings *ret, struct error **err);

/* ------------------------------------------------------------------ %files (files.c) */

/* One section's lines, from the host into the tree. */
int files_copy(int root, const struct definition_section *s, struct error **err);
/* One section's lines, from the root of another stage: deffile.md 11 (across.c). */
int files_copy_from(int root, int from, const struct definition_section *s,
		    const struct copy_rules *rules, struct error **err);
/* One source to one destination, as `cp -fLr` does it, the destination resolved in the root. */
int files_copy_one(int root, const char *source, const char *destination, struct error **err);

#endif
