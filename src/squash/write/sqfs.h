/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_SQUASH_WRITE_SQFS_H
#define COFFER_SQUASH_WRITE_SQFS_H

#include <sqfs/block.h>
#include <sqfs/block_processor.h>
#include <sqfs/block_writer.h>
#include <sqfs/compressor.h>
#include <sqfs/dir.h>
#include <sqfs/dir_writer.h>
#include <sqfs/frag_table.h>
#include <sqfs/id_table.h>
#include <sqfs/inode.h>
#include <sqfs/io.h>
#include <sqfs/meta_writer.h>
#include <sqfs/super.h>
#include <sqfs/xattr_writer.h>

#include "base/base.h"

/*
 * libsquashfs writes images; to run one it is not needed, and it brings five more libraries. So it
 * is loaded (squash_pack_load), and called through a table by its own names.
 */
/* clang-format off */
#define SQUASH_SQFS_FUNCTIONS(F) \
	F(sqfs_block_processor_create_ex) \
	F(sqfs_block_processor_finish) \
	F(sqfs_block_processor_submit_block) \
	F(sqfs_compressor_config_init) \
	F(sqfs_compressor_create) \
	F(sqfs_dir_writer_add_entry) \
	F(sqfs_dir_writer_begin) \
	F(sqfs_dir_writer_create) \
	F(sqfs_dir_writer_create_inode) \
	F(sqfs_dir_writer_end) \
	F(sqfs_dir_writer_get_size) \
	F(sqfs_dir_writer_write_export_table) \
	F(sqfs_frag_table_append) \
	F(sqfs_frag_table_create) \
	F(sqfs_frag_table_set) \
	F(sqfs_frag_table_write) \
	F(sqfs_free) \
	F(sqfs_id_table_create) \
	F(sqfs_id_table_id_to_index) \
	F(sqfs_id_table_write) \
	F(sqfs_inode_get_file_size) \
	F(sqfs_inode_make_extended) \
	F(sqfs_inode_set_file_block_start) \
	F(sqfs_inode_set_file_size) \
	F(sqfs_inode_set_frag_location) \
	F(sqfs_meta_write_write_to_file) \
	F(sqfs_meta_writer_append) \
	F(sqfs_meta_writer_create) \
	F(sqfs_meta_writer_flush) \
	F(sqfs_meta_writer_get_position) \
	F(sqfs_meta_writer_write_inode) \
	F(sqfs_super_init) \
	F(sqfs_super_write) \
	F(sqfs_xattr_writer_add) \
	F(sqfs_xattr_writer_begin) \
	F(sqfs_xattr_writer_create) \
	F(sqfs_xattr_writer_end) \
	F(sqfs_xattr_writer_flush)
/* clang-format on */

extern struct squash_sqfs {
	SQUASH_SQFS_FUNCTIONS(LIBRARY_MEMBER)
} squash_sqfs;

#define sqfs_block_processor_create_ex squash_sqfs.sqfs_block_processor_create_ex
#define sqfs_block_processor_finish squash_sqfs.sqfs_block_processor_finish
#define sqfs_block_processor_submit_block squash_sqfs.sqfs_block_processor_submit_block
#define sqfs_compressor_config_init squash_sqfs.sqfs_compressor_config_init
#define sqfs_compressor_create squash_sqfs.sqfs_compressor_create
#define sqfs_dir_writer_add_entry squash_sqfs.sqfs_dir_writer_add_entry
#define sqfs_dir_writer_begin squash_sqfs.sqfs_dir_writer_begin
#define sqfs_dir_writer_create squash_sqfs.sqfs_dir_writer_create
#define sqfs_dir_writer_create_inode squash_sqfs.sqfs_dir_writer_create_inode
#define sqfs_dir_writer_end squash_sqfs.sqfs_dir_writer_end
#define sqfs_dir_writer_get_size squash_sqfs.sqfs_dir_writer_get_size
#define sqfs_dir_writer_write_export_table squash_sqfs.sqfs_dir_writer_write_export_table
#define sqfs_frag_table_append squash_sqfs.sqfs_frag_table_append
#define sqfs_frag_table_create squash_sqfs.sqfs_frag_table_create
#define sqfs_frag_table_set squash_sqfs.sqfs_frag_table_set
#define sqfs_frag_table_write squash_sqfs.sqfs_frag_table_write
#define sqfs_free squash_sqfs.sqfs_free
#define sqfs_id_table_create squash_sqfs.sqfs_id_table_create
#define sqfs_id_table_id_to_index squash_sqfs.sqfs_id_table_id_to_index
#define sqfs_id_table_write squash_sqfs.sqfs_id_table_write
#define sqfs_inode_get_file_size squash_sqfs.sqfs_inode_get_file_size
#define sqfs_inode_make_extended squash_sqfs.sqfs_inode_make_extended
#define sqfs_inode_set_file_block_start squash_sqfs.sqfs_inode_set_file_block_start
#define sqfs_inode_set_file_size squash_sqfs.sqfs_inode_set_file_size
#define sqfs_inode_set_frag_location squash_sqfs.sqfs_inode_set_frag_location
#define sqfs_meta_write_write_to_file squash_sqfs.sqfs_meta_write_write_to_file
#define sqfs_meta_writer_append squash_sqfs.sqfs_meta_writer_append
#define sqfs_meta_writer_create squash_sqfs.sqfs_meta_writer_create
#define sqfs_meta_writer_flush squash_sqfs.sqfs_meta_writer_flush
#define sqfs_meta_writer_get_position squash_sqfs.sqfs_meta_writer_get_position
#define sqfs_meta_writer_write_inode squash_sqfs.sqfs_meta_writer_write_inode
#define sqfs_super_init squash_sqfs.sqfs_super_init
#define sqfs_super_write squash_sqfs.sqfs_super_write
#define sqfs_xattr_writer_add squash_sqfs.sqfs_xattr_writer_add
#define sqfs_xattr_writer_begin squash_sqfs.sqfs_xattr_writer_begin
#define sqfs_xattr_writer_create squash_sqfs.sqfs_xattr_writer_create
#define sqfs_xattr_writer_end squash_sqfs.sqfs_xattr_writer_end
#define sqfs_xattr_writer_flush squash_sqfs.sqfs_xattr_writer_flush

#endif
