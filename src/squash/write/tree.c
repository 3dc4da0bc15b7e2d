/* SPDX-License-Identifier: Apache-2.0 */
#include "squash/write/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/os.h"

/*
 * The walk. Directories are opened one component at a time without following links, from the
 * descriptor of their parent (os/walk.h: the way down), and read whole when they are entered:
 * files are packed at once, directories kept for the descent. Depth costs memory, not stack or
 * descriptors.
 */

struct descent {
	struct way way;
	/* One a level: the directory whose search for the next one to enter goes on here. */
	struct squash_node **children;
	size_t cap;
	struct squash_node *dir; /* the one we are in */
};

/* ---------------------------------------------------------------- directories */

struct entry {
	struct squash_node *node;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->node->name, ((const struct entry *)b)->node->name);
}

struct entries {
	struct entry *items;
	size_t len, cap;
};

static int read_names(struct squash_node *dir, int fd, struct entries *e, struct error **err)
{
	CLEANUP_DIRECTORY struct directory stream = { 0 };
	int r = directory_open(fd, ".", &stream);
	for (const struct dirent *d; r == 0 && (d = directory_next(&stream));) {
		struct entry *grown = array_grow(e->items, e->len, &e->cap, sizeof(*grown), err);
		if (!grown)
			return -1;
		e->items = grown;
		struct squash_node *n = squash_node_new(d->d_name, dir);
		if (!n)
			return error_no_memory(err);
		n->mode = d->d_type == DT_REG ? S_IFREG : 0;
		e->items[e->len++].node = n;
	}
	r = r < 0 ? r : -stream.errnum;
	return r < 0 ? squash_node_errno(dir, -r, "read the directory", err) : 0;
}

/* Reads the directory and all in it that is no directory. */
static int add_directory(struct squash_packer *p, struct squash_node *dir, int fd,
			 struct error **err)
{
	struct entries e = { 0 };
	int r = read_names(dir, fd, &e, err);
	if (e.len)
		qsort(e.items, e.len, sizeof(*e.items), by_name);
	/* Linked before anything else can fail: the tree owns them. */
	for (size_t i = e.len; i-- > 0;) {
		e.items[i].node->next = dir->children;
		dir->children = e.items[i].node;
	}
	free(e.items);
	for (struct squash_node **at = &dir->children; *at && r >= 0;) {
		struct squash_node *n = *at;
		r = squash_add_entry(p, n, fd, err);
		if (r <= 0) {
			at = &n->next;
			continue;
		}
		*at = take_pointer(&n->next);
		squash_nodes_free(n);
	}
	return r < 0 ? -1 : 0;
}

static struct squash_node *next_directory(struct squash_node *n)
{
	while (n && !S_ISDIR(n->mode))
		n = n->next;
	return n;
}

/* Enters a directory: takes fd over. */
static int enter(struct squash_packer *p, struct descent *d, struct squash_node *dir, int fd,
		 struct error **err)
{
	struct stat st;
	struct squash_node **grown =
		array_grow(d->children, d->way.depth, &d->cap, sizeof(struct squash_node *), err);
	if (!grown) {
		fd_close(&fd);
		return -1;
	}
	d->children = grown;
	d->dir = dir;
	int r = way_enter(&d->way, fd, &st);
	if (r < 0)
		return squash_node_errno(dir, -r, "look at", err);
	if (squash_set_attributes(p, dir, fd, &st, err) < 0)
		return squash_at_node(dir, err);
	dir->links = 2;
	if (squash_add_xattrs(p, dir, fd, -1, err) < 0 || add_directory(p, dir, fd, err) < 0)
		return -1;
	d->children[d->way.depth - 1] = dir->children;
	return 0;
}

static int leave(struct descent *d, struct error **err)
{
	d->dir = d->dir->parent;
	int r = way_leave(&d->way);
	if (r == -ESTALE) {
		error_set(err, ERROR_IO, "the directory was moved while being packed");
		return squash_at_node(d->dir, err);
	}
	return r < 0 ? squash_node_errno(d->dir, -r, "open the directory again", err) : 0;
}

static int descend(struct squash_packer *p, struct descent *d, struct error **err)
{
	while (d->way.depth) {
		struct squash_node **child = &d->children[d->way.depth - 1];
		struct squash_node *dir = next_directory(*child);
		if (!dir) {
			if (leave(d, err) < 0)
				return -1;
			continue;
		}
		*child = dir->next;
		int fd = openat(way_here(&d->way), dir->name,
				O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return squash_node_errno(dir, errno, "open the directory", err);
		if (enter(p, d, dir, fd, err) < 0)
			return -1;
	}
	return 0;
}

int squash_scan(struct squash_packer *p, int directory, struct error **err)
{
	struct descent d = { 0 };
	p->root = squash_node_new("", NULL);
	if (!p->root)
		return error_no_memory(err);
	p->root->mode = S_IFDIR;
	if (squash_give_number(p, p->root, err) < 0)
		return -1;
	int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return squash_node_errno(p->root, errno, "open the tree", err);
	int r = enter(p, &d, p->root, fd, err);
	if (r == 0)
		r = descend(p, &d, err);
	way_free(&d.way);
	free(d.children);
	return r;
}
