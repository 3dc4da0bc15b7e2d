/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "os/os.h"
#include "sample.h"

uint64_t sample_seed(void)
{
	const char *given = getenv("COFFER_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL) * 1000 + getpid();
	print_message("seed: COFFER_SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

static uint64_t next(uint64_t *state) /* splitmix64 */
{
	uint64_t z = *state += 0x9E3779B97F4A7C15u;
	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
	z = (z ^ z >> 27) * 0x94D049BB133111EBu;
	return z ^ z >> 31;
}

static uint64_t below(uint64_t *state, uint64_t end)
{
	return next(state) % end;
}

void sample_noise(uint64_t seed, void *data, size_t len)
{
	uint64_t state = seed ^ 0x5EED;
	for (size_t i = 0; i < len; i += 8) {
		uint64_t v = next(&state);
		memcpy((uint8_t *)data + i, &v, len - i < 8 ? len - i : 8);
	}
}

void sample_make_directory(char path[SAMPLE_PATH])
{
	umask(0); /* unsquashfs honours it, unless it is root */
	strcpy(path, "/var/tmp/coffer-sample-XXXXXX");
	assert_non_null(mkdtemp(path));
	assert_int_equal(chmod(path, 0755), 0);
}

void sample_run(const char *const *argv, struct buffer *out)
{
	CLEANUP_ERROR struct error *e = NULL;
	CLEANUP_BUFFER struct buffer dropped = { 0 };
	struct process_spawn spawn = PROCESS_SPAWN;
	spawn.argv = argv;
	spawn.out = out ? out : &dropped;
	spawn.out_limit = (size_t)64 << 20;
	int r = process_run(&spawn, &e);
	if (r)
		fail_msg("%s: status %d %s", argv[0], r, e ? error_message(e) : "");
}

void sample_remove(const char *path)
{
	sample_run((const char *[]){ "rm", "-rf", path, NULL }, NULL);
}

unsigned sample_count(const char *text, const char *what)
{
	unsigned n = 0;
	while ((text = strstr(text, what))) {
		n++;
		text += strlen(what);
	}
	return n;
}

void sample_file_at(int dir, const char *name, const void *data, size_t len)
{
	CLEANUP_FD int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(fd_write(fd, data, len), 0);
}

void sample_file(const char *dir, const char *name, const void *data, size_t len)
{
	CLEANUP_FD int d = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	sample_file_at(d, name, data, len);
}

int sample_chmod(const char *dir, const char *name, mode_t mode)
{
	CLEANUP_FD int d = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fchmodat(d, name, mode, 0);
}

/* ---------------------------------------------------------------- making */

#define BLOCK 131072u

static void random_name(uint64_t *s, unsigned number, char name[256])
{
	static const char *const odd[] = {
		"new\nline",  " blank ",	  "\xFF\xFE not utf-8",	  "-rf",
		"quote\"'\\", "\x01\x7F control", "\xC3\xA4\xE2\x82\xAC", "*?[]"
	};
	size_t len;
	switch (below(s, 8)) {
	case 0:
		snprintf(name, 256, "%s%u", odd[below(s, 8)], number);
		return;
	case 1:
		len = 255;
		break;
	default:
		len = 6 + below(s, 20);
		break;
	}
	int n = snprintf(name, 256, "%u", number);
	for (size_t i = (size_t)n; i < len; i++)
		name[i] = (char)('A' + below(s, 58));
	name[len] = '\0';
}

static size_t random_size(uint64_t *s)
{
	static const size_t sizes[] = { 0,     1,	  4095,	     4096,	   BLOCK - 1,
					BLOCK, BLOCK + 1, 2 * BLOCK, 3 * BLOCK + 7 };
	return below(s, 2) ? sizes[below(s, 9)] : below(s, 40000);
}

static void random_data(uint64_t *s, int fd)
{
	size_t len = random_size(s);
	uint8_t *data = calloc(1, len + 1);
	assert_non_null(data);
	switch (below(s, 5)) {
	case 0: /* zeros that are no hole */
		break;
	case 1: /* one of a few contents: a copy */
		sample_noise(below(s, 4), data, len);
		break;
	case 2:
		sample_noise(next(s), data, len);
		break;
	case 3: /* begins as another */
		sample_noise(1, data, len);
		if (len > BLOCK)
			data[len - 1] ^= 1;
		break;
	default: /* compresses */
		for (size_t i = 0; i < len; i++)
			data[i] = (uint8_t) "the quick brown fox\n"[(i % 20 ^ (i >> 9 & 7)) % 20];
		break;
	}
	assert_int_equal(fd_write(fd, data, len), 0);
	free(data);
	if (below(s, 6) == 0)
		assert_int_equal(ftruncate(fd, (off_t)(len + below(s, 5 * BLOCK))), 0);
}

static void random_attributes(uint64_t *s, int fd)
{
	char name[64], value[300];
	if (below(s, 4))
		return;
	for (uint64_t i = below(s, 5); i-- > 0;) {
		snprintf(name, sizeof(name), "user.name%llu", (unsigned long long)below(s, 8));
		size_t len = below(s, 2) ? below(s, 8) : below(s, sizeof(value));
		sample_noise(below(s, 3), value, len);
		assert_int_equal(fsetxattr(fd, name, value, len, 0), 0);
	}
}

struct maker {
	uint64_t s;
	unsigned number;
	char path[4096]; /* of the last regular file, for hard links */
	char link_from[4096];
};

static void make_special(struct maker *m, int dir, const char *name)
{
	mode_t kinds[] = { S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK };
	mode_t kind = kinds[below(&m->s, geteuid() == 0 ? 4 : 2)];
	assert_int_equal(
		mknodat(dir, name, kind | 0640, makedev(below(&m->s, 4096), below(&m->s, 1 << 20))),
		0);
}

static void make_directory(struct maker *m, int dir, unsigned depth);

static void make_entry(struct maker *m, int dir, unsigned depth)
{
	uint64_t *s = &m->s;
	char name[256], target[300];
	random_name(s, m->number++, name);
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
				     { .tv_sec = (time_t)below(s, UINT32_MAX) } };
	uint64_t kind = below(s, 12);
	if (kind == 0) {
		memset(target, 't', sizeof(target));
		target[1 + below(s, 298)] = '\0';
		assert_int_equal(symlinkat(target, dir, name), 0);
	} else if (kind == 1) {
		make_special(m, dir, name);
	} else if (kind <= 3 && depth < 5) {
		assert_int_equal(mkdirat(dir, name, 0755), 0);
		CLEANUP_FD int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		make_directory(m, fd, depth + 1);
		assert_int_equal(fchmod(fd, (mode_t)(0700 | below(s, 01000) | below(s, 2) << 9)),
				 0);
	} else if (kind == 4 && m->link_from[0]) {
		assert_int_equal(linkat(AT_FDCWD, m->link_from, dir, name, 0), 0);
		return;
	} else {
		CLEANUP_FD int fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		assert_true(fd >= 0);
		random_data(s, fd);
		random_attributes(s, fd);
		if (below(s, 3) == 0)
			snprintf(m->link_from, sizeof(m->link_from), "/proc/self/fd/%d/%s", dir,
				 name);
		/*
		 * Only root can give attributes back to a file that is not to be written, and
		 * unsquashfs gives the set-id bits back to root only.
		 */
		mode_t mode = geteuid() == 0 ? (mode_t)(0400 | below(s, 010000))
					     : (mode_t)(0600 | below(s, 01000));
		assert_int_equal(fchmod(fd, mode), 0);
	}
	/* What is no file or directory takes only what is root's to give. */
	if (geteuid() == 0 && below(s, 4) == 0) {
		char path[400];
		snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir, name);
		assert_int_equal(lsetxattr(path, "trusted.sample", name, below(s, 6), 0), 0);
	}
	if (geteuid() == 0 && below(s, 2))
		assert_int_equal(fchownat(dir, name, (uid_t)below(s, 4) * 1000,
					  (gid_t)below(s, 1u << 31), AT_SYMLINK_NOFOLLOW),
				 0);
	assert_int_equal(utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW), 0);
}

static void make_directory(struct maker *m, int dir, unsigned depth)
{
	random_attributes(&m->s, dir);
	for (uint64_t i = below(&m->s, depth ? 10 : 40) + (depth ? 0 : 60); i-- > 0;)
		make_entry(m, dir, depth);
	/* That path ends with this descriptor. */
	m->link_from[0] = '\0';
}

void sample_random(const char *path, uint64_t seed)
{
	struct maker m = { .s = seed };
	assert_int_equal(mkdir(path, 0755), 0);
	CLEANUP_FD int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	make_directory(&m, fd, 0);
}

/* ---------------------------------------------------------------- describing */

static struct strings *lines;
static size_t root_len;

/* Of the pages that are not zero, by their place. */
static uint64_t hash_data(const char *path)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	uint8_t page[4096];
	uint64_t hash = 0;
	for (off_t off = 0; (off = lseek(fd, off, SEEK_DATA)) >= 0; off += 4096) {
		off -= off % 4096;
		ssize_t n = fd_pread(fd, page, sizeof(page), (uint64_t)off);
		assert_true(n >= 0);
		if (n == 0)
			break;
		uint64_t h = 0, bits = 0;
		for (ssize_t i = 0; i < n; i++) {
			h = (h ^ page[i]) * 0x100000001B3u;
			bits |= page[i];
		}
		hash += bits ? (h ^ (uint64_t)off) * 0x9E3779B97F4A7C15u : 0;
	}
	return hash;
}

static void describe_attributes(const char *path, struct buffer *line)
{
	CLEANUP_ERROR struct error *e = NULL;
	char list[65536], value[65536];
	ssize_t len = llistxattr(path, list, sizeof(list));
	uint64_t sum = 0, count = 0; /* any order */
	for (char *name = list; len > 0 && name < list + len; name += strlen(name) + 1) {
		ssize_t n = lgetxattr(path, name, value, sizeof(value));
		assert_true(n >= 0);
		uint64_t h = (uint64_t)n + 1;
		for (char *c = name; *c; c++)
			h = (h ^ (uint8_t)*c) * 0x100000001B3u;
		for (ssize_t i = 0; i < n; i++)
			h = (h ^ (uint8_t)value[i]) * 0x100000001B3u;
		sum += h;
		count++;
	}
	assert_int_equal(buffer_printf(line, &e, " xattrs %llu:%llx", (unsigned long long)count,
				       (unsigned long long)sum),
			 0);
}

static int describe(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	CLEANUP_BUFFER struct buffer line = { 0 };
	CLEANUP_ERROR struct error *e = NULL;
	char target[4096] = "";
	(void)kind;
	(void)ftw;
	bool dir = S_ISDIR(st->st_mode), regular = S_ISREG(st->st_mode);
	if (S_ISLNK(st->st_mode))
		assert_true(readlink(path, target, sizeof(target) - 1) > 0);
	assert_int_equal(
		buffer_printf(&line, &e,
			      "%s: mode %o owner %u:%u links %lu time %lld size %lld "
			      "device %llx target %s data %llx",
			      path + root_len, st->st_mode, geteuid() == 0 ? st->st_uid : 0,
			      geteuid() == 0 ? st->st_gid : 0,
			      dir ? 0 : (unsigned long)st->st_nlink, (long long)st->st_mtime,
			      regular ? (long long)st->st_size : 0, (unsigned long long)st->st_rdev,
			      target, regular ? (unsigned long long)hash_data(path) : 0),
		0);
	describe_attributes(path, &line);
	assert_int_equal(buffer_puts(&line, "\n", &e), 0);
	assert_int_equal(strings_add(lines, line.data, &e), 0);
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void sample_describe(const char *path, struct buffer *ret)
{
	CLEANUP_ERROR struct error *e = NULL;
	CLEANUP_STRINGS struct strings all = { 0 };
	lines = &all;
	root_len = strlen(path);
	assert_int_equal(nftw(path, describe, 64, FTW_PHYS), 0);
	qsort(all.items, all.len, sizeof(char *), by_text);
	for (size_t i = 0; i < all.len; i++)
		assert_int_equal(buffer_puts(ret, all.items[i], &e), 0);
}

void sample_print_difference(const char *a, const char *b)
{
	int shown = 0;
	while ((*a || *b) && shown < 10) {
		size_t n = strcspn(a, "\n"), m = strcspn(b, "\n");
		n += a[n] == '\n';
		m += b[m] == '\n';
		if (n != m || memcmp(a, b, n) != 0) {
			print_error("< %.*s> %.*s", (int)n, a, (int)m, b);
			shown++;
		}
		a += n;
		b += m;
	}
}
