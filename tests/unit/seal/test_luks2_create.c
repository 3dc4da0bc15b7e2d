/* SPDX-License-Identifier: Apache-2.0 */
/* What we write: cryptsetup takes it, we read it, whatever the order it was written in. */
#include "unit.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "os/os.h"
#include "seal/luks2/luks2.h"

#define DATA_OFF (2 << 20)

struct image {
	int fd;
	char path[64];
	struct sink *file, *seal;
	struct secret *passphrase;
};

static void begin(struct image *m, bool random)
{
	*m = (struct image){ .fd = memfd_create("test", 0) };
	assert_true(m->fd >= 0);
	snprintf(m->path, sizeof(m->path), "/proc/%d/fd/%d", (int)getpid(), m->fd);
	assert_ok(secret_copy("right", 5, &m->passphrase, err));
	assert_ok(sink_from_fd(m->fd, &m->file, err));
	struct luks2_create_options options = { .random_passphrase = random };
	assert_ok(luks2_create(m->file, m->passphrase, &options, &m->seal, err));
}

static void end(struct image *m)
{
	sink_free(&m->seal);
	sink_free(&m->file);
	secret_free(&m->passphrase);
	fd_close(&m->fd);
}

static struct source *reopen(struct image *m, struct source **below)
{
	struct source *clear = NULL;
	assert_ok(source_from_fd(dup(m->fd), below, err));
	assert_ok(seal_open(&seal_luks2, &(struct sealed){ .bytes = *below }, m->passphrase, &clear,
			    err));
	return clear;
}

static int run(const char *const *argv, const char *in, struct buffer *out)
{
	struct process_spawn spawn = PROCESS_SPAWN;
	struct error *why = NULL;
	CLEANUP_FD int fd = memfd_create("in", MFD_CLOEXEC), null = open("/dev/null", O_WRONLY);
	assert_int_equal(fd_pwrite(fd, in, strlen(in), 0), 0);
	spawn.argv = argv;
	spawn.in_fd = fd;
	spawn.err_fd = null;
	spawn.out = out;
	spawn.out_limit = 65536;
	int r = process_run(&spawn, &why);
	if (r < 0)
		fail_msg("%s: %s", argv[0], error_message(why));
	return r;
}

/* What a guess costs in memory, in KiB; 0 where the KDF takes none. */
static unsigned long memory_of(const char *dump)
{
	const char *line = strstr(dump, "Memory:");
	return line ? strtoul(line + strlen("Memory:"), NULL, 10) : 0;
}

static unsigned long check_cryptsetup(struct image *m, const char *kdf)
{
	CLEANUP_BUFFER struct buffer out = { 0 };
	const char *test[] = { "cryptsetup",   "open",	"--test-passphrase",
			       "--key-file=-", m->path, NULL };
	assert_int_equal(run(test, "right", &out), 0);
	assert_int_not_equal(run(test, "wrong", &out), 0);
	const char *dump[] = { "cryptsetup", "luksDump", m->path, NULL };
	buffer_free(&out);
	assert_int_equal(run(dump, "", &out), 0);
	assert_non_null(strstr(out.data, "offset: 2097152 [bytes]"));
	assert_non_null(strstr(out.data, "sector: 4096 [bytes]"));
	assert_non_null(strstr(out.data, "cipher: aes-xts-plain64"));
	assert_non_null(strstr(out.data, "Key:        512 bits"));
	assert_non_null(strstr(out.data, kdf));
	return memory_of(out.data);
}

static void test_random_passphrase(void **state)
{
	(void)state;
	struct image m;
	begin(&m, true);
	assert_ok(sink_write(m.seal, "hello", 5, 0, err));
	assert_ok(sink_finish(m.seal, err));
	assert_int_equal(m.file->size, DATA_OFF + 4096);
	assert_int_equal(check_cryptsetup(&m, "PBKDF:      pbkdf2"), 0);

	struct source *below CLEANUP_SOURCE = NULL;
	struct source *clear CLEANUP_SOURCE = reopen(&m, &below);
	char got[4096], want[4096] = "hello";
	assert_int_equal(clear->size, sizeof(got));
	assert_ok(source_read(clear, got, sizeof(got), 0, err));
	assert_memory_equal(got, want, sizeof(got));
	end(&m);
}

static void test_chosen_passphrase(void **state)
{
	(void)state;
	struct image m;
	begin(&m, false);
	assert_ok(sink_finish(m.seal, err));
	/* even without a byte it is a device that cryptsetup takes */
	assert_int_equal(m.file->size, DATA_OFF + 4096);
	/* Two seconds of this machine: the library goes down to 32 KiB when told not to measure. */
	assert_true(check_cryptsetup(&m, "PBKDF:      argon2id") >= 65536);
	end(&m);
}

/* Two images of the same have no byte of key or payload in common. */
static void test_fresh_keys(void **state)
{
	(void)state;
	uint8_t zeros[4096] = { 0 }, a[4096], b[4096];
	struct image m, n;
	begin(&m, true);
	begin(&n, true);
	assert_ok(sink_write(m.seal, zeros, sizeof(zeros), 0, err));
	assert_ok(sink_write(n.seal, zeros, sizeof(zeros), 0, err));
	assert_ok(sink_finish(m.seal, err));
	assert_ok(sink_finish(n.seal, err));
	assert_int_equal(fd_pread(m.fd, a, sizeof(a), DATA_OFF), sizeof(a));
	assert_int_equal(fd_pread(n.fd, b, sizeof(b), DATA_OFF), sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	assert_memory_not_equal(a, zeros, sizeof(a));
	assert_memory_not_equal(a, a + 2048, 2048);
	end(&m);
	end(&n);
}

#define MODEL_MAX (3u << 20)

static uint32_t next(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

/* A size of some bytes, some sectors, or more than the sink holds at once. */
static size_t some_len(uint32_t *seed)
{
	static const size_t most[] = { 40, 5000, 20000, 700000 };
	size_t len = next(seed) % most[next(seed) % 4];
	return next(seed) % 3 ? len : len / 4096 * 4096;
}

/* The same writes, reads and cuts on the sink and on plain memory. */
static void check_model(uint32_t seed)
{
	static uint8_t model[MODEL_MAX], data[700000], got[MODEL_MAX + 4096];
	size_t size = 0;
	struct image m;
	print_message("seed %u\n", seed);
	begin(&m, true);
	memset(model, 0, sizeof(model));
	for (int step = 0; step < 150; step++) {
		size_t len = some_len(&seed), off = size;
		switch (next(&seed) % 10) {
		case 0: /* somewhere before the end */
		case 1:
			off = size ? next(&seed) % size : 0;
			break;
		case 2: /* past the end */
			off = size + some_len(&seed) / 4;
			break;
		case 3: /* read back */
		case 4:
			off = size ? next(&seed) % size : 0;
			if (len > size - off)
				len = size - off;
			assert_ok(sink_read(m.seal, got, len, off, err));
			assert_memory_equal(got, model + off, len);
			continue;
		case 5: /* cut or extend */
			off = next(&seed) % 4 ? size - size / 8 : size + some_len(&seed) / 8;
			if (off > MODEL_MAX)
				continue;
			assert_ok(sink_truncate(m.seal, off, err));
			if (off < size)
				memset(model + off, 0, size - off);
			size = off;
			continue;
		default: /* at the end */
			break;
		}
		if (off + len > MODEL_MAX)
			continue;
		for (size_t i = 0; i < len; i++)
			data[i] = (uint8_t)next(&seed);
		assert_ok(sink_write(m.seal, data, len, off, err));
		memcpy(model + off, data, len);
		if (len && off + len > size)
			size = off + len;
		assert_int_equal(m.seal->size, size);
	}
	assert_ok(sink_read(m.seal, got, size, 0, err));
	assert_memory_equal(got, model, size);
	assert_ok(sink_finish(m.seal, err));
	struct source *below CLEANUP_SOURCE = NULL;
	struct source *clear CLEANUP_SOURCE = reopen(&m, &below);
	/* padded to whole sectors, with zeros whatever was cut off there before */
	assert_int_equal(clear->size, (size + 4095) / 4096 * 4096);
	memset(model + size, 0, sizeof(model) - size);
	assert_ok(source_read(clear, got, clear->size, 0, err));
	assert_memory_equal(got, model, size);
	for (size_t i = size; i < clear->size; i++)
		assert_int_equal(got[i], 0);
	end(&m);
}

static void test_any_order(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 12; seed++)
		check_model(seed);
}

static void test_limits(void **state)
{
	(void)state;
	struct image m;
	begin(&m, true);
	assert_fails(ERROR_LIMIT, sink_write(m.seal, "x", 1, INT64_MAX - 10, err));
	assert_fails(ERROR_LIMIT, sink_truncate(m.seal, INT64_MAX - 10, err));
	assert_fails(ERROR_INTERNAL, sink_read(m.seal, (char[1]){ 0 }, 1, 0, err));
	end(&m);
}

/* The volume key and the name are those of what was made, and of nothing else. */
static void test_made(void **state)
{
	struct image m = { .fd = memfd_create("test", 0) };
	CLEANUP_SEAL_MADE struct seal_made made = { 0 };
	struct seal_volume *volume CLEANUP_SEAL_VOLUME = NULL;
	struct source *below = NULL;
	char id[SEAL_VOLUME_ID_MAX];
	(void)state;
	assert_ok(secret_copy("right", 5, &m.passphrase, err));
	assert_ok(sink_from_fd(m.fd, &m.file, err));
	assert_ok(seal_luks2.create(m.file, m.passphrase, true, NULL, &made, &m.seal, err));
	assert_ok(sink_write(m.seal, "data", 4, 0, err));
	assert_ok(sink_finish(m.seal, err));
	assert_ok(source_from_fd(dup(m.fd), &below, err));
	assert_ok(seal_luks2.probe(&(struct sealed){ .bytes = below }, &volume, err));
	seal_luks2.identify(volume, id);
	assert_int_equal(strlen(id), 36);
	assert_string_equal(id, made.volume_id);
	assert_ok(seal_luks2.check(volume, made.volume_key, err));
	secret_data(made.volume_key)[0] ^= 1;
	assert_fails(ERROR_DAMAGED, seal_luks2.check(volume, made.volume_key, err));
	secret_data(made.volume_key)[0] ^= 1;
	secret_shorten(made.volume_key, 32);
	assert_fails(ERROR_DAMAGED, seal_luks2.check(volume, made.volume_key, err));
	source_free(&below);
	end(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_passphrase), cmocka_unit_test(test_chosen_passphrase),
		cmocka_unit_test(test_fresh_keys),	  cmocka_unit_test(test_made),
		cmocka_unit_test(test_any_order),	  cmocka_unit_test(test_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
