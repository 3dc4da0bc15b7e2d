/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In the locked-in process: names in an image, folder by folder. A folder is read once for its own
 * lines and, where those below it are wanted, once more for its folders: so memory holds the path
 * down to where the listing is, and no folder's names.
 *
 * An image may say that a folder is below itself, or is in many places. Each has an inode of its
 * own in a good image; so no more of them are entered than the image has inodes, and none deeper
 * than trees are.
 */
#include "cli/commands/look/internal.h"

#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>

/* Each takes a few KiB of the stack. */
#define DEPTH_MAX 512

struct list {
	const struct look_wish *wish;
	struct squash *sq;
	struct look_out out;
	struct buffer path; /* of the folder that is listed */
	uint64_t entered;
	size_t depth;
	bool headed; /* more than one folder is shown: each has its name above it */
	struct error *err;
};

static int put_name(struct list *l, const char *name, size_t len, struct error **err)
{
	if (l->wish->terminal)
		return screen_show(SCREEN_LINE, name, len, &l->out.text, err);
	return buffer_append(&l->out.text, name, len, err);
}

/* ------------------------------------------------------------------ one entry */

static void mode_text(uint32_t mode, char ret[11])
{
	static const struct {
		uint32_t type;
		char letter;
	} types[] = { { S_IFDIR, 'd' }, { S_IFLNK, 'l' }, { S_IFCHR, 'c' },
		      { S_IFBLK, 'b' }, { S_IFIFO, 'p' }, { S_IFSOCK, 's' } };
	static const char letters[] = "rwxrwxrwx";
	ret[0] = '-';
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if ((mode & S_IFMT) == types[i].type)
			ret[0] = types[i].letter;
	for (size_t i = 0; i < 9; i++) {
		ret[1 + i] = '-';
		if (mode & (0400U >> i))
			ret[1 + i] = letters[i];
	}
	if (mode & S_ISUID)
		ret[3] = mode & S_IXUSR ? 's' : 'S';
	if (mode & S_ISGID)
		ret[6] = mode & S_IXGRP ? 's' : 'S';
	if (mode & S_ISVTX)
		ret[9] = mode & S_IXOTH ? 't' : 'T';
	ret[10] = '\0';
}

static int put_details(struct list *l, const struct squash_inode *inode, struct error **err)
{
	char mode[11], when[32] = "", size[32];
	time_t time = inode->mtime;
	struct tm tm;
	mode_text(inode->mode, mode);
	if (gmtime_r(&time, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M", &tm);
	if (S_ISCHR(inode->mode) || S_ISBLK(inode->mode))
		snprintf(size, sizeof(size), "%u, %u", major(inode->device), minor(inode->device));
	else
		snprintf(size, sizeof(size), "%llu", (unsigned long long)inode->size);
	return buffer_printf(&l->out.text, err, "%s %3u %5u %5u %10s %s ", mode, inode->links,
			     inode->uid, inode->gid, size, when);
}

static int put_target(struct list *l, const struct squash_inode *inode, struct error **err)
{
	char target[PATH_MAX];
	if (!S_ISLNK(inode->mode) || inode->size > sizeof(target))
		return 0;
	if (squash_readlink(l->sq, inode, target, sizeof(target), err) < 0 ||
	    buffer_puts(&l->out.text, " -> ", err) < 0)
		return -1;
	return put_name(l, target, (size_t)inode->size, err);
}

static int put_entry(struct list *l, const char *name, size_t len, squash_ref ref,
		     struct error **err)
{
	struct squash_inode inode = { 0 };
	bool details = l->wish->details;
	if (details &&
	    (squash_inode(l->sq, ref, &inode, err) < 0 || put_details(l, &inode, err) < 0))
		return -1;
	if (put_name(l, name, len, err) < 0 || (details && put_target(l, &inode, err) < 0) ||
	    buffer_puts(&l->out.text, "\n", err) < 0)
		return -1;
	return look_flush(&l->out, false, err);
}

/* find: the whole path, where it is what is looked for. */
static int put_found(struct list *l, const char *name, size_t len, uint32_t type,
		     struct error **err)
{
	char copy[NAME_MAX + 1];
	if (l->wish->type && (type & S_IFMT) != l->wish->type)
		return 0;
	snprintf(copy, sizeof(copy), "%.*s", (int)len, name);
	if (l->wish->name && fnmatch(l->wish->name, copy, 0) != 0)
		return 0;
	if (put_name(l, l->path.data, l->path.len, err) < 0 ||
	    buffer_puts(&l->out.text, "/", err) < 0 || put_name(l, name, len, err) < 0 ||
	    buffer_append(&l->out.text, &l->wish->separator, 1, err) < 0)
		return -1;
	return look_flush(&l->out, false, err);
}

static int each_shown(void *context, const struct squash_dirent *entry, uint64_t next)
{
	struct list *l = context;
	(void)next;
	int r = l->wish->find ? put_found(l, entry->name, entry->len, entry->type, &l->err)
			      : put_entry(l, entry->name, entry->len, entry->ref, &l->err);
	return r < 0;
}

/* ------------------------------------------------------------------ folders */

static int list_folder(struct list *l, const struct squash_inode *dir, struct error **err);

static int each_below(void *context, const struct squash_dirent *entry, uint64_t next)
{
	struct list *l = context;
	struct squash_inode dir;
	size_t len = l->path.len;
	(void)next;
	if (entry->type != S_IFDIR)
		return 0;
	if (squash_inode(l->sq, entry->ref, &dir, &l->err) < 0 ||
	    buffer_puts(&l->path, "/", &l->err) < 0 ||
	    buffer_append(&l->path, entry->name, entry->len, &l->err) < 0 ||
	    list_folder(l, &dir, &l->err) < 0)
		return 1;
	l->path.len = len;
	l->path.data[len] = '\0';
	return 0;
}

static int read_folder(struct list *l, const struct squash_inode *dir, squash_each each,
		       struct error **err)
{
	/* An error within comes by l->err, which is err itself below the first folder. */
	if (squash_readdir(l->sq, dir, 0, each, l, err) < 0)
		return -1;
	if (!l->err || err == &l->err)
		return l->err ? -1 : 0;
	*err = take_pointer(&l->err);
	return -1;
}

static int put_heading(struct list *l, struct error **err)
{
	bool top = !l->path.len;
	if (!l->headed || l->wish->find)
		return 0;
	if (l->entered > 1 && buffer_puts(&l->out.text, "\n", err) < 0)
		return -1;
	if (put_name(l, top ? "/" : l->path.data, top ? 1 : l->path.len, err) < 0)
		return -1;
	return buffer_puts(&l->out.text, ":\n", err);
}

static int list_folder(struct list *l, const struct squash_inode *dir, struct error **err)
{
	if (++l->entered > squash_inode_count(l->sq))
		return error_set(err, ERROR_DAMAGED, "a folder of the image is below itself");
	if (l->depth == DEPTH_MAX)
		return error_set(err, ERROR_LIMIT, "the image's folders are nested too deeply");
	l->depth++;
	if (put_heading(l, err) < 0 || read_folder(l, dir, each_shown, err) < 0 ||
	    (l->wish->recursive && read_folder(l, dir, each_below, err) < 0))
		return -1;
	l->depth--;
	return 0;
}

static int list_path(struct list *l, const char *path, struct error **err)
{
	struct squash_inode inode;
	size_t len = strlen(path);
	while (len && path[len - 1] == '/')
		len--;
	l->path.len = 0;
	l->entered = 0;
	if (look_find(l->sq, path, &inode, err) < 0 || buffer_append(&l->path, path, len, err) < 0)
		return -1;
	if (S_ISDIR(inode.mode))
		return list_folder(l, &inode, err);
	if (!l->wish->find)
		return put_entry(l, path, len, inode.ref, err);
	const char *name = path_base_name(l->path.data);
	l->path.len = (size_t)(name - l->path.data);
	l->path.len -= l->path.len > 0;
	return put_found(l, name, strlen(name), inode.mode, err);
}

int look_list(void *context, struct squash *sq, int out, struct error **err)
{
	const struct look_wish *wish = context;
	struct list l = { .wish = wish,
			  .sq = sq,
			  .out = { .fd = out },
			  .headed = wish->recursive || wish->paths[1] };
	int r = 0;
	for (const char *const *path = wish->paths; *path && r == 0; path++) {
		if (path > wish->paths && l.headed && !wish->find)
			r = buffer_puts(&l.out.text, "\n", err);
		if (r == 0)
			r = list_path(&l, *path, err);
	}
	if (r == 0)
		r = look_flush(&l.out, true, err);
	buffer_free(&l.out.text);
	buffer_free(&l.path);
	return r;
}
