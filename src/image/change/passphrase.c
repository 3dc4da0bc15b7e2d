/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another passphrase for an image, or another cost of guessing it: what the volume key is locked
 * with is written anew, and nothing else. So it takes no longer for 100 GB.
 *
 * Of LUKS2 that is the header at the partition's beginning, which has two copies, so that it can be
 * changed where it lies (seal/luks2/change.c). Of gocryptfs it is a text of some 400 bytes among
 * those of the outer file system, of which there is one: cut off in the middle it would open with
 * neither passphrase. That image is copied first, in blocks that both files share where the file
 * system can, and the copy takes its place.
 *
 * Who knew the old passphrase may have kept the volume key, which stays: as with recipients, only
 * encrypting the image anew shuts them out.
 */
#include "image/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define COPY_LEN ((size_t)1 << 20)
/* So that a signal is heard. */
#define PIECE_MAX ((size_t)1 << 30)

bool image_passphrase_in_place(const struct image *img)
{
	return !image_seal(img)->in_outer;
}

/* ------------------------------------------------------------------ the copy */

static int copy_bytes(const struct image *img, int out_fd, uint64_t off, struct error **err)
{
	CLEANUP_BUFFER struct buffer piece = { 0 };
	char *at = buffer_reserve(&piece, COPY_LEN, err);
	if (!at)
		return -1;
	while (off < img->file->size) {
		uint64_t left = img->file->size - off;
		size_t len = left < COPY_LEN ? (size_t)left : COPY_LEN;
		if (source_read(img->file, at, len, off, err) < 0)
			return -1;
		int r = fd_pwrite(out_fd, at, len, off);
		if (r < 0)
			return error_errno(err, -r, "write a copy of %s", img->path);
		off += len;
	}
	return 0;
}

/* Into an empty file; of one blocks where the file system can. */
static int copy_image(const struct image *img, int out_fd, struct error **err)
{
	off_t from = 0, to = 0;
	ssize_t n = 1;
	while (n > 0 && (uint64_t)from < img->file->size) {
		uint64_t left = img->file->size - (uint64_t)from;
		size_t len = left < PIECE_MAX ? (size_t)left : PIECE_MAX;
		n = copy_file_range(img->fd, &from, out_fd, &to, len, 0);
		if (n < 0 && errno == EINTR)
			n = 1;
	}
	/* A disk that is full is no better the other way. */
	if (n < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG))
		return error_errno(err, errno, "write a copy of %s", img->path);
	/* Not between these two file systems: from where it ended. */
	return copy_bytes(img, out_fd, (uint64_t)from, err);
}

/* ------------------------------------------------------------------ the change */

static int check_cost(const struct seal *seal, const struct seal_cost *cost, struct error **err)
{
	const struct seal_cost *min = &seal->cost_min, *max = &seal->cost_max;
	if (cost->time_ms && !max->time_ms) {
		error_set(err, ERROR_USAGE, "the time that %s takes cannot be chosen", seal->title);
		return error_hint(err, "it follows from the memory: give --kdf-memory alone");
	}
	if (cost->memory && (cost->memory < min->memory || cost->memory > max->memory))
		return error_set(err, ERROR_USAGE,
				 "%s takes a memory from %llu to %llu MiB, not %llu", seal->title,
				 (unsigned long long)(min->memory >> 20),
				 (unsigned long long)(max->memory >> 20),
				 (unsigned long long)(cost->memory >> 20));
	if (cost->time_ms && (cost->time_ms < min->time_ms || cost->time_ms > max->time_ms))
		return error_set(err, ERROR_USAGE, "%s takes a time from %u to %u ms, not %u",
				 seal->title, min->time_ms, max->time_ms, cost->time_ms);
	return 0;
}

static int no_passphrase(const struct image *img, struct error **err)
{
	error_set(err, ERROR_USAGE, "%s: its passphrase is needed, and another key is given",
		  img->path);
	return error_hint(err, "`coffer rekey --new-passphrase` gives an image a passphrase that "
			       "has none; `coffer recipient` changes its recipients");
}

struct passphrase_work {
	const struct image *img;
	const struct image_passphrase_change *wish;
	struct image_tree *tree;
	int fd;
	unsigned ways;
};

/* Over the old text, of which the new one has the length. */
static int put_conf(const struct passphrase_work *w, const struct buffer *conf, struct error **err)
{
	struct squash_inode inode;
	uint64_t off = 0;
	if (image_find_conf(w->tree, &inode, err) < 0)
		return -1;
	int r = squash_file_place(w->tree->outer, &inode, &off, err);
	if (r == 0) {
		error_set(err, ERROR_UNSUPPORTED, "gocryptfs.conf is packed in the image");
		return error_hint(err, "`coffer rekey` makes an image where it is not");
	}
	if (r < 0)
		return -1;
	if (inode.size != conf->len || !range_within(off, conf->len, w->img->root->len))
		return error_set(err, ERROR_INTERNAL, "a new gocryptfs.conf of another length");
	r = fd_pwrite(w->fd, conf->data, conf->len, w->img->root->off + off);
	return r < 0 ? error_errno(err, -r, "write gocryptfs.conf") : 0;
}

static int change_volume(void *context, const struct seal_volume *volume, struct error **err)
{
	struct passphrase_work *w = context;
	const struct seal *seal = volume->seal;
	const struct seal_file file = { .fd = w->fd, .off = w->img->root->off };
	CLEANUP_SECRET struct secret *old = NULL, *passphrase = NULL;
	CLEANUP_BUFFER struct buffer conf = { 0 }, message = { 0 };
	bool random;
	if (image_open_secret(w->img, w->wish->old, &old, err) < 0 ||
	    key_make_secret(w->wish->passphrase, &seal->secret, &passphrase, &random, &message,
			    err) < 0 ||
	    seal->change(volume, old, passphrase, &w->wish->cost, &file, &conf, &w->ways, err) < 0)
		return -1;
	if (!conf.len)
		return 0;
	/* Now that nothing else can be wrong. */
	return copy_image(w->img, w->fd, err) < 0 ? -1 : put_conf(w, &conf, err);
}

size_t image_passphrase_signatures(const struct image *img)
{
	if (!img->sif || !img->root)
		return 0;
	const struct sif_descriptor *part = img->root->descriptor;
	size_t count = 0;
	for (size_t i = 0; i < img->sif->count; i++) {
		const struct sif_descriptor *s = &img->sif->descriptors[i];
		count += s->type == SIF_SIGNATURE &&
			 s->link == (s->link_is_group ? part->group : part->id);
	}
	return count;
}

/* Whether it has a passphrase beside its recipients nobody can tell. */
static void explain_wrong(const struct image *img, struct error **err)
{
	if (error_kind(*err) != ERROR_KEY_WRONG || !image_has_key_object(img))
		return;
	CLEANUP_ERROR struct error *failed = NULL;
	CLEANUP_TEXT char *words = text_dup(error_message(*err), &failed);
	if (!words)
		return;
	error_free(err);
	error_set(err, ERROR_KEY_WRONG, "%s", words);
	error_hint(err, "the image is for recipients, and may have no passphrase: `coffer rekey "
			"--new-passphrase --identity FILE` gives it one");
	error_at(err, PLACE_UNSEALING);
}

int image_change_passphrase(const struct image *img, int fd,
			    const struct image_passphrase_change *wish, unsigned *ret_ways,
			    struct error **err)
{
	CLEANUP_IMAGE_TREE struct image_tree *t = calloc(1, sizeof(*t));
	struct passphrase_work w = { .img = img, .wish = wish, .tree = t, .fd = fd };
	if (!t)
		return error_no_memory(err);
	if (!key_is_passphrase(wish->old) || !key_is_passphrase(wish->passphrase))
		return no_passphrase(img, err);
	if (check_cost(image_seal(img), &wish->cost, err) < 0)
		return error_wrap(err, "%s", img->path);
	if (source_slice(img->file, img->root->off, img->root->len, &t->partition, err) < 0 ||
	    image_with_volume(img, t, change_volume, &w, err) < 0) {
		error_at(err, PLACE_UNSEALING);
		explain_wrong(img, err);
		return error_wrap(err, "%s", img->path);
	}
	*ret_ways = w.ways;
	return 0;
}
