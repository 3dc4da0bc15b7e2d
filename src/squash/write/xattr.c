/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended attributes into libsquashfs' table: of the three namespaces that squashfs has. Others
 * (access control lists) are told to the caller as left out, not dropped in silence.
 */
#include "squash/write/internal.h"

#include <errno.h>
#include <limits.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

/* Squashfs has numbers for these three name spaces only (docs/formats/squashfs.md). */
static bool can_hold(const char *name)
{
	return strncmp(name, "user.", 5) == 0 || strncmp(name, "trusted.", 8) == 0 ||
	       strncmp(name, "security.", 9) == 0;
}

static void leave_out(struct squash_packer *p, const struct squash_node *n, const char *name)
{
	CLEANUP_BUFFER struct buffer why = { 0 };
	CLEANUP_ERROR struct error *err = NULL;
	if (buffer_printf(&why, &err, "a squashfs cannot hold its attribute %s", name) == 0)
		squash_leave_out(p, n, SQUASH_LEFT_ATTRIBUTE, why.data);
}

static int add_sorted(struct squash_packer *p, struct squash_node *n, int fd, const char *path,
		      size_t len, char **names, size_t count, struct error **err)
{
	size_t used = 0;
	for (char *name = p->xattr_names; name < p->xattr_names + len; name += strlen(name) + 1)
		names[used++] = name;
	qsort(names, count, sizeof(*names), strings_compare);

	bool begun = false;
	for (size_t i = 0; i < count; i++) {
		if (!can_hold(names[i])) {
			leave_out(p, n, names[i]);
			continue;
		}
		ssize_t got = fd >= 0 ? fgetxattr(fd, names[i], p->xattr_value, XATTR_SIZE_MAX)
				      : lgetxattr(path, names[i], p->xattr_value, XATTR_SIZE_MAX);
		if (got < 0)
			return error_errno(err, errno, "read its attribute %s", names[i]);
		int r = begun ? 0 : sqfs_xattr_writer_begin(p->xattrs, 0);
		begun = true;
		if (r == 0)
			r = sqfs_xattr_writer_add(p->xattrs, names[i], p->xattr_value, (size_t)got);
		if (squash_check(&p->out, r, "keep its attributes", err) < 0)
			return -1;
	}
	if (!begun)
		return 0;
	return squash_check(&p->out, sqfs_xattr_writer_end(p->xattrs, &n->xattr),
			    "keep its attributes", err);
}

int squash_add_xattrs(struct squash_packer *p, struct squash_node *n, int fd, int directory,
		      struct error **err)
{
	char path[NAME_MAX + 64] = "";
	if (!p->xattr_names && (!(p->xattr_names = malloc(XATTR_LIST_MAX)) ||
				!(p->xattr_value = malloc(XATTR_SIZE_MAX))))
		return error_no_memory(err);
	/* What cannot be opened has no f... call: the directory's descriptor is in the path. */
	if (fd < 0)
		snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", directory, n->name);
	ssize_t len = fd >= 0 ? flistxattr(fd, p->xattr_names, XATTR_LIST_MAX)
			      : llistxattr(path, p->xattr_names, XATTR_LIST_MAX);
	if (len < 0 && errno == ENOTSUP)
		return 0;
	if (len < 0) {
		error_errno(err, errno, "list its extended attributes");
		return squash_at_node(n, err);
	}
	size_t count = 0;
	for (ssize_t i = 0; i < len; i++)
		count += p->xattr_names[i] == '\0';
	if (!count)
		return 0;
	char **names = calloc(count, sizeof(*names));
	if (!names)
		return error_no_memory(err);
	int r = add_sorted(p, n, fd, path, (size_t)len, names, count, err);
	free(names);
	return r < 0 ? squash_at_node(n, err) : 0;
}
