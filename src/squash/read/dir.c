/* SPDX-License-Identifier: Apache-2.0 */
#include "squash/read/internal.h"

#include <string.h>

/*
 * A listing is a row of runs: a header, which tells the block of inodes, and up to 256 entries.
 * Large directories have an index behind their inode, which tells for some runs the first name,
 * where the run is in the listing and where it is stored.
 *
 * A position, as callers keep it, is the offset of a run's header and how many of its entries are
 * passed. It may come back as anything at all, since programs can seek in a directory.
 */
#define POSITION_SHIFT 9 /* SQUASH_RUN_MAX itself must fit below */
#define POSITION_MASK (((uint64_t)1 << POSITION_SHIFT) - 1)

#define HEADER_LEN 12
#define ENTRY_LEN 8
#define INDEX_LEN 12

/*
 * What may be wrong with a listing: a name that is empty, "." or "..", or has a slash or a NUL in
 * it; a kind that there is none of; an end in the midst of an entry; an entry that leads to the
 * directory itself or to the root. Each is an error of that directory alone. Loops through several
 * directories are found by whoever unpacks a tree (squash/extract/extract.c); in a mount the
 * kernel's own look-up takes care of them.
 *
 * That names are sorted, and what the index says, is the image's word. The search uses both to save
 * time. An index out of order is passed over, and the listing is read from its start to its end;
 * an image that lies better than that only hides names of its own.
 */
struct dir_listing {
	struct meta m;
	uint64_t len, off; /* all of it; what is read */
	/* the run that is being read */
	uint64_t run_off, run_at; /* its header: in the listing; as a reference */
	uint32_t passed, left;
	uint32_t inode_block, inode_base;
	char name[SQUASH_NAME_MAX];
};

static void listing_close(struct dir_listing *l)
{
	meta_close(&l->m);
}
#define CLEANUP_LISTING __attribute__((cleanup(listing_close)))

static int damaged(struct error **err, const char *what)
{
	return error_set(err, ERROR_DAMAGED, "a directory is damaged: %s", what);
}

static uint64_t listing_len(const struct squash_inode *dir)
{
	return dir->size > SQUASH_LISTING_EXTRA ? dir->size - SQUASH_LISTING_EXTRA : 0;
}

/* Begins at the header at `off` of the listing, which is stored at `at`. */
static int listing_open(struct squash *sq, const struct squash_inode *dir, uint64_t off,
			uint64_t at, struct dir_listing *l, struct error **err)
{
	if (!S_ISDIR(dir->mode))
		return error_set(err, ERROR_INTERNAL, "not a directory");
	l->len = listing_len(dir);
	l->off = off;
	l->left = 0;
	meta_close(&l->m);
	/* An empty directory's listing may begin where the table ends. */
	return l->len ? meta_open(sq, &sq->directories, at, &l->m, err) : 0;
}

static uint64_t listing_start(const struct squash_inode *dir)
{
	return dir->start << 16 | dir->offset;
}

/* All that is read of a listing goes through here: never beyond its stated end. */
static int take(struct dir_listing *l, void *buf, size_t len, struct error **err)
{
	if (len > l->len - l->off)
		return damaged(err, "its listing is cut short");
	l->off += len;
	return meta_read(&l->m, buf, len, err);
}

/* Reads the next run's header; 0 at the end of the listing. */
static int run_next(struct squash *sq, struct dir_listing *l, struct error **err)
{
	if (l->off >= l->len)
		return 0;
	l->run_off = l->off;
	l->run_at = meta_ref(&l->m, &sq->directories);
	uint8_t raw[HEADER_LEN];
	if (take(l, raw, sizeof(raw), err) < 0)
		return -1;
	struct bytes b = bytes_of(raw, sizeof(raw));
	uint32_t count = bytes_le32(&b);
	l->inode_block = bytes_le32(&b);
	l->inode_base = bytes_le32(&b);
	if (count >= SQUASH_RUN_MAX)
		return damaged(err, "too many entries behind one header");
	l->left = count + 1;
	l->passed = 0;
	return 1;
}

/* The kernel would refuse such a name; whoever unpacks a tree would be led elsewhere by it. */
static bool name_ok(const char *name, size_t len)
{
	if (len == 0 || memchr(name, '/', len) || memchr(name, '\0', len))
		return false;
	return !(name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')));
}

/* Reads the next entry; 0 at the end of the listing. */
static int entry_next(struct squash *sq, const struct squash_inode *dir, struct dir_listing *l,
		      struct squash_dirent *ret, struct error **err)
{
	static const uint32_t formats[] = { 0,	     S_IFDIR, S_IFREG, S_IFLNK,
					    S_IFBLK, S_IFCHR, S_IFIFO, S_IFSOCK };
	if (l->left == 0) {
		int r = run_next(sq, l, err);
		if (r <= 0)
			return r;
	}
	uint8_t raw[ENTRY_LEN];
	if (take(l, raw, sizeof(raw), err) < 0)
		return -1;
	struct bytes b = bytes_of(raw, sizeof(raw));
	uint16_t off = bytes_le16(&b);
	int16_t delta = (int16_t)bytes_le16(&b);
	uint16_t type = bytes_le16(&b);
	size_t len = (size_t)bytes_le16(&b) + 1;
	if (type < SQUASH_DIR || type > SQUASH_SOCKET)
		return damaged(err, "an entry of no known kind");
	if (len > SQUASH_NAME_MAX)
		return damaged(err, "a name is too long");
	if (take(l, l->name, len, err) < 0)
		return -1;
	if (!name_ok(l->name, len))
		return damaged(err, "a name that cannot be one");
	l->left--;
	l->passed++;
	*ret = (struct squash_dirent){
		.name = l->name,
		.len = len,
		.ref = (uint64_t)l->inode_block << 16 | off,
		.number = l->inode_base + (uint32_t)(int32_t)delta,
		.type = formats[type],
	};
	if (type == SQUASH_DIR && (ret->ref == dir->ref || ret->ref == sq->root))
		return damaged(err, "it contains itself");
	return 1;
}

/* ------------------------------------------------------------------ the index */

static int name_compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
	int r = memcmp(a, b, a_len < b_len ? a_len : b_len);
	return r ? r : (a_len > b_len) - (a_len < b_len);
}

/*
 * Finds the last run of the index that does not lie behind a name, or (name NULL) behind an offset
 * of the listing: its offset and reference. Returns false, and nothing else, when the index names
 * none, or is not in order: it only ever saves time.
 */
static bool index_find(struct squash *sq, const struct squash_inode *dir, const char *name,
		       size_t len, uint64_t off, uint64_t *ret_off, uint64_t *ret_at)
{
	struct meta m CLEANUP_META = { 0 };
	struct error *ignored CLEANUP_ERROR = NULL;
	/* Two names take turns: the last one, and the one before, which it must lie behind. */
	struct {
		char text[SQUASH_NAME_MAX];
		size_t len;
	} names[2];
	uint64_t found_off = 0, found_at = 0, last = 0;
	names[1].len = 0;
	if (dir->index_count == 0 || meta_open(sq, &sq->inodes, dir->blocks_at, &m, &ignored) < 0)
		return false;
	for (uint32_t i = 0; i < dir->index_count; i++) {
		uint8_t raw[INDEX_LEN];
		if (meta_read(&m, raw, sizeof(raw), &ignored) < 0)
			return false;
		struct bytes b = bytes_of(raw, sizeof(raw));
		uint32_t at = bytes_le32(&b);
		uint32_t block = bytes_le32(&b);
		size_t n = (size_t)bytes_le32(&b) + 1;
		if (n > SQUASH_NAME_MAX || at <= last || at >= listing_len(dir) ||
		    meta_read(&m, names[i & 1].text, n, &ignored) < 0)
			return false;
		names[i & 1].len = n;
		if (name_compare(names[i & 1].text, n, names[~i & 1].text, names[~i & 1].len) <= 0)
			return false;
		last = at;
		if (name ? name_compare(names[i & 1].text, n, name, len) > 0 : at > off)
			break;
		found_off = at;
		found_at = (uint64_t)block << 16 | ((dir->offset + at) % SQUASH_META_LEN);
	}
	if (found_off == 0)
		return false;
	*ret_off = found_off;
	*ret_at = found_at;
	return true;
}

/* ------------------------------------------------------------------ the calls */

/*
 * From the run that the index names, or from the first. Where the index was in order, the listing
 * is taken to be, too, and the search ends behind the place where the name would be; without an
 * index it goes on to the end, so that it finds the name in any order.
 */
int squash_lookup(struct squash *sq, const struct squash_inode *dir, const char *name, size_t len,
		  squash_ref *ret, struct error **err)
{
	struct dir_listing l CLEANUP_LISTING = { 0 };
	uint64_t off = 0, at = listing_start(dir);
	bool sorted = index_find(sq, dir, name, len, 0, &off, &at);
	if (listing_open(sq, dir, off, at, &l, err) < 0)
		return -1;
	struct squash_dirent e;
	int r;
	while ((r = entry_next(sq, dir, &l, &e, err)) > 0) {
		if (e.len == len && memcmp(e.name, name, len) == 0) {
			*ret = e.ref;
			return 0;
		}
		if (sorted && name_compare(e.name, e.len, name, len) > 0)
			break;
	}
	return r < 0 ? -1 : error_set(err, ERROR_NOT_FOUND, "no such file or directory");
}

/*
 * A program lists a directory in several calls, each of which begins where the last one ended. To
 * count up to that place from the start would make long directories cost the square of their
 * length, so the place of the last stop is kept, for SQUASH_RESUMES directories. Two that share a
 * slot drive each other out: then the index, or counting, finds the place.
 */
static struct squash_resume *resume_slot(struct squash *sq, squash_ref directory)
{
	return &sq->resumes[(directory ^ directory >> 16) % SQUASH_RESUMES];
}

/* The nearest place not behind the header at `off` of the listing that is known. */
static int seek_near(struct squash *sq, const struct squash_inode *dir, uint64_t off,
		     struct dir_listing *l, struct error **err)
{
	uint64_t from = 0, at = listing_start(dir);
	if (off) {
		pthread_mutex_lock(&sq->resume_lock);
		struct squash_resume *r = resume_slot(sq, dir->ref);
		bool kept = r->directory == dir->ref && r->off == off;
		if (kept) {
			from = off;
			at = r->at;
		}
		pthread_mutex_unlock(&sq->resume_lock);
		if (!kept)
			(void)index_find(sq, dir, NULL, 0, off, &from, &at);
	}
	return listing_open(sq, dir, from, at, l, err);
}

static void resume_keep(struct squash *sq, squash_ref directory, const struct dir_listing *l)
{
	pthread_mutex_lock(&sq->resume_lock);
	*resume_slot(sq, directory) = (struct squash_resume){ .directory = directory,
							      .off = l->run_off,
							      .at = l->run_at };
	pthread_mutex_unlock(&sq->resume_lock);
}

/*
 * From the nearest known place not behind the position. Entries up to it are read and passed over:
 * so a position that was made up gives some entry's successor, never half of one.
 */
int squash_readdir(struct squash *sq, const struct squash_inode *dir, uint64_t position,
		   squash_each each, void *context, struct error **err)
{
	struct dir_listing l CLEANUP_LISTING = { 0 };
	struct squash_dirent e;
	uint64_t off = position >> POSITION_SHIFT;
	uint64_t passed = position & POSITION_MASK;
	if (!S_ISDIR(dir->mode))
		return error_set(err, ERROR_INTERNAL, "not a directory");
	if (off >= listing_len(dir))
		return 0;
	if (seek_near(sq, dir, off, &l, err) < 0)
		return -1;
	int r;
	while ((r = entry_next(sq, dir, &l, &e, err)) > 0) {
		if (l.run_off < off || (l.run_off == off && l.passed <= passed))
			continue;
		if (each(context, &e, l.run_off << POSITION_SHIFT | l.passed) != 0) {
			resume_keep(sq, dir->ref, &l);
			return 0;
		}
	}
	return r;
}
