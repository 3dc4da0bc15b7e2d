/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A squashfs: opened, walked, read: inodes, listings (whole, in pieces, at odd places, by name),
 * targets, data (at both ends, in pieces, as a source), attributes. The compressor is the
 * superblock's; there are seeds for each.
 */
#include "fuzz.h"

#include <string.h>
#include <sys/stat.h>

#include "squash/read/data.h"
#include "squash/read/internal.h"

#define INODES_MAX 96
#define ENTRIES_MAX 64
#define PIECE ((size_t)6000)
#define CACHE_BYTES ((size_t)32 << 10)

struct walk {
	struct squash *sq;
	squash_ref refs[INODES_MAX];
	size_t count, done;
	struct error *first;
};

struct listing {
	struct walk *walk;
	const struct squash_inode *dir;
	size_t seen;
	uint64_t middle; /* a position to go on from */
	uint64_t digest;
};

/* A name may be anything but what could lead elsewhere. */
static void check_name(const struct squash_dirent *e)
{
	if (e->len == 0 || e->len > SQUASH_NAME_MAX || memchr(e->name, '/', e->len) ||
	    memchr(e->name, 0, e->len) || (e->len == 1 && e->name[0] == '.') ||
	    (e->len == 2 && !memcmp(e->name, "..", 2)))
		fuzz_bug("a listing gives a name that cannot be one");
}

static int each(void *context, const struct squash_dirent *e, uint64_t next)
{
	struct listing *l = context;
	struct walk *w = l->walk;
	struct error *err CLEANUP_ERROR = NULL;
	squash_ref ref = 0;
	check_name(e);
	fuzz_saw(e->name, e->len);
	fuzz_saw_number(e->type);
	if (l->seen++ >= ENTRIES_MAX)
		return 1;
	if (l->seen == 2)
		l->middle = next;
	if (squash_lookup(w->sq, l->dir, e->name, e->len, &ref, &err) == 0)
		fuzz_saw_number(ref);
	fuzz_note(&w->first, &err);
	for (size_t i = 0; i < w->count; i++)
		if (w->refs[i] == e->ref)
			return 0;
	if (w->count < INODES_MAX)
		w->refs[w->count++] = e->ref;
	return 0;
}

static int each_again(void *context, const struct squash_dirent *e, uint64_t next)
{
	size_t *seen = context;
	(void)next;
	check_name(e);
	return ++*seen > ENTRIES_MAX;
}

static void directory(struct walk *w, const struct squash_inode *in)
{
	struct listing l = { .walk = w, .dir = in };
	struct error *err CLEANUP_ERROR = NULL;
	squash_ref ref;
	(void)squash_readdir(w->sq, in, 0, each, &l, &err);
	fuzz_note(&w->first, &err);
	const uint64_t places[] = { l.middle, l.middle + 1, in->size << 8, UINT64_MAX, 512 };
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		size_t seen = 0;
		(void)squash_readdir(w->sq, in, places[i], each_again, &seen, &err);
		fuzz_note(&w->first, &err);
	}
	if (squash_lookup(w->sq, in, "no such name", 12, &ref, &err) < 0 &&
	    error_kind(err) == ERROR_NOT_FOUND)
		error_free(&err);
	fuzz_note(&w->first, &err);
}

static void piece(struct walk *w, const struct squash_inode *in, uint64_t off, size_t len)
{
	static uint8_t buf[PIECE];
	struct error *err CLEANUP_ERROR = NULL;
	ssize_t n = squash_read(w->sq, in, buf, len, off, &err);
	uint64_t left = off < in->size ? in->size - off : 0;
	if (n >= 0 && (size_t)n != (left < len ? left : len))
		fuzz_bug("%zd bytes were read where there are %llu", n, (unsigned long long)left);
	if (n >= 0) {
		fuzz_saw(buf, (size_t)n);
		squash_ahead(w->sq, in, len, off);
	}
	fuzz_note(&w->first, &err);
}

static void file(struct walk *w, const struct squash_inode *in)
{
	struct error *err CLEANUP_ERROR = NULL;
	struct source *s CLEANUP_SOURCE = NULL;
	static uint8_t buf[PIECE];
	uint64_t holes = 0, tail = in->size > PIECE ? in->size - PIECE : 0, place;
	piece(w, in, 0, PIECE);
	piece(w, in, 4095, 2);
	piece(w, in, tail, PIECE);
	piece(w, in, in->size / 2, 100);
	piece(w, in, in->size, 1);
	if (data_holes(w->sq, in, 0, &holes, &err) == 0)
		fuzz_saw_number(holes);
	fuzz_note(&w->first, &err);
	if (squash_file_place(w->sq, in, &place, &err) == 1)
		fuzz_saw_number(place);
	fuzz_note(&w->first, &err);
	if (squash_file_source(w->sq, in, &s, &err) == 0) {
		size_t n = in->size - tail < PIECE ? (size_t)(in->size - tail) : PIECE;
		if (source_read(s, buf, n, tail, &err) == 0)
			fuzz_saw(buf, n);
	}
	fuzz_note(&w->first, &err);
}

static void target(struct walk *w, const struct squash_inode *in)
{
	static char buf[SQUASH_TARGET_MAX];
	struct error *err CLEANUP_ERROR = NULL;
	if (squash_readlink(w->sq, in, buf, sizeof(buf), &err) == 0)
		fuzz_saw(buf, in->size);
	fuzz_note(&w->first, &err);
}

static void attributes(struct walk *w, const struct squash_inode *in)
{
	struct error *err CLEANUP_ERROR = NULL;
	struct buffer names CLEANUP_BUFFER = { 0 };
	(void)squash_xattr_list(w->sq, in, &names, &err);
	fuzz_note(&w->first, &err);
	if (names.len && names.data[names.len - 1])
		fuzz_bug("a list of attributes that does not end");
	size_t count = 0;
	for (size_t i = 0; i < names.len && count++ < 8; i += strlen(names.data + i) + 1) {
		struct buffer value CLEANUP_BUFFER = { 0 };
		fuzz_saw(names.data + i, strlen(names.data + i));
		if (squash_xattr_get(w->sq, in, names.data + i, &value, &err) == 0)
			fuzz_saw(value.data, value.len);
		fuzz_note(&w->first, &err);
	}
}

static void visit(struct walk *w, squash_ref ref)
{
	struct squash_inode in;
	struct error *err CLEANUP_ERROR = NULL;
	if (squash_inode(w->sq, ref, &in, &err) < 0) {
		fuzz_note(&w->first, &err);
		return;
	}
	fuzz_saw_number(in.mode);
	fuzz_saw_number(in.size);
	fuzz_saw_number((uint64_t)in.uid << 32 | in.gid);
	attributes(w, &in);
	switch (in.mode & S_IFMT) {
	case S_IFDIR:
		directory(w, &in);
		break;
	case S_IFREG:
		file(w, &in);
		break;
	case S_IFLNK:
		target(w, &in);
		break;
	default:
		fuzz_saw_number(in.device);
	}
}

int fuzz_run(const uint8_t *data, size_t len, struct error **err)
{
	struct source *source CLEANUP_SOURCE = NULL;
	const struct squash_options options = { .cache_bytes = CACHE_BYTES };
	struct squash *sq CLEANUP_SQUASH = NULL;
	if (fuzz_source(data, len, &source, err) < 0 || squash_open(source, &options, &sq, err) < 0)
		return -1;
	struct walk w = { .sq = sq, .refs = { squash_root(sq) }, .count = 1 };
	while (w.done < w.count)
		visit(&w, w.refs[w.done++]);
	*err = w.first;
	return *err ? -1 : 0;
}
