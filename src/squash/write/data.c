/* SPDX-License-Identifier: Apache-2.0 */
#include "squash/write/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char packing[] = "pack the file's data";

static int changed(struct error **err)
{
	error_set(err, ERROR_IO, "the file changed while it was being packed");
	return error_hint(err, "stop what writes to the tree, then build again");
}

/* Fills the buffer from the file, which has so many bytes there. */
static int read_file(struct squash_packer *p, int fd, size_t len, uint64_t off, struct error **err)
{
	ssize_t got = fd_pread(fd, p->buffer, len, off);
	if (got < 0)
		return error_errno(err, (int)-got, "read");
	if ((size_t)got < len && !p->options->in_place)
		return changed(err);
	memset(p->buffer + got, 0, len - (size_t)got);
	return 0;
}

int squash_submit(struct squash_packer *p, struct squash_blocks *b, uint32_t flags,
		  const void *data, size_t len, struct error **err)
{
	return squash_check(&p->out,
			    sqfs_block_processor_submit_block(p->processor, b, flags, data, len),
			    packing, err);
}

struct squash_blocks *squash_blocks_new(struct squash_packer *p, struct error **err)
{
	struct squash_blocks *b = calloc(1, sizeof(*b));
	if (!b) {
		error_no_memory(err);
		return NULL;
	}
	b->block_size = p->block_size;
	b->next = p->submitted;
	p->submitted = b;
	return b;
}

/* An inode of a file of that size, with room for so many blocks. */
static int new_inode(struct squash_node *n, uint64_t size, uint64_t blocks, struct error **err)
{
	size_t list_len = (size_t)blocks * sizeof(uint32_t);
	sqfs_inode_generic_t *inode = calloc(1, sizeof(*inode) + list_len);
	if (!inode)
		return error_no_memory(err);
	inode->base.type = SQFS_INODE_FILE;
	inode->payload_bytes_available = inode->payload_bytes_used = (sqfs_u32)list_len;
	inode->data.file.fragment_index = SQUASH_NONE;
	inode->data.file.fragment_offset = SQUASH_NONE;
	n->inode = inode;
	sqfs_inode_set_file_size(inode, size); /* fails for what is no file only */
	return 0;
}

/* The whole blocks of a file, then what is left. */
static int add_plain(struct squash_packer *p, struct squash_node *n, int fd, uint64_t size,
		     struct error **err)
{
	uint64_t whole = size - size % p->block_size;
	if (whole / p->block_size > SQUASH_WRITE_BLOCKS_MAX)
		return error_set(err, ERROR_LIMIT, "a file of %llu bytes, too many",
				 (unsigned long long)size);
	if (new_inode(n, size, whole / p->block_size, err) < 0)
		return -1;
	struct squash_blocks *b = NULL;
	if (whole && !(b = squash_blocks_new(p, err)))
		return -1;
	if (b)
		b->inode = n->inode;
	for (uint64_t off = 0; off < size;) {
		size_t len = size - off < p->buffer_cap ? (size_t)(size - off) : p->buffer_cap;
		if (read_file(p, fd, len, off, err) < 0)
			return -1;
		size_t at = 0;
		for (; len - at >= p->block_size; at += p->block_size) {
			uint32_t flags =
				(off + at ? 0 : SQFS_BLK_FIRST_BLOCK) |
				(off + at + p->block_size < whole ? 0 : SQFS_BLK_LAST_BLOCK);
			if (squash_submit(p, b, flags, p->buffer + at, p->block_size, err) < 0)
				return -1;
		}
		if (at < len && squash_add_tail(p, n->inode, p->buffer + at, len - at, err) < 0)
			return -1;
		off += len;
	}
	return 0;
}

static int submit_numbered(struct squash_packer *p, struct squash_blocks *b, uint32_t index,
			   size_t len, struct error **err)
{
	uint32_t *grown = array_grow(b->submitted, b->count, &b->cap, sizeof(*grown), err);
	if (!grown)
		return -1;
	b->submitted = grown;
	b->submitted[b->count] = index;
	b->holes -= len;
	uint32_t flags = b->count++ ? 0 : SQFS_BLK_FIRST_BLOCK;
	return squash_submit(p, b, flags, p->buffer, len, err);
}

/* Submits the blocks that [*off, ...) touches up to the next hole; *off becomes their end. */
static int add_extent(struct squash_packer *p, struct squash_blocks *b, int fd, uint64_t *off,
		      uint64_t size, struct error **err)
{
	off_t data = lseek(fd, (off_t)*off, SEEK_DATA);
	if (data < 0 && errno == ENXIO) { /* holes up to the end */
		*off = size;
		return 0;
	}
	off_t hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
	if (hole < 0)
		return error_errno(err, errno, "find the holes of the file");
	uint64_t at = (uint64_t)data - (uint64_t)data % p->block_size;
	if (at < *off)
		at = *off; /* that block went out with the extent before */
	for (; at < (uint64_t)hole && at < size; at += p->block_size) {
		size_t want = size - at < p->block_size ? (size_t)(size - at) : p->block_size;
		if (read_file(p, fd, want, at, err) < 0 ||
		    submit_numbered(p, b, (uint32_t)(at / p->block_size), want, err) < 0)
			return -1;
	}
	*off = at;
	return 0;
}

/*
 * A file with holes: only the blocks that hold data are read and submitted, each with its number;
 * the others stay 0 in the block list, which is a hole. Its tail is no fragment.
 */
static int add_holed(struct squash_packer *p, struct squash_node *n, int fd, uint64_t size,
		     struct error **err)
{
	uint64_t blocks = size / p->block_size + (size % p->block_size != 0);
	if (blocks > SQUASH_WRITE_BLOCKS_MAX)
		return error_set(err, ERROR_LIMIT, "a file with holes has %llu bytes, too many",
				 (unsigned long long)size);
	if (new_inode(n, size, blocks, err) < 0)
		return -1;
	struct squash_blocks *b = squash_blocks_new(p, err);
	if (!b)
		return -1;
	b->inode = n->inode;
	b->holes = size;
	for (uint64_t off = 0; off < size;)
		if (add_extent(p, b, fd, &off, size, err) < 0)
			return -1;
	/* An empty block says that the file has ended, as libsquashfs itself does it. */
	return squash_submit(
		p, b, b->count ? SQFS_BLK_LAST_BLOCK : SQFS_BLK_FIRST_BLOCK | SQFS_BLK_LAST_BLOCK,
		"", 0, err);
}

static bool has_holes(int fd, const struct stat *st)
{
	if ((uint64_t)st->st_blocks * 512 >= (uint64_t)st->st_size)
		return false;
	off_t hole = lseek(fd, 0, SEEK_HOLE);
	return hole >= 0 && hole < st->st_size;
}

int squash_add_data(struct squash_packer *p, struct squash_node *n, int fd, const struct stat *st,
		    struct error **err)
{
	uint64_t size = (uint64_t)st->st_size;
	int r = 0;
	if (size && has_holes(fd, st))
		r = add_holed(p, n, fd, size, err);
	else if (size)
		r = add_plain(p, n, fd, size, err);
	if (r == 0 && !p->options->in_place) {
		uint8_t more;
		ssize_t got = fd_pread(fd, &more, 1, size);
		if (got < 0)
			r = error_errno(err, (int)-got, "read");
		else if (got > 0)
			r = changed(err);
	}
	return r < 0 ? squash_at_node(n, err) : 0;
}
