/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening: the superblock, and what must be known before anything else is read (encryption.md 7).
 *
 * The superblock is 96 bytes that an image may fill as it likes. Everything later leans on what is
 * checked here, once:
 * - nothing is looked for beyond bytes_used, which is no more than the source has: each later read
 *   is held against it alone;
 * - a block's length is a power of two between 4 KiB and 1 MiB, so shifts and masks are exact;
 * - the counts (inodes, fragments, lists of attributes) are no more than the image has room for, or
 *   than a limit of format.h: no allocation below is larger than the image that asks for it;
 * - the table of inodes ends where that of listings begins, and that one where the next begins. An
 *   image that lies about the order gets rubbish decoded as metadata, which is vetted like any
 * other;
 * - the root is a directory.
 *
 * What is loaded at once is small: the ids (at most 65535), and for fragments and attributes the
 * positions of the blocks that the tables are in. All else is read when somebody asks for it. The
 * export table, by which an NFS server finds inodes by number, is not used.
 */
#include "squash/read/data.h"

#include <stdlib.h>

/* The superblock as it is on disk: encryption.md, section 7. */
struct super_disk {
	uint32_t magic, inodes, mtime, block_size, fragments;
	uint16_t compressor, block_log, flags, ids, major, minor;
	uint64_t root, bytes_used;
	uint64_t id_table, xattr_table, inode_table, directory_table, fragment_table, export_table;
};

static int damaged(struct error **err, const char *what)
{
	return error_set(err, ERROR_DAMAGED, "squashfs: %s", what);
}

/* Decodes the 96 bytes; nothing in them is judged yet. */
static int super_read(struct source *source, struct super_disk *s, struct error **err)
{
	uint8_t raw[SQUASH_SUPER_LEN];
	if (source->size < sizeof(raw))
		return damaged(err, "too short for a superblock");
	if (source_read(source, raw, sizeof(raw), 0, err) < 0)
		return -1;
	struct bytes b = bytes_of(raw, sizeof(raw));
	s->magic = bytes_le32(&b);
	s->inodes = bytes_le32(&b);
	s->mtime = bytes_le32(&b);
	s->block_size = bytes_le32(&b);
	s->fragments = bytes_le32(&b);
	s->compressor = bytes_le16(&b);
	s->block_log = bytes_le16(&b);
	s->flags = bytes_le16(&b);
	s->ids = bytes_le16(&b);
	s->major = bytes_le16(&b);
	s->minor = bytes_le16(&b);
	s->root = bytes_le64(&b);
	s->bytes_used = bytes_le64(&b);
	s->id_table = bytes_le64(&b);
	s->xattr_table = bytes_le64(&b);
	s->inode_table = bytes_le64(&b);
	s->directory_table = bytes_le64(&b);
	s->fragment_table = bytes_le64(&b);
	s->export_table = bytes_le64(&b);
	if (!bytes_ok(&b))
		return error_set(err, ERROR_INTERNAL, "squashfs: superblock layout");
	return 0;
}

/*
 * All that can be judged from the superblock alone. ERROR_UNSUPPORTED is for what a newer or older
 * squashfs may rightly have, ERROR_DAMAGED for what none has, ERROR_LIMIT for what is right and
 * more than we are willing to do.
 */
static int super_vet(const struct super_disk *s, uint64_t size, struct error **err)
{
	/* The version is looked at first of all that follows: in another one fields lie elsewhere.
	 */
	if (s->magic != SQUASH_MAGIC)
		return damaged(err, "no superblock here");
	if (s->major != 4 || s->minor != 0)
		return error_set(err, ERROR_UNSUPPORTED, "squashfs: version %u.%u, not 4.0",
				 s->major, s->minor);
	if (s->block_log < SQUASH_BLOCK_LOG_MIN || s->block_log > SQUASH_BLOCK_LOG_MAX ||
	    s->block_size != (uint32_t)1 << s->block_log)
		return damaged(err, "impossible block size");
	if (s->bytes_used > size)
		return damaged(err, "the image is cut short");
	if (s->inodes == 0 || s->ids == 0)
		return damaged(err, "no inodes or no owners");

	/* Nothing lies in the superblock. Where a table ends is for those who read it. */
	const uint64_t tables[] = { s->id_table,	s->xattr_table,	   s->inode_table,
				    s->directory_table, s->fragment_table, s->export_table };
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		if (tables[i] != SQUASH_NO_TABLE &&
		    (tables[i] < SQUASH_SUPER_LEN || tables[i] >= s->bytes_used))
			return damaged(err, "a table lies outside the image");
	if (s->id_table == SQUASH_NO_TABLE || s->inode_table == SQUASH_NO_TABLE ||
	    s->directory_table == SQUASH_NO_TABLE || s->inode_table >= s->directory_table)
		return damaged(err, "a table is missing or out of order");
	/* An inode takes 20 bytes or more, and the metadata block it is in three or more. */
	uint64_t room = ((s->directory_table - s->inode_table) / 3 + 1) * SQUASH_META_LEN;
	if (s->inodes > room / 20)
		return damaged(err, "more inodes than there is room for");
	if (s->fragments && s->fragment_table == SQUASH_NO_TABLE)
		return damaged(err, "fragments without their table");
	if (s->fragments > SQUASH_FRAGMENTS_MAX)
		return error_set(err, ERROR_LIMIT, "squashfs: %u fragments are too many",
				 s->fragments);
	return 0;
}

/*
 * The array of block positions through which a table of fixed-size elements is reached. It is
 * allocated only after it is known to lie in the image.
 */
static int index_read(struct squash *sq, uint64_t at, uint64_t count, size_t element_len,
		      uint64_t **ret, struct error **err)
{
	uint64_t blocks = (count * element_len + SQUASH_META_LEN - 1) / SQUASH_META_LEN;
	if (!range_within(at, blocks * 8, sq->bytes_used))
		return damaged(err, "a table's index lies outside the image");
	uint64_t *array = calloc(blocks, sizeof(*array));
	if (!array)
		return error_no_memory(err);
	if (source_read(sq->source, array, blocks * 8, at, err) < 0) {
		free(array);
		return -1;
	}
	struct bytes b = bytes_of(array, blocks * 8);
	for (uint64_t i = 0; i < blocks; i++)
		array[i] = bytes_le64(&b);
	*ret = array;
	return 0;
}

/* The owners' numbers: at most 65535, so all are kept. */
static int ids_read(struct squash *sq, const struct super_disk *s, struct error **err)
{
	uint64_t *blocks = NULL;
	if (index_read(sq, s->id_table, s->ids, SQUASH_ID_LEN, &blocks, err) < 0)
		return -1;
	sq->ids = calloc(s->ids, sizeof(*sq->ids));
	int r = sq->ids ? 0 : error_no_memory(err);
	for (uint32_t i = 0; r == 0 && i < s->ids; i++) {
		uint8_t raw[SQUASH_ID_LEN];
		r = meta_element(sq, blocks, i, sizeof(raw), raw, err);
		struct bytes b = bytes_of(raw, sizeof(raw));
		sq->ids[i] = bytes_le32(&b);
	}
	sq->id_count = s->ids;
	free(blocks);
	return r;
}

/* The table of attribute lists, with a header of its own before the index. */
static int xattr_table_read(struct squash *sq, const struct super_disk *s, struct error **err)
{
	if (s->xattr_table == SQUASH_NO_TABLE)
		return 0;
	uint8_t raw[16];
	if (!range_within(s->xattr_table, sizeof(raw), sq->bytes_used))
		return damaged(err, "the attribute table is cut short");
	if (source_read(sq->source, raw, sizeof(raw), s->xattr_table, err) < 0)
		return -1;
	struct bytes b = bytes_of(raw, sizeof(raw));
	sq->xattrs.start = bytes_le64(&b);
	sq->xattrs.end = s->xattr_table;
	uint32_t count = bytes_le32(&b);
	if (count == 0)
		return 0;
	if (count > SQUASH_XATTRS_MAX)
		return error_set(err, ERROR_LIMIT, "squashfs: %u attribute lists are too many",
				 count);
	if (sq->xattrs.start < SQUASH_SUPER_LEN || sq->xattrs.start >= sq->xattrs.end)
		return damaged(err, "the attributes lie outside the image");
	if (index_read(sq, s->xattr_table + sizeof(raw), count, SQUASH_XATTR_ID_LEN, &sq->xattr_ids,
		       err) < 0)
		return -1;
	sq->xattr_count = count;
	return 0;
}

/*
 * The options block, one stored metadata block right behind the superblock. Only lz4's says
 * something that a reader must know: which of its formats it is.
 */
static int options_vet(struct squash *sq, const struct super_disk *s, struct error **err)
{
	static const uint8_t lengths[] = {
		[SQUASH_GZIP] = 8, [SQUASH_LZO] = 8,  [SQUASH_XZ] = 8,
		[SQUASH_LZ4] = 8,  [SQUASH_ZSTD] = 4,
	};
	if (!(s->flags & SQUASH_FLAG_COMPRESSOR_OPTIONS))
		return s->compressor == SQUASH_LZ4 ? damaged(err, "lz4 without its options") : 0;
	uint8_t raw[2 + 8];
	size_t len = 2 + (size_t)lengths[s->compressor];
	if (!range_within(SQUASH_SUPER_LEN, len, sq->bytes_used))
		return damaged(err, "the compressor's options are cut short");
	if (source_read(sq->source, raw, len, SQUASH_SUPER_LEN, err) < 0)
		return -1;
	struct bytes b = bytes_of(raw, len);
	uint16_t header = bytes_le16(&b);
	if (!(header & SQUASH_META_RAW) || (header & SQUASH_META_LEN_MASK) < len - 2)
		return damaged(err, "impossible options of the compressor");
	uint32_t version = bytes_le32(&b);
	if (s->compressor == SQUASH_LZ4 && version != 1)
		return error_set(err, ERROR_UNSUPPORTED, "squashfs: lz4 format %u", version);
	return 0;
}

/*
 * Fills *sq. What fails half way is freed by squash_free, which knows what is there by its being
 * set: so each part is set whole or stays zero.
 */
static int setup(struct squash *sq, const struct super_disk *s,
		 const struct squash_options *options, struct error **err)
{
	sq->bytes_used = s->bytes_used;
	sq->inode_count = s->inodes;
	sq->root = s->root;
	sq->block_size = s->block_size;
	sq->block_log = s->block_log;
	sq->inodes = (struct squash_table){ s->inode_table, s->directory_table };
	/* The listings end where the next table begins, whichever that is. */
	sq->directories = (struct squash_table){ s->directory_table, s->id_table };
	if (s->fragments && s->fragment_table > s->directory_table &&
	    s->fragment_table < sq->directories.end)
		sq->directories.end = s->fragment_table;
	if (sq->directories.end <= s->directory_table)
		return damaged(err, "tables are out of order");

	/* Room for the longest stored block of either kind, and a metadata block's header. */
	size_t stored = s->block_size > SQUASH_META_LEN ? s->block_size : SQUASH_META_LEN;
	if (codec_new(s->compressor, stored + 2, &sq->codec, err) < 0 ||
	    options_vet(sq, s, err) < 0 ||
	    cache_new(SQUASH_META_CACHE, SQUASH_META_LEN, meta_load, &sq->meta, err) < 0 ||
	    cache_new(options && options->cache_bytes ? options->cache_bytes : SQUASH_CACHE_DEFAULT,
		      s->block_size, data_load, &sq->data, err) < 0 ||
	    positions_new(&sq->positions, err) < 0 || ahead_new(&sq->ahead, err) < 0 ||
	    ids_read(sq, s, err) < 0 || xattr_table_read(sq, s, err) < 0)
		return -1;
	if (s->fragments) {
		if (index_read(sq, s->fragment_table, s->fragments, SQUASH_FRAGMENT_LEN,
			       &sq->fragments, err) < 0)
			return -1;
		sq->fragment_count = s->fragments;
	}

	/* Last, since it goes the way of every other inode: through caches and all tables. */
	struct squash_inode root;
	if (squash_inode(sq, sq->root, &root, err) < 0)
		return error_wrap(err, "squashfs: the root directory");
	if (!S_ISDIR(root.mode))
		return damaged(err, "the root is no directory");
	return 0;
}

int squash_open(struct source *source, const struct squash_options *options, struct squash **ret,
		struct error **err)
{
	struct super_disk s = { 0 };
	if (super_read(source, &s, err) < 0 || super_vet(&s, source->size, err) < 0)
		return -1;
	struct squash *sq CLEANUP_SQUASH = calloc(1, sizeof(*sq));
	if (!sq)
		return error_no_memory(err);
	sq->source = source;
	pthread_mutex_init(&sq->resume_lock, NULL);
	if (setup(sq, &s, options, err) < 0)
		return -1;
	*ret = take_pointer(&sq);
	return 0;
}

void squash_free(struct squash **sq)
{
	struct squash *s = *sq;
	*sq = NULL;
	if (!s)
		return;
	cache_free(&s->meta);
	cache_free(&s->data);
	positions_free(&s->positions);
	ahead_free(&s->ahead);
	codec_free(&s->codec);
	free(s->ids);
	free(s->fragments);
	free(s->xattr_ids);
	pthread_mutex_destroy(&s->resume_lock);
	free(s);
}

uint64_t squash_bytes_used(const struct squash *sq)
{
	return sq->bytes_used;
}

uint64_t squash_inode_count(const struct squash *sq)
{
	return sq->inode_count;
}

bool squash_has_xattrs(const struct squash *sq)
{
	return sq->xattr_ids != NULL;
}

squash_ref squash_root(const struct squash *sq)
{
	return sq->root;
}
