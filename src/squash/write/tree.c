/* SPDX-License-Identifier: Apache-2.0 */
#include "squash/write/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/*
 * The walk. Directories are opened one component at a time without following links, from the
 * descriptor of their parent, and read whole when they are entered: files are packed at once,
 * directories kept for the descent. Depth costs memory, not stack or descriptors: at most
 * OPEN_LEVELS of the way down are open (and the root), an older one is opened again by walking
 * down from the nearest open one, and must be the directory it was.
 */

#define OPEN_LEVELS 64

struct level {
	struct squash_node *dir;
	struct squash_node *child; /* where the search for the next directory to enter goes on */
	dev_t dev;
	ino_t ino;
	int fd; /* -1: closed meanwhile */
};

struct walk {
	struct level *levels;
	size_t depth, cap;
};

/* ---------------------------------------------------------------- nodes */

static struct squash_node *node_new(const char *name, struct squash_node *parent)
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

static int node_errno(const struct squash_node *n, int errnum, const char *what, struct error **err)
{
	error_errno(err, errnum, "%s", what);
	if (errnum == EACCES || errnum == EPERM)
		error_hint(err,
			   "all files of the tree must be readable: build as their owner, or as "
			   "root with --fakeroot");
	return squash_at_node(n, err);
}

/*
 * What stands in the inode of every kind; the kind itself was looked at. fd: the file, or the
 * directory that it is in.
 */
static int set_attributes(struct squash_packer *p, struct squash_node *n, int fd,
			  const struct stat *st, struct error **err)
{
	const struct squash_write_options *o = p->options;
	uid_t uid = o->all_root ? 0 : st->st_uid;
	gid_t gid = o->all_root ? 0 : st->st_gid;
	int64_t mtime = st->st_mtim.tv_sec;
	if (o->in_place_as_user)
		fd_unmapped_to_root(fd, &uid, &gid);
	if (o->clamp_time && mtime > 0 && (uint64_t)mtime > o->time)
		mtime = (int64_t)o->time;
	n->mtime = mtime < 0 ? 0 : mtime > UINT32_MAX ? UINT32_MAX : (uint32_t)mtime;
	n->mode = (uint16_t)st->st_mode;
	n->links = 1;
	int r = sqfs_id_table_id_to_index(p->ids, uid, &n->uid);
	if (r == 0)
		r = sqfs_id_table_id_to_index(p->ids, gid, &n->gid);
	return squash_check(&p->out, r, "keep the owners", err);
}

static int give_number(struct squash_packer *p, struct squash_node *n, struct error **err)
{
	if (p->inodes == UINT32_MAX - 1)
		return error_set(err, ERROR_LIMIT, "more files than a squashfs can hold");
	n->number = ++p->inodes;
	return 0;
}

/* ---------------------------------------------------------------- files with several names */

static struct squash_link *link_slot(struct squash_link *table, size_t cap, uint64_t dev,
				     uint64_t ino)
{
	size_t i = (size_t)((ino * 0x9E3779B97F4A7C15u ^ dev * 0xC2B2AE3D27D4EB4Fu) >> 16);
	for (i &= cap - 1; table[i].node; i = (i + 1) & (cap - 1))
		if (table[i].dev == dev && table[i].ino == ino)
			break;
	return &table[i];
}

/* Finds the first name of this file; if there is none yet, n is it and *ret is NULL. */
static int find_link(struct squash_packer *p, struct squash_node *n, const struct stat *st,
		     struct squash_node **ret, struct error **err)
{
	if (p->links_len * 2 >= p->links_cap) {
		size_t cap = p->links_cap ? p->links_cap * 2 : 256;
		struct squash_link *table = calloc(cap, sizeof(*table));
		if (!table)
			return error_no_memory(err);
		for (size_t i = 0; i < p->links_cap; i++)
			if (p->links[i].node)
				*link_slot(table, cap, p->links[i].dev, p->links[i].ino) =
					p->links[i];
		free(p->links);
		p->links = table;
		p->links_cap = cap;
	}
	struct squash_link *slot = link_slot(p->links, p->links_cap, st->st_dev, st->st_ino);
	*ret = slot->node;
	if (!slot->node) {
		*slot = (struct squash_link){ st->st_dev, st->st_ino, n };
		p->links_len++;
	}
	return 0;
}

/* ---------------------------------------------------------------- entries that are no directories
 */

static int add_target(struct squash_node *n, int directory, const struct stat *st,
		      struct error **err)
{
	size_t cap = (size_t)st->st_size + 1;
	if (cap < 2 || cap > 65536) /* some file systems give no size: PATH_MAX is the most */
		cap = 65536;
	char *target = malloc(cap);
	if (!target)
		return error_no_memory(err);
	ssize_t len = readlinkat(directory, n->name, target, cap);
	if (len < 0 || (size_t)len >= cap) {
		int e = len < 0 ? errno : EAGAIN;
		free(target);
		return node_errno(n, e, "read the link", err);
	}
	target[len] = '\0';
	char *fitted = realloc(target, (size_t)len + 1);
	n->target = fitted ? fitted : target;
	return 0;
}

static int add_device(struct squash_node *n, const struct stat *st, struct error **err)
{
	unsigned major_number = major(st->st_rdev), minor_number = minor(st->st_rdev);
	if (major_number >= 1u << 12 || minor_number >= 1u << 20)
		return error_set(err, ERROR_LIMIT, "a device number that squashfs cannot hold");
	n->device = (minor_number & 0xFF) | major_number << 8 | (minor_number & ~0xFFu) << 12;
	return 0;
}

/* A further name (1), or a file of its own (0) whose attributes are now set. */
static int begin_entry(struct squash_packer *p, struct squash_node *n, int fd,
		       const struct stat *st, struct error **err)
{
	struct squash_node *first = NULL;
	if (st->st_nlink > 1) {
		if (find_link(p, n, st, &first, err) < 0)
			return -1;
		if (first) {
			n->same = first;
			first->links++;
			return 1;
		}
	}
	n->mode = 0; /* nothing to free yet, should one of these fail */
	if (set_attributes(p, n, fd, st, err) < 0)
		return -1;
	return give_number(p, n, err);
}

static int add_regular(struct squash_packer *p, struct squash_node *n, int directory,
		       struct error **err)
{
	struct stat st;
	/* O_NONBLOCK: should it be a FIFO by now, we do not wait for its writer. */
	CLEANUP_FD int fd = openat(directory, n->name,
				   O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return node_errno(n, errno, "open", err);
	if (fstat(fd, &st) < 0)
		return node_errno(n, errno, "look at", err);
	if (!S_ISREG(st.st_mode)) {
		error_set(err, ERROR_IO, "the file was replaced while being packed");
		return squash_at_node(n, err);
	}
	int r = begin_entry(p, n, fd, &st, err);
	if (r)
		return r < 0 ? squash_at_node(n, err) : 0;
	if (squash_add_xattrs(p, n, fd, -1, err) < 0)
		return -1;
	return squash_add_data(p, n, fd, &st, err);
}

static bool is_left_out(struct squash_packer *p, const struct squash_node *n, const struct stat *st)
{
	bool socket = p->options->in_place && S_ISSOCK(st->st_mode);
	bool device =
		p->options->in_place_as_user && (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode));
	if (socket)
		squash_leave_out(p, n, SQUASH_LEFT_SOCKET, "it is a socket");
	else if (device)
		squash_leave_out(p, n, SQUASH_LEFT_DEVICE, "it is a device");
	return socket || device;
}

/*
 * n->mode holds what the directory says of the kind. 1: it is not to be in the image.
 *
 * What the directory says may be old: it decides only how the entry is looked at first.
 * A file is opened and then looked at, so that what is packed is what was looked at.
 */
static int add_entry(struct squash_packer *p, struct squash_node *n, int directory,
		     struct error **err)
{
	struct stat st;
	if (S_ISREG(n->mode)) {
		n->mode = 0;
		return add_regular(p, n, directory, err);
	}
	n->mode = 0;
	if (fstatat(directory, n->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return node_errno(n, errno, "look at", err);
	if (S_ISREG(st.st_mode))
		return add_regular(p, n, directory, err);
	if (is_left_out(p, n, &st))
		return 1;
	if (S_ISDIR(st.st_mode)) { /* the rest when it is entered */
		n->mode = S_IFDIR;
		n->parent->links++;
		return give_number(p, n, err);
	}
	int r = begin_entry(p, n, directory, &st, err);
	if (r == 0 && S_ISLNK(st.st_mode))
		r = add_target(n, directory, &st, err);
	else if (r == 0 && (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)))
		r = add_device(n, &st, err);
	else if (r > 0)
		return 0;
	if (r < 0)
		return squash_at_node(n, err);
	return squash_add_xattrs(p, n, -1, directory, err);
}

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

static int read_names(struct squash_node *dir, DIR *stream, struct entries *e, struct error **err)
{
	for (;;) {
		errno = 0;
		struct dirent *d = readdir(stream);
		if (!d && errno)
			return node_errno(dir, errno, "read the directory", err);
		if (!d)
			return 0;
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		struct entry *grown = array_grow(e->items, e->len, &e->cap, sizeof(*grown), err);
		if (!grown)
			return -1;
		e->items = grown;
		struct squash_node *n = node_new(d->d_name, dir);
		if (!n)
			return error_no_memory(err);
		n->mode = d->d_type == DT_REG ? S_IFREG : 0;
		e->items[e->len++].node = n;
	}
}

/* Reads the directory and all in it that is no directory. */
static int add_directory(struct squash_packer *p, struct squash_node *dir, int fd,
			 struct error **err)
{
	/* A descriptor of its own: closedir closes it, and the caller's may have been read before.
	 */
	int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = own < 0 ? NULL : fdopendir(own);
	if (!stream) {
		int e = errno;
		if (own >= 0)
			close(own);
		return node_errno(dir, e, "read the directory", err);
	}
	struct entries e = { 0 };
	int r = read_names(dir, stream, &e, err);
	closedir(stream);
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
		r = add_entry(p, n, fd, err);
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

/* The descriptor of a level, opened again if it was closed; borrowed. */
static int level_fd(struct walk *w, size_t at, struct error **err)
{
	size_t open = at;
	while (w->levels[open].fd < 0) /* the root is never closed */
		open--;
	for (; open < at; open++) {
		struct level *from = &w->levels[open], *to = from + 1;
		struct stat st;
		to->fd = openat(from->fd, to->dir->name,
				O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (to->fd < 0 || fstat(to->fd, &st) < 0)
			return node_errno(to->dir, errno, "open the directory again", err);
		if (st.st_dev != to->dev || st.st_ino != to->ino) {
			error_set(err, ERROR_IO, "the directory was moved while being packed");
			return squash_at_node(to->dir, err);
		}
		if (open > 0 && open + OPEN_LEVELS <= at)
			fd_close(&from->fd);
	}
	return w->levels[at].fd;
}

/* Enters a directory: takes fd over. */
static int enter(struct squash_packer *p, struct walk *w, struct squash_node *dir, int fd,
		 struct error **err)
{
	struct stat st;
	struct level *grown = array_grow(w->levels, w->depth, &w->cap, sizeof(*grown), err);
	if (!grown) {
		close(fd);
		return -1;
	}
	w->levels = grown;
	struct level *l = &w->levels[w->depth++];
	*l = (struct level){ .dir = dir, .fd = fd };
	if (fstat(fd, &st) < 0)
		return node_errno(dir, errno, "look at", err);
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	if (set_attributes(p, dir, fd, &st, err) < 0)
		return squash_at_node(dir, err);
	dir->links = 2;
	if (w->depth > OPEN_LEVELS + 1)
		fd_close(&w->levels[w->depth - 1 - OPEN_LEVELS].fd);
	if (squash_add_xattrs(p, dir, fd, -1, err) < 0 || add_directory(p, dir, fd, err) < 0)
		return -1;
	l->child = dir->children;
	return 0;
}

static int descend(struct squash_packer *p, struct walk *w, struct error **err)
{
	while (w->depth) {
		struct level *l = &w->levels[w->depth - 1];
		struct squash_node *dir = next_directory(l->child);
		if (!dir) {
			fd_close(&l->fd);
			w->depth--;
			continue;
		}
		l->child = dir->next;
		int parent = level_fd(w, w->depth - 1, err);
		if (parent < 0)
			return -1;
		int fd = openat(parent, dir->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return node_errno(dir, errno, "open the directory", err);
		if (enter(p, w, dir, fd, err) < 0)
			return -1;
	}
	return 0;
}

int squash_scan(struct squash_packer *p, int directory, struct error **err)
{
	struct walk w = { 0 };
	p->root = node_new("", NULL);
	if (!p->root)
		return error_no_memory(err);
	p->root->mode = S_IFDIR;
	if (give_number(p, p->root, err) < 0)
		return -1;
	int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return node_errno(p->root, errno, "open the tree", err);
	int r = enter(p, &w, p->root, fd, err);
	if (r == 0)
		r = descend(p, &w, err);
	for (size_t i = 0; i < w.depth; i++)
		fd_close(&w.levels[i].fd);
	free(w.levels);
	return r;
}
