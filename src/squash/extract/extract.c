/* SPDX-License-Identifier: Apache-2.0 */
#include "squash/extract/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "os/os.h"

/*
 * The tree is unpacked depth first with a stack of our own, so that its depth costs no C stack.
 * Every object is made by name in the open directory above it (os/walk.h: the way down).
 *
 * A directory is entered once: an image in which two entries lead to the same one is damaged. So
 * there are no loops, and no image can unpack to more than its listings hold.
 */

struct level {
	struct squash_inode dir;
	char *name;    /* owned */
	uint64_t next; /* position in the listing */
};

struct extraction {
	struct squash *sq;
	const struct squash_extract_rules *rules;
	struct way way;	      /* the directories */
	struct level *levels; /* owned; one for each */
	size_t depth, cap;
	struct refs met; /* directories, and files with several names: with the first one's path */
	uint64_t inodes; /* made so far */
	uint8_t *block;	 /* owned: block_size bytes */
	/* what the visit of an entry left behind */
	bool found; /* a directory to go into */
	char name[SQUASH_NAME_MAX + 1];
	squash_ref ref;
	struct error *failure;
};

static void extraction_free(struct extraction *x)
{
	while (x->depth > 0)
		free(x->levels[--x->depth].name);
	way_free(&x->way);
	free(x->levels);
	free(x->block);
	refs_free(&x->met);
	error_free(&x->failure);
}
#define CLEANUP_EXTRACTION __attribute__((cleanup(extraction_free)))

/* The path within the tree of an entry of the innermost directory (NULL: of itself). */
static char *path_of(const struct extraction *x, const char *name, struct error **err)
{
	struct buffer b CLEANUP_BUFFER = { 0 };
	for (size_t i = 1; i < x->depth; i++)
		if (buffer_printf(&b, err, "/%s", x->levels[i].name) < 0)
			return NULL;
	if (name ? buffer_printf(&b, err, "/%s", name) < 0
		 : b.len == 0 && buffer_puts(&b, "/", err) < 0)
		return NULL;
	return buffer_steal(&b, err);
}

/* ------------------------------------------------------------------ objects */

static bool all_zero(const uint8_t *p, size_t len)
{
	return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

static int file_fill(struct extraction *x, const struct squash_inode *in, int fd,
		     struct error **err)
{
	uint64_t off = 0;
	while (off < in->size) {
		/* Holes are passed over by their words: a file may be terabytes of nothing. */
		uint64_t holes = 0;
		if (data_holes(x->sq, in, off >> x->sq->block_log, &holes, err) < 0)
			return -1;
		off += holes << x->sq->block_log;
		while (off < in->size) {
			ssize_t n = squash_read(x->sq, in, x->block, x->sq->block_size, off, err);
			if (n < 0)
				return -1;
			if (all_zero(x->block, (size_t)n)) {
				off += (uint64_t)n;
				break;
			}
			int r = fd_pwrite(fd, x->block, (size_t)n, off);
			if (r < 0)
				return error_errno(err, -r, "write");
			off += (uint64_t)n;
		}
	}
	if (ftruncate(fd, (off_t)in->size) < 0)
		return error_errno(err, errno, "set its length");
	return 0;
}

static int file_make(struct extraction *x, const struct squash_inode *in, int dirfd,
		     const char *name, struct error **err)
{
	int fd CLEANUP_FD =
		openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_errno(err, errno, "make the file");
	if (file_fill(x, in, fd, err) < 0)
		return -1;
	return extract_finish_open(x->sq, x->rules, in, fd, err);
}

static int link_make(struct extraction *x, const struct squash_inode *in, int dirfd,
		     const char *name, struct error **err)
{
	char target[SQUASH_TARGET_MAX + 1];
	if (squash_readlink(x->sq, in, target, SQUASH_TARGET_MAX, err) < 0)
		return -1;
	target[in->size] = '\0';
	if (symlinkat(target, dirfd, name) < 0)
		return error_errno(err, errno, "make the symbolic link");
	return extract_finish_named(x->sq, x->rules, in, dirfd, name, err);
}

/* Linux' encoding of a device number in 32 bits, as the inode holds it. */
static dev_t device_of(const struct squash_inode *in)
{
	return makedev((in->device & 0xfff00) >> 8,
		       (in->device & 0xff) | (in->device >> 12 & 0xfff00));
}

static int node_make(struct extraction *x, const struct squash_inode *in, int dirfd,
		     const char *name, struct error **err)
{
	bool device = S_ISBLK(in->mode) || S_ISCHR(in->mode);
	if (device && !x->rules->devices)
		return 0;
	if (mknodat(dirfd, name, (in->mode & S_IFMT) | 0600, device ? device_of(in) : 0) < 0)
		return error_errno(err, errno, "make the %s", device ? "device" : "fifo or socket");
	return extract_finish_named(x->sq, x->rules, in, dirfd, name, err);
}

/* Opens a directory that we made, by its path in the tree, one step at a time. */
static int walk_to(int from, const char *path, size_t len, struct error **err)
{
	const int flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd CLEANUP_FD = openat(from, ".", flags);
	while (fd >= 0 && len > 0) {
		char name[SQUASH_NAME_MAX + 1];
		size_t n = 0;
		path++; /* its slash */
		len--;
		while (n < len && path[n] != '/')
			n++;
		memcpy(name, path, n);
		name[n] = '\0';
		int next = openat(fd, name, flags);
		int saved = errno;
		fd_close(&fd);
		errno = saved;
		fd = next;
		path += n;
		len -= n;
	}
	if (fd < 0)
		return error_errno(err, errno, "open its directory again");
	return fd_steal(&fd);
}

/* A further name of a file that is already there: 1; 0 when it is the first. */
static int hard_link(struct extraction *x, const struct squash_inode *in, int dirfd,
		     const char *name, struct error **err)
{
	struct refs_slot *met = NULL;
	bool device = S_ISBLK(in->mode) || S_ISCHR(in->mode);
	if (in->links < 2 || (device && !x->rules->devices))
		return 0;
	int r = refs_add(&x->met, in->ref, &met, err);
	if (r < 0)
		return -1;
	if (r > 0) {
		met->path = path_of(x, name, err);
		return met->path ? 0 : -1;
	}
	if (!met->path)
		return error_set(err, ERROR_DAMAGED, "a file that was a directory before");
	const char *last = strrchr(met->path, '/');
	int first CLEANUP_FD =
		walk_to(x->way.levels[0].fd, met->path, (size_t)(last - met->path), err);
	if (first < 0)
		return -1;
	if (linkat(first, last + 1, dirfd, name, 0) < 0)
		return error_errno(err, errno, "link it to %s", met->path);
	return 1;
}

static int object_make(struct extraction *x, squash_ref ref, const char *name, struct error **err)
{
	struct squash_inode in;
	int dirfd = way_here(&x->way);
	if (squash_inode(x->sq, ref, &in, err) < 0)
		return -1;
	int r = hard_link(x, &in, dirfd, name, err);
	if (r != 0)
		return r < 0 ? -1 : 0;
	if (++x->inodes > x->sq->inode_count)
		return error_set(err, ERROR_DAMAGED, "more files than the image says it has");
	switch (in.mode & S_IFMT) {
	case S_IFREG:
		return file_make(x, &in, dirfd, name, err);
	case S_IFLNK:
		return link_make(x, &in, dirfd, name, err);
	case S_IFDIR:
		return error_set(err, ERROR_DAMAGED, "a directory that its listing calls a file");
	default:
		return node_make(x, &in, dirfd, name, err);
	}
}

/* ------------------------------------------------------------------ directories */

/* Takes name over, also on failure; the directory is made and open (NULL: the tree's root). */
static int level_push(struct extraction *x, squash_ref ref, char *name, int fd, struct error **err)
{
	int dirfd CLEANUP_FD = fd;
	char *own CLEANUP_TEXT = name;
	struct squash_inode in;
	struct stat st;
	struct refs_slot *met = NULL;
	if (x->depth >= SQUASH_DEPTH_MAX)
		return error_set(err, ERROR_LIMIT, "directories are nested too deeply");
	if (squash_inode(x->sq, ref, &in, err) < 0)
		return -1;
	if (!S_ISDIR(in.mode))
		return error_set(err, ERROR_DAMAGED, "a file that its listing calls a directory");
	int r = refs_add(&x->met, ref, &met, err);
	if (r < 0)
		return -1;
	if (r == 0)
		return error_set(err, ERROR_DAMAGED, "a directory that is in two places");
	if (++x->inodes > x->sq->inode_count)
		return error_set(err, ERROR_DAMAGED, "more files than the image says it has");
	struct level *levels = array_grow(x->levels, x->depth, &x->cap, sizeof(*x->levels), err);
	if (!levels)
		return -1;
	x->levels = levels;
	r = way_enter(&x->way, fd_steal(&dirfd), &st);
	if (r < 0)
		return error_errno(err, -r, "look at the directory");
	x->levels[x->depth++] = (struct level){ .dir = in, .name = take_pointer(&own) };
	return 0;
}

static int enter(struct extraction *x, struct error **err)
{
	int above = way_here(&x->way);
	/* What the reader may do is set when all is in it. */
	if (mkdirat(above, x->name, 0700) < 0)
		return error_errno(err, errno, "make the directory");
	int fd = openat(above, x->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "open the directory just made");
	char *name = text_dup(x->name, err);
	if (!name) {
		fd_close(&fd);
		return -1;
	}
	return level_push(x, x->ref, name, fd, err);
}

static int leave(struct extraction *x, struct error **err)
{
	struct level *l = &x->levels[x->depth - 1];
	/* The way back first: what the directory is given may not let us through. */
	int above = x->depth > 1 ? way_above(&x->way) : 0;
	if (above < 0)
		return error_errno(err, -above, "open the directory above again");
	if (extract_finish_open(x->sq, x->rules, &l->dir, way_here(&x->way), err) < 0)
		return -1;
	(void)way_leave(&x->way); /* the one above is open */
	free(l->name);
	x->depth--;
	return 0;
}

/* Files are made right here; at a directory the listing is left, to be gone on with later. */
static int entry_visit(void *context, const struct squash_dirent *e, uint64_t next)
{
	struct extraction *x = context;
	memcpy(x->name, e->name, e->len);
	x->name[e->len] = '\0';
	x->ref = e->ref;
	x->levels[x->depth - 1].next = next;
	if (S_ISDIR(e->type)) {
		x->found = true;
		return 1;
	}
	return object_make(x, e->ref, x->name, &x->failure) < 0;
}

static int wrap_path(struct extraction *x, const char *name, struct error **err)
{
	struct error *ignored CLEANUP_ERROR = NULL;
	char *path CLEANUP_TEXT = path_of(x, name, &ignored);
	return error_wrap(err, "unpack %s", path ? path : "the tree");
}

static int step(struct extraction *x, struct error **err)
{
	struct level *l = &x->levels[x->depth - 1];
	x->found = false;
	if (squash_readdir(x->sq, &l->dir, l->next, entry_visit, x, err) < 0)
		return wrap_path(x, NULL, err);
	if (x->failure) {
		*err = take_pointer(&x->failure);
		return wrap_path(x, x->name, err);
	}
	if (x->found)
		return enter(x, err) < 0 ? wrap_path(x, x->name, err) : 0;
	return leave(x, err) < 0 ? wrap_path(x, NULL, err) : 0;
}

int squash_extract(struct squash *sq, int directory, const struct squash_extract_rules *rules,
		   struct error **err)
{
	struct extraction x CLEANUP_EXTRACTION = { .sq = sq, .rules = rules };
	x.block = malloc(sq->block_size);
	if (!x.block)
		return error_no_memory(err);
	int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "open the directory to unpack into");
	if (level_push(&x, sq->root, NULL, fd, err) < 0)
		return -1;
	while (x.depth > 0)
		if (step(&x, err) < 0)
			return -1;
	return 0;
}
