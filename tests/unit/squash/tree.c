/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define CHUNK 65536

/* What both kinds of tree are reduced to. */
struct object {
	const char *path;
	uint32_t mode, uid, gid, mtime, device;
	uint64_t size, hash, id;
	const char *target, *xattrs;
	bool linked;
};

struct lister {
	const struct tree_options *options;
	struct buffer *out;
	struct strings seen; /* "id path" of what has several names */
	struct squash *sq;
	uint64_t objects;
};

/* Zeros count for nothing but their place, so holes cost no time. */
static uint64_t hash_add(uint64_t h, const uint8_t *p, size_t len, uint64_t off)
{
	if (len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0))
		return h;
	h = (h ^ off) * UINT64_C(0x100000001b3);
	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h;
}

static int object_add(struct lister *l, const struct object *o, struct error **err)
{
	if (buffer_printf(l->out, err, "%s %o", o->path, o->mode) < 0)
		return -1;
	if (!l->options->no_owners && buffer_printf(l->out, err, " %u:%u", o->uid, o->gid) < 0)
		return -1;
	if (!l->options->no_times && buffer_printf(l->out, err, " t%u", o->mtime) < 0)
		return -1;
	if ((S_ISBLK(o->mode) || S_ISCHR(o->mode)) &&
	    buffer_printf(l->out, err, " %u,%u", major(o->device), minor(o->device)) < 0)
		return -1;
	if (S_ISREG(o->mode) &&
	    buffer_printf(l->out, err, " %llu %016llx", (unsigned long long)o->size,
			  (unsigned long long)o->hash) < 0)
		return -1;
	if (o->target && buffer_printf(l->out, err, " -> %s", o->target) < 0)
		return -1;
	if (!l->options->no_xattrs && o->xattrs && buffer_puts(l->out, o->xattrs, err) < 0)
		return -1;
	if (o->linked) {
		char id[32];
		int n = snprintf(id, sizeof(id), "%llu ", (unsigned long long)o->id);
		const char *first = NULL;
		for (size_t i = 0; i < l->seen.len && !first; i++)
			if (strncmp(l->seen.items[i], id, (size_t)n) == 0)
				first = l->seen.items[i] + n;
		if (first ? buffer_printf(l->out, err, " =%s", first)
			  : strings_addf(&l->seen, err, "%s%s", id, o->path))
			return -1;
	}
	return buffer_puts(l->out, "\n", err);
}

static int xattr_add(struct buffer *out, const char *name, const void *value, size_t len,
		     struct error **err)
{
	return buffer_printf(out, err, " %s[%zu]%016llx", name, len,
			     (unsigned long long)hash_add(1, value, len, 0));
}

/* ------------------------------------------------------------------ squashfs */

struct entries {
	struct strings names;
	struct error **err;
};

static int entry_add(void *context, const struct squash_dirent *e, uint64_t next)
{
	struct entries *all = context;
	(void)next;
	return strings_addf(&all->names, all->err, "%.*s %llu", (int)e->len, e->name,
			    (unsigned long long)e->ref);
}

static int squash_xattrs(struct squash *sq, const struct squash_inode *in, struct buffer *ret,
			 struct error **err)
{
	struct buffer names CLEANUP_BUFFER = { 0 };
	struct strings sorted CLEANUP_STRINGS = { 0 };
	if (squash_xattr_list(sq, in, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.len; i += strlen(names.data + i) + 1)
		if (strings_add(&sorted, names.data + i, err) < 0)
			return -1;
	strings_sort(&sorted);
	for (size_t i = 0; i < sorted.len; i++) {
		struct buffer value CLEANUP_BUFFER = { 0 };
		if (squash_xattr_get(sq, in, sorted.items[i], &value, err) < 0 ||
		    xattr_add(ret, sorted.items[i], value.data, value.len, err) < 0)
			return -1;
	}
	return 0;
}

static int squash_hash(struct squash *sq, const struct squash_inode *in, uint64_t *ret,
		       struct error **err)
{
	static _Thread_local uint8_t buf[CHUNK];
	uint64_t h = 0;
	for (uint64_t off = 0; off < in->size; off += CHUNK) {
		ssize_t n = squash_read(sq, in, buf, CHUNK, off, err);
		if (n < 0)
			return -1;
		h = hash_add(h, buf, (size_t)n, off);
	}
	*ret = h;
	return 0;
}

static int squash_tree(struct lister *l, squash_ref ref, const char *path, unsigned depth,
		       struct error **err)
{
	struct squash_inode in;
	struct buffer xattrs CLEANUP_BUFFER = { 0 };
	char target[4097] = "";
	/* Damaged trees may be endless: what a reader cannot know, a walker must bound. */
	if (depth > 200 || l->objects++ > 200000)
		return error_set(err, ERROR_LIMIT, "the tree has no end");
	if (squash_inode(l->sq, ref, &in, err) < 0 || squash_xattrs(l->sq, &in, &xattrs, err) < 0)
		return -1;
	struct object o = {
		.path = path,
		.mode = in.mode,
		.uid = in.uid,
		.gid = in.gid,
		.mtime = in.mtime,
		.device = (uint32_t)makedev((in.device & 0xfff00) >> 8,
					    (in.device & 0xff) | (in.device >> 12 & 0xfff00)),
		.size = in.size,
		.id = in.number,
		.xattrs = xattrs.data,
		.linked = !S_ISDIR(in.mode) && in.links > 1,
	};
	if (S_ISREG(in.mode) && squash_hash(l->sq, &in, &o.hash, err) < 0)
		return -1;
	if (S_ISLNK(in.mode)) {
		if (squash_readlink(l->sq, &in, target, sizeof(target) - 1, err) < 0)
			return -1;
		o.target = target;
	}
	if (object_add(l, &o, err) < 0 || !S_ISDIR(in.mode))
		return *err ? -1 : 0;

	struct entries all = { .err = err };
	struct strings names CLEANUP_STRINGS = { 0 };
	int r = squash_readdir(l->sq, &in, 0, entry_add, &all, err);
	names = all.names;
	if (r < 0 || *err)
		return -1;
	strings_sort(&names);
	for (size_t i = 0; i < names.len; i++) {
		char *blank = strrchr(names.items[i], ' ');
		squash_ref child = strtoull(blank + 1, NULL, 10), found = 0;
		*blank = '\0';
		if (squash_lookup(l->sq, &in, names.items[i], strlen(names.items[i]), &found, err) <
		    0)
			return -1;
		if (found != child)
			return error_set(err, ERROR_DAMAGED, "%s is found elsewhere",
					 names.items[i]);
		char *below CLEANUP_TEXT = text_printf(err, "%s/%s", path, names.items[i]);
		if (!below || squash_tree(l, child, below, depth + 1, err) < 0)
			return -1;
	}
	return 0;
}

int tree_of_squash(struct squash *sq, const struct tree_options *options, struct buffer *ret,
		   struct error **err)
{
	struct lister l = { .options = options, .out = ret, .sq = sq };
	int r = squash_tree(&l, squash_root(sq), ".", 0, err);
	strings_free(&l.seen);
	return r;
}

/* ------------------------------------------------------------------ a directory */

static void directory_xattrs(const char *proc, struct buffer *ret)
{
	char names[4096], value[65536];
	ssize_t n = llistxattr(proc, names, sizeof(names));
	struct strings sorted CLEANUP_STRINGS = { 0 };
	for (ssize_t i = 0; i < n; i += (ssize_t)strlen(names + i) + 1)
		assert_ok(strings_add(&sorted, names + i, err));
	strings_sort(&sorted);
	for (size_t i = 0; i < sorted.len; i++) {
		ssize_t len = lgetxattr(proc, sorted.items[i], value, sizeof(value));
		assert_true(len >= 0);
		assert_ok(xattr_add(ret, sorted.items[i], value, (size_t)len, err));
	}
}

static uint64_t file_hash(int dirfd, const char *name, uint64_t size)
{
	static uint8_t buf[CHUNK];
	int fd CLEANUP_FD = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	assert_true(fd >= 0);
	uint64_t h = 0;
	for (uint64_t off = 0; off < size; off += CHUNK) {
		ssize_t n = fd_pread(fd, buf, CHUNK, off);
		assert_true(n > 0);
		h = hash_add(h, buf, (size_t)n, off);
	}
	return h;
}

static void directory_tree(struct lister *l, int parent, const char *name, const char *path)
{
	struct stat st;
	char target[4097] = "";
	struct buffer xattrs CLEANUP_BUFFER = { 0 };
	char *proc CLEANUP_TEXT = NULL;
	assert_int_equal(fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_ok((proc = text_printf(err, "/proc/self/fd/%d/%s", parent, name)) ? 0 : -1);
	directory_xattrs(proc, &xattrs);
	struct object o = {
		.path = path,
		.mode = st.st_mode,
		.uid = st.st_uid,
		.gid = st.st_gid,
		.mtime = (uint32_t)st.st_mtime,
		.device = (uint32_t)st.st_rdev,
		.size = (uint64_t)st.st_size,
		.id = st.st_ino,
		.xattrs = xattrs.data,
		.linked = !S_ISDIR(st.st_mode) && st.st_nlink > 1,
	};
	if (S_ISREG(st.st_mode))
		o.hash = file_hash(parent, name, o.size);
	if (S_ISLNK(st.st_mode)) {
		assert_true(readlinkat(parent, name, target, sizeof(target) - 1) > 0);
		o.target = target;
	}
	assert_ok(object_add(l, &o, err));
	if (!S_ISDIR(st.st_mode))
		return;
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fdopendir(fd);
	assert_non_null(d);
	struct strings names CLEANUP_STRINGS = { 0 };
	for (struct dirent *e; (e = readdir(d));)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			assert_ok(strings_add(&names, e->d_name, err));
	strings_sort(&names);
	for (size_t i = 0; i < names.len; i++) {
		char *below CLEANUP_TEXT = NULL;
		assert_ok((below = text_printf(err, "%s/%s", path, names.items[i])) ? 0 : -1);
		directory_tree(l, dirfd(d), names.items[i], below);
	}
	closedir(d);
}

void tree_of_directory(int directory, const struct tree_options *options, struct buffer *ret)
{
	struct lister l = { .options = options, .out = ret };
	directory_tree(&l, directory, ".", ".");
	strings_free(&l.seen);
}

/* ------------------------------------------------------------------ helpers */

struct squash *tree_open(const char *path, uint64_t off, struct source **ret_source)
{
	struct source *file = NULL, *part = NULL;
	struct squash *sq = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail_msg("%s: %s", path, strerror(errno));
	assert_ok(source_from_fd(fd, &file, err));
	assert_ok(source_slice(file, off, file->size - off, &part, err));
	assert_ok(squash_open(part, NULL, &sq, err));
	ret_source[0] = file;
	ret_source[1] = part;
	return sq;
}

void tree_close(struct squash *sq, struct source **sources)
{
	squash_free(&sq);
	source_free(&sources[1]);
	source_free(&sources[0]);
}

int tree_find(struct squash *sq, const char *path, struct squash_inode *ret, struct error **err)
{
	if (squash_inode(sq, squash_root(sq), ret, err) < 0)
		return -1;
	while (*path) {
		squash_ref ref;
		size_t n = strcspn(path, "/");
		if (squash_lookup(sq, ret, path, n, &ref, err) < 0 ||
		    squash_inode(sq, ref, ret, err) < 0)
			return -1;
		path += n + (path[n] == '/');
	}
	return 0;
}

void tree_assert_equal(const struct buffer *a, const struct buffer *b)
{
	assert_non_null(a->data);
	assert_non_null(b->data);
	if (a->len == b->len && memcmp(a->data, b->data, a->len) == 0)
		return;
	size_t i = 0, line = 0;
	while (a->data[i] && a->data[i] == b->data[i]) {
		if (a->data[i] == '\n')
			line = i + 1;
		i++;
	}
	fail_msg("trees differ: \"%.*s\" and \"%.*s\"", (int)strcspn(a->data + line, "\n"),
		 a->data + line, (int)strcspn(b->data + line, "\n"), b->data + line);
}

void tree_shell(const char *fmt, ...)
{
	va_list ap;
	char *command = NULL;
	va_start(ap, fmt);
	assert_true(vasprintf(&command, fmt, ap) >= 0);
	va_end(ap);
	int status = system(command);
	if (status != 0)
		fail_msg("status %d: %s", status, command);
	free(command);
}

char *tree_temporary(void)
{
	const char *tmp = getenv("TMPDIR");
	char *path = NULL;
	assert_true(asprintf(&path, "%s/coffer-test-XXXXXX", tmp ? tmp : "/tmp") > 0);
	assert_non_null(mkdtemp(path));
	return path;
}

void tree_remove(char *path)
{
	tree_shell("chmod -R u+rwX '%s' && rm -rf '%s'", path, path);
	free(path);
}
