/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One image from another: the same squashfs under another seal, under a new volume key, or in
 * clear. Nothing is unpacked, and nothing compressed: the road down (open.c) and the road up
 * (pack.c) meet at the bytes of the squashfs, which go from the one's payload into the other's.
 *
 *     file → partition → payload  ==>  payload → partition → file
 *
 * What is copied is the length that the squashfs itself states, filled up to 4096 bytes: behind it
 * a LUKS2 payload has what was never written, which decrypts to anything.
 *
 * Two threads do it. One reads and decrypts a piece into a buffer while the other encrypts and
 * writes the one before. In memory are two buffers, wiped at the end, whatever the image's size.
 *
 * Everything else of the SIF is kept (sif/copy.c), but for what is not true of the new image: the
 * RSA message and the key object of the old volume, and signatures over a group or an object that
 * changes. Another file system in the SIF, an overlay say, would stay as it is; under a seal that
 * promises to hide the image that is refused.
 */
#include "image/internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_LEN ((size_t)1 << 20)
#define ROUND 4096

/* ------------------------------------------------------------------ the bytes */

/* What two threads hand to and fro: full[i] tells whose turn it is with buffers[i]. */
struct stream {
	struct source *from;
	uint64_t len; /* of the squashfs: what lies behind it is zeros */
	uint64_t total;
	uint8_t *buffers[2];
	pthread_mutex_t lock;
	pthread_cond_t turned;
	bool full[2];
	bool over; /* one of them has failed */
	struct error *err;
};

static size_t piece_at(const struct stream *s, uint64_t off)
{
	return s->total - off < PIECE_LEN ? (size_t)(s->total - off) : PIECE_LEN;
}

static int read_piece(struct stream *s, uint8_t *to, uint64_t off, struct error **err)
{
	size_t n = piece_at(s, off);
	size_t have = off >= s->len ? 0 : s->len - off < n ? (size_t)(s->len - off) : n;
	memset(to + have, 0, n - have);
	return have ? source_read(s->from, to, have, off, err) : 0;
}

/* Waits until the buffer is as it has to be; false where the other thread has failed. */
static bool wait_turn(struct stream *s, unsigned i, bool full)
{
	pthread_mutex_lock(&s->lock);
	while (!s->over && s->full[i] != full)
		pthread_cond_wait(&s->turned, &s->lock);
	bool good = !s->over || s->full[i] == full;
	pthread_mutex_unlock(&s->lock);
	return good;
}

static void turn(struct stream *s, unsigned i, bool full)
{
	pthread_mutex_lock(&s->lock);
	s->full[i] = full;
	pthread_cond_signal(&s->turned);
	pthread_mutex_unlock(&s->lock);
}

static void stop(struct stream *s)
{
	pthread_mutex_lock(&s->lock);
	s->over = true;
	pthread_cond_signal(&s->turned);
	pthread_mutex_unlock(&s->lock);
}

static void *reader(void *context)
{
	struct stream *s = context;
	unsigned i = 0;
	for (uint64_t off = 0; off < s->total; off += PIECE_LEN, i ^= 1) {
		if (!wait_turn(s, i, false))
			break;
		if (read_piece(s, s->buffers[i], off, &s->err) < 0) {
			stop(s);
			break;
		}
		turn(s, i, true);
	}
	return NULL;
}

static int writer(struct stream *s, struct sink *to, struct error **err)
{
	unsigned i = 0;
	for (uint64_t off = 0; off < s->total; off += PIECE_LEN, i ^= 1) {
		if (!wait_turn(s, i, true))
			return -1;
		if (sink_write(to, s->buffers[i], piece_at(s, off), off, err) < 0) {
			stop(s);
			return -1;
		}
		turn(s, i, false);
	}
	return 0;
}

static int run_stream(struct stream *s, struct sink *to, struct error **err)
{
	pthread_t thread;
	int r = pthread_create(&thread, NULL, reader, s);
	if (r)
		return error_errno(err, r, "start a thread");
	int result = writer(s, to, err);
	pthread_join(thread, NULL);
	if (!s->err)
		return result;
	/* That of who reads is the cause. */
	error_free(err);
	*err = take_pointer(&s->err);
	return -1;
}

static int fill(void *context, struct sink *to, struct error **err)
{
	const struct image_tree *tree = context;
	struct stream s = { .from = tree->payload ? tree->payload : tree->partition,
			    .len = squash_bytes_used(tree->squash),
			    .lock = PTHREAD_MUTEX_INITIALIZER,
			    .turned = PTHREAD_COND_INITIALIZER };
	if (!checked_add(s.len, ROUND - 1, &s.total))
		return error_set(err, ERROR_DAMAGED, "the squashfs is longer than can be");
	s.total -= s.total % ROUND;
	s.buffers[0] = malloc(2 * PIECE_LEN);
	if (!s.buffers[0])
		return error_no_memory(err);
	s.buffers[1] = s.buffers[0] + PIECE_LEN;
	int r = run_stream(&s, to, err);
	secret_wipe(s.buffers[0], 2 * PIECE_LEN);
	free(s.buffers[0]);
	pthread_mutex_destroy(&s.lock);
	pthread_cond_destroy(&s.turned);
	return r;
}

/* ------------------------------------------------------------------ the objects */

/* What is true of the old volume alone, the partition's bytes besides. */
static bool is_of_volume(const struct sif *sif, const struct sif_descriptor *d)
{
	const struct sif_descriptor *primary = sif_primary(sif);
	bool linked = !d->link_is_group && d->link == primary->id;
	return linked && (d->type == SIF_CRYPT_MESSAGE ||
			  (d->type == SIF_GENERIC && !strcmp(d->name, SIF_KEY_OBJECT_NAME)));
}

/* Whether a signature is over something that changes. */
static bool is_broken(const struct sif *sif, const struct sif_descriptor *signature)
{
	for (size_t i = 0; i < sif->count; i++) {
		const struct sif_descriptor *d = &sif->descriptors[i];
		bool covered = signature->link_is_group ? d->group == signature->link
							: d->id == signature->link;
		if (covered && (d == sif_primary(sif) || is_of_volume(sif, d)))
			return true;
	}
	return false;
}

static bool keeps(const void *context, const struct sif_descriptor *d)
{
	const struct sif *sif = context;
	return !is_of_volume(sif, d) && (d->type != SIF_SIGNATURE || !is_broken(sif, d));
}

static size_t count_broken(const struct sif *sif)
{
	size_t n = 0;
	for (size_t i = 0; sif && i < sif->count; i++)
		n += sif->descriptors[i].type == SIF_SIGNATURE &&
		     is_broken(sif, &sif->descriptors[i]);
	return n;
}

/* Nothing that may hold files stays in clear beside what is sealed. */
static int check_others(const struct image *img, struct error **err)
{
	for (size_t i = 0; img->sif && i < img->sif->count; i++) {
		const struct sif_descriptor *d = &img->sif->descriptors[i];
		if (d->type != SIF_PARTITION || d == sif_primary(img->sif))
			continue;
		error_set(err, ERROR_USAGE,
			  "object %u of %s is another file system, which would "
			  "not be encrypted",
			  d->id, img->path);
		return error_hint(err, "take it out of a copy first: `coffer sif del %u COPY`",
				  d->id);
	}
	return 0;
}

/* ------------------------------------------------------------------ all of it */

static int begin(const struct image_convert_plan *plan, struct sink *file, struct sif_writer **ret,
		 struct error **err)
{
	const struct image *img = plan->from;
	const struct sif_write_options options = { .time = plan->time };
	if (!img->sif)
		return sif_write_begin(file, &options, ret, err);
	return sif_write_begin_copy(file, img->sif, img->file, keeps, img->sif, plan->time, ret,
				    err);
}

static int write_image(const struct image_convert_plan *plan, const struct key *key,
		       struct image_tree *tree, int out_fd, struct error **err)
{
	const struct sif_descriptor *d = plan->from->root->descriptor;
	CLEANUP_SINK struct sink *file = NULL;
	__attribute__((cleanup(sif_writer_free))) struct sif_writer *w = NULL;
	const struct image_filling filling = {
		.seal = plan->seal,
		.key = key,
		.arch = d ? d->arch : sif_arch_native(),
		.time = (uint32_t)plan->time,
		.fill = fill,
		.context = tree,
	};
	if (sink_from_fd(out_fd, &file, err) < 0 || begin(plan, file, &w, err) < 0 ||
	    image_pack_partition(w, file, &filling, err) < 0 || sif_write_finish(w, err) < 0)
		return error_at(err, PLACE_WRITING);
	return 0;
}

int image_convert(const struct image_convert_plan *plan, int out_fd, struct image_converted *ret,
		  struct error **err)
{
	CLEANUP_IMAGE_TREE struct image_tree *tree = NULL;
	CLEANUP_KEY struct key *again = NULL;
	const struct key *key = plan->named;
	if (plan->seal && check_others(plan->from, err) < 0)
		return -1;
	if (image_unseal(plan->from, plan->key, NULL, &tree, err) < 0)
		return -1;
	if (plan->seal && !key) {
		if (image_key_again(plan->from, plan->key, &again, err) < 0)
			return -1;
		key = again;
	}
	if (plan->seal && key_check(key, &plan->seal->secret, err) < 0)
		return -1;
	if (write_image(plan, key, tree, out_fd, err) < 0)
		return error_wrap(err, "%s", plan->from->path);
	*ret = (struct image_converted){ .signatures = count_broken(plan->from->sif),
					 .recipients = plan->seal ? key_age_count(key) : 0 };
	return 0;
}
