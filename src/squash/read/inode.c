/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inodes: from a reference to a struct squash_inode that the rest of the reader can trust
 * (encryption.md 7).
 *
 * A reference is a place in the table of inodes: a metadata block, and an offset in what that block
 * decodes to. No table says where inodes begin. A reference comes from an entry of a directory, or
 * from the kernel, for which it is the number of a node (serve/places.h): so any 48 bits may be
 * asked for, and what stands there may be the middle of another inode. It is read as an inode and
 * vetted as one; if it passes, it is as harmless as any other.
 *
 * An inode has three parts: 16 bytes that all kinds share, a fixed part for each kind, and, for
 * some kinds, something of any length: a file's block words, a link's target, a directory's index.
 * The first two are decoded here. Of the third only the place is kept (blocks_at), because the
 * image chooses its length: it is read through a cursor where it is wanted, and never loaded whole.
 *
 * What holds of an inode once squash_inode has returned it:
 * - its kind is one of the format's, and the bits of the kind in `mode` come from that, whatever
 * the image's own mode field says;
 * - its owners are those that the table of ids has at its indexes;
 * - a file's fragment exists, and its tail lies within a block's length; it has no more blocks than
 *   the table of inodes has room for words, so that no walk over them is longer than the image;
 * - a link's target has from 1 to SQUASH_TARGET_MAX bytes;
 * - its list of attributes exists, or it has none.
 * What does not: that the data blocks lie in the image (data.c looks at each when it is read), that
 * a listing is one (dir.c), that two inodes have different numbers.
 *
 * Nothing is kept from one call to the next but metadata blocks in the cache: so there is no table
 * of inodes that an image could make grow.
 */
#include "squash/read/data.h"

#include <string.h>

/* The longest fixed part behind the common one: an extended file's. */
#define BODY_MAX 40

/* The length of the fixed part of each kind, without the 16 common bytes; 0: no such kind. */
static const uint8_t body_lengths[] = {
	[SQUASH_DIR] = 16,
	[SQUASH_FILE] = 16,
	[SQUASH_LINK] = 8,
	[SQUASH_BLOCK_DEVICE] = 8,
	[SQUASH_CHAR_DEVICE] = 8,
	[SQUASH_FIFO] = 4,
	[SQUASH_SOCKET] = 4,
	[SQUASH_DIR + SQUASH_EXTENDED] = 24,
	[SQUASH_FILE + SQUASH_EXTENDED] = 40,
	[SQUASH_LINK + SQUASH_EXTENDED] = 8,
	[SQUASH_BLOCK_DEVICE + SQUASH_EXTENDED] = 12,
	[SQUASH_CHAR_DEVICE + SQUASH_EXTENDED] = 12,
	[SQUASH_FIFO + SQUASH_EXTENDED] = 8,
	[SQUASH_SOCKET + SQUASH_EXTENDED] = 8,
};

static int damaged(struct error **err, const char *what)
{
	return error_set(err, ERROR_DAMAGED, "an inode is damaged: %s", what);
}

static int file_vet(const struct squash *sq, struct squash_inode *in, struct error **err)
{
	/* The tail is what does not fill a block. It may share a block with other files' tails. */
	uint64_t tail = in->size & (sq->block_size - 1);
	if (in->fragment != SQUASH_NONE) {
		if (in->fragment >= sq->fragment_count)
			return damaged(err, "no such fragment");
		if (!range_within(in->offset, tail, sq->block_size))
			return damaged(err, "its tail lies outside the fragment");
	}
	/* Each block has a word of four bytes, and a metadata block takes three bytes or more. */
	uint64_t blocks = data_blocks(sq, in);
	uint64_t words = ((sq->inodes.end - sq->inodes.start) / 3 + 1) * (SQUASH_META_LEN / 4);
	if (blocks > words)
		return damaged(err, "it has more blocks than the image has words for them");
	if (blocks > SQUASH_FILE_BLOCKS_MAX)
		return error_set(err, ERROR_LIMIT, "a file of %llu blocks is too large",
				 (unsigned long long)blocks);
	/* Only the first: each block's place is the sum of the lengths before it (positions.c). */
	if (blocks && in->start > sq->bytes_used)
		return damaged(err, "its data lies outside the image");
	return 0;
}

/* Decodes the fixed part of a kind: encryption.md, section 7. */
static int body_decode(const struct squash *sq, unsigned type, struct bytes *b,
		       struct squash_inode *in, struct error **err)
{
	switch (type) {
	case SQUASH_DIR:
		in->start = bytes_le32(b);
		in->links = bytes_le32(b);
		in->size = bytes_le16(b);
		in->offset = bytes_le16(b);
		in->parent = bytes_le32(b);
		break;
	case SQUASH_DIR + SQUASH_EXTENDED:
		in->links = bytes_le32(b);
		in->size = bytes_le32(b);
		in->start = bytes_le32(b);
		in->parent = bytes_le32(b);
		in->index_count = bytes_le16(b);
		in->offset = bytes_le16(b);
		in->xattr = bytes_le32(b);
		break;
	case SQUASH_FILE:
		in->links = 1;
		in->start = bytes_le32(b);
		in->fragment = bytes_le32(b);
		in->offset = bytes_le32(b);
		in->size = bytes_le32(b);
		break;
	case SQUASH_FILE + SQUASH_EXTENDED:
		in->start = bytes_le64(b);
		in->size = bytes_le64(b);
		bytes_skip(b, 8); /* how many bytes are holes */
		in->links = bytes_le32(b);
		in->fragment = bytes_le32(b);
		in->offset = bytes_le32(b);
		in->xattr = bytes_le32(b);
		break;
	case SQUASH_LINK:
	case SQUASH_LINK + SQUASH_EXTENDED:
		in->links = bytes_le32(b);
		in->size = bytes_le32(b);
		break;
	case SQUASH_BLOCK_DEVICE:
	case SQUASH_CHAR_DEVICE:
		in->links = bytes_le32(b);
		in->device = bytes_le32(b);
		break;
	case SQUASH_BLOCK_DEVICE + SQUASH_EXTENDED:
	case SQUASH_CHAR_DEVICE + SQUASH_EXTENDED:
		in->links = bytes_le32(b);
		in->device = bytes_le32(b);
		in->xattr = bytes_le32(b);
		break;
	case SQUASH_FIFO:
	case SQUASH_SOCKET:
		in->links = bytes_le32(b);
		break;
	default: /* fifo and socket, extended */
		in->links = bytes_le32(b);
		in->xattr = bytes_le32(b);
		break;
	}
	if (!bytes_ok(b))
		return error_set(err, ERROR_INTERNAL, "squashfs: inode layout");

	static const uint32_t formats[] = { 0,	     S_IFDIR, S_IFREG, S_IFLNK,
					    S_IFBLK, S_IFCHR, S_IFIFO, S_IFSOCK };
	unsigned basic = type > SQUASH_EXTENDED ? type - SQUASH_EXTENDED : type;
	in->mode = (in->mode & 07777) | formats[basic];
	if (S_ISREG(in->mode))
		return file_vet(sq, in, err);
	/* Where the listing's block is, meta_open checks: it knows the table. */
	if (S_ISDIR(in->mode) && in->offset > SQUASH_META_LEN)
		return damaged(err, "its listing begins outside a block");
	if (S_ISLNK(in->mode) && (in->size == 0 || in->size > SQUASH_TARGET_MAX))
		return damaged(err, "impossible length of a link's target");
	return 0;
}

int squash_inode(struct squash *sq, squash_ref ref, struct squash_inode *ret, struct error **err)
{
	struct meta m CLEANUP_META = { 0 };
	uint8_t raw[16], body[BODY_MAX];
	if (ref >> 48)
		return damaged(err, "impossible reference");
	if (meta_open(sq, &sq->inodes, ref, &m, err) < 0 ||
	    meta_read(&m, raw, sizeof(raw), err) < 0)
		return -1;
	struct bytes b = bytes_of(raw, sizeof(raw));
	struct squash_inode in = { .ref = ref, .fragment = SQUASH_NONE, .xattr = SQUASH_NONE };
	unsigned type = bytes_le16(&b);
	in.mode = bytes_le16(&b);
	unsigned uid = bytes_le16(&b), gid = bytes_le16(&b);
	in.mtime = bytes_le32(&b);
	in.number = bytes_le32(&b);
	if (!bytes_ok(&b) || type >= sizeof(body_lengths) || body_lengths[type] == 0)
		return damaged(err, "no such kind");
	if (uid >= sq->id_count || gid >= sq->id_count)
		return damaged(err, "no such owner");
	if (in.number == 0)
		return damaged(err, "its number is 0");
	in.uid = sq->ids[uid];
	in.gid = sq->ids[gid];

	/* Only as much as this kind has: the last inode of the table has nothing behind it. */
	if (meta_read(&m, body, body_lengths[type], err) < 0)
		return -1;
	b = bytes_of(body, body_lengths[type]);
	if (body_decode(sq, type, &b, &in, err) < 0)
		return -1;
	in.blocks_at = meta_ref(&m, &sq->inodes);
	if (type == SQUASH_LINK + SQUASH_EXTENDED && sq->xattr_ids) {
		/* The one kind whose last field stands behind something of variable length. */
		uint8_t xattr[4];
		if (meta_skip(&m, in.size, err) < 0 || meta_read(&m, xattr, 4, err) < 0)
			return -1;
		b = bytes_of(xattr, sizeof(xattr));
		in.xattr = bytes_le32(&b);
	}
	/* An image without the table may have anything in the field: nobody looks. */
	if (!sq->xattr_ids)
		in.xattr = SQUASH_NONE;
	else if (in.xattr != SQUASH_NONE && in.xattr >= sq->xattr_count)
		return damaged(err, "no such list of attributes");
	*ret = in;
	return 0;
}

int squash_readlink(struct squash *sq, const struct squash_inode *inode, char *buf, size_t cap,
		    struct error **err)
{
	struct meta m CLEANUP_META = { 0 };
	if (!S_ISLNK(inode->mode) || inode->size > cap)
		return error_set(err, ERROR_INTERNAL, "no symbolic link, or no room for it");
	if (meta_open(sq, &sq->inodes, inode->blocks_at, &m, err) < 0 ||
	    meta_read(&m, buf, inode->size, err) < 0)
		return -1;
	/* Callers in C would see a shorter target than is there. */
	if (memchr(buf, '\0', inode->size))
		return error_set(err, ERROR_DAMAGED, "a symbolic link's target holds a zero byte");
	return 0;
}
