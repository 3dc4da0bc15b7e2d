/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "crypto/crypto.h"
#include "sif/format.h"
#include "sif/sif.h"

/* A small good file: one slot used of two. */
#define FILE_LEN (SIF_HEADER_LEN + 2 * SIF_DESCRIPTOR_LEN + 100)
static uint8_t good[FILE_LEN];

static int make_good(void **state)
{
	(void)state;
	memset(good, 0, sizeof(good));
	memcpy(good, SIF_LAUNCH_SCRIPT, strlen(SIF_LAUNCH_SCRIPT));
	memcpy(good + 32,
	       "SIF_MAGIC\0"
	       "01\0"
	       "02",
	       15);
	bytes_put_le(good + 80, 1, 8);
	bytes_put_le(good + 88, 2, 8);
	bytes_put_le(good + 96, SIF_HEADER_LEN, 8);
	bytes_put_le(good + 104, 2 * SIF_DESCRIPTOR_LEN, 8);
	bytes_put_le(good + 112, SIF_HEADER_LEN + 2 * SIF_DESCRIPTOR_LEN, 8);
	bytes_put_le(good + 120, 100, 8);
	/* the second slot, so that a free one comes first */
	uint8_t *d = good + SIF_HEADER_LEN + SIF_DESCRIPTOR_LEN;
	bytes_put_le(d, SIF_PARTITION, 4);
	d[4] = 1;
	bytes_put_le(d + 5, 2, 4);
	bytes_put_le(d + 9, 0xF0000001u, 4);
	bytes_put_le(d + 13, 0xF0000003u, 4);
	bytes_put_le(d + 17, FILE_LEN - 100, 8);
	bytes_put_le(d + 25, 100, 8);
	memset(d + 73, 'n', SIF_NAME_LEN);
	bytes_put_le(d + 201, SIF_GOCRYPTFS_SQUASHFS, 4);
	bytes_put_le(d + 205, SIF_PRIMARY, 4);
	memcpy(d + 209, "04", 2);
	return 0;
}

static int read_bytes(const void *data, size_t len, struct sif **ret, struct error **err)
{
	CLEANUP_SOURCE struct source *s = NULL;
	if (source_from_memory(data, len, &s, err) < 0)
		return -1;
	return sif_read(s, ret, err);
}

static void a_good_one(void **state)
{
	(void)state;
	CLEANUP_SIF struct sif *s = NULL;
	assert_true(sif_probe(good, sizeof(good)));
	assert_ok(read_bytes(good, sizeof(good), &s, err));
	assert_int_equal(s->count, 1);
	const struct sif_descriptor *d = sif_primary(s);
	assert_non_null(d);
	assert_int_equal(d->id, 2);
	assert_int_equal(d->group, 1);
	assert_int_equal(d->link, 3);
	assert_true(d->link_is_group);
	assert_int_equal(strlen(d->name), SIF_NAME_LEN);
	assert_string_equal(sif_arch_name(d->arch), "arm64");
	assert_int_equal(d->filesystem, SIF_GOCRYPTFS_SQUASHFS);
	assert_null(sif_crypt_message(s, d));
	assert_null(sif_by_id(s, 1));
	assert_ptr_equal(sif_by_id(s, 2), d);
	assert_null(sif_find(s, SIF_JSON, NULL));
}

static void no_truncation_passes(void **state)
{
	(void)state;
	for (size_t len = 0; len < sizeof(good); len++) {
		struct sif *s = NULL;
		/* A copy of that length, so that a sanitizer sees a read behind it. */
		uint8_t *cut = malloc(len ? len : 1);
		memcpy(cut, good, len);
		assert_fails(ERROR_DAMAGED, read_bytes(cut, len, &s, err));
		free(cut);
	}
}

static void impossible_fields(void **state)
{
	(void)state;
	const size_t slot = SIF_HEADER_LEN + SIF_DESCRIPTOR_LEN;
	const struct {
		size_t off, len;
		uint64_t value;
		enum error_kind kind;
	} faults[] = {
		{ 32, 1, 'X', ERROR_DAMAGED },
		{ 42, 2, 0x3230, ERROR_UNSUPPORTED },
		{ 80, 8, 3, ERROR_DAMAGED },
		{ 80, 8, UINT64_MAX, ERROR_DAMAGED },
		{ 88, 8, UINT64_MAX, ERROR_DAMAGED },
		{ 88, 8, SIF_SLOTS_MAX + 1, ERROR_DAMAGED },
		{ 88, 8, 3, ERROR_DAMAGED },
		{ 96, 8, UINT64_MAX, ERROR_DAMAGED },
		{ 96, 8, FILE_LEN, ERROR_DAMAGED },
		{ 104, 8, SIF_DESCRIPTOR_LEN, ERROR_DAMAGED },
		{ slot + 17, 8, UINT64_MAX, ERROR_DAMAGED },
		{ slot + 17, 8, FILE_LEN - 99, ERROR_DAMAGED },
		{ slot + 25, 8, 101, ERROR_DAMAGED },
		{ slot + 25, 8, UINT64_MAX, ERROR_DAMAGED },
	};
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		uint8_t bad[FILE_LEN];
		struct sif *s = NULL;
		memcpy(bad, good, sizeof(bad));
		bytes_put_le(bad + faults[i].off, faults[i].value, faults[i].len);
		assert_fails(faults[i].kind, read_bytes(bad, sizeof(bad), &s, err));
	}
}

/* The header's length of the table is the image's word, and only the slots are vetted to be there.
 */
static void a_digest_of_the_slots(void **state)
{
	(void)state;
	static const uint64_t lengths[] = { 2 * SIF_DESCRIPTOR_LEN + 1, UINT64_MAX,
					    UINT64_MAX - SIF_HEADER_LEN + 1, INT64_MAX };
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		CLEANUP_SIF struct sif *s = NULL;
		CLEANUP_SOURCE struct source *file = NULL;
		uint8_t raw[FILE_LEN], got[32], wanted[32];
		memcpy(raw, good, sizeof(raw));
		bytes_put_le(raw + 104, lengths[i], 8);
		assert_ok(source_from_memory(raw, sizeof(raw), &file, err));
		assert_ok(sif_read(file, &s, err));
		assert_ok(sif_digest(s, file, got, err));
		assert_ok(crypto_sha256(raw, SIF_HEADER_LEN + 2 * SIF_DESCRIPTOR_LEN, wanted, err));
		assert_memory_equal(got, wanted, sizeof(got));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_one),
		cmocka_unit_test(no_truncation_passes),
		cmocka_unit_test(impossible_fields),
		cmocka_unit_test(a_digest_of_the_slots),
	};
	return cmocka_run_group_tests(tests, make_good, NULL);
}
