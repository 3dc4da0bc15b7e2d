/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The FUSE operations over the squashfs reader.
 *
 * The kernel is told to keep everything for ever (names, absent names, attributes, data, listings,
 * targets of links), because an image never changes; and to do without OPEN, RELEASE and FLUSH.
 * What is left is one READDIRPLUS a directory and one READ a small file.
 *
 * A node's number is the place of its inode in the image (squash_ref; serve/places.h), so there is
 * no table from numbers to inodes, nothing to count up and down, and FORGET has nothing to do.
 * Whatever number below those of places comes, the reader vets what stands there as it does for
 * every inode. Numbers from PLACES_NODE on are places, which the server shows beside what the image
 * has.
 *
 * Several threads are in here at once. They share the reader, which is made for that, and the list
 * of places, which is given once, before anything reads it; what a thread answers with is its own.
 *
 * Each request is answered exactly once, on every way out: one that is not would leave its process
 * waiting for ever, and not even SIGKILL would end it. That is why the functions that look
 * something up first answer the request themselves when they cannot.
 */
#include "serve/internal.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

/* In seconds. The kernel cuts what is more than it can count. */
#define FOR_EVER 1e9

/* Readers that may wait at once for what was read ahead. */
#define BACKGROUND_MAX 64

/* The unit that st_blocks counts in, and the one we count blocks of the file system in. */
#define SECTOR 512
#define BLOCK 4096

/* One buffer a thread for answers; it grows to the largest one asked for, and never shrinks. */
static _Thread_local struct {
	char *data;
	size_t cap;
} answer;

/* NULL when there is no memory. Its content is the last answer's: it is always written first. */
char *ops_answer(size_t len)
{
	if (len > answer.cap) {
		free(answer.data);
		answer.data = malloc(len);
		answer.cap = answer.data ? len : 0;
	}
	return answer.data;
}

void ops_thread_end(void)
{
	free(answer.data);
	answer.data = NULL;
	answer.cap = 0;
}

void ops_done(struct ops *ops)
{
	places_free(&ops->places);
}

void ops_init(struct ops *ops, struct squash *squash, const struct serve_options *options,
	      unsigned threads, int says)
{
	*ops = (struct ops){
		.squash = squash,
		.root = squash_root(squash),
		.has_xattrs = squash_has_xattrs(squash),
		.own_all = options->own_all,
		.uid = options->uid,
		.gid = options->gid,
		.says = says,
		.ahead_max = threads - 1,
	};
}

struct ops *ops_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

/* To the reader an errno; to the command, once, the words. */
void ops_reply_error(fuse_req_t req, const struct error *err)
{
	struct ops *ops = ops_of(req);
	if (ops->says >= 0 && !atomic_exchange(&ops->said, true))
		serve_say(ops->says, err);
	fuse_reply_err(req, error_to_errno(err));
}

/* The inode of a node; answers the request itself when there is none. */
bool ops_inode(fuse_req_t req, fuse_ino_t node, struct squash_inode *ret)
{
	CLEANUP_ERROR struct error *err = NULL;
	struct ops *ops = ops_of(req);
	if (places_is(node)) {
		places_inode(&ops->places, node, ret);
		return true;
	}
	if (squash_inode(ops->squash, ref_of(ops->root, node), ret, &err) == 0)
		return true;
	ops_reply_error(req, err);
	return false;
}

/*
 * squashfs numbers inodes with 32 bits, from 1 on; places have the last of them: a program of 32
 * bits cannot list a directory that has a larger one.
 */
uint64_t ops_number(const struct ops *ops, const struct squash_inode *inode)
{
	fuse_ino_t node = node_of(ops->root, inode->ref);
	return places_is(node) ? UINT32_MAX - (node - PLACES_NODE) : inode->number;
}

static void stat_of(const struct ops *ops, const struct squash_inode *inode, struct stat *st)
{
	*st = (struct stat){
		.st_ino = ops_number(ops, inode),
		.st_mode = inode->mode,
		.st_nlink = inode->links,
		.st_uid = ops->own_all ? ops->uid : inode->uid,
		.st_gid = ops->own_all ? ops->gid : inode->gid,
		/* glibc's numbers of devices are Linux' new encoding in their lower half. */
		.st_rdev = inode->device,
		.st_size = (off_t)inode->size,
		.st_blksize = BLOCK,
		.st_blocks = (blkcnt_t)((inode->size + SECTOR - 1) / SECTOR),
		.st_atim.tv_sec = inode->mtime,
		.st_mtim.tv_sec = inode->mtime,
		.st_ctim.tv_sec = inode->mtime,
	};
}

/* What the kernel keeps of a name: node and attributes, for ever. */
void ops_entry(const struct ops *ops, const struct squash_inode *inode, struct fuse_entry_param *e)
{
	*e = (struct fuse_entry_param){
		.ino = node_of(ops->root, inode->ref),
		.attr_timeout = FOR_EVER,
		.entry_timeout = FOR_EVER,
	};
	stat_of(ops, inode, &e->attr);
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	(void)userdata;
	/* Splicing gains nothing for data that was just decoded, and would need more system calls
	 * in the filter. What never changes is never to be asked for again. */
	conn->want &=
		~(unsigned)(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE |
			    FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_READDIRPLUS_AUTO);
	conn->want |= conn->capable &
		      (FUSE_CAP_ASYNC_READ | FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_READDIRPLUS |
		       FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_EXPLICIT_INVAL_DATA);
	conn->max_background = BACKGROUND_MAX;
	conn->congestion_threshold = BACKGROUND_MAX;
	conn->time_gran = 1000000000;
}

/*
 * A name in a directory: a place first, since it covers what the image has; else the image's. That
 * there is none is an answer too, which the kernel keeps like any other.
 */
static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	CLEANUP_ERROR struct error *err = NULL;
	struct ops *ops = ops_of(req);
	struct squash_inode dir, inode;
	struct fuse_entry_param e;
	squash_ref ref;
	if (!ops_inode(req, parent, &dir))
		return;
	if (!S_ISDIR(dir.mode)) {
		fuse_reply_err(req, ENOTDIR);
		return;
	}
	uint64_t place = places_find(&ops->places, parent, name, strlen(name));
	if (place) {
		places_inode(&ops->places, place, &inode);
		ops_entry(ops, &inode, &e);
	} else if (places_is(parent)) {
		e = (struct fuse_entry_param){ .entry_timeout = FOR_EVER };
	} else if (squash_lookup(ops->squash, &dir, name, strlen(name), &ref, &err) < 0) {
		if (error_kind(err) != ERROR_NOT_FOUND) {
			ops_reply_error(req, err);
			return;
		}
		/* Node 0: the absence is kept for ever too. */
		e = (struct fuse_entry_param){ .entry_timeout = FOR_EVER };
	} else if (squash_inode(ops->squash, ref, &inode, &err) < 0) {
		ops_reply_error(req, err);
		return;
	} else {
		ops_entry(ops, &inode, &e);
	}
	fuse_reply_entry(req, &e);
}

/* Seldom asked: look-up and listing have brought the attributes already. */
static void op_getattr(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	(void)fi;
	struct squash_inode inode;
	struct stat st;
	if (!ops_inode(req, node, &inode))
		return;
	stat_of(ops_of(req), &inode, &st);
	fuse_reply_attr(req, &st, FOR_EVER);
}

/* Once for each link: the kernel keeps the target. */
static void op_readlink(fuse_req_t req, fuse_ino_t node)
{
	CLEANUP_ERROR struct error *err = NULL;
	struct squash_inode inode;
	if (!ops_inode(req, node, &inode))
		return;
	if (!S_ISLNK(inode.mode)) {
		fuse_reply_err(req, EINVAL);
		return;
	}
	/* The kernel takes at most a page, the final NUL that it adds included. */
	if (inode.size >= PATH_MAX) {
		fuse_reply_err(req, ENAMETOOLONG);
		return;
	}
	char target[PATH_MAX];
	if (squash_readlink(ops_of(req)->squash, &inode, target, sizeof(target), &err) < 0)
		ops_reply_error(req, err);
	else
		fuse_reply_buf(req, target, inode.size);
}

/* ENOSYS: the kernel opens without us from now on, keeping data and listings in its cache. */
static void op_open(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	(void)node;
	(void)fi;
	fuse_reply_err(req, ENOSYS);
}

/* The hot one. The answer goes out before anything is done for later reads. */
static void op_read(fuse_req_t req, fuse_ino_t node, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	CLEANUP_ERROR struct error *err = NULL;
	struct ops *ops = ops_of(req);
	struct squash_inode inode;
	if (!ops_inode(req, node, &inode))
		return;
	if (!S_ISREG(inode.mode) || off < 0) {
		fuse_reply_err(req, EINVAL);
		return;
	}
	/* A short answer means the end of the file to the kernel, so the size is never cut. */
	char *buf = ops_answer(size);
	if (!buf) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	ssize_t n = squash_read(ops->squash, &inode, buf, size, (uint64_t)off, &err);
	if (n < 0) {
		ops_reply_error(req, err);
		return;
	}
	fuse_reply_buf(req, buf, (size_t)n);
	if ((fi->flags & SERVE_AS_ASKED) == SERVE_AS_ASKED)
		return;
	/* The request is gone from here on: nobody waits for this thread. */
	if (atomic_fetch_add_explicit(&ops->ahead, 1, memory_order_relaxed) < ops->ahead_max)
		squash_ahead(ops->squash, &inode, size, (uint64_t)off);
	atomic_fetch_sub_explicit(&ops->ahead, 1, memory_order_relaxed);
}

/* What `df` shows: as large as the image is, and full. */
static void op_statfs(fuse_req_t req, fuse_ino_t node)
{
	(void)node;
	const struct ops *ops = ops_of(req);
	struct statvfs st = {
		.f_bsize = BLOCK,
		.f_frsize = BLOCK,
		.f_blocks = (squash_bytes_used(ops->squash) + BLOCK - 1) / BLOCK,
		.f_files = squash_inode_count(ops->squash),
		.f_namemax = 256,
	};
	fuse_reply_statfs(req, &st);
}

/* Answers with an attribute or a list of names, or with its length when that was the question. */
static void reply_attribute(fuse_req_t req, const struct buffer *b, size_t size)
{
	if (size == 0)
		fuse_reply_xattr(req, b->len);
	else if (b->len > size)
		fuse_reply_err(req, ERANGE);
	else
		fuse_reply_buf(req, b->data, b->len);
}

/* The kernel asks for security.capability at each exec: an image without attributes says so once.
 */
static void op_getxattr(fuse_req_t req, fuse_ino_t node, const char *name, size_t size)
{
	CLEANUP_ERROR struct error *err = NULL;
	CLEANUP_BUFFER struct buffer value = { 0 };
	struct ops *ops = ops_of(req);
	struct squash_inode inode;
	/* The kernel then never asks again. */
	if (!ops->has_xattrs) {
		fuse_reply_err(req, ENOSYS);
		return;
	}
	if (!ops_inode(req, node, &inode))
		return;
	if (inode.xattr == UINT32_MAX)
		fuse_reply_err(req, ENODATA);
	else if (squash_xattr_get(ops->squash, &inode, name, &value, &err) == 0)
		reply_attribute(req, &value, size);
	else
		fuse_reply_err(req,
			       error_kind(err) == ERROR_NOT_FOUND ? ENODATA : error_to_errno(err));
}

/* The names of the attributes, NUL-terminated one after another, as listxattr(2) gives them. */
static void op_listxattr(fuse_req_t req, fuse_ino_t node, size_t size)
{
	CLEANUP_ERROR struct error *err = NULL;
	CLEANUP_BUFFER struct buffer names = { 0 };
	struct ops *ops = ops_of(req);
	struct squash_inode inode;
	if (!ops->has_xattrs) {
		fuse_reply_err(req, ENOSYS);
		return;
	}
	if (!ops_inode(req, node, &inode))
		return;
	if (inode.xattr != UINT32_MAX && squash_xattr_list(ops->squash, &inode, &names, &err) < 0)
		ops_reply_error(req, err);
	else
		reply_attribute(req, &names, size);
}

/* The kernel may know already that there is no such name, and what the directory lists. */
static void place_is_new(void *context, uint64_t parent, const char *name)
{
	struct ops *ops = context;
	if (places_is(parent))
		return;
	(void)fuse_lowlevel_notify_inval_entry(ops->session, parent, name, strlen(name));
	(void)fuse_lowlevel_notify_inval_inode(ops->session, parent, 0, 0);
}

static void op_ioctl(fuse_req_t req, fuse_ino_t node, unsigned call, void *argument,
		     struct fuse_file_info *fi, unsigned flags, const void *in, size_t in_len,
		     size_t out_len)
{
	(void)argument;
	(void)fi;
	(void)flags;
	(void)out_len;
	CLEANUP_ERROR struct error *err = NULL;
	struct ops *ops = ops_of(req);
	/* The one call that the container may make of us: its list of mount points, once. */
	if (call != PLACES_CALL || node != FUSE_ROOT_ID || in_len != sizeof(struct places_message))
		fuse_reply_err(req, ENOTTY);
	else if (places_take(&ops->places, ops->squash, in, place_is_new, ops, &err) < 0)
		fuse_reply_err(req, error_to_errno(err));
	else
		fuse_reply_ioctl(req, 0, NULL, 0);
}

/* What is missing here libfuse answers with ENOSYS, and the kernel does not ask again. */
const struct fuse_lowlevel_ops ops_table = {
	.init = op_init,
	.lookup = op_lookup,
	.getattr = op_getattr,
	.readlink = op_readlink,
	.open = op_open,
	.read = op_read,
	.opendir = op_open,
	.readdirplus = ops_readdirplus,
	.statfs = op_statfs,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.ioctl = op_ioctl,
};
