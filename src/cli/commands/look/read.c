/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands/look/internal.h"

#include <stdlib.h>

/* In the locked-in process: what goes out of it, and the bytes of files. */

#define PIECE_LEN ((size_t)128 << 10)

int look_flush(struct look_out *out, bool all, struct error **err)
{
	if (!all && out->text.len < PIECE_LEN)
		return 0;
	int r = out->text.len ? fd_write(out->fd, out->text.data, out->text.len) : 0;
	out->text.len = 0;
	return r < 0 ? error_errno(err, -r, "write what was read of the image") : 0;
}

int look_find(struct squash *sq, const char *path, struct squash_inode *ret, struct error **err)
{
	int r = image_find(sq, path, ret, err);
	if (r != 0)
		return r < 0 ? -1 : 0;
	error_set(err, ERROR_NOT_FOUND, "there is no %s in the image", path);
	return error_hint(err, "`coffer ls` shows what is there");
}

static int cat_file(struct squash *sq, const char *path, char *piece, int out, struct error **err)
{
	struct squash_inode inode;
	if (look_find(sq, path, &inode, err) < 0)
		return -1;
	if (!S_ISREG(inode.mode)) {
		error_set(err, ERROR_USAGE, "%s is %s", path,
			  S_ISDIR(inode.mode) ? "a folder" : "no file");
		return error_hint(err, "`coffer ls -l` shows what it is");
	}
	for (uint64_t off = 0; off < inode.size;) {
		ssize_t n = squash_read(sq, &inode, piece, PIECE_LEN, off, err);
		if (n < 0)
			return error_wrap(err, "%s", path);
		if (n == 0)
			break;
		int r = fd_write(out, piece, (size_t)n);
		if (r < 0)
			return error_errno(err, -r, "write what was read of the image");
		off += (uint64_t)n;
	}
	return 0;
}

int look_cat(void *context, struct squash *sq, int out, struct error **err)
{
	const struct look_wish *wish = context;
	CLEANUP_BUFFER struct buffer b = { 0 };
	char *piece = buffer_reserve(&b, PIECE_LEN, err);
	if (!piece)
		return -1;
	for (const char *const *path = wish->paths; *path; path++)
		if (cat_file(sq, *path, piece, out, err) < 0)
			return -1;
	return 0;
}
