/* SPDX-License-Identifier: Apache-2.0 */
#include "squash/read/data.h"

#include <stdlib.h>

/*
 * For up to MAPS_MAX large files, up to MARKS_MAX places of their block list are kept, evenly
 * spread and filled in from the start as readers get there. A read then walks at most the words
 * between two marks; memory is bounded whatever the images say.
 */
#define MAPS_MAX 64
#define MARKS_MAX 512
#define STRIDE_MIN 512 /* words that are walked without a thought */

struct mark {
	uint64_t words;	   /* where the word is, as a reference */
	uint64_t position; /* of the block */
};

struct map {
	squash_ref inode;
	uint64_t used; /* when last */
	uint32_t count;
	struct mark *marks; /* owned: MARKS_MAX; NULL: nothing here */
};

struct positions {
	pthread_mutex_t lock;
	uint64_t clock;
	struct map maps[MAPS_MAX];
};

int positions_new(struct positions **ret, struct error **err)
{
	struct positions *p = calloc(1, sizeof(*p));
	if (!p)
		return error_no_memory(err);
	pthread_mutex_init(&p->lock, NULL);
	*ret = p;
	return 0;
}

void positions_free(struct positions **p)
{
	if (!*p)
		return;
	for (size_t i = 0; i < MAPS_MAX; i++)
		free((*p)->maps[i].marks);
	pthread_mutex_destroy(&(*p)->lock);
	free(*p);
	*p = NULL;
}

/* The file's map, its own or the one that was unused for longest; the lock is held. */
static struct map *map_of(struct positions *p, squash_ref inode)
{
	struct map *oldest = &p->maps[0];
	for (size_t i = 0; i < MAPS_MAX; i++) {
		struct map *m = &p->maps[i];
		if (m->marks && m->inode == inode) {
			m->used = ++p->clock;
			return m;
		}
		if (m->used < oldest->used)
			oldest = m;
	}
	/* Memory for marks is kept when the map goes over to another file. */
	if (!oldest->marks && !(oldest->marks = malloc(MARKS_MAX * sizeof(struct mark))))
		return NULL; /* then without */
	oldest->inode = inode;
	oldest->used = ++p->clock;
	oldest->count = 0;
	return oldest;
}

/* The last mark not behind block `index`: which block it is. Mark k is of block (k + 1) * stride.
 */
static uint64_t mark_find(struct positions *p, squash_ref inode, uint64_t index, uint64_t stride,
			  struct mark *ret)
{
	uint64_t block = 0;
	pthread_mutex_lock(&p->lock);
	struct map *m = map_of(p, inode);
	uint64_t k = index / stride;
	if (m && k > m->count)
		k = m->count;
	if (m && k > 0) {
		*ret = m->marks[k - 1];
		block = k * stride;
	}
	pthread_mutex_unlock(&p->lock);
	return block;
}

/* Only the next one that is missing: marks have no gaps, and readers fill them in as they come. */
static void mark_add(struct positions *p, squash_ref inode, uint64_t index, uint64_t stride,
		     struct mark mark)
{
	pthread_mutex_lock(&p->lock);
	struct map *m = map_of(p, inode);
	if (m && m->count < MARKS_MAX && index == (m->count + 1) * stride)
		m->marks[m->count++] = mark;
	pthread_mutex_unlock(&p->lock);
}

/* Adds up the stored lengths of the next n blocks. */
static int walk(const struct squash *sq, struct meta *words, uint64_t n, uint64_t *position,
		struct error **err)
{
	while (n > 0) {
		uint8_t raw[256 * 4];
		size_t k = n < 256 ? (size_t)n : 256;
		if (meta_read(words, raw, k * 4, err) < 0)
			return -1;
		struct bytes b = bytes_of(raw, k * 4);
		for (size_t i = 0; i < k; i++) {
			uint32_t stored = 0;
			if (data_word(sq, bytes_le32(&b), &stored, err) < 0)
				return -1;
			*position += stored;
		}
		n -= k;
	}
	return 0;
}

/*
 * From the last mark, or the start of the list, to the block: marks that are passed are kept on the
 * way. Two readers may do the same work at once, and find the same marks; the second is dropped.
 */
int positions_find(struct squash *sq, const struct squash_inode *inode, uint64_t index,
		   struct meta *ret_words, uint64_t *ret_position, struct error **err)
{
	/* The sums cannot wrap: at most 2^27 blocks of at most 2^20 bytes are added. */
	struct mark mark = { .words = inode->blocks_at, .position = inode->start };
	uint64_t blocks = data_blocks(sq, inode), block = 0;
	uint64_t stride = blocks / MARKS_MAX + 1;
	if (stride < STRIDE_MIN)
		stride = STRIDE_MIN;
	if (index >= stride)
		block = mark_find(sq->positions, inode->ref, index, stride, &mark);

	struct meta m CLEANUP_META = { 0 };
	if (meta_open(sq, &sq->inodes, mark.words, &m, err) < 0)
		return -1;
	while (block < index) {
		uint64_t n = stride - block % stride;
		if (n > index - block)
			n = index - block;
		if (walk(sq, &m, n, &mark.position, err) < 0)
			return -1;
		block += n;
		if (block % stride == 0) {
			mark.words = meta_ref(&m, &sq->inodes);
			mark_add(sq->positions, inode->ref, block, stride, mark);
		}
	}
	*ret_position = mark.position;
	*ret_words = m;
	m.block = NULL; /* handed over */
	return 0;
}
