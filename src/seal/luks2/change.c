/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another passphrase in the place of one, in the header of a volume that is there.
 *
 * libcryptsetup makes the new keyslot and takes the old one away, in a memory file as always
 * (header.c). What it has made is vetted, and then written over the header in the file, in steps of
 * which each leaves a volume that one of the two passphrases unlocks, whatever ends it:
 *
 *   1. the two headers are written anew, as they are, first the one that is damaged, or older, or
 * counts no more than the other, then that one: settled each. The places of both are no holes of
 * the file then, for which there may be no room: a header ends in zeros, so that one that was cut
 * off before a hole would be whole, and count
 *   2. the new keyslot's area is written, where no header refers to: settled
 *   3. one header is written, with a higher sequence number: settled. Cut off, its checksum is
 * wrong, and the other one, the old one, counts; whole, it counts itself
 *   4. the other header is written: settled
 *   5. what no keyslot refers to in their part of the file is overwritten with zeros
 *
 * 5 wipes the old keyslot, and is also done behind 1, for what a change has left that was cut off
 * before it. Without 1 it would wipe what a header refers to that counts again if step 3 is cut
 * off.
 *
 * The header is printed anew from what was vetted (json/). What it may have besides and changes
 * nothing is lost: a label, flags for the kernel's way to work, and a payload that was "dynamic"
 * has its length written out.
 */
#include "seal/luks2/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

/* ------------------------------------------------------------------ the new keyslot */

static const struct luks2_keyslot *find_slot(const struct luks2_header *header, int id)
{
	for (unsigned i = 0; i < header->count; i++)
		if (header->keyslots[i].id == (unsigned)id)
			return &header->keyslots[i];
	return NULL;
}

/*
 * Less than any that OWASP's password storage cheat sheet has for argon2id (7 MiB and 5 passes, 46
 * MiB and one), by memory times passes, as its guessing is paid.
 */
static bool is_weak(const struct luks2_keyslot *slot)
{
	return (uint64_t)slot->kdf.memory_kib * slot->kdf.passes < LUKS2_ARGON2_WORK_KIB_MIN;
}

/*
 * What the old slot costs, but for what is wished for. A slot of PBKDF2 has no memory to keep, and
 * nobody has chosen what is next to nothing: then it is libcryptsetup's own default, as for a new
 * image. With a wish the passes are measured.
 */
static int set_cost(struct luks2_device *d, const struct luks2_keyslot *old,
		    const struct seal_cost *cost, struct error **err)
{
	const struct crypt_pbkdf_type *usual = crypt_get_pbkdf_default(CRYPT_LUKS2);
	if (!usual)
		return luks2_device_error(d, -EINVAL, "choose the KDF", err);
	struct crypt_pbkdf_type kdf = *usual;
	bool wished = cost->memory || cost->time_ms;
	if (old && old->kdf.memory_kib && (cost->memory || !is_weak(old))) {
		kdf.max_memory_kb = old->kdf.memory_kib;
		kdf.parallel_threads = old->kdf.cpus;
		kdf.iterations = wished ? 0 : old->kdf.passes;
		kdf.flags = wished ? 0 : CRYPT_PBKDF_NO_BENCHMARK;
	}
	if (cost->memory)
		kdf.max_memory_kb = (uint32_t)(cost->memory >> 10);
	if (cost->time_ms)
		kdf.time_ms = cost->time_ms;
	int r = crypt_set_pbkdf_type(d->cd, &kdf);
	return r < 0 ? luks2_device_error(d, r, "choose the KDF", err) : 0;
}

/* Machines that opened the image may not any more. */
static void say_cost(const struct luks2_keyslot *was, const struct luks2_keyslot *is,
		     const struct seal_cost *cost)
{
	uint32_t mib = (is->kdf.memory_kib + 1023) >> 10;
	if (cost->memory || !was)
		return;
	if (!was->kdf.memory_kib)
		log_warning("The old passphrase had PBKDF2, which needs no memory. The new one has "
			    "argon2id: to unlock the image a machine needs %" PRIu32
			    " MiB for it; `--keep --kdf-memory` makes it less",
			    mib);
	else if (is_weak(was))
		log_warning("Guessing the old passphrase cost next to nothing (%" PRIu32
			    " KiB of memory, passes: %" PRIu32 "), which is not kept: to unlock "
			    "the image a machine needs %" PRIu32
			    " MiB now; `--keep --kdf-memory` makes it less",
			    was->kdf.memory_kib, was->kdf.passes, mib);
}

static int no_room(const struct luks2_header *header, struct error **err)
{
	error_set(err, ERROR_LIMIT, "there is no room for another keyslot beside the %u there are",
		  header->count);
	return error_hint(err, "`coffer rekey` makes an image with one alone");
}

/* Whether a slot, or any one, opens: its number, or -ENOENT. */
static int open_slot(struct luks2_device *d, int id, const struct secret *passphrase,
		     struct secret *key, int *ret, struct error **err)
{
	size_t len = secret_size(key);
	int slot = crypt_volume_key_get(d->cd, id, (char *)secret_data(key), &len,
					(const char *)secret_bytes(passphrase),
					secret_size(passphrase));
	*ret = slot == -EPERM ? -ENOENT : slot;
	return slot >= 0 || *ret == -ENOENT ? 0
					    : luks2_device_error(d, slot, "unlock a keyslot", err);
}

/* What exchange has done. */
struct exchanged {
	int taken, added;
	unsigned left; /* how many there are in the end */
};

/*
 * All that the old passphrase opens, but for the new one: cryptsetup gives it a second slot without
 * a word. Who is asked by number answers at the priority "ignore", too.
 */
static int destroy_old(struct luks2_device *d, const struct luks2_header *header,
		       const struct secret *old, struct secret *key, struct exchanged *e,
		       struct error **err)
{
	e->left = 1;
	for (unsigned i = 0; i < header->count; i++) {
		int id = (int)header->keyslots[i].id, opened = id;
		if (id != e->taken && open_slot(d, id, old, key, &opened, err) < 0)
			return -1;
		if (opened < 0) {
			e->left++;
			continue;
		}
		int r = crypt_keyslot_destroy(d->cd, id);
		if (r < 0)
			return luks2_device_error(d, r, "take the old keyslot away", err);
	}
	return 0;
}

/* In the memory file. */
static int exchange(struct luks2_device *d, const struct luks2_header *header,
		    const struct secret *old, const struct secret *passphrase,
		    const struct seal_cost *cost, struct exchanged *ret, struct error **err)
{
	CLEANUP_SECRET struct secret *key = NULL;
	if (secret_new(header->key_len, &key, err) < 0 ||
	    open_slot(d, CRYPT_ANY_SLOT, old, key, &ret->taken, err) < 0)
		return -1;
	if (ret->taken < 0)
		return luks2_wrong_key(err);
	if (header->count == LUKS2_KEYSLOTS_MAX)
		return no_room(header, err);
	if (cost->memory && crypto_kdf_check("/", "the new keyslot", cost->memory, err) < 0)
		return -1;
	if (set_cost(d, find_slot(header, ret->taken), cost, err) < 0)
		return -1;
	ret->added = crypt_keyslot_add_by_volume_key(
		d->cd, CRYPT_ANY_SLOT, (const char *)secret_bytes(key), secret_size(key),
		(const char *)secret_bytes(passphrase), secret_size(passphrase));
	if (ret->added == -ENOSPC)
		return no_room(header, err);
	if (ret->added < 0)
		return luks2_device_error(d, ret->added, "make a keyslot", err);
	return destroy_old(d, header, old, key, ret, err);
}

static bool same_payload(const struct luks2_header *a, const struct luks2_header *b)
{
	return a->header_len == b->header_len && a->keyslots_len == b->keyslots_len &&
	       a->data_off == b->data_off && a->data_len == b->data_len &&
	       a->iv_tweak == b->iv_tweak && a->sector_len == b->sector_len &&
	       a->key_len == b->key_len && !strcmp(a->uuid, b->uuid);
}

/* Whether the header refers to a byte of it. */
static bool is_used(const struct luks2_header *header, uint64_t off, uint64_t len)
{
	for (unsigned i = 0; i < header->count; i++) {
		const struct luks2_keyslot *s = &header->keyslots[i];
		if (s->area_off < off + len && off < s->area_off + s->area_len)
			return true;
	}
	return false;
}

/* The header that libcryptsetup has made, as we would read it, and the area of its new slot. */
static int take_new(const struct luks2_header *header, int memory, int id, struct luks2_header *ret,
		    struct buffer *ret_area, uint64_t *ret_off, struct error **err)
{
	CLEANUP_SOURCE struct source *made = NULL;
	int fd = dup(memory);
	if (fd < 0)
		return error_errno(err, errno, "read a memory file");
	if (source_from_fd(fd, &made, err) < 0) {
		fd_close(&fd);
		return -1;
	}
	if (luks2_header_read(made, ret, err) < 0)
		return -1;
	const struct luks2_keyslot *slot = find_slot(ret, id);
	if (!same_payload(header, ret) || !slot || is_used(header, slot->area_off, slot->area_len))
		return error_set(err, ERROR_INTERNAL, "a changed LUKS2 header is another one");
	char *area = buffer_reserve(ret_area, slot->area_len, err);
	if (!area || source_read(made, area, slot->area_len, slot->area_off, err) < 0)
		return -1;
	ret_area->len = slot->area_len;
	*ret_off = slot->area_off;
	ret->sequence = header->sequence + 1;
	return 0;
}

/* ------------------------------------------------------------------ the file */

static int put(const struct seal_file *file, const struct buffer *data, uint64_t off,
	       struct error **err)
{
	int r = fd_pwrite(file->fd, data->data, data->len, file->off + off);
	if (r == 0 && fdatasync(file->fd) < 0)
		r = -errno;
	return r < 0 ? error_errno(err, -r, "write the LUKS2 header") : 0;
}

static int put_header(const struct seal_file *file, const struct luks2_header *header, bool second,
		      struct error **err)
{
	CLEANUP_BUFFER struct buffer copy = { 0 };
	return luks2_header_print(header, second, &copy, err) < 0
		       ? -1
		       : put(file, &copy, second ? header->header_len : 0, err);
}

/*
 * Zeros over what is not zero already in the part of the keyslots, but for their areas, which begin
 * and end on such pieces, and may overlap in what others have made. Where nothing was ever written
 * the file may have holes, which stay.
 */
static int sweep(const struct seal_file *file, const struct luks2_header *header,
		 struct error **err)
{
	static const char zeros[LUKS2_AREA_ALIGNMENT];
	char piece[LUKS2_AREA_ALIGNMENT];
	uint64_t off = 2 * header->header_len, end = off + header->keyslots_len;
	bool wiped = false;
	for (; off < end; off += sizeof(piece)) {
		if (is_used(header, off, sizeof(piece)))
			continue;
		ssize_t n = fd_pread(file->fd, piece, sizeof(piece), file->off + off);
		if (n >= 0 && !memcmp(piece, zeros, (size_t)n))
			continue;
		if (n >= 0)
			n = fd_pwrite(file->fd, zeros, (size_t)n, file->off + off);
		if (n < 0)
			return error_errno(err, (int)-n, "wipe a LUKS2 keyslot");
		wiped = true;
	}
	return wiped && fdatasync(file->fd) < 0 ? error_errno(err, errno, "wipe a LUKS2 keyslot")
						: 0;
}

/* Whatever ends it, one of the two passphrases unlocks the volume, and from some moment the new. */
static int write_all(const struct seal_file *file, const struct luks2_header *header,
		     const struct luks2_header *changed, const struct buffer *area,
		     uint64_t area_off, struct error **err)
{
	if (put_header(file, header, !header->second, err) < 0 ||
	    put_header(file, header, header->second, err) < 0 || sweep(file, header, err) < 0 ||
	    put(file, area, area_off, err) < 0)
		return -1;
	if (put_header(file, changed, true, err) < 0)
		return error_hint(err, "the new passphrase or the old one opens the image: try "
				       "both, and run it again with the one that does");
	if (put_header(file, changed, false, err) < 0 || sweep(file, changed, err) < 0)
		return error_hint(err, "the new passphrase opens the image already: run it again, "
				       "with that one, to wipe what is left of the old one");
	return 0;
}

int luks2_change(const struct luks2_header *header, struct source *device, const struct secret *old,
		 const struct secret *passphrase, const struct seal_cost *cost,
		 const struct seal_file *file, unsigned *ret_ways, struct error **err)
{
	CLEANUP_FD int memory = -1;
	CLEANUP_BUFFER struct buffer area = { 0 };
	struct luks2_header changed;
	uint64_t area_off;
	struct exchanged e = { .added = -1 };
	if (header->sequence == UINT64_MAX)
		return error_set(err, ERROR_DAMAGED, "LUKS2 header: no header can follow it");
	if (luks2_check_memory(header, err) < 0 ||
	    luks2_header_to_memory(header, device, &memory, err) < 0)
		return -1;
	/* The library looks at the size before it adds a slot. */
	if (ftruncate(memory, (off_t)device->size) < 0)
		return error_errno(err, errno, "size a memory file");
	CLEANUP_LUKS2_DEVICE struct luks2_device d = { 0 };
	if (luks2_device_init(&d, memory, NULL, err) < 0 || luks2_device_load(&d, err) < 0 ||
	    exchange(&d, header, old, passphrase, cost, &e, err) < 0)
		return -1;
	luks2_device_done(&d);
	if (take_new(header, memory, e.added, &changed, &area, &area_off, err) < 0)
		return -1;

	if (write_all(file, header, &changed, &area, area_off, err) < 0)
		return -1;
	say_cost(find_slot(header, e.taken), find_slot(&changed, e.added), cost);
	*ret_ways = e.left;
	return 0;
}
