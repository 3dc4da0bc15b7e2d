/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One entry of a directory, looked at and turned into its node: what an inode of every kind says,
 * files with several names, links, devices; the data of files goes to data.c at once.
 */
#include "squash/write/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/*
 * What stands in the inode of every kind; the kind itself was looked at. fd: the file, or the
 * directory that it is in.
 */
int squash_set_attributes(struct squash_packer *p, struct squash_node *n, int fd,
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

int squash_give_number(struct squash_packer *p, struct squash_node *n, struct error **err)
{
	if (p->inodes == UINT32_MAX - 1)
		return error_set(err, ERROR_LIMIT, "more files than a squashfs can hold");
	n->number = ++p->inodes;
	return 0;
}

/* ---------------------------------------------------------------- files with several names */

struct squash_link { /* a file with several names, by the file system's number for it */
	uint64_t dev, ino;
	struct squash_node *node;
};

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
		return squash_node_errno(n, e, "read the link", err);
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
	if (squash_set_attributes(p, n, fd, st, err) < 0)
		return -1;
	return squash_give_number(p, n, err);
}

static int add_regular(struct squash_packer *p, struct squash_node *n, int directory,
		       struct error **err)
{
	struct stat st;
	/* O_NONBLOCK: should it be a FIFO by now, we do not wait for its writer. */
	CLEANUP_FD int fd = openat(directory, n->name,
				   O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return squash_node_errno(n, errno, "open", err);
	if (fstat(fd, &st) < 0)
		return squash_node_errno(n, errno, "look at", err);
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
int squash_add_entry(struct squash_packer *p, struct squash_node *n, int directory,
		     struct error **err)
{
	struct stat st;
	if (S_ISREG(n->mode)) {
		n->mode = 0;
		return add_regular(p, n, directory, err);
	}
	n->mode = 0;
	if (fstatat(directory, n->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return squash_node_errno(n, errno, "look at", err);
	if (S_ISREG(st.st_mode))
		return add_regular(p, n, directory, err);
	if (is_left_out(p, n, &st))
		return 1;
	if (S_ISDIR(st.st_mode)) { /* the rest when it is entered */
		n->mode = S_IFDIR;
		n->parent->links++;
		return squash_give_number(p, n, err);
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
