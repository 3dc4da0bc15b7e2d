/* SPDX-License-Identifier: Apache-2.0 */
#include "squash/read/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

/*
 * The tree is unpacked depth first with a stack of our own, so that its depth costs no C stack.
 * Every object is made by name in the open directory above it. Directories so deep that their
 * ancestors would take too many descriptors are opened again, step by step, on the way back.
 *
 * A directory is entered once: an image in which two entries lead to the same one is damaged. So
 * there are no loops, and no image can unpack to more than its listings hold.
 */
#define LEVELS_OPEN 128 /* whose descriptors are kept */

struct level {
	struct squash_inode dir;
	int fd;	       /* owned; -1: closed to save it */
	char *name;    /* owned */
	uint64_t next; /* position in the listing */
};

struct extraction {
	struct squash *sq;
	const struct squash_extract_rules *rules;
	struct level *levels; /* owned */
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
	while (x->depth > 0) {
		struct level *l = &x->levels[--x->depth];
		fd_close(&l->fd);
		free(l->name);
	}
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

/* ------------------------------------------------------------------ what an object has besides */

static uint32_t mode_of(const struct extraction *x, const struct squash_inode *in)
{
	uint32_t mode = in->mode & 07777;
	if (S_ISREG(in->mode) && !x->rules->owners && !x->rules->setuid)
		mode &= ~(uint32_t)(S_ISUID | S_ISGID);
	return mode;
}

/* fd: the object; or, name not NULL, the directory it is in. */
static int xattrs_set(struct extraction *x, const struct squash_inode *in, int fd, const char *name,
		      struct error **err)
{
	struct buffer names CLEANUP_BUFFER = { 0 };
	char proc[sizeof("/proc/self/fd/-2147483648/") + SQUASH_NAME_MAX];
	if (in->xattr == SQUASH_NONE)
		return 0;
	if (squash_xattr_list(x->sq, in, &names, err) < 0)
		return -1;
	/* No call sets attributes relative to a directory: the last part is not followed. */
	(void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d/%s", fd, name ? name : "");
	for (size_t i = 0; i < names.len; i += strlen(names.data + i) + 1) {
		const char *key = names.data + i;
		struct buffer value CLEANUP_BUFFER = { 0 };
		if (strncmp(key, "user.", 5) != 0 && !x->rules->owners)
			continue;
		if (squash_xattr_get(x->sq, in, key, &value, err) < 0)
			return -1;
		int r = name ? lsetxattr(proc, key, value.data, value.len, 0)
			     : fsetxattr(fd, key, value.data, value.len, 0);
		/* Not every file system takes every attribute, nor every namespace. */
		if (r < 0 && (errno == EOPNOTSUPP || errno == EPERM || errno == EINVAL))
			log_verbose("extended attribute %s left out: %s", key, strerror(errno));
		else if (r < 0)
			return error_errno(err, errno, "set the extended attribute %s", key);
	}
	return 0;
}

static int owner_refused(const struct squash_inode *in, int errnum, struct error **err)
{
	error_errno(err, errnum, "give it to user %u, group %u", in->uid, in->gid);
	if (errnum != EINVAL)
		return errnum == EPERM ? fd_hint_owner(err) : -1;
	/* What the kernel says to a number that the user namespace does not map. */
	error_set_kind(err, ERROR_SYSTEM);
	return error_hint(err,
			  "this user namespace has no such id: root has all, other users those "
			  "in /etc/subuid and /etc/subgid");
}

/*
 * The owner first: to change it drops the set-user-id bits and file capabilities. The mode after
 * the attributes: a file that is read-only takes none. The time last.
 */
static int finish_open(struct extraction *x, const struct squash_inode *in, int fd,
		       struct error **err)
{
	const struct timespec times[2] = { { .tv_sec = in->mtime }, { .tv_sec = in->mtime } };
	if (x->rules->owners && fchown(fd, in->uid, in->gid) < 0)
		return owner_refused(in, errno, err);
	if (xattrs_set(x, in, fd, NULL, err) < 0)
		return -1;
	if (fchmod(fd, mode_of(x, in)) < 0)
		return error_errno(err, errno, "set its mode");
	if (futimens(fd, times) < 0)
		return error_errno(err, errno, "set its time");
	return 0;
}

static int finish_named(struct extraction *x, const struct squash_inode *in, int dirfd,
			const char *name, struct error **err)
{
	const struct timespec times[2] = { { .tv_sec = in->mtime }, { .tv_sec = in->mtime } };
	if (x->rules->owners && fchownat(dirfd, name, in->uid, in->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return owner_refused(in, errno, err);
	if (xattrs_set(x, in, dirfd, name, err) < 0)
		return -1;
	if (!S_ISLNK(in->mode) && fchmodat(dirfd, name, mode_of(x, in), AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, errno, "set its mode");
	if (utimensat(dirfd, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, errno, "set its time");
	return 0;
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
	return finish_open(x, in, fd, err);
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
	return finish_named(x, in, dirfd, name, err);
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
	return finish_named(x, in, dirfd, name, err);
}

/* Opens a directory that we made, by its path in the tree, one step at a time. */
static int walk_to(int from, const char *path, size_t len, int flags, struct error **err)
{
	flags |= O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
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
		walk_to(x->levels[0].fd, met->path, (size_t)(last - met->path), O_PATH, err);
	if (first < 0)
		return -1;
	if (linkat(first, last + 1, dirfd, name, 0) < 0)
		return error_errno(err, errno, "link it to %s", met->path);
	return 1;
}

static int object_make(struct extraction *x, squash_ref ref, const char *name, struct error **err)
{
	struct squash_inode in;
	int dirfd = x->levels[x->depth - 1].fd;
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
	if (x->depth > LEVELS_OPEN)
		fd_close(&x->levels[x->depth - 1].fd);
	x->levels[x->depth++] = (struct level){ .dir = in, .fd = fd_steal(&dirfd), .name = own };
	own = NULL;
	return 0;
}

static int enter(struct extraction *x, struct error **err)
{
	int above = x->levels[x->depth - 1].fd;
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
	if (finish_open(x, &l->dir, l->fd, err) < 0)
		return -1;
	fd_close(&l->fd);
	free(l->name);
	x->depth--;
	if (x->depth > 0 && x->levels[x->depth - 1].fd < 0) {
		char *path CLEANUP_TEXT = path_of(x, NULL, err);
		if (!path)
			return -1;
		int fd = walk_to(x->levels[0].fd, path, strlen(path), O_RDONLY, err);
		if (fd < 0)
			return -1;
		x->levels[x->depth - 1].fd = fd;
	}
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
