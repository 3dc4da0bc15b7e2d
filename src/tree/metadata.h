/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_TREE_METADATA_H
#define COFFER_TREE_METADATA_H

#include "definition/definition.h"

/*
 * What a tree carries about itself: /.singularity.d, labels, and the JSON that the SIF repeats of
 * them. Spec deffile.md 8 and 9, sif.md 8.3. The tree may come from a stranger's image: all of it
 * is opened inside its root, and read within limits.
 */

/* The most that is read of a file that says something about a tree. */
#define METADATA_FILE_MAX ((size_t)16 << 20)
#define METADATA_TEXTS_MAX (2 * METADATA_FILE_MAX) /* of all that is said of an image */

/* ---------------------------------------------------------------- files of a tree (tree.c) */

/* Appends the content of a regular file. Returns 1, or 0 when there is none of that name. */
int tree_read(int root, const char *path, size_t limit, struct buffer *ret, struct error **err);
/*
 * Puts a new file of exactly this mode in the place of whatever is there (a folder is an error).
 * What was a link, a pipe or a device is never written through.
 */
int tree_write(int root, const char *path, mode_t mode, const void *data, size_t len,
	       struct error **err);
/* Appends to a regular file that is there; else as tree_write. */
int tree_append(int root, const char *path, mode_t mode, const void *data, size_t len,
		struct error **err);
/* A folder of that name, made with its parents where missing. */
int tree_make_directory(int root, const char *path, mode_t mode, struct error **err);
/* 1 when something has that name (links are not followed), else 0. */
int tree_exists(int root, const char *path);
/* Names in a folder, sorted, "." and ".." left out. Returns 1, or 0 when it is no folder. */
int tree_list(int root, const char *path, struct strings *ret, struct error **err);

/* ------------------------------------------------------------------ labels (labels.c) */

/* An object of strings, kept in byte order of its keys. */
struct labels {
	struct definition_pair *items;
	size_t count, cap;
};
/* Frees what is in it; it is empty then. */
void labels_free(struct labels *l);
/* Adds, or overrides the old value. */
int labels_set(struct labels *l, const char *key, const char *value, struct error **err);
const char *labels_get(const struct labels *l, const char *key); /* NULL: none */
/* Adds what a labels.json holds; anything but an object of strings (or null) is ERROR_DAMAGED. */
int labels_read_json(struct labels *l, const char *text, size_t len, struct error **err);
/*
 * The same for who only looks: what is no text is an empty one, and *complaint gets the first thing
 * that is wrong, where anything is. ERROR_MEMORY, ERROR_LIMIT.
 */
int labels_read_shown(struct labels *l, const char *text, size_t len, struct buffer *complaint,
		      struct error **err);
/* The lines of %labels or of /.build.labels, last one first in rank: deffile.md 2. */
int labels_read_lines(struct labels *l, struct span text, struct error **err);
/* Appends the object: in one line, or one label a line with a tab before it. */
int labels_put_json(const struct labels *l, bool lines, struct buffer *ret, struct error **err);

/* ------------------------------------------------------------------ the tree's own description */

/* The folders in which the two writers below make or change entries, the last NULL. */
extern const char *const metadata_folders[];
/* Folders, links and the standard scripts. overwrite: also where the base had its own. */
int metadata_write_base(int root, bool overwrite, struct error **err);
/* The runscript that the agents other than localimage leave: empty. */
int metadata_reset_runscript(int root, struct error **err);

struct metadata_options {
	bool force;			/* help and labels may be replaced */
	bool update;			/* the labels of the header stay those of the base */
	const struct strings *sections; /* --section; empty: all */
	const char *arch;		/* a name: "amd64" */
	int64_t time;			/* of the build */
	bool url;			/* From is one: what follows "?" may let others in */
};
/* Whether --section lets a section be written. */
bool metadata_wants(const struct metadata_options *o, const char *section);
/* The step after %post: deffile.md 5, step 9. */
int metadata_write(int root, const struct definition *d, const struct metadata_options *options,
		   struct error **err);

/* Appends the inspect metadata of a finished tree, as the JSON that goes into the SIF: sif.md 8.3.
 */
int metadata_inspect(int root, struct buffer *ret, struct error **err);

/* A tree for who only reads it, wherever it lies: paths are those of the container. */
struct metadata_view {
	void *context;
	/* As tree_read and tree_list. */
	int (*read)(void *context, const char *path, size_t limit, struct buffer *ret,
		    struct error **err);
	int (*list)(void *context, const char *path, struct strings *ret, struct error **err);
};
/* Whose labels are shown: those of the image, or of the app; or of all. */
struct metadata_asked {
	bool labels, all;
	const char *app; /* or NULL */
};
/*
 * The same of a tree that is only looked at, to be shown now (runtime.md 16): of labels only those
 * that are asked for, with a warning where they cannot be read, and an app's own definition among
 * its texts.
 */
int metadata_show(const struct metadata_view *view, const struct metadata_asked *asked,
		  struct buffer *ret, struct error **err);
/* Of a folder, by its descriptor. */
int metadata_show_folder(int root, const struct metadata_asked *asked, struct buffer *ret,
			 struct error **err);

/* ------------------------------------------------------------------ standard texts (scripts.c) */

struct standard_script {
	const char *path;
	const char *text;
};
extern const struct standard_script standard_scripts[]; /* ends with a NULL path; all 0755 */

#endif
