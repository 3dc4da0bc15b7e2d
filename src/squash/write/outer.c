/* SPDX-License-Identifier: Apache-2.0 */
#include "squash/write/internal.h"

#include <limits.h>
#include <string.h>

/*
 * The outer file system of a gocryptfs image (encryption.md 4.2): nothing in it is compressed but
 * its tables. The inode of the large file is put together here by hand, since its block list (4
 * bytes for each 128 KiB) would have to be in memory whole for libsquashfs to write it.
 */

#define OUTER_FLAGS                                                                  \
	(SQUASH_FLAG_RAW_DATA | SQUASH_FLAG_RAW_FRAGMENTS | SQUASH_FLAG_DUPLICATES | \
	 SQUASH_FLAG_EXPORTABLE)
#define BLOCK_SIZE 131072u
#define CONF_NAME "gocryptfs.conf"

enum { NUMBER_CONF = 1, NUMBER_DATA, NUMBER_ROOT, NUMBER_NONE };

struct outer {
	struct squash_output out;
	sqfs_super_t super;
	sqfs_compressor_t *compressor;
	sqfs_meta_writer_t *inodes, *listings;
	sqfs_dir_writer_t *directory;
	sqfs_frag_table_t *fragments;
	sqfs_id_table_t *ids;
	uint32_t time;
	uint64_t conf_ref, data_ref, root_ref;
};

static uint64_t position(const sqfs_meta_writer_t *m)
{
	uint64_t block;
	uint32_t offset;
	sqfs_meta_writer_get_position(m, &block, &offset);
	return block << 16 | offset;
}

/* The first 16 bytes of every inode; owner and group are index 0 of the id table. */
static void put_common(uint8_t *to, uint16_t type, uint16_t mode, uint32_t time, uint32_t number)
{
	bytes_put_le(to, type, 2);
	bytes_put_le(to + 2, mode, 2);
	bytes_put_le(to + 4, 0, 4);
	bytes_put_le(to + 8, time, 4);
	bytes_put_le(to + 12, number, 4);
}

static int write_conf_inode(struct outer *o, size_t conf_len)
{
	uint8_t inode[32];
	put_common(inode, SQFS_INODE_FILE, 0400, o->time, NUMBER_CONF);
	bytes_put_le(inode + 16, 0, 4); /* no blocks */
	bytes_put_le(inode + 20, 0, 4); /* fragment 0 */
	bytes_put_le(inode + 24, 0, 4); /* at its begin */
	bytes_put_le(inode + 28, conf_len, 4);
	o->conf_ref = position(o->inodes);
	return sqfs_meta_writer_append(o->inodes, inode, sizeof(inode));
}

static int write_data_inode(struct outer *o, uint64_t len)
{
	uint8_t inode[56], words[4096];
	size_t inode_len = 32;
	if (len <= UINT32_MAX) {
		put_common(inode, SQFS_INODE_FILE, 0644, o->time, NUMBER_DATA);
		bytes_put_le(inode + 16, SQUASH_OUTER_DATA, 4);
		bytes_put_le(inode + 20, SQUASH_NONE, 4);
		bytes_put_le(inode + 24, SQUASH_NONE, 4);
		bytes_put_le(inode + 28, len, 4);
	} else {
		put_common(inode, SQFS_INODE_EXT_FILE, 0644, o->time, NUMBER_DATA);
		bytes_put_le(inode + 16, SQUASH_OUTER_DATA, 8);
		bytes_put_le(inode + 24, len, 8);
		bytes_put_le(inode + 32, 0, 8); /* no holes */
		bytes_put_le(inode + 40, 1, 4);
		bytes_put_le(inode + 44, SQUASH_NONE, 4);
		bytes_put_le(inode + 48, SQUASH_NONE, 4);
		bytes_put_le(inode + 52, SQUASH_NONE, 4);
		inode_len = 56;
	}
	o->data_ref = position(o->inodes);
	int r = sqfs_meta_writer_append(o->inodes, inode, inode_len);
	while (len && r == 0) {
		size_t n = 0;
		for (; len && n < sizeof(words); n += 4) {
			uint32_t block = len < BLOCK_SIZE ? (uint32_t)len : BLOCK_SIZE;
			bytes_put_le(words + n, block | SQUASH_DATA_RAW, 4);
			len -= block;
		}
		r = sqfs_meta_writer_append(o->inodes, words, n);
	}
	return r;
}

static int write_root(struct outer *o, const char *name)
{
	bool conf_first = strcmp(CONF_NAME, name) < 0;
	int r = sqfs_dir_writer_begin(o->directory, 0);
	for (int i = 0; i < 2 && r == 0; i++) {
		if ((i == 0) == conf_first)
			r = sqfs_dir_writer_add_entry(o->directory, CONF_NAME, NUMBER_CONF,
						      o->conf_ref, S_IFREG | 0400);
		else
			r = sqfs_dir_writer_add_entry(o->directory, name, NUMBER_DATA, o->data_ref,
						      S_IFREG | 0644);
	}
	if (r == 0)
		r = sqfs_dir_writer_end(o->directory);
	if (r < 0)
		return r;
	sqfs_inode_generic_t *i =
		sqfs_dir_writer_create_inode(o->directory, 0, SQUASH_NONE, NUMBER_NONE);
	if (!i)
		return -1; /* SQFS_ERROR_ALLOC */
	i->base.mode = S_IFDIR | 0755;
	i->base.mod_time = o->time;
	i->base.inode_number = NUMBER_ROOT;
	i->data.dir.nlink = 2;
	o->root_ref = o->super.root_inode_ref = position(o->inodes);
	r = sqfs_meta_writer_write_inode(o->inodes, i);
	sqfs_free(i);
	return r;
}

/* Everything after the conf fragment. */
static int write_tables(struct outer *o, const char *name, uint64_t data_len, size_t conf_len,
			uint64_t conf_off)
{
	sqfs_file_t *file = &o->out.file;
	uint16_t id;
	o->super.inode_table_start = file->get_size(file);
	int r = sqfs_id_table_id_to_index(o->ids, 0, &id);
	if (r == 0)
		r = sqfs_frag_table_append(o->fragments, conf_off,
					   (uint32_t)conf_len | SQUASH_DATA_RAW, NULL);
	if (r == 0)
		r = write_conf_inode(o, conf_len);
	if (r == 0)
		r = write_data_inode(o, data_len);
	if (r == 0)
		r = write_root(o, name);
	if (r == 0)
		r = sqfs_meta_writer_flush(o->inodes);
	if (r == 0)
		r = sqfs_meta_writer_flush(o->listings);
	o->super.directory_table_start = file->get_size(file);
	if (r == 0)
		r = sqfs_meta_write_write_to_file(o->listings);
	if (r == 0)
		r = sqfs_frag_table_write(o->fragments, file, &o->super, o->compressor);
	if (r == 0)
		r = sqfs_dir_writer_write_export_table(o->directory, file, o->compressor,
						       NUMBER_ROOT, o->root_ref, &o->super);
	if (r == 0)
		r = sqfs_id_table_write(o->ids, file, &o->super, o->compressor);
	return r;
}

static int outer_finish(struct outer *o, const char *name, uint64_t data_len, const char *conf,
			size_t conf_len, struct error **err)
{
	struct sink *sink = o->out.sink;
	if (sqfs_super_init(&o->super, BLOCK_SIZE, o->time, SQFS_COMP_GZIP) < 0)
		return error_set(err, ERROR_INTERNAL, "a superblock that cannot be");
	o->compressor = squash_deflate(6);
	o->fragments = sqfs_frag_table_create(0);
	o->ids = sqfs_id_table_create(0);
	if (o->compressor) {
		o->inodes = sqfs_meta_writer_create(&o->out.file, o->compressor, 0);
		o->listings = sqfs_meta_writer_create(&o->out.file, o->compressor,
						      SQFS_META_WRITER_KEEP_IN_MEMORY);
	}
	if (o->listings)
		o->directory =
			sqfs_dir_writer_create(o->listings, SQFS_DIR_WRITER_CREATE_EXPORT_TABLE);
	if (!o->fragments || !o->ids || !o->inodes || !o->directory)
		return error_no_memory(err);

	uint64_t conf_off = SQUASH_OUTER_DATA + data_len;
	if (sink_write(sink, conf, conf_len, conf_off, err) < 0)
		return -1;
	if (squash_check(&o->out, write_tables(o, name, data_len, conf_len, conf_off),
			 "write the tables", err) < 0)
		return -1;
	o->super.flags = OUTER_FLAGS;
	o->super.inode_count = NUMBER_ROOT;
	o->super.xattr_id_table_start = SQUASH_NO_TABLE;
	o->super.bytes_used = sink->size;
	if (squash_output_pad(&o->out, err) < 0)
		return -1;
	return squash_check(&o->out, sqfs_super_write(&o->super, &o->out.file),
			    "write the superblock", err);
}

int squash_outer_finish(struct sink *out, const char *name, uint64_t data_len, const char *conf,
			size_t conf_len, uint32_t time, struct error **err)
{
	if (!*name || strlen(name) > NAME_MAX || strchr(name, '/') || strcmp(name, CONF_NAME) == 0)
		return error_set(err, ERROR_INTERNAL, "no name for the encrypted file: %s", name);
	if (!conf_len || conf_len >= BLOCK_SIZE)
		return error_set(err, ERROR_INTERNAL, CONF_NAME " has %zu bytes", conf_len);
	if (data_len > INT64_MAX / 2 || out->size != SQUASH_OUTER_DATA + data_len)
		return error_set(err, ERROR_INTERNAL, "the encrypted file is not in its place");
	if (squash_pack_load(SQUASH_GZIP, err) < 0)
		return -1;
	struct outer o = { .time = time };
	squash_output_init(&o.out, out);
	int r = outer_finish(&o, name, data_len, conf, conf_len, err);
	sqfs_destroy(o.directory);
	sqfs_destroy(o.listings);
	sqfs_destroy(o.inodes);
	sqfs_destroy(o.compressor);
	sqfs_destroy(o.fragments);
	sqfs_destroy(o.ids);
	squash_output_done(&o.out);
	return r < 0 ? error_wrap(err, "finish the outer file system") : 0;
}
