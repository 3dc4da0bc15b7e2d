/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "crypto/crypto.h"

/*
 * Entries into the tree. The folder of an entry is opened from the root by the kernel, links in it
 * stay inside; the last component is a name in that folder and never followed. A path is taken at
 * its word first ("a/../b" is "b"), as by Go's programs.
 */

#define WHITEOUT ".wh."
#define OPAQUE ".wh..wh..opq"

#define UNPACK_BUFFER ((size_t)256 << 10)

int oci_unpacker_new(int root, const struct oci_rules *rules, struct oci_unpacker **ret,
		     struct error **err)
{
	CLEANUP_OCI_UNPACKER struct oci_unpacker *u = calloc(1, sizeof(*u));
	if (!u)
		return error_no_memory(err);
	u->root = u->folder = -1;
	u->rules = *rules;
	struct oci_limits *limits = &u->rules.limits;
	limits->entries = limits->entries ? limits->entries : OCI_ENTRIES_MAX;
	limits->bytes = limits->bytes ? limits->bytes : OCI_TREE_MAX;
	u->content_left = limits->bytes;
	limits->attributes = limits->attributes ? limits->attributes : OCI_ATTRIBUTE_BYTES_MAX;
	u->root = fcntl(root, F_DUPFD_CLOEXEC, 3);
	if (u->root < 0)
		return error_errno(err, errno, "open the tree");
	u->buffer = malloc(UNPACK_BUFFER);
	if (!u->buffer)
		return error_no_memory(err);
	if (crypto_random(&u->upper.seed, sizeof(u->upper.seed), err) < 0)
		return -1;
	*ret = take_pointer(&u);
	return 0;
}

void oci_unpacker_free(struct oci_unpacker **unpacker)
{
	struct oci_unpacker *u = *unpacker;
	if (!u)
		return;
	fd_close(&u->root);
	fd_close(&u->folder);
	text_free(&u->folder_path);
	oci_upper_clear(&u->upper);
	free(u->buffer);
	free(u);
	*unpacker = NULL;
}

/* ------------------------------------------------------------------ kinds of files */

/* Removes what is in the place of an entry that is no folder, or no folder yet. */
static int make_room(struct oci_unpacker *u, const char *name, struct error **err)
{
	struct stat st;
	if (fstatat(u->folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "look at %s", name);
	return oci_lower_remove(u->folder, name, NULL, err);
}

static int write_piece(struct oci_unpacker *u, struct tar *t, int fd, uint64_t off, uint64_t len,
		       struct error **err)
{
	while (len) {
		size_t n = len < UNPACK_BUFFER ? (size_t)len : UNPACK_BUFFER;
		if (oci_tar_data(t, u->buffer, n, err) < 0)
			return -1;
		int r = fd_pwrite(fd, u->buffer, n, off);
		if (r < 0)
			return error_errno(err, -r, "write a file");
		off += n;
		len -= n;
	}
	return 0;
}

static int make_file(struct oci_unpacker *u, struct tar *t, const char *name,
		     const struct tar_entry *e, struct error **err)
{
	/* Holes count: whoever packs the tree reads them. */
	if (!checked_add(u->bytes, e->size, &u->bytes) || u->bytes > u->rules.limits.bytes)
		return error_set(err, ERROR_LIMIT, "more than %llu bytes of files in the layers",
				 (unsigned long long)u->rules.limits.bytes);
	if (make_room(u, name, err) < 0)
		return -1;
	CLEANUP_FD int fd =
		openat(u->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_errno(err, errno, "make %s", name);
	if (!e->sparse)
		return write_piece(u, t, fd, 0, e->size, err);
	for (size_t i = 0; i < e->piece_count; i++)
		if (write_piece(u, t, fd, e->pieces[i].off, e->pieces[i].len, err) < 0)
			return -1;
	return ftruncate(fd, (off_t)e->size) < 0 ? error_errno(err, errno, "write %s", name) : 0;
}

static int make_folder(struct oci_unpacker *u, const char *name, struct error **err)
{
	struct stat st;
	if (fstatat(u->folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
		return 0;
	if (make_room(u, name, err) < 0)
		return -1;
	return mkdirat(u->folder, name, 0700) < 0 ? error_errno(err, errno, "make %s", name) : 0;
}

static int make_link(struct oci_unpacker *u, const char *name, const char *target,
		     struct error **err)
{
	if (!*target)
		return error_set(err, ERROR_DAMAGED, "a link of a layer leads to nothing");
	if (strlen(target) > OCI_PATH_MAX)
		return error_set(err, ERROR_LIMIT, "a link of a layer is too long");
	if (make_room(u, name, err) < 0)
		return -1;
	return symlinkat(target, u->folder, name) < 0 ? error_errno(err, errno, "make %s", name)
						      : 0;
}

/* One more name of a file of this layer or of a lower one. */
static int make_name(struct oci_unpacker *u, const char *name, const char *target,
		     struct error **err)
{
	struct stat st, there;
	const char *folder;
	CLEANUP_TEXT char *path = oci_path_clean(target, err);
	if (!path)
		return -1;
	const char *old = oci_path_part(path, &folder);
	CLEANUP_FD int fd =
		path_open_in_root(u->root, *folder ? folder : "/", O_PATH | O_DIRECTORY, 0);
	if (fd < 0 || !*old || fstatat(fd, old, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    S_ISDIR(st.st_mode))
		return error_set(err, ERROR_DAMAGED,
				 "a name in a layer is of a file that is not there");
	if (fstatat(u->folder, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	    there.st_ino == st.st_ino && there.st_dev == st.st_dev)
		return 0;
	/* The room may be a folder with the file in it. */
	if (make_room(u, name, err) < 0)
		return -1;
	return linkat(fd, old, u->folder, name, 0) < 0 ? error_errno(err, errno, "make %s", name)
						       : 0;
}

/* *ret_made: false when it was left out. */
static int make_special(struct oci_unpacker *u, const char *name, const struct tar_entry *e,
			bool *ret_made, struct error **err)
{
	mode_t kind = e->type == '3' ? S_IFCHR : e->type == '4' ? S_IFBLK : S_IFIFO;
	if (make_room(u, name, err) < 0)
		return -1;
	*ret_made = kind == S_IFIFO || u->rules.devices;
	if (!*ret_made) {
		oci_entry_left_out(&u->rules, OCI_LEFT_DEVICE, e->path,
				   "making devices needs root");
		return 0;
	}
	if (kind != S_IFIFO && (e->major > 0xfff || e->minor > 0xfffff))
		return error_set(err, ERROR_DAMAGED, "a device of a layer has no such number");
	dev_t device = kind == S_IFIFO ? 0 : makedev((unsigned)e->major, (unsigned)e->minor);
	return mknodat(u->folder, name, kind | 0600, device) < 0
		       ? error_errno(err, errno, "make %s", name)
		       : 0;
}

/* ------------------------------------------------------------------ entries */

/* Of what is called .wh.something; 1 when it was no whiteout. */
static int white_out(struct oci_unpacker *u, const char *name, struct error **err)
{
	static const char own[] = WHITEOUT WHITEOUT;
	if (strncmp(name, WHITEOUT, strlen(WHITEOUT)) != 0)
		return 1;
	const char *what = name + strlen(WHITEOUT);
	int r;
	/* Done before: what is there now is this layer's, and to walk all of it again takes long.
	 */
	if (oci_upper_has(&u->upper, u->folder_ino, name))
		return 0;
	if (!strcmp(name, OPAQUE))
		r = oci_lower_remove(u->folder, NULL, &u->upper, err);
	else if (!strncmp(name, own, sizeof(own) - 1))
		return 0; /* aufs's own */
	else if (!*what || !strcmp(what, ".") || !strcmp(what, ".."))
		return error_set(err, ERROR_DAMAGED, "a whiteout of nothing");
	else
		r = oci_lower_remove(u->folder, what, &u->upper, err);
	/* A folder that was open may be gone, or be another. */
	return r < 0 || oci_upper_add(&u->upper, u->folder_ino, name, err) < 0
		       ? -1
		       : oci_folder_leave(u, err);
}

static int change_root(struct oci_unpacker *u, const struct tar_entry *e, struct error **err)
{
	if (e->type != '5')
		return error_set(err, ERROR_DAMAGED, "the root of a layer is no folder");
	if (oci_folder_enter(u, "", err) < 0)
		return -1;
	u->folder_time = e->time;
	return oci_entry_finish(&u->rules, u->folder, ".", e, err);
}

static int make_entry(struct oci_unpacker *u, struct tar *t, const char *name,
		      const struct tar_entry *e, bool *ret_made, struct error **err)
{
	*ret_made = true;
	switch (e->type) {
	case '0':
		return make_file(u, t, name, e, err);
	case '1':
		*ret_made = false; /* the file has what it is to have */
		return make_name(u, name, e->link, err);
	case '2':
		return make_link(u, name, e->link, err);
	case '3':
	case '4':
	case '6':
		return make_special(u, name, e, ret_made, err);
	case '5':
		return make_folder(u, name, err);
	default:
		return error_set(err, ERROR_UNSUPPORTED,
				 "an entry of a kind that coffer does not know");
	}
}

int oci_count_entry(struct oci_unpacker *u, struct error **err)
{
	return ++u->entries > u->rules.limits.entries
		       ? error_set(err, ERROR_LIMIT, "more than %llu entries in the layers",
				   (unsigned long long)u->rules.limits.entries)
		       : 0;
}

static int count_attributes(struct oci_unpacker *u, const struct tar_entry *e, struct error **err)
{
	for (size_t i = 0; i < e->attribute_count; i++)
		u->attributes +=
			strlen(e->attributes[i].name) + e->attributes[i].len + OCI_ATTRIBUTE_COST;
	return u->attributes > u->rules.limits.attributes
		       ? error_set(err, ERROR_LIMIT,
				   "more than %llu bytes of extended attributes in the layers",
				   (unsigned long long)u->rules.limits.attributes)
		       : 0;
}

static int apply(struct oci_unpacker *u, struct tar *t, const struct tar_entry *e,
		 struct error **err)
{
	const char *folder;
	bool made;
	struct stat st;
	if (oci_count_entry(u, err) < 0 || count_attributes(u, e, err) < 0)
		return -1;
	CLEANUP_TEXT char *path = oci_path_clean(e->path, err);
	if (!path)
		return -1;
	if (!*path)
		return change_root(u, e, err);
	const char *name = oci_path_part(path, &folder);
	if (oci_folder_enter(u, folder, err) < 0)
		return -1;
	int r = white_out(u, name, err);
	if (r <= 0)
		return r;
	/* Where a folder or a link goes, the way to the one that is open may go too. */
	bool way = fstatat(u->folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		   (S_ISLNK(st.st_mode) || (S_ISDIR(st.st_mode) && e->type != '5'));
	if (make_entry(u, t, name, e, &made, err) < 0 ||
	    (made && oci_entry_finish(&u->rules, u->folder, name, e, err) < 0) ||
	    oci_upper_add(&u->upper, u->folder_ino, name, err) < 0)
		return -1;
	return way ? oci_folder_leave(u, err) : 0;
}

int oci_unpack_layer(struct oci_unpacker *u, int layout, const struct oci_layer *layer,
		     struct error **err)
{
	CLEANUP_STREAM struct stream *stream = NULL;
	int fd = oci_blob_open(layout, &layer->blob, err);
	if (fd < 0 || oci_stream_open(fd, layer, &u->content_left, &stream, err) < 0)
		return -1;
	struct tar t = { .stream = stream };
	struct tar_entry e = { 0 };
	int r;
	while ((r = oci_tar_next(&t, &e, err)) > 0) {
		if (apply(u, &t, &e, err) < 0) {
			error_wrap(err, "%s", e.path);
			r = -1;
		}
		oci_tar_entry_free(&e);
		if (r < 0)
			break;
	}
	oci_upper_clear(&u->upper);
	return r < 0 || oci_folder_leave(u, err) < 0 ? -1 : oci_stream_finish(stream, err);
}
