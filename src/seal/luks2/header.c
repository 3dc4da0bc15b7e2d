/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two binary headers (LUKS2 specification, "spec", section 2; encryption.md 5.2): found,
 * checked against their checksum, the newer one chosen.
 *
 * A device has two copies, so that one survives when a write of the other is cut off. Each has a
 * checksum over itself and its JSON, and a sequence number that grows with each write. The checksum
 * protects against accidents only: anybody can make one that is right. So it decides which copy is
 * read, and nothing else; what the copy says is vetted as an enemy's (json.c).
 *
 * In an image that was never changed both say the same. A copy that is damaged is passed over while
 * the other is whole. A first copy of another version, or with a checksum that we do not know, is
 * not: the other copy might be an older state of the device.
 *
 * Nothing of an image reaches libcryptsetup but what luks2_header_to_memory writes: a memory file
 * with the header made anew from the vetted numbers, both copies alike, and the bytes of the
 * keyslots. What the library then parses was printed by us; a fault in its parser is out of an
 * image's reach, and the two parsers cannot disagree about what a header means.
 */
#include "seal/luks2/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* spec 2.1: the sizes a header may have, which are the places of the second one too. */
static const uint64_t header_lens[] = { 16384,	32768,	 65536,	  131072, 262144,
					524288, 1048576, 2097152, 4194304 };

/* spec 2.1: of the first header, and of the second. */
static const uint8_t magics[2][LUKS2_MAGIC_LEN] = { { 'L', 'U', 'K', 'S', 0xba, 0xbe },
						    { 'S', 'K', 'U', 'L', 0xba, 0xbe } };

static bool known_header_len(uint64_t len)
{
	for (size_t i = 0; i < sizeof(header_lens) / sizeof(*header_lens); i++)
		if (header_lens[i] == len)
			return true;
	return false;
}

/* One of the two headers, its checksum found right. */
struct header_copy {
	uint64_t len, sequence;
	char uuid[LUKS2_UUID_LEN + 1];
	struct buffer area; /* header and JSON, len bytes */
};

static void copy_done(struct header_copy *c)
{
	buffer_free(&c->area);
}
#define CLEANUP_COPY __attribute__((cleanup(copy_done)))

/* A UUID goes on only if it is one: else none is better. */
static void take_uuid(const char *raw, char ret[LUKS2_UUID_LEN + 1])
{
	size_t len = strnlen(raw, LUKS2_UUID_LEN);
	bool good = len == 36;
	for (size_t i = 0; good && i < len; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		good = dash ? raw[i] == '-' : strchr("0123456789abcdefABCDEF", raw[i]) != NULL;
	}
	snprintf(ret, LUKS2_UUID_LEN + 1, "%.*s", 36,
		 good ? raw : "00000000-0000-0000-0000-000000000000");
}

/* Leaves the checksum's place zeroed: nobody needs it any more. */
static int check_sum(struct buffer *area, struct error **err)
{
	/* spec 2.1: over header and JSON, with the checksum's own place zeroed. */
	uint8_t stored[LUKS2_CHECKSUM_LEN], sum[CRYPTO_SHA256_LEN];
	memcpy(stored, area->data + LUKS2_CHECKSUM_OFF, sizeof(stored));
	memset(area->data + LUKS2_CHECKSUM_OFF, 0, sizeof(stored));
	if (crypto_sha256(area->data, area->len, sum, err) < 0)
		return -1;
	if (memcmp(stored, sum, sizeof(sum)) != 0)
		return error_set(err, ERROR_DAMAGED, "LUKS2 header: the checksum is wrong");
	return 0;
}

/* Reads the header at off; spec 2.1 has the fields in this order. */
static int read_copy(struct source *device, uint64_t off, struct header_copy *ret,
		     struct error **err)
{
	uint8_t raw[LUKS2_BINARY_LEN];
	if (device->size < sizeof(raw))
		return error_set(err, ERROR_DAMAGED, "LUKS2 header: only %llu bytes",
				 (unsigned long long)device->size);
	if (source_read(device, raw, sizeof(raw), off, err) < 0)
		return -1;
	struct bytes b = bytes_of(raw, sizeof(raw));
	const void *magic = bytes_take(&b, LUKS2_MAGIC_LEN);
	uint16_t version = bytes_be16(&b);
	uint64_t len = bytes_be64(&b), sequence = bytes_be64(&b);
	bytes_skip(&b, LUKS2_LABEL_LEN);
	const char *algorithm = bytes_take(&b, LUKS2_ALGORITHM_LEN);
	bytes_skip(&b, LUKS2_SALT_LEN);
	const char *uuid = bytes_take(&b, LUKS2_UUID_LEN);
	bytes_skip(&b, LUKS2_LABEL_LEN);
	uint64_t stored_off = bytes_be64(&b);

	if (!bytes_ok(&b) || memcmp(magic, magics[off != 0], LUKS2_MAGIC_LEN) != 0)
		return error_set(err, ERROR_DAMAGED, "LUKS2 header: none is there");
	if (version != LUKS2_VERSION)
		return error_set(err, ERROR_UNSUPPORTED, "LUKS version %u is not supported",
				 version);
	/* A header says where it lies: one that was copied elsewhere is no header there. */
	if (stored_off != off)
		return error_set(err, ERROR_DAMAGED, "LUKS2 header: it belongs elsewhere");
	if (!known_header_len(len) || (off && len != off))
		return error_set(err, ERROR_DAMAGED, "LUKS2 header: its size %llu is impossible",
				 (unsigned long long)len);
	if (memcmp(algorithm, "sha256", sizeof("sha256")) != 0)
		return error_set(err, ERROR_UNSUPPORTED,
				 "LUKS2 header: only sha256 is supported as its checksum");

	struct header_copy c = { .len = len, .sequence = sequence };
	take_uuid(uuid, c.uuid);
	/* At most 4 MiB: the length is one of the nine. */
	char *area = buffer_reserve(&c.area, len, err);
	if (!area || source_read(device, area, len, off, err) < 0) {
		copy_done(&c);
		return -1;
	}
	c.area.len = len;
	if (check_sum(&c.area, err) < 0) {
		copy_done(&c);
		return -1;
	}
	*ret = c;
	return 0;
}

/* The second header is behind the first; where that one is damaged it may be in nine places. */
static int find_secondary(struct source *device, const struct header_copy *primary,
			  struct header_copy *ret)
{
	for (size_t i = 0; i < sizeof(header_lens) / sizeof(*header_lens); i++) {
		CLEANUP_ERROR struct error *ignored = NULL;
		if (primary && primary->len != header_lens[i])
			continue;
		if (range_within(header_lens[i], LUKS2_BINARY_LEN, device->size) &&
		    read_copy(device, header_lens[i], ret, &ignored) == 0)
			return 0;
	}
	return -1;
}

/* Both copies are looked for, even where the first is whole: the second may be the newer one. */
int luks2_header_read(struct source *device, struct luks2_header *ret, struct error **err)
{
	CLEANUP_COPY struct header_copy first = { 0 }, second = { 0 };
	CLEANUP_ERROR struct error *why = NULL;
	bool have_first = read_copy(device, 0, &first, &why) == 0;
	/* An error that is not about the bytes would be the same for the other copy. */
	if (!have_first && error_kind(why) != ERROR_DAMAGED) {
		*err = take_pointer(&why);
		return -1;
	}
	bool have_second = find_secondary(device, have_first ? &first : NULL, &second) == 0;
	if (!have_first && !have_second) {
		*err = take_pointer(&why);
		return -1;
	}
	/* Of two that are whole the newer one; the first when they are alike. */
	bool use_second = have_second && (!have_first || second.sequence > first.sequence);
	const struct header_copy *best = use_second ? &second : &first;

	struct luks2_header header;
	if (luks2_json_read(best->area.data + LUKS2_BINARY_LEN, best->len - LUKS2_BINARY_LEN,
			    best->len, device->size, &header, err) < 0) {
		if (error_kind(*err) == ERROR_UNSUPPORTED)
			error_hint(err, "images as Apptainer, cryptsetup luksFormat and coffer "
					"make them can be opened; build this one anew");
		return -1;
	}
	memcpy(header.uuid, best->uuid, sizeof(header.uuid));
	header.sequence = best->sequence;
	header.second = use_second;
	header.alone = !have_first || !have_second || first.sequence != second.sequence;
	*ret = header;
	return 0;
}

int luks2_header_print(const struct luks2_header *header, bool second, struct buffer *ret,
		       struct error **err)
{
	CLEANUP_BUFFER struct buffer json = { 0 };
	if (luks2_json_write(header, &json, err) < 0)
		return -1;
	if (json.len >= header->header_len - LUKS2_BINARY_LEN)
		return error_set(err, ERROR_DAMAGED, "LUKS2 header: the JSON does not fit");
	ret->len = 0;
	uint8_t *area = (uint8_t *)buffer_reserve(ret, header->header_len, err);
	if (!area)
		return -1;
	uint8_t *at = area;
	memset(area, 0, header->header_len);
	memcpy(at, magics[second], LUKS2_MAGIC_LEN);
	at += LUKS2_MAGIC_LEN;
	bytes_put_be(at, LUKS2_VERSION, 2);
	at += 2;
	bytes_put_be(at, header->header_len, 8);
	at += 8;
	bytes_put_be(at, header->sequence, 8);
	at += 8 + LUKS2_LABEL_LEN;
	memcpy(at, "sha256", sizeof("sha256"));
	at += LUKS2_ALGORITHM_LEN + LUKS2_SALT_LEN;
	memcpy(at, header->uuid, LUKS2_UUID_LEN);
	at += LUKS2_UUID_LEN + LUKS2_LABEL_LEN;
	bytes_put_be(at, second ? header->header_len : 0, 8);
	memcpy(area + LUKS2_BINARY_LEN, json.data, json.len);
	if (crypto_sha256(area, header->header_len, area + LUKS2_CHECKSUM_OFF, err) < 0)
		return -1;
	ret->len = header->header_len;
	return 0;
}

/* Both copies, then the keyslots' bytes at their places; all else stays a hole. */
static int write_all(const struct luks2_header *header, struct source *device, int fd,
		     struct error **err)
{
	CLEANUP_BUFFER struct buffer copy = { 0 }, area = { 0 };
	/* The image's own number may be one that the library cannot count on from. */
	struct luks2_header first = *header;
	first.sequence = 1;
	int r = 0;
	for (int i = 0; i < 2 && !r; i++) {
		if (luks2_header_print(&first, i == 1, &copy, err) < 0)
			return -1;
		r = fd_pwrite(fd, copy.data, copy.len, (uint64_t)i * header->header_len);
	}
	char *p = buffer_reserve(&area, LUKS2_AREA_MAX, err);
	if (!p)
		return -1;
	for (unsigned i = 0; !r && i < header->count; i++) {
		const struct luks2_keyslot *slot = &header->keyslots[i];
		if (source_read(device, p, slot->area_len, slot->area_off, err) < 0)
			return -1;
		r = fd_pwrite(fd, p, slot->area_len, slot->area_off);
	}
	return r < 0 ? error_errno(err, -r, "copy the LUKS2 header to memory") : 0;
}

/* The memory file is sealed by nothing, and need not be: only this process has it. */
int luks2_header_to_memory(const struct luks2_header *header, struct source *device, int *ret_fd,
			   struct error **err)
{
	CLEANUP_FD int fd = memfd_create("luks2-header", MFD_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "make a memory file");
	/* libcryptsetup asks that the whole keyslots area be there; unused parts stay holes. */
	if (ftruncate(fd, (off_t)(2 * header->header_len + header->keyslots_len)) < 0)
		return error_errno(err, errno, "size a memory file");
	if (write_all(header, device, fd, err) < 0)
		return -1;
	*ret_fd = fd_steal(&fd);
	return 0;
}

int luks2_check(struct source *device, struct error **err)
{
	struct luks2_header header;
	return luks2_header_read(device, &header, err);
}
