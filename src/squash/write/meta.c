/* SPDX-License-Identifier: Apache-2.0 */
#include "squash/write/internal.h"

#include <stdlib.h>
#include <string.h>

/*
 * The tables. The inodes of one directory are written in a row, in the order of its listing, when
 * all that is below it has been listed: whoever lists a directory and then looks at its entries
 * finds them in the same few metadata blocks. So a directory's own inode is made when it is
 * listed, waits in its node, and is written with its siblings.
 */

#define INDEX_MAX 65535u /* entries of a directory's index: a 16-bit count */

struct tables {
	struct squash_packer *p;
	sqfs_meta_writer_t *inodes, *listings;
	sqfs_dir_writer_t *directory;
};

/* Has this node's own inode in its short form, or NULL when there is no memory. */
static sqfs_inode_generic_t *make_inode(const struct squash_node *n)
{
	size_t target_len = S_ISLNK(n->mode) ? strlen(n->target) : 0;
	sqfs_inode_generic_t *i = calloc(1, sizeof(*i) + target_len);
	bool extended = n->xattr != SQUASH_NONE;
	if (!i)
		return NULL;
	switch (n->mode & S_IFMT) {
	case S_IFREG: /* an empty one */
		i->base.type = SQFS_INODE_FILE;
		i->data.file.fragment_index = SQUASH_NONE;
		i->data.file.fragment_offset = SQUASH_NONE;
		break;
	case S_IFLNK:
		i->base.type = extended ? SQFS_INODE_EXT_SLINK : SQFS_INODE_SLINK;
		i->data.slink_ext.nlink = n->links; /* the extended kinds begin as the basic do */
		i->data.slink_ext.target_size = (sqfs_u32)target_len;
		i->data.slink_ext.xattr_idx = n->xattr;
		i->payload_bytes_available = i->payload_bytes_used = (sqfs_u32)target_len;
		memcpy(i->extra, n->target, target_len);
		break;
	case S_IFBLK:
	case S_IFCHR:
		i->base.type = S_ISBLK(n->mode)
				       ? (extended ? SQFS_INODE_EXT_BDEV : SQFS_INODE_BDEV)
				       : (extended ? SQFS_INODE_EXT_CDEV : SQFS_INODE_CDEV);
		i->data.dev_ext.nlink = n->links;
		i->data.dev_ext.devno = n->device;
		i->data.dev_ext.xattr_idx = n->xattr;
		break;
	default:
		i->base.type = S_ISFIFO(n->mode)
				       ? (extended ? SQFS_INODE_EXT_FIFO : SQFS_INODE_FIFO)
				       : (extended ? SQFS_INODE_EXT_SOCKET : SQFS_INODE_SOCKET);
		i->data.ipc_ext.nlink = n->links;
		i->data.ipc_ext.xattr_idx = n->xattr;
		break;
	}
	return i;
}

static int write_inode(struct tables *t, struct squash_node *n, struct error **err)
{
	uint64_t block;
	uint32_t offset;
	if (!n->inode && !(n->inode = make_inode(n)))
		return error_no_memory(err);
	sqfs_inode_generic_t *i = n->inode;
	i->base.mode = n->mode;
	i->base.uid_idx = n->uid;
	i->base.gid_idx = n->gid;
	i->base.mod_time = n->mtime;
	i->base.inode_number = n->number;
	int r = 0;
	if (S_ISREG(n->mode) && (n->links > 1 || n->xattr != SQUASH_NONE)) {
		r = sqfs_inode_make_extended(i);
		i->data.file_ext.nlink = n->links;
		i->data.file_ext.xattr_idx = n->xattr;
	}
	sqfs_meta_writer_get_position(t->inodes, &block, &offset);
	n->ref = block << 16 | offset;
	n->written = true;
	if (r == 0)
		r = sqfs_meta_writer_write_inode(t->inodes, i);
	sqfs_free(n->inode);
	n->inode = NULL;
	return squash_check(&t->p->out, r, "write the inodes", err);
}

/* The index is a help for searching only, so a directory that has too much of it goes without. */
static void bound_index(sqfs_inode_generic_t *i)
{
	if (i->base.type != SQFS_INODE_EXT_DIR ||
	    i->payload_bytes_used / (sizeof(sqfs_dir_index_t) + 1) <= INDEX_MAX)
		return;
	i->payload_bytes_used = 0;
	i->data.dir_ext.inodex_count = 0;
}

static int list_directory(struct tables *t, struct squash_node *dir, struct error **err)
{
	struct squash_packer *p = t->p;
	for (struct squash_node *n = dir->children; n; n = n->next) {
		struct squash_node *file = n->same ? n->same : n;
		if (!file->written && write_inode(t, file, err) < 0)
			return -1;
	}
	int r = sqfs_dir_writer_begin(t->directory, 0);
	for (struct squash_node *n = dir->children; n && r == 0; n = n->next) {
		struct squash_node *file = n->same ? n->same : n;
		r = sqfs_dir_writer_add_entry(t->directory, n->name, file->number, file->ref,
					      file->mode);
	}
	if (r == 0)
		r = sqfs_dir_writer_end(t->directory);
	if (squash_check(&p->out, r, "write the directories", err) < 0)
		return -1;
	if (sqfs_dir_writer_get_size(t->directory) > UINT32_MAX - 3) {
		error_set(err, ERROR_LIMIT, "more names than a squashfs directory can hold");
		return squash_at_node(dir, err);
	}
	/* The root's parent is, by custom, the number after the last. */
	uint32_t parent = dir->parent ? dir->parent->number : p->inodes + 1;
	sqfs_inode_generic_t *i = sqfs_dir_writer_create_inode(t->directory, 0, dir->xattr, parent);
	if (!i)
		return error_no_memory(err);
	if (i->base.type == SQFS_INODE_DIR)
		i->data.dir.nlink = dir->links;
	else
		i->data.dir_ext.nlink = dir->links;
	bound_index(i);
	dir->inode = i;
	return 0;
}

static struct squash_node *next_directory(struct squash_node *n)
{
	while (n && !S_ISDIR(n->mode))
		n = n->next;
	return n;
}

/* Lists every directory after those below it. */
static int list_all(struct tables *t, struct error **err)
{
	struct squash_node *dir = t->p->root, *below;
	for (;;) {
		while ((below = next_directory(dir->children)))
			dir = below;
		for (;;) {
			if (list_directory(t, dir, err) < 0)
				return -1;
			if (!dir->parent)
				return write_inode(t, dir, err);
			struct squash_node *sibling = next_directory(dir->next);
			if (sibling) {
				dir = sibling;
				break;
			}
			dir = dir->parent;
		}
	}
}

static int write_inodes_and_listings(struct tables *t, struct error **err)
{
	struct squash_packer *p = t->p;
	sqfs_file_t *file = &p->out.file;
	p->super.inode_table_start = file->get_size(file);
	if (list_all(t, err) < 0)
		return -1;
	p->super.root_inode_ref = p->root->ref;
	int r = sqfs_meta_writer_flush(t->inodes);
	if (r == 0)
		r = sqfs_meta_writer_flush(t->listings);
	p->super.directory_table_start = file->get_size(file);
	if (r == 0)
		r = sqfs_meta_write_write_to_file(t->listings);
	return squash_check(&p->out, r, "write the directories", err);
}

static int write_tables(struct tables *t, struct error **err)
{
	struct squash_packer *p = t->p;
	sqfs_file_t *file = &p->out.file;
	int r = sqfs_frag_table_write(p->fragments, file, &p->super, p->compressor);
	if (r == 0)
		r = sqfs_dir_writer_write_export_table(t->directory, file, p->compressor,
						       p->root->number, p->root->ref, &p->super);
	if (r == 0)
		r = sqfs_id_table_write(p->ids, file, &p->super, p->compressor);
	if (r == 0)
		r = sqfs_xattr_writer_flush(p->xattrs, file, &p->super, p->compressor);
	return squash_check(&p->out, r, "write the tables", err);
}

int squash_write_metadata(struct squash_packer *p, struct error **err)
{
	sqfs_file_t *file = &p->out.file;
	struct tables t = { .p = p };
	t.inodes = sqfs_meta_writer_create(file, p->compressor, 0);
	t.listings = sqfs_meta_writer_create(file, p->compressor, SQFS_META_WRITER_KEEP_IN_MEMORY);
	if (t.listings)
		t.directory =
			sqfs_dir_writer_create(t.listings, SQFS_DIR_WRITER_CREATE_EXPORT_TABLE);
	int r = -1;
	if (!t.inodes || !t.directory)
		error_no_memory(err);
	else if (write_inodes_and_listings(&t, err) == 0)
		r = write_tables(&t, err);
	sqfs_destroy(t.directory);
	sqfs_destroy(t.listings);
	sqfs_destroy(t.inodes);
	return r;
}
