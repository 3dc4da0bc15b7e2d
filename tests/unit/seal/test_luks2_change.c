/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another passphrase in the place of one: cut off at each write, in the midst of it too, one of the
 * two unlocks the volume, and the next change goes well.
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "seal/luks2/internal.h"

#define DATA_LEN 65536
#define ALL_WRITES 5 /* two headers as they are, the area and two new ones */
/* Of a header so much is in the midst of its JSON. */
#define CUT_LEN ((size_t)LUKS2_BINARY_LEN + 300)

/* ------------------------------------------------------------------ writes that are cut off */

static int file = -1;	/* whose */
static int writes;	/* that there were */
static int cut_at = -1; /* which one, counted from 0 */
static unsigned ways;	/* the last change's */
static bool half;	/* it arrives in part */

int __real_fd_pwrite(int fd, const void *buf, size_t len, uint64_t off);
int __wrap_fd_pwrite(int fd, const void *buf, size_t len, uint64_t off);

int __wrap_fd_pwrite(int fd, const void *buf, size_t len, uint64_t off)
{
	if (fd != file)
		return __real_fd_pwrite(fd, buf, len, off);
	/* Of the zeros one piece is as good as the other: they are cut off where all is written. */
	bool zeros = len == LUKS2_AREA_ALIGNMENT;
	int number = zeros ? writes : writes++;
	if (number != cut_at || (zeros && number < ALL_WRITES))
		return __real_fd_pwrite(fd, buf, len, off);
	if (half)
		(void)__real_fd_pwrite(fd, buf, len > CUT_LEN ? CUT_LEN : len / 2, off);
	return -ENOSPC;
}

/* ------------------------------------------------------------------ volumes */

static const struct crypt_pbkdf_type *cheap_cost(const char *type)
{
	static const struct crypt_pbkdf_type cost = {
		.type = CRYPT_KDF_ARGON2ID,
		.hash = "sha256",
		.iterations = 4,
		.max_memory_kb = 64,
		.parallel_threads = 1,
		.flags = CRYPT_PBKDF_NO_BENCHMARK,
	};
	(void)type;
	return &cost;
}

static struct secret *words(const char *text)
{
	struct secret *s = NULL;
	assert_ok(secret_copy(text, strlen(text), &s, err));
	return s;
}

/* Another keyslot, as `cryptsetup luksAddKey` makes one. */
static void add(int header, const struct secret *key, const char *text)
{
	struct luks2_device d CLEANUP_LUKS2_DEVICE = { 0 };
	assert_ok(luks2_device_init(&d, header, NULL, err));
	assert_ok(luks2_device_load(&d, err));
	assert_int_equal(crypt_set_pbkdf_type(d.cd, cheap_cost(NULL)), 0);
	assert_true(crypt_keyslot_add_by_volume_key(d.cd, CRYPT_ANY_SLOT,
						    (const char *)secret_bytes(key),
						    secret_size(key), text, strlen(text)) >= 0);
}

/* A volume for "one" and who is named besides, at `off` of a new memory file. */
static int make_for(uint64_t off, const char *const others[])
{
	struct secret *one CLEANUP_SECRET = words("one"), *key CLEANUP_SECRET = NULL;
	const struct luks2_create_options options = { 0 };
	int header CLEANUP_FD = -1, fd = memfd_create("volume", MFD_CLOEXEC);
	static char bytes[LUKS2_NEW_DATA_OFF];
	assert_true(fd >= 0);
	assert_ok(luks2_load(err));
	crypt_get_pbkdf_default = cheap_cost; /* the member of luks2_cryptsetup */
	assert_ok(luks2_format(one, &options, &header, &key, err));
	/* The library looks at the size before it adds a slot. */
	assert_int_equal(ftruncate(header, LUKS2_NEW_DATA_OFF + DATA_LEN), 0);
	for (; *others; others++)
		add(header, key, *others);
	assert_int_equal(fd_pread(header, bytes, sizeof(bytes), 0), sizeof(bytes));
	assert_int_equal(__real_fd_pwrite(fd, bytes, sizeof(bytes), off), 0);
	assert_int_equal(ftruncate(fd, (off_t)(off + LUKS2_NEW_DATA_OFF + DATA_LEN)), 0);
	return fd;
}

static int make(uint64_t off)
{
	return make_for(off, (const char *const[]){ NULL });
}

static struct source *open_at(int fd, uint64_t off, struct source **below)
{
	struct source *part = NULL;
	assert_ok(source_from_fd(dup(fd), below, err));
	assert_ok(source_slice(*below, off, (*below)->size - off, &part, err));
	return part;
}

static int change(int fd, uint64_t off, const char *from, const char *to, struct error **err)
{
	struct secret *old CLEANUP_SECRET = words(from), *new CLEANUP_SECRET = words(to);
	struct source *below CLEANUP_SOURCE = NULL, *part CLEANUP_SOURCE = open_at(fd, off, &below);
	const struct seal_file where = { .fd = fd, .off = off };
	const struct seal_cost cost = { 0 };
	struct luks2_header header;
	if (luks2_header_read(part, &header, err) < 0)
		return -1;
	file = fd;
	writes = 0;
	int r = luks2_change(&header, part, old, new, &cost, &where, &ways, err);
	file = -1;
	return r;
}

/* Whether it unlocks the volume as we read it; and, of one that is whole, as cryptsetup does. */
static bool unlocks(int fd, uint64_t off, const char *text)
{
	struct secret *passphrase CLEANUP_SECRET = words(text), *key CLEANUP_SECRET = NULL;
	struct source *below CLEANUP_SOURCE = NULL, *part CLEANUP_SOURCE = open_at(fd, off, &below);
	struct error *why CLEANUP_ERROR = NULL;
	struct luks2_header header;
	assert_ok(luks2_header_read(part, &header, err));
	if (luks2_unlock(&header, part, passphrase, &key, &why) == 0)
		return true;
	assert_int_equal(error_kind(why), ERROR_KEY_WRONG);
	return false;
}

static bool is_alone(int fd, uint64_t off)
{
	struct source *below CLEANUP_SOURCE = NULL, *part CLEANUP_SOURCE = open_at(fd, off, &below);
	struct luks2_header header;
	assert_ok(luks2_header_read(part, &header, err));
	return header.alone;
}

/* Bytes of the keyslots' part that are not zero. */
static size_t used(int fd, uint64_t off)
{
	static unsigned char bytes[LUKS2_NEW_DATA_OFF];
	size_t count = 0;
	assert_int_equal(fd_pread(fd, bytes, sizeof(bytes), off), sizeof(bytes));
	for (size_t i = (size_t)2 * LUKS2_NEW_HEADER_LEN; i < sizeof(bytes); i++)
		count += bytes[i] != 0;
	return count;
}

/* ------------------------------------------------------------------ tests */

static void changed(void **state)
{
	(void)state;
	/* Not at the file's beginning, as in a SIF. */
	const uint64_t off = 36864;
	int fd CLEANUP_FD = make(off);
	size_t before = used(fd, off);
	assert_ok(change(fd, off, "one", "two", err));
	assert_true(unlocks(fd, off, "two"));
	assert_false(unlocks(fd, off, "one"));
	assert_false(is_alone(fd, off));
	/* One keyslot's bytes, as before: the old one's are gone. */
	assert_true(used(fd, off) < before + before / 8);
	assert_fails(ERROR_KEY_WRONG, change(fd, off, "one", "three", err));
	/* Round all numbers of keyslots and places. */
	for (int i = 0; i < 10; i++)
		assert_ok(change(fd, off, i % 2 ? "one" : "two", i % 2 ? "two" : "one", err));
	assert_true(unlocks(fd, off, "two"));
	assert_true(used(fd, off) < before + before / 8);
}

/* Cut off at `first`, and the next change at `next`: one of two unlocks it. True: it was not cut.
 */
static bool cut_twice(int first, int next, int *before, int *after)
{
	int fd CLEANUP_FD = make(0);
	struct error *why CLEANUP_ERROR = NULL;
	cut_at = first;
	bool done = change(fd, 0, "one", "two", &why) == 0;
	bool two = unlocks(fd, 0, "two");
	assert_int_equal(unlocks(fd, 0, "one"), !two);
	two ? ++*after : ++*before;
	if (done)
		return true;
	/* That it failed does not mean that all is as it was. */
	assert_true(!two || strstr(error_hint_text(why), "the new passphrase"));
	/* The same once more, from what is there now. */
	error_free(&why);
	cut_at = next;
	(void)change(fd, 0, two ? "two" : "one", "three", &why);
	cut_at = -1;
	bool three = unlocks(fd, 0, "three");
	assert_int_equal(unlocks(fd, 0, two ? "two" : "one"), !three);
	assert_ok(change(fd, 0, three ? "three" : two ? "two" : "one", "four", err));
	assert_true(unlocks(fd, 0, "four"));
	assert_false(is_alone(fd, 0));
	return false;
}

static void cut(void **state)
{
	(void)state;
	int before = 0, after = 0, all = 0;
	for (bool done = false; !done; all++) {
		for (int part = 0; part < 2; part++) {
			half = part;
			/* With one header that is older each write of the next one counts. */
			int next = all == ALL_WRITES - 1 ? 0 : all,
			    last = all == ALL_WRITES - 1 ? ALL_WRITES + 1 : all;
			for (; next <= last; next++)
				done = cut_twice(all, next, &before, &after);
		}
	}
	cut_at = -1;
	/* The last of them is not cut off any more. */
	assert_int_equal(all, ALL_WRITES + 2);
	assert_true(before > 3 && after > 3);
}

/* A header that is older than the other, or damaged, is made like that one first. */
static void alone(void **state)
{
	(void)state;
	static const char zeros[512];
	for (int i = 0; i < 2; i++) {
		int fd CLEANUP_FD = make(0);
		assert_int_equal(
			__real_fd_pwrite(fd, zeros, sizeof(zeros), i ? LUKS2_NEW_HEADER_LEN : 0),
			0);
		assert_true(is_alone(fd, 0));
		assert_ok(change(fd, 0, "one", "two", err));
		assert_false(is_alone(fd, 0));
		assert_true(unlocks(fd, 0, "two"));
	}
}

/* One passphrase may have several keyslots: none of them is left, and others' are. */
static void two_slots(void **state)
{
	(void)state;
	int fd CLEANUP_FD = make_for(0, (const char *const[]){ "other", "one", "one", NULL });
	assert_ok(change(fd, 0, "one", "two", err));
	assert_int_equal(ways, 2);
	assert_false(unlocks(fd, 0, "one"));
	assert_true(unlocks(fd, 0, "two") && unlocks(fd, 0, "other"));
	/* The same again: the new one is not taken for an old one. */
	assert_ok(change(fd, 0, "two", "two", err));
	assert_int_equal(ways, 2);
	assert_true(unlocks(fd, 0, "two") && unlocks(fd, 0, "other"));
}

static const struct crypt_pbkdf_type *fair_cost(const char *type)
{
	static struct crypt_pbkdf_type cost;
	cost = *cheap_cost(type);
	cost.max_memory_kb = LUKS2_ARGON2_WORK_KIB_MIN / cost.iterations;
	return &cost;
}

/* The memory of the one keyslot. */
static uint32_t memory_of(int fd)
{
	struct source *below CLEANUP_SOURCE = NULL, *part CLEANUP_SOURCE = open_at(fd, 0, &below);
	struct luks2_header header;
	assert_ok(luks2_header_read(part, &header, err));
	assert_int_equal(header.count, 1);
	return header.keyslots[0].kdf.memory_kib;
}

/* A cost is kept, but not one that is next to none. */
static void costs(void **state)
{
	(void)state;
	int fd CLEANUP_FD = make(0);
	assert_int_equal(memory_of(fd), 64);
	crypt_get_pbkdf_default = fair_cost;
	assert_ok(change(fd, 0, "one", "two", err));
	assert_int_equal(memory_of(fd), 8192);
	crypt_get_pbkdf_default = cheap_cost;
	assert_ok(change(fd, 0, "two", "three", err));
	assert_int_equal(memory_of(fd), 8192);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changed),   cmocka_unit_test(cut),   cmocka_unit_test(alone),
		cmocka_unit_test(two_slots), cmocka_unit_test(costs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
