/* SPDX-License-Identifier: Apache-2.0 */
#include "tree/internal.h"

/*
 * %files from another stage: deffile.md 11. Both sides are trees of the build: paths and links are
 * followed in the root of each, and a file keeps what it has, as with tar.
 */

static int copy_path(int root, int from, const char *source, const char *destination,
		     const struct copy_rules *rules, struct error **err)
{
	const char *name;
	CLEANUP_TEXT char *path = files_place(root, source, destination, err);
	if (!path)
		return -1;
	CLEANUP_FD int parent = files_open_parent(root, path, &name, err);
	return parent < 0 ? -1 : copy_from_root(from, source, parent, name, rules, err);
}

static int copy_line(int root, int from, const char *source, const char *destination,
		     const struct copy_rules *rules, struct error **err)
{
	CLEANUP_STRINGS struct strings paths = { 0 };
	if (!*source) {
		log_warning("Attempt to copy file with no name, skipping.");
		return 0;
	}
	log_info("Copying %s to %s", source, destination);
	CLEANUP_TEXT char *pattern = path_join("/", source, err);
	if (!pattern)
		return -1;
	if (expand_source(from, pattern, &paths, err) < 0)
		return error_wrap(err, "while expanding source path: %s", source);
	for (size_t i = 0; i < paths.len; i++) {
		CLEANUP_TEXT char *same = files_same_path(paths.items[i], err);
		const char *to = *destination ? destination : same;
		if (!same)
			return -1;
		/* The root itself has no name of its own to be known by elsewhere. */
		if (same[1] == '\0')
			return error_set(err, ERROR_USAGE,
					 "while copying [%s] to %s: the root of a stage is not "
					 "copied: name what is in it",
					 paths.items[i], to);
		if (copy_path(root, from, same, to, rules, err) < 0)
			return error_wrap(err, "while copying [%s] to %s", paths.items[i], to);
	}
	return 0;
}

int files_copy_from(int root, int from, const struct definition_section *s,
		    const struct copy_rules *rules, struct error **err)
{
	struct span rest = span_of(s->body.data, s->body.len), line;
	while (span_line(&rest, &line)) {
		CLEANUP_TEXT char *source = NULL, *destination = NULL;
		if (definition_files_line(line, &source, &destination, err) < 0)
			return -1;
		if (source && copy_line(root, from, source, destination, rules, err) < 0)
			return error_wrap(err, "unable to copy files from stage to container fs");
	}
	return 0;
}
