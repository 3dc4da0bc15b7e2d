/* SPDX-License-Identifier: Apache-2.0 */
/* The nodes of the tree that is packed: made, named in messages, freed. */
#include "squash/write/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct squash_node *squash_node_new(const char *name, struct squash_node *parent)
{
	size_t len = strlen(name) + 1;
	struct squash_node *n = calloc(1, sizeof(*n) + len);
	if (!n)
		return NULL;
	memcpy(n->name, name, len);
	n->parent = parent;
	n->xattr = SQUASH_NONE;
	return n;
}

void squash_nodes_free(struct squash_node *list)
{
	while (list) {
		struct squash_node *n = list;
		list = n->next;
		if (S_ISDIR(n->mode) && n->children) {
			struct squash_node *last = n->children;
			while (last->next)
				last = last->next;
			last->next = list;
			list = n->children;
		} else if (S_ISLNK(n->mode)) {
			free(n->target);
		}
		sqfs_free(n->inode);
		free(n);
	}
}

char *squash_node_path(const struct squash_node *n)
{
	size_t len = 0;
	for (const struct squash_node *i = n; i->parent; i = i->parent)
		len += strlen(i->name) + 1;
	if (!len)
		return strdup("/");
	char *path = malloc(len + 1);
	if (!path)
		return NULL;
	path[len] = '\0';
	for (const struct squash_node *i = n; i->parent; i = i->parent) {
		size_t name_len = strlen(i->name);
		len -= name_len + 1;
		path[len] = '/';
		memcpy(path + len + 1, i->name, name_len);
	}
	return path;
}

int squash_at_node(const struct squash_node *n, struct error **err)
{
	char *path = squash_node_path(n);
	error_wrap(err, "%s", path ? path : "?");
	free(path);
	return -1;
}

void squash_leave_out(struct squash_packer *p, const struct squash_node *n,
		      enum squash_left_out what, const char *why)
{
	if (!p->options->left_out)
		return;
	char *path = squash_node_path(n);
	p->options->left_out(p->options->context, what, path ? path : "?", why);
	free(path);
}

int squash_node_errno(const struct squash_node *n, int errnum, const char *what, struct error **err)
{
	error_errno(err, errnum, "%s", what);
	if (errnum == EACCES || errnum == EPERM)
		error_hint(err,
			   "all files of the tree must be readable: build as their owner, or as "
			   "root with --fakeroot");
	return squash_at_node(n, err);
}
