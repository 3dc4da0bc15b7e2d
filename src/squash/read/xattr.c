/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended attributes (encryption.md 7 has the tables; docs/formats/squashfs.md what is refused).
 *
 * An inode has the number of a list. A table, reached like that of fragments, tells for each list
 * where it begins and how many attributes it has. The list is a row of names and values; a value
 * may be the place of another value instead, as the same one of many files is stored once.
 *
 * The three prefixes that the format has are numbers on disk. One that is unknown is passed over,
 * as the kernel does. Lengths are bounded before they are used, by the kernel's own limits: more
 * could not be handed on anyway. A value elsewhere is read as one that is here, so a place that
 * leads to another place gives its eight bytes, and no chain is walked.
 */
#include "squash/read/internal.h"

#include <stdio.h>
#include <string.h>

#define KEY_LEN 4   /* u16 prefix and flag, u16 length of the rest of the name */
#define VALUE_LEN 4 /* u32 length of the value */

/* Indexed by the number on disk. Others are left out, as the kernel does. */
static const char *const prefixes[] = { "user.", "trusted.", "security." };

/* One attribute, its value not yet read. */
struct xattr {
	char name[SQUASH_XATTR_NAME_MAX + 1]; /* empty: of an unknown prefix */
	bool elsewhere;
	uint32_t stored; /* bytes of the value, or of the reference to it */
};

struct xattrs {
	struct meta m;
	uint32_t left;
};

static int damaged(struct error **err, const char *what)
{
	return error_set(err, ERROR_DAMAGED, "extended attributes are damaged: %s", what);
}

static void xattrs_close(struct xattrs *x)
{
	meta_close(&x->m);
}
#define CLEANUP_XATTRS __attribute__((cleanup(xattrs_close)))

static int xattrs_open(struct squash *sq, const struct squash_inode *inode, struct xattrs *ret,
		       struct error **err)
{
	if (inode->xattr == SQUASH_NONE || !sq->xattr_ids)
		return 0;
	if (inode->xattr >= sq->xattr_count)
		return damaged(err, "no such list");
	uint8_t raw[SQUASH_XATTR_ID_LEN];
	if (meta_element(sq, sq->xattr_ids, inode->xattr, sizeof(raw), raw, err) < 0)
		return -1;
	struct bytes b = bytes_of(raw, sizeof(raw));
	uint64_t ref = bytes_le64(&b);
	uint32_t count = bytes_le32(&b);
	/* Names differ, so more could never be listed. */
	if (count > SQUASH_XATTR_LIST_MAX)
		return error_set(err, ERROR_LIMIT, "%u extended attributes are too many", count);
	ret->left = count;
	return meta_open(sq, &sq->xattrs, ref, &ret->m, err);
}

/* Reads the next one's name; 0 at the end. The value must be read or skipped afterwards. */
static int xattr_next(struct xattrs *x, struct xattr *ret, struct error **err)
{
	if (x->left == 0)
		return 0;
	x->left--;
	uint8_t raw[KEY_LEN];
	char rest[SQUASH_XATTR_NAME_MAX];
	if (meta_read(&x->m, raw, sizeof(raw), err) < 0)
		return -1;
	struct bytes b = bytes_of(raw, sizeof(raw));
	uint16_t type = bytes_le16(&b);
	size_t len = bytes_le16(&b);
	size_t prefix = type & SQUASH_XATTR_PREFIX_MASK;
	bool known = prefix < sizeof(prefixes) / sizeof(prefixes[0]);
	if (len == 0 || len + (known ? strlen(prefixes[prefix]) : 0) > SQUASH_XATTR_NAME_MAX)
		return damaged(err, "impossible length of a name");
	if (meta_read(&x->m, rest, len, err) < 0)
		return -1;
	if (memchr(rest, '\0', len))
		return damaged(err, "a name holds a zero byte");
	ret->name[0] = '\0';
	if (known)
		(void)snprintf(ret->name, sizeof(ret->name), "%s%.*s", prefixes[prefix], (int)len,
			       rest);
	ret->elsewhere = type & SQUASH_XATTR_ELSEWHERE;

	uint8_t value[VALUE_LEN];
	if (meta_read(&x->m, value, sizeof(value), err) < 0)
		return -1;
	b = bytes_of(value, sizeof(value));
	ret->stored = bytes_le32(&b);
	if (ret->elsewhere ? ret->stored != 8 : ret->stored > SQUASH_XATTR_VALUE_MAX)
		return damaged(err, "impossible length of a value");
	return 1;
}

/* len is bounded by the callers, before memory is taken for it. */
static int append(struct meta *m, uint32_t len, struct buffer *ret, struct error **err)
{
	char *to = buffer_reserve(ret, len, err);
	if (!to || meta_read(m, to, len, err) < 0)
		return -1;
	ret->len += len;
	ret->data[ret->len] = '\0';
	return 0;
}

static int value_read(struct squash *sq, struct xattrs *x, const struct xattr *attr,
		      struct buffer *ret, struct error **err)
{
	if (!attr->elsewhere)
		return append(&x->m, attr->stored, ret, err);
	/* The same value of several files is stored once: here is only where. */
	uint8_t raw[8];
	if (meta_read(&x->m, raw, sizeof(raw), err) < 0)
		return -1;
	struct bytes b = bytes_of(raw, sizeof(raw));
	struct meta m CLEANUP_META = { 0 };
	uint8_t head[VALUE_LEN];
	if (meta_open(sq, &sq->xattrs, bytes_le64(&b), &m, err) < 0 ||
	    meta_read(&m, head, sizeof(head), err) < 0)
		return -1;
	b = bytes_of(head, sizeof(head));
	uint32_t len = bytes_le32(&b);
	if (len > SQUASH_XATTR_VALUE_MAX)
		return damaged(err, "impossible length of a value");
	return append(&m, len, ret, err);
}

/* Values are passed over. The kernel's limit on the whole list ends the work early, too. */
int squash_xattr_list(struct squash *sq, const struct squash_inode *inode, struct buffer *ret,
		      struct error **err)
{
	struct xattrs x CLEANUP_XATTRS = { 0 };
	struct buffer names CLEANUP_BUFFER = { 0 };
	struct xattr attr;
	int r;
	if (xattrs_open(sq, inode, &x, err) < 0)
		return -1;
	while ((r = xattr_next(&x, &attr, err)) > 0) {
		if (meta_skip(&x.m, attr.stored, err) < 0)
			return -1;
		if (attr.name[0] == '\0')
			continue;
		if (buffer_append(&names, attr.name, strlen(attr.name) + 1, err) < 0)
			return -1;
		if (names.len > SQUASH_XATTR_LIST_MAX)
			return error_set(err, ERROR_LIMIT,
					 "a list of extended attributes is too long");
	}
	return r < 0 || !names.len ? r : buffer_append(ret, names.data, names.len, err);
}

int squash_xattr_get(struct squash *sq, const struct squash_inode *inode, const char *name,
		     struct buffer *ret, struct error **err)
{
	struct xattrs x CLEANUP_XATTRS = { 0 };
	struct xattr attr;
	int r;
	if (xattrs_open(sq, inode, &x, err) < 0)
		return -1;
	while ((r = xattr_next(&x, &attr, err)) > 0) {
		if (strcmp(attr.name, name) == 0)
			return value_read(sq, &x, &attr, ret, err);
		if (meta_skip(&x.m, attr.stored, err) < 0)
			return -1;
	}
	return r < 0 ? -1 : error_set(err, ERROR_NOT_FOUND, "no such extended attribute");
}
