/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "seal/gocryptfs/internal.h"

/* A content that was written: the file, its conf, its password. */
struct made {
	int fd;
	struct sink *file, *sink;
	struct buffer conf;
	struct secret *password;
	uint8_t *cipher; /* mapped, shared with the file */
	size_t cipher_len;
	struct source *below, *source;
};

static struct made make(void)
{
	struct made m = { .fd = memfd_create("test", MFD_CLOEXEC) };
	const struct gocryptfs_create_options options = { .random_password = true };
	assert_ok(secret_copy("secret", 6, &m.password, err));
	assert_ok(sink_from_fd(m.fd, &m.file, err));
	assert_ok(gocryptfs_create(m.file, m.password, &options, &m.conf, &m.sink, err));
	return m;
}

static void open_made(struct made *m)
{
	struct stat st;
	assert_int_equal(fstat(m->fd, &st), 0);
	m->cipher_len = (size_t)st.st_size;
	m->cipher = mmap(NULL, m->cipher_len + 1, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);
	assert_true(m->cipher != MAP_FAILED);
	assert_ok(source_from_memory(m->cipher, m->cipher_len, &m->below, err));
	assert_ok(seal_open(&seal_gocryptfs,
			    &(struct sealed){ m->below, m->conf.data, m->conf.len }, m->password,
			    &m->source, err));
}

static void drop(struct made *m)
{
	source_free(&m->source);
	source_free(&m->below);
	sink_free(&m->sink);
	sink_free(&m->file);
	buffer_free(&m->conf);
	secret_free(&m->password);
	if (m->cipher)
		munmap(m->cipher, m->cipher_len + 1);
	fd_close(&m->fd);
}

static void fill(uint8_t *buf, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1103515245 + 12345;
		buf[i] = (uint8_t)(seed >> 16);
	}
}

/*
 * Whatever is done to the sink, it reads back like plain memory, and so does what was written.
 * The sequence is fixed by its seed.
 */
#define MODEL_LEN (400 * 1024)
static void like_memory(void **state)
{
	(void)state;
	static uint8_t model[MODEL_LEN], piece[MODEL_LEN], back[MODEL_LEN];
	for (unsigned seed = 1; seed <= 12; seed++) {
		struct made m = make();
		size_t size = 0;
		srand(seed);
		memset(model, 0, sizeof(model));
		for (int step = 0; step < 120; step++) {
			size_t most = rand() % 3 ? 9000 : 200000;
			size_t len = (size_t)rand() % most, off = size;
			if (rand() % 4 == 0)
				off = (size_t)rand() % (size + 5000);
			if (rand() % 4 == 0)
				off &= ~(size_t)4095;
			if (off > MODEL_LEN)
				off = MODEL_LEN;
			if (len > MODEL_LEN - off)
				len = MODEL_LEN - off;
			switch (rand() % 8) {
			case 0:
				assert_ok(sink_truncate(m.sink, off, err));
				if (off < size)
					memset(model + off, 0, size - off);
				size = off;
				break;
			case 1:
				if (off > size)
					off = size;
				if (len > size - off)
					len = size - off;
				assert_ok(sink_read(m.sink, back, len, off, err));
				if (memcmp(back, model + off, len) != 0)
					fail_msg("seed %u, step %d: reads back wrong", seed, step);
				break;
			default:
				fill(piece, len, seed + (unsigned)step);
				assert_ok(sink_write(m.sink, piece, len, off, err));
				memcpy(model + off, piece, len);
				if (len && off + len > size)
					size = off + len;
				/* as sink_write says: an empty write beyond the end moves it */
				if (!len && off > size)
					assert_ok(sink_truncate(m.sink, size, err));
			}
			assert_int_equal(m.sink->size, size);
		}
		assert_ok(sink_read(m.sink, back, size, 0, err));
		assert_memory_equal(back, model, size);
		assert_ok(sink_finish(m.sink, err));
		open_made(&m);
		assert_int_equal(m.source->size, size);
		assert_ok(source_read(m.source, back, size, 0, err));
		if (memcmp(back, model, size) != 0)
			fail_msg("seed %u: was written wrong", seed);
		for (int i = 0; size && i < 200; i++) {
			size_t off = (size_t)rand() % size, len = (size_t)rand() % (size - off + 1);
			assert_ok(source_read(m.source, back, len, off, err));
			assert_memory_equal(back, model + off, len);
		}
		drop(&m);
	}
}

static struct made three_blocks(uint8_t *plain, size_t len)
{
	struct made m = make();
	fill(plain, len, 7);
	assert_ok(sink_write(m.sink, plain, len, 0, err));
	assert_ok(sink_finish(m.sink, err));
	open_made(&m);
	return m;
}

static void every_bit_counts(void **state)
{
	(void)state;
	uint8_t plain[3 * 4096 + 100], back[sizeof(plain)];
	struct made m = three_blocks(plain, sizeof(plain));
	assert_int_equal(m.cipher_len, 18 + 3 * 4128 + 132);
	for (size_t at = 18; at < m.cipher_len; at++) {
		m.cipher[at] ^= (uint8_t)(1 << at % 8);
		assert_fails(ERROR_DAMAGED, source_read(m.source, back, sizeof(back), 0, err));
		/* The other blocks can still be read. */
		size_t other = ((at - 18) / 4128 + 1) % 3;
		assert_ok(source_read(m.source, back, 4096, other * 4096, err));
		m.cipher[at] ^= (uint8_t)(1 << at % 8);
	}
	assert_ok(source_read(m.source, back, sizeof(back), 0, err));
	assert_memory_equal(back, plain, sizeof(plain));
	for (size_t at = 0; at < 18; at++) {
		struct source *again CLEANUP_SOURCE = NULL;
		struct error *err CLEANUP_ERROR = NULL;
		m.cipher[at] ^= 1;
		int r = seal_open(&seal_gocryptfs,
				  &(struct sealed){ m.below, m.conf.data, m.conf.len }, m.password,
				  &again, &err);
		if (r == 0)
			r = source_read(again, back, 1, 0, &err);
		assert_true(r < 0);
		assert_int_equal(error_kind(err), ERROR_DAMAGED);
		m.cipher[at] ^= 1;
	}
	drop(&m);
}

/* gocryptfs reads a block of zeros as a hole; one that was put there would remove content. */
static void zeros_are_no_hole(void **state)
{
	(void)state;
	uint8_t plain[3 * 4096], back[sizeof(plain)], kept[4128];
	struct made m = three_blocks(plain, sizeof(plain));
	memcpy(kept, m.cipher + 18 + 4128, 4128);
	memset(m.cipher + 18 + 4128, 0, 4128);
	assert_fails(ERROR_DAMAGED, source_read(m.source, back, 1, 4096, err));
	memcpy(m.cipher + 18 + 4128, kept, 4128);
	memset(m.cipher + 18 + 4128, 0, 16);
	assert_fails(ERROR_DAMAGED, source_read(m.source, back, 1, 4096, err));
	/* Blocks in each other's places. */
	memcpy(m.cipher + 18 + 4128, m.cipher + 18, 4128);
	memcpy(m.cipher + 18, kept, 4128);
	assert_fails(ERROR_DAMAGED, source_read(m.source, back, 1, 0, err));
	assert_fails(ERROR_DAMAGED, source_read(m.source, back, 1, 4096, err));
	struct source *again = NULL;
	memset(m.cipher + 2, 0, 16);
	assert_fails(ERROR_DAMAGED, seal_open(&seal_gocryptfs,
					      &(struct sealed){ m.below, m.conf.data, m.conf.len },
					      m.password, &again, err));
	drop(&m);
}

static void a_missing_tail(void **state)
{
	(void)state;
	uint8_t plain[2 * 4096], back[sizeof(plain)];
	struct made m = three_blocks(plain, sizeof(plain));
	static const size_t refused[] = { 1, 17, 18 + 1, 18 + 32, 18 + 4128 + 1, 18 + 4128 + 32 };
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct source *below CLEANUP_SOURCE = NULL, *s = NULL;
		assert_ok(source_from_memory(m.cipher, refused[i], &below, err));
		assert_fails(ERROR_DAMAGED,
			     seal_open(&seal_gocryptfs,
				       &(struct sealed){ below, m.conf.data, m.conf.len },
				       m.password, &s, err));
	}
	static const size_t cut[] = { 18 + 33, 18 + 4127, 18 + 4128 + 33, 18 + 2 * 4128 - 1 };
	for (size_t i = 0; i < sizeof(cut) / sizeof(cut[0]); i++) {
		struct source *below CLEANUP_SOURCE = NULL, *s CLEANUP_SOURCE = NULL;
		assert_ok(source_from_memory(m.cipher, cut[i], &below, err));
		assert_ok(seal_open(&seal_gocryptfs,
				    &(struct sealed){ below, m.conf.data, m.conf.len }, m.password,
				    &s, err));
		assert_true(s->size < sizeof(plain));
		assert_fails(ERROR_DAMAGED, source_read(s, back, 1, s->size - 1, err));
	}
	drop(&m);
}

/* The same block written twice has two nonces. */
static void nonces_are_fresh(void **state)
{
	(void)state;
	uint8_t block[4096] = { 0 }, first[16];
	struct made m = make();
	assert_ok(sink_write(m.sink, block, sizeof(block), 0, err));
	for (uint64_t i = 1; i < 80; i++)
		assert_ok(sink_write(m.sink, block, sizeof(block), i * 4096, err));
	assert_int_equal(pread(m.fd, first, 16, 18), 16);
	assert_ok(sink_write(m.sink, block, 1, 0, err));
	assert_ok(sink_finish(m.sink, err));
	open_made(&m);
	assert_memory_not_equal(m.cipher + 18, first, 16);
	for (size_t i = 0; i < 80; i++)
		for (size_t j = 0; j < i; j++)
			assert_memory_not_equal(m.cipher + 18 + i * 4128, m.cipher + 18 + j * 4128,
						16);
	drop(&m);
}

static void an_empty_content(void **state)
{
	(void)state;
	struct made m = make();
	assert_ok(sink_write(m.sink, "x", 1, 0, err));
	assert_ok(sink_truncate(m.sink, 0, err));
	assert_ok(sink_finish(m.sink, err));
	open_made(&m);
	assert_int_equal(m.cipher_len, 0);
	assert_int_equal(m.source->size, 0);
	drop(&m);
}

/* What a file has for itself, written with a master key that is given. */
static void write_with(const struct secret *master, const uint8_t *plain, size_t len, uint8_t *ret,
		       size_t ret_len)
{
	struct sink *file CLEANUP_SINK = NULL, *sink CLEANUP_SINK = NULL;
	int fd CLEANUP_FD = memfd_create("test", MFD_CLOEXEC);
	assert_ok(sink_from_fd(fd, &file, err));
	assert_ok(gocryptfs_sink_new(file, master, &sink, err));
	assert_ok(sink_write(sink, plain, len, 0, err));
	assert_ok(sink_finish(sink, err));
	assert_int_equal(pread(fd, ret, ret_len, 0), ret_len);
}

/* Of two builds with the same key, of the same tree: no block of one passes for one of the other.
 */
static void each_build_has_its_own_id(void **state)
{
	(void)state;
	uint8_t plain[2 * 4096], files[2][18 + 2 * 4128], back[4096], kept[4128];
	struct secret *master CLEANUP_SECRET = NULL;
	struct gocryptfs_content content = { 0 };
	fill(plain, sizeof(plain), 3);
	assert_ok(secret_new(KEY_LEN, &master, err));
	memset(secret_data(master), 9, KEY_LEN);
	for (size_t i = 0; i < 2; i++)
		write_with(master, plain, sizeof(plain), files[i], sizeof(files[i]));
	assert_memory_not_equal(files[0] + 2, files[1] + 2, FILE_ID_LEN);
	assert_ok(gocryptfs_content_key(master, CRYPTO_DECRYPT, &content.gcm, err));
	memcpy(content.file_id, files[1] + 2, FILE_ID_LEN);
	for (size_t number = 0; number < 2; number++) {
		const size_t at = 18 + number * 4128;
		memcpy(kept, files[1] + at, sizeof(kept));
		assert_ok(gocryptfs_blocks_open(&content, number, kept, sizeof(kept), 0, back,
						sizeof(back), err));
		assert_memory_equal(back, plain + number * 4096, sizeof(back));
		memcpy(kept, files[0] + at, sizeof(kept));
		assert_fails(ERROR_DAMAGED,
			     gocryptfs_blocks_open(&content, number, kept, sizeof(kept), 0, back,
						   sizeof(back), err));
	}
	crypto_gcm_free(&content.gcm);
}

/* The same passphrase: what one build is read with does not read the other. */
static void each_build_has_its_own_key(void **state)
{
	(void)state;
	uint8_t plain[4096], back[4096];
	struct made one = three_blocks(plain, sizeof(plain));
	struct made other = three_blocks(plain, sizeof(plain));
	struct source *mixed CLEANUP_SOURCE = NULL;
	assert_ok(source_read(one.source, back, sizeof(back), 0, err));
	assert_ok(seal_open(&seal_gocryptfs,
			    &(struct sealed){ one.below, other.conf.data, other.conf.len },
			    one.password, &mixed, err));
	assert_fails(ERROR_DAMAGED, source_read(mixed, back, sizeof(back), 0, err));
	drop(&one);
	drop(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(like_memory),
		cmocka_unit_test(every_bit_counts),
		cmocka_unit_test(zeros_are_no_hole),
		cmocka_unit_test(a_missing_tail),
		cmocka_unit_test(nonces_are_fresh),
		cmocka_unit_test(an_empty_content),
		cmocka_unit_test(each_build_has_its_own_id),
		cmocka_unit_test(each_build_has_its_own_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
