/* SPDX-License-Identifier: Apache-2.0 */
#include "squash/read/data.h"

#include <stdlib.h>
#include <string.h>

/*
 * A file of the tree as a source. The encrypted file of a gocryptfs image is stored unpacked and
 * in a row, since what is encrypted does not shrink: then an offset in it is an offset below, and
 * neither blocks nor cache come into it.
 */
struct squash_file_source {
	struct source source;
	struct squash *sq; /* borrowed */
	struct squash_inode inode;
	uint64_t direct; /* so many bytes from the beginning are stored as they are */
};

/*
 * How much of a file is stored as it is. The list of blocks is read once, a few words at a time:
 * 100 GB take 3 MB of words, which pack to next to nothing when they are all the same.
 */
static int direct_len(struct squash *sq, const struct squash_inode *inode, uint64_t *ret,
		      struct error **err)
{
	uint64_t blocks = data_blocks(sq, inode), len = 0;
	struct meta words CLEANUP_META = { 0 };
	if (blocks && meta_open(sq, &sq->inodes, inode->blocks_at, &words, err) < 0)
		return -1;
	words.once = true;
	while (blocks > 0) {
		uint8_t raw[1024 * 4];
		size_t n = blocks < 1024 ? (size_t)blocks : 1024;
		if (meta_read(&words, raw, n * 4, err) < 0)
			return -1;
		/* One word over and over is the same one word further on: the first stands for all.
		 */
		bool one = (inode->size - len) >> sq->block_log >= n &&
			   memcmp(raw, raw + 4, (n - 1) * 4) == 0;
		struct bytes b = bytes_of(raw, n * 4);
		for (size_t i = 0; i < (one ? 1 : n); i++) {
			uint64_t left = inode->size - len;
			uint32_t want = left < sq->block_size ? (uint32_t)left : sq->block_size;
			if (bytes_le32(&b) != (SQUASH_DATA_RAW | want))
				goto out;
			len += one ? (uint64_t)want * n : want;
		}
		blocks -= n;
	}
out:
	if (len &&
	    (inode->start < SQUASH_SUPER_LEN || !range_within(inode->start, len, sq->bytes_used)))
		return error_set(err, ERROR_DAMAGED, "a file's data lies outside the image");
	*ret = len;
	return 0;
}

static int file_read(struct source *s, void *buf, size_t len, uint64_t off, struct error **err)
{
	struct squash_file_source *f = (struct squash_file_source *)s;
	size_t n = 0;
	if (off < f->direct) {
		n = len < f->direct - off ? len : (size_t)(f->direct - off);
		if (source_read(f->sq->source, buf, n, f->inode.start + off, err) < 0)
			return -1;
	}
	if (n == len)
		return 0;
	ssize_t got = squash_read(f->sq, &f->inode, (uint8_t *)buf + n, len - n, off + n, err);
	if (got < 0)
		return -1;
	return (size_t)got == len - n ? 0 : error_set(err, ERROR_INTERNAL, "squashfs: short read");
}

static void file_free(struct source *s)
{
	free(s);
}

static const struct source_ops file_ops = { .read = file_read, .free = file_free };

int squash_file_source(struct squash *sq, const struct squash_inode *inode, struct source **ret,
		       struct error **err)
{
	uint64_t direct = 0;
	if (!S_ISREG(inode->mode))
		return error_set(err, ERROR_DAMAGED, "not a regular file");
	if (direct_len(sq, inode, &direct, err) < 0)
		return -1;
	struct squash_file_source *f = calloc(1, sizeof(*f));
	if (!f)
		return error_no_memory(err);
	f->source = (struct source){ .ops = &file_ops, .size = inode->size };
	f->sq = sq;
	f->inode = *inode;
	f->direct = direct;
	*ret = &f->source;
	return 0;
}

int squash_file_place(struct squash *sq, const struct squash_inode *inode, uint64_t *ret,
		      struct error **err)
{
	uint64_t direct = 0, position;
	uint32_t word;
	if (!S_ISREG(inode->mode))
		return error_set(err, ERROR_DAMAGED, "not a regular file");
	if (direct_len(sq, inode, &direct, err) < 0)
		return -1;
	*ret = inode->start;
	if (direct || inode->fragment == SQUASH_NONE)
		return direct && direct == inode->size;
	/* All of it is a tail, in a block with those of other files. */
	if (data_blocks(sq, inode))
		return 0;
	if (data_fragment(sq, inode->fragment, &position, &word, err) < 0)
		return -1;
	uint32_t len = word & ~SQUASH_DATA_RAW;
	if (!(word & SQUASH_DATA_RAW) || !range_within(inode->offset, inode->size, len))
		return 0;
	if (position < SQUASH_SUPER_LEN || !range_within(position, len, sq->bytes_used))
		return error_set(err, ERROR_DAMAGED, "a file's data lies outside the image");
	*ret = position + inode->offset;
	return 1;
}
