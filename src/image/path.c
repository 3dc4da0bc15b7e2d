/* SPDX-License-Identifier: Apache-2.0 */
/* A path in an image's tree, walked as a process would whose root it is: links lead nowhere else.
 */
#include "image/image.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* As many links as the kernel follows, and more folders than a path of ours has names. */
#define LINKS_MAX 40
#define DEPTH_MAX 128

/* The folders from the root down to where the walk is, and what is still to go. */
struct walk {
	struct squash *sq;
	squash_ref above[DEPTH_MAX];
	size_t depth;
	char *rest; /* owned */
	unsigned links;
};

/* The next name of what is to go, without what stands for nothing; it is cut off. NULL: none. */
static char *next_name(char **at)
{
	char *name;
	while ((name = strsep(at, "/")) && (!*name || !strcmp(name, ".")))
		;
	return name;
}

/* Puts a link's target in front of what is to go. 1, 0 when it leads nowhere, -1. */
static int follow(struct walk *w, const struct squash_inode *link, const char *rest,
		  struct error **err)
{
	char target[PATH_MAX];
	if (++w->links > LINKS_MAX || link->size >= sizeof(target))
		return 0;
	if (squash_readlink(w->sq, link, target, sizeof(target), err) < 0)
		return -1;
	target[link->size] = '\0';
	if (strlen(target) != link->size)
		return 0;
	char *joined = text_printf(err, "%s/%s", target, rest ? rest : "");
	if (!joined)
		return -1;
	free(w->rest);
	w->rest = joined;
	if (*target == '/')
		w->depth = 1;
	return 1;
}

/* One name from a folder; *in is what it leads to. 1, 0 when there is nothing, -1. */
static int step(struct walk *w, const char *name, struct squash_inode *in, struct error **err)
{
	CLEANUP_ERROR struct error *failed = NULL;
	squash_ref ref;
	if (!S_ISDIR(in->mode) || w->depth == DEPTH_MAX)
		return 0;
	if (squash_lookup(w->sq, in, name, strlen(name), &ref, &failed) < 0) {
		if (error_kind(failed) == ERROR_NOT_FOUND)
			return 0;
		*err = take_pointer(&failed);
		return -1;
	}
	if (squash_inode(w->sq, ref, in, err) < 0)
		return -1;
	w->above[w->depth++] = ref;
	return 1;
}

/* As a process would see the path that has this tree as its root. */
static int walk(struct walk *w, struct squash_inode *ret, struct error **err)
{
	struct squash_inode in;
	w->above[w->depth++] = squash_root(w->sq);
	if (squash_inode(w->sq, w->above[0], &in, err) < 0)
		return -1;
	char *at = w->rest;
	for (char *name; (name = next_name(&at));) {
		int r = 1;
		if (!strcmp(name, ".."))
			w->depth -= w->depth > 1;
		else
			r = step(w, name, &in, err);
		if (r > 0 && S_ISLNK(in.mode)) {
			w->depth--;
			r = follow(w, &in, at, err);
			at = w->rest;
		}
		if (r <= 0)
			return r;
		if (squash_inode(w->sq, w->above[w->depth - 1], &in, err) < 0)
			return -1;
	}
	*ret = in;
	return 1;
}

int image_find(struct squash *sq, const char *path, struct squash_inode *ret, struct error **err)
{
	struct walk w = { .sq = sq, .rest = text_dup(path, err) };
	int r = w.rest ? walk(&w, ret, err) : -1;
	free(w.rest);
	return r;
}
