/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"
#include "tree.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

/*
 * Small files in a row and a few larger ones, in blocks of 4 KiB. The source below counts reads of
 * data, and can be told that a part of it is bad, or to hold the next read up.
 */
#define FILES 120
#define LARGE 4
#define BLOCK 4096
#define LARGE_LEN ((size_t)400000)

static char *base;

static int make_image(void **state)
{
	(void)state;
	base = tree_temporary();
	tree_shell("set -e; mkdir -p %s/tree/s; cd %s/tree;"
		   "for i in $(seq 100 %d); do seq $i $((i * 4)) | head -c $((i * 7)) >s/f$i; done;"
		   "for i in $(seq 100 %d); do seq $i 99999 | head -c %zu >l$i; done; cd ..;"
		   "mksquashfs tree image -b 4096 -quiet -no-progress -no-xattrs >/dev/null",
		   base, base, 100 + FILES - 1, 100 + LARGE - 1, LARGE_LEN);
	return 0;
}

static int remove_image(void **state)
{
	(void)state;
	tree_remove(base);
	return 0;
}

struct probe {
	struct source source;
	struct source *file;
	uint64_t data_end; /* the table of inodes begins here */
	_Atomic unsigned reads;
	_Atomic uint64_t bad; /* reads of this byte fail; 0: of none */
	_Atomic bool hold;    /* the next read of data waits for this to be false again */
	_Atomic bool held;
};

static void short_time(void)
{
	const struct timespec millisecond = { .tv_nsec = 1000000 };
	(void)nanosleep(&millisecond, NULL);
}

static int probe_read(struct source *s, void *buf, size_t len, uint64_t off, struct error **err)
{
	struct probe *p = (struct probe *)s;
	uint64_t bad = p->bad;
	if (off < p->data_end) {
		p->reads++;
		if (p->hold && !atomic_exchange(&p->held, true))
			while (p->hold)
				short_time();
	}
	if (bad && off <= bad && bad - off < len)
		return error_set(err, ERROR_IO, "told to fail");
	return source_read(p->file, buf, len, off, err);
}

static void probe_free(struct source *s)
{
	(void)s;
}

static const struct source_ops probe_ops = { .read = probe_read, .free = probe_free };

struct entry {
	struct squash_inode inode;
	uint8_t *want;
};

struct image {
	struct probe probe;
	struct squash *sq;
	struct entry large[LARGE], small[FILES]; /* each in the order of the image */
};

static void entry_find(struct image *i, struct entry *e, const char *dir, const char *name,
		       unsigned number)
{
	char path[256], file[4096];
	(void)snprintf(path, sizeof(path), "%s%s%u", dir, name, number);
	(void)snprintf(file, sizeof(file), "%s/tree/%s", base, path);
	assert_ok(tree_find(i->sq, path, &e->inode, err));
	e->want = malloc(e->inode.size);
	int fd CLEANUP_FD = open(file, O_RDONLY | O_CLOEXEC);
	assert_int_equal(fd_pread(fd, e->want, e->inode.size, 0), e->inode.size);
}

static void image_begin(struct image *i, size_t cache_bytes)
{
	char path[4096];
	uint8_t super[96];
	const struct squash_options options = { .cache_bytes = cache_bytes };
	(void)snprintf(path, sizeof(path), "%s/image", base);
	*i = (struct image){ 0 };
	assert_ok(source_from_fd(open(path, O_RDONLY | O_CLOEXEC), &i->probe.file, err));
	assert_ok(source_read(i->probe.file, super, sizeof(super), 0, err));
	struct bytes b = bytes_of(super, sizeof(super));
	bytes_skip(&b, 64);
	i->probe.data_end = bytes_le64(&b);
	i->probe.source = (struct source){ .ops = &probe_ops, .size = i->probe.file->size };
	assert_ok(squash_open(&i->probe.source, &options, &i->sq, err));
	for (unsigned k = 0; k < LARGE; k++)
		entry_find(i, &i->large[k], "", "l", 100 + k);
	for (unsigned k = 0; k < FILES; k++)
		entry_find(i, &i->small[k], "s/", "f", 100 + k);
	i->probe.reads = 0;
}

static void image_end(struct image *i)
{
	for (unsigned k = 0; k < LARGE; k++)
		free(i->large[k].want);
	for (unsigned k = 0; k < FILES; k++)
		free(i->small[k].want);
	squash_free(&i->sq);
	source_free(&i->probe.file);
}

/* Reads as the server does, ahead after the answer. False: it failed. */
static bool read_part(struct image *i, const struct entry *e, size_t len, uint64_t off, bool ahead)
{
	CLEANUP_ERROR struct error *err = NULL;
	uint8_t buf[8 * BLOCK];
	size_t want = off < e->inode.size ? e->inode.size - off : 0;
	if (want > len)
		want = len;
	ssize_t n = squash_read(i->sq, &e->inode, buf, len, off, &err);
	if (n < 0)
		return false;
	if ((size_t)n != want || memcmp(buf, e->want + off, want) != 0)
		fail_msg("wrong bytes at %llu of inode %u", (unsigned long long)off,
			 e->inode.number);
	if (ahead)
		squash_ahead(i->sq, &e->inode, len, off);
	return true;
}

/* How many reads of data a read waits for. */
static unsigned waits_once(struct image *i, const struct entry *e, uint64_t off)
{
	unsigned before = i->probe.reads;
	assert_true(read_part(i, e, BLOCK, off, false));
	return i->probe.reads - before;
}

/* The same, and then it reads ahead. */
static unsigned waits(struct image *i, const struct entry *e, uint64_t off)
{
	unsigned n = waits_once(i, e, off);
	squash_ahead(i->sq, &e->inode, BLOCK, off);
	return n;
}

/* Once two reads have followed one another, what comes next is there already. */
static void in_order_nobody_waits(void **state)
{
	(void)state;
	struct image i;
	image_begin(&i, 0);
	unsigned n = 0;
	for (unsigned k = 0; k < LARGE; k++)
		for (uint64_t off = 0; off < LARGE_LEN; off += BLOCK)
			n += waits(&i, &i.large[k], off);
	assert_int_equal(n, 2);
	/* All was read once, what lies behind the last one included. */
	assert_in_range(i.probe.reads, LARGE * ((LARGE_LEN + BLOCK - 1) / BLOCK),
			LARGE * ((LARGE_LEN + BLOCK - 1) / BLOCK) + 2);
	for (unsigned k = 0; k < FILES; k++)
		n += waits(&i, &i.small[k], 0);
	assert_in_range(n, 2, 4);
	image_end(&i);
}

static unsigned jump_about(bool ahead)
{
	struct image i;
	image_begin(&i, 0);
	for (unsigned k = 0; k < 97; k++)
		assert_true(read_part(&i, &i.large[k % LARGE], BLOCK,
				      (uint64_t)(k * 37 % 97) * BLOCK, ahead));
	unsigned n = i.probe.reads;
	image_end(&i);
	return n;
}

static void jumps_cost_nothing(void **state)
{
	(void)state;
	assert_int_equal(jump_about(true), jump_about(false));
}

/* Of eight blocks, two may hold what nobody has asked for: those that were read ahead last. */
static void a_small_cache_is_spared(void **state)
{
	(void)state;
	struct image i;
	image_begin(&i, 1);
	unsigned n = 0;
	for (unsigned k = 0; k < LARGE; k++)
		for (uint64_t off = 0; off < (uint64_t)2 * BLOCK; off += BLOCK)
			n += waits(&i, &i.large[k], off);
	assert_int_equal(n, 2 * LARGE);
	assert_int_equal(i.probe.reads, n + 2 * LARGE);
	for (uint64_t off = (uint64_t)2 * BLOCK; off < (uint64_t)4 * BLOCK; off += BLOCK) {
		assert_int_equal(waits_once(&i, &i.large[LARGE - 1], off), 0);
		assert_int_equal(waits_once(&i, &i.large[LARGE - 2], off), 1);
	}
	image_end(&i);
}

/* A bad block is the matter of those who read it, and of nobody else; nothing of it is kept. */
static void a_bad_neighbour(void **state)
{
	(void)state;
	struct image i;
	image_begin(&i, 0);
	for (unsigned round = 0; round < 2; round++) {
		unsigned failed = 0;
		i.probe.bad = i.large[1].inode.start;
		for (unsigned k = 0; k < LARGE; k++)
			for (uint64_t off = 0; off < LARGE_LEN; off += BLOCK)
				if (!read_part(&i, &i.large[k], BLOCK, off, true)) {
					assert_int_equal(k, 1);
					assert_int_equal(off, 0);
					failed++;
				}
		assert_int_equal(failed, 1);
	}
	i.probe.bad = 0;
	assert_true(read_part(&i, &i.large[1], BLOCK, 0, true));
	image_end(&i);
}

struct reader {
	struct image *image;
	unsigned seed;
	_Atomic bool *bad;
};

static void *read_mixed(void *argument)
{
	struct reader *r = argument;
	struct image *i = r->image;
	uint64_t x = r->seed;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned k = 0; k < 400; k++) {
			x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
			const struct entry *e = (x >> 40) % 4 ? &i->large[(x >> 33) % LARGE]
							      : &i->small[(x >> 33) % FILES];
			if (!read_part(i, e, (x >> 20) % (8 * BLOCK) + 1, (x >> 24) % e->inode.size,
				       r->seed % 3 != 0))
				*r->bad = true;
		}
		if (r->seed % 2)
			continue;
		for (unsigned k = 0; k < FILES; k++)
			if (!read_part(i, &i->small[k], BLOCK, 0, true))
				*r->bad = true;
		for (uint64_t off = 0; off < LARGE_LEN; off += (uint64_t)2 * BLOCK)
			if (!read_part(i, &i->large[round % LARGE], 2 * (size_t)BLOCK, off, true))
				*r->bad = true;
	}
	return NULL;
}

static void many_readers(void **state)
{
	(void)state;
	static const size_t sizes[] = { 1, (size_t)1 << 20 };
	for (size_t s = 0; s < 2; s++) {
		struct image i;
		struct reader readers[6];
		pthread_t threads[6];
		_Atomic bool bad = false;
		image_begin(&i, sizes[s]);
		for (unsigned k = 0; k < 6; k++) {
			readers[k] = (struct reader){ &i, k + 1, &bad };
			assert_int_equal(pthread_create(&threads[k], NULL, read_mixed, &readers[k]),
					 0);
		}
		for (unsigned k = 0; k < 6; k++)
			pthread_join(threads[k], NULL);
		assert_false(bad);
		image_end(&i);
	}
}

/* A read of a block's length by another thread. */
struct other_read {
	struct image *image;
	uint64_t off;
	bool right;
};

static void *read_other(void *argument)
{
	struct other_read *o = argument;
	o->right = read_part(o->image, &o->image->large[0], BLOCK, o->off, false);
	return NULL;
}

/*
 * The kernel's reads of a file seldom begin where a block does. Two that follow one another share a
 * block, and yet the second does its own part while the first is still at that one.
 */
static void reads_that_share_a_block(void **state)
{
	(void)state;
	struct image i;
	struct other_read first = { .image = &i, .off = BLOCK + BLOCK / 2 };
	struct other_read second = { .image = &i, .off = 2 * BLOCK + BLOCK / 2 };
	pthread_t threads[2];
	image_begin(&i, 0);
	assert_true(read_part(&i, &i.large[0], BLOCK / 2, BLOCK, false));
	i.probe.reads = 0;
	i.probe.hold = true;
	assert_int_equal(pthread_create(&threads[0], NULL, read_other, &first), 0);
	while (!i.probe.held)
		short_time();
	assert_int_equal(pthread_create(&threads[1], NULL, read_other, &second), 0);
	for (unsigned k = 0; k < 10000 && i.probe.reads < 2; k++)
		short_time();
	unsigned meanwhile = i.probe.reads;
	i.probe.hold = false;
	for (unsigned k = 0; k < 2; k++)
		pthread_join(threads[k], NULL);
	assert_int_equal(meanwhile, 2);
	assert_int_equal(i.probe.reads, 2);
	assert_true(first.right && second.right);
	image_end(&i);
}

/* A block that another thread decodes straight into an answer is not decoded ahead besides. */
static void nothing_is_decoded_twice(void **state)
{
	(void)state;
	struct image i;
	struct other_read next = { .image = &i, .off = 9 * BLOCK };
	pthread_t thread;
	image_begin(&i, 0);
	assert_true(read_part(&i, &i.large[0], BLOCK, (uint64_t)7 * BLOCK, true));
	assert_true(read_part(&i, &i.large[0], BLOCK, (uint64_t)8 * BLOCK, false));
	i.probe.reads = 0;
	i.probe.hold = true;
	assert_int_equal(pthread_create(&thread, NULL, read_other, &next), 0);
	while (!i.probe.held)
		short_time();
	squash_ahead(i.sq, &i.large[0].inode, BLOCK, (uint64_t)8 * BLOCK);
	unsigned meanwhile = i.probe.reads;
	i.probe.hold = false;
	pthread_join(thread, NULL);
	assert_int_equal(meanwhile, 1);
	assert_true(next.right);
	/* Nor is the note of it left behind. */
	squash_ahead(i.sq, &i.large[0].inode, BLOCK, (uint64_t)8 * BLOCK);
	assert_int_equal(i.probe.reads, 2);
	assert_int_equal(waits(&i, &i.large[0], (uint64_t)9 * BLOCK), 0);
	image_end(&i);
}

/* The thread of a later read is done first: what comes next is after that one's part. */
static void answers_out_of_order(void **state)
{
	(void)state;
	struct image i;
	image_begin(&i, 0);
	for (uint64_t k = 7; k < 10; k++)
		assert_true(read_part(&i, &i.large[0], BLOCK, k * BLOCK, false));
	squash_ahead(i.sq, &i.large[0].inode, BLOCK, (uint64_t)7 * BLOCK);
	i.probe.reads = 0;
	squash_ahead(i.sq, &i.large[0].inode, BLOCK, (uint64_t)9 * BLOCK);
	assert_int_equal(i.probe.reads, 1);
	squash_ahead(i.sq, &i.large[0].inode, BLOCK, (uint64_t)8 * BLOCK);
	assert_int_equal(i.probe.reads, 1);
	assert_int_equal(waits(&i, &i.large[0], (uint64_t)10 * BLOCK), 0);
	image_end(&i);
}

/* In the midst of a long file one block is read ahead, and no more. */
static void one_block_in_the_midst(void **state)
{
	(void)state;
	struct image i;
	image_begin(&i, 0);
	assert_true(read_part(&i, &i.large[0], BLOCK, (uint64_t)30 * BLOCK, true));
	assert_true(read_part(&i, &i.large[0], BLOCK, (uint64_t)31 * BLOCK, false));
	i.probe.reads = 0;
	squash_ahead(i.sq, &i.large[0].inode, BLOCK, (uint64_t)31 * BLOCK);
	assert_int_equal(i.probe.reads, 1);
	image_end(&i);
}

/* One read says nothing of what comes next, not even one of the very first block of fragments. */
static void nothing_after_one_read(void **state)
{
	(void)state;
	bool of_first_fragment = false;
	for (unsigned k = 0; k < FILES; k += 8) {
		struct image i;
		image_begin(&i, 0);
		assert_true(read_part(&i, &i.small[k], BLOCK, 0, true));
		assert_int_equal(i.probe.reads, 1);
		of_first_fragment |= i.small[k].inode.fragment == 0;
		image_end(&i);
	}
	assert_true(of_first_fragment);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_order_nobody_waits),
		cmocka_unit_test(jumps_cost_nothing),
		cmocka_unit_test(a_small_cache_is_spared),
		cmocka_unit_test(a_bad_neighbour),
		cmocka_unit_test(many_readers),
		cmocka_unit_test(reads_that_share_a_block),
		cmocka_unit_test(nothing_is_decoded_twice),
		cmocka_unit_test(answers_out_of_order),
		cmocka_unit_test(one_block_in_the_midst),
		cmocka_unit_test(nothing_after_one_read),
	};
	return cmocka_run_group_tests(tests, make_image, remove_image);
}
