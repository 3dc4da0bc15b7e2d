/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects of a file added, removed and made the primary partition, in place (sif.md 11.6 to 11.8).
 * What comes of it is Apptainer's, to the byte. Apptainer writes the whole table and then the
 * header, each over what was there: cut off in between, neither the old file nor the new one is
 * left. Here each change hangs on one byte, as in edit.c:
 *
 * - An object is added behind all others, its descriptor in a slot that is marked as free: settled,
 *   and then the mark. Where the disk is full the file gets its old length back.
 * - An object is removed by its mark; the slot's text goes afterwards. Its bytes stay where they
 *   were, as Apptainer leaves them, but for a key object's, which are wiped.
 * - The kind of a partition is one byte, too. The new primary one is written first, and the old one
 *   after that has settled: meanwhile there are two, and the first in the table counts
 *   (sif_primary). Who chooses the same again after a cut mends it.
 *
 * Each begins with what one before may have left of a key object (sif_edit_sweep), since it may
 * take the slot, or the place, that alone tells of it.
 *
 * Two at once: sif_open_locked.
 */
#include "sif/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/crypto.h"

/* In a descriptor: sif.md 3 and 5.1. */
#define SLOT_LINK_OFF 13
#define SLOT_MODIFIED_OFF 49
#define SLOT_PARTITION_OFF (201 + 4)
#define COPY_STEP 65536

/* ------------------------------------------------------------------ the file */

/* Whether the path still leads to the open file, which is *st. */
static bool still_there(const char *path, const struct stat *st)
{
	struct stat now;
	return stat(path, &now) == 0 && now.st_dev == st->st_dev && now.st_ino == st->st_ino;
}

int sif_open_locked(const char *path, int *ret, struct error **err)
{
	for (;;) {
		CLEANUP_FD int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		struct stat st;
		if (fd < 0 || fstat(fd, &st) < 0) {
			bool is_there = errno != ENOENT;
			error_errno(err, errno, "open %s", path);
			return is_there
				       ? error_hint(err, "it is changed in place, by who may write "
							 "it")
				       : -1;
		}
		if (!S_ISREG(st.st_mode))
			return error_set(err, ERROR_UNSUPPORTED, "%s is not a regular file", path);
		while (flock(fd, LOCK_EX) < 0)
			if (errno != EINTR)
				return error_errno(err, errno, "lock %s", path);
		/* Who had the lock may have put another file there. */
		if (still_there(path, &st)) {
			*ret = fd_steal(&fd);
			return 0;
		}
	}
}

/* ------------------------------------------------------------------ adding */

/* Copies what the descriptor has, from its position on, to the file at off. */
static int copy(const struct sif_edit *e, int from, uint64_t off, struct crypto_digest *digest,
		uint64_t *ret_len, struct error **err)
{
	CLEANUP_BUFFER struct buffer piece = { 0 };
	char *to = buffer_reserve(&piece, COPY_STEP, err);
	uint64_t done = 0;
	if (!to)
		return -1;
	for (;;) {
		ssize_t n = fd_read(from, to, COPY_STEP);
		if (n < 0)
			return error_errno(err, (int)-n, "read the object");
		if (n == 0)
			break;
		if (!range_within(off, done + (uint64_t)n, INT64_MAX))
			return error_set(err, ERROR_LIMIT, "the object is too large");
		if (sif_edit_put(e, to, (size_t)n, off + done, err) < 0 ||
		    (digest && crypto_digest_add(digest, to, (size_t)n, err) < 0))
			return -1;
		done += (uint64_t)n;
	}
	*ret_len = done;
	return 0;
}

/* The digest of what is added, which two types carry in text: sif.md 5.6. */
static int add_digest(struct sif_descriptor *d, struct crypto_digest *digest, struct error **err)
{
	static const char kind[] = "sha256:";
	uint8_t sum[CRYPTO_SHA256_LEN];
	if (crypto_digest_end(digest, sum, err) < 0)
		return -1;
	memcpy(d->extra, kind, sizeof(kind) - 1);
	text_put_hex((char *)d->extra + sizeof(kind) - 1, sum, sizeof(sum));
	return 0;
}

static int copy_object(const struct sif_edit *e, int from, struct sif_descriptor *d,
		       struct error **err)
{
	struct crypto_digest *digest = NULL;
	bool wanted = d->type == SIF_OCI_INDEX || d->type == SIF_OCI_BLOB;
	int r = 0;
	if (wanted && (crypto_digest_new(CRYPTO_SHA256, &digest, err) < 0 ||
		       crypto_digest_begin(digest, err) < 0))
		r = -1;
	if (r == 0)
		r = copy(e, from, d->off, digest, &d->len, err);
	if (r == 0 && digest)
		r = add_digest(d, digest, err);
	crypto_digest_free(&digest);
	return r;
}

/* Behind the last object, on the boundary that is asked for; never in the table. */
static int find_end(const struct sif *s, int64_t alignment, uint64_t *ret, struct error **err)
{
	uint64_t table_end = s->descriptors_off + sif_table_len(s), end = sif_data_end(s);
	if (end < table_end)
		end = table_end;
	uint64_t step = alignment > 0 ? (uint64_t)alignment : 1, more;
	if (!checked_add(end, step - 1, &more) || !range_within(more, 0, INT64_MAX))
		return error_set(err, ERROR_LIMIT, "alignment %lld is too large",
				 (long long)alignment);
	*ret = more / step * step;
	return 0;
}

/* All of it but the mark; what fails takes back the length, and the slot's text. */
static int prepare(const struct sif_edit *e, const struct sif_addition *a, struct sif_descriptor *d,
		   int64_t time, struct error **err)
{
	uint8_t slot[SIF_DESCRIPTOR_LEN] = { 0 };
	uint64_t end = sif_data_end(e->sif);
	struct sif_edit_counts counts = {
		.time = time, .free = (size_t)e->sif->descriptors_total - e->sif->count - 1
	};
	if (copy_object(e, a->fd, d, err) < 0)
		return -1;
	d->len_padded = d->off - end + d->len;
	counts.data_len = d->off + d->len - e->sif->data_off;
	if (d->type == SIF_PARTITION && d->partition == SIF_PRIMARY)
		counts.arch = (const char *)d->extra + SIF_EXTRA_ARCH_OFF;
	sif_put_descriptor(d, time, slot);
	bytes_put_le(slot + SLOT_LINK_OFF, a->link, 4);
	slot[SIF_SLOT_USED_OFF] = 0;
	if (sif_edit_put(e, slot, sizeof(slot), sif_edit_slot_off(e, d->slot), err) < 0 ||
	    sif_edit_settle(e, err) < 0)
		return -1;
	return sif_edit_header(e, &counts, err);
}

static void take_back(const struct sif_edit *e, size_t slot)
{
	CLEANUP_ERROR struct error *ignored = NULL;
	if (ftruncate(e->fd, (off_t)e->file->size) < 0 ||
	    sif_edit_wipe(e, sif_edit_slot_off(e, slot), SIF_DESCRIPTOR_LEN, &ignored) < 0)
		log_verbose("A part of an object stays behind in the image");
}

/* What the descriptor has of the wish; what the type has no room for is not looked at. */
static int fill(const struct sif *s, const struct sif_addition *a, struct sif_descriptor *d,
		struct error **err)
{
	if (strlen(a->name) > SIF_NAME_LEN)
		return error_set(err, ERROR_LIMIT, "name value too large");
	d->type = (int32_t)a->type;
	d->group = a->group & ~SIF_GROUP_MASK;
	memcpy(d->name, a->name, strlen(a->name));
	memcpy(d->extra, a->extra, sizeof(a->extra));
	struct bytes b = bytes_of(a->extra, sizeof(a->extra));
	bytes_skip(&b, 4);
	if (a->type == SIF_PARTITION)
		d->partition = (int32_t)bytes_le32(&b);
	if (d->partition == SIF_PRIMARY && sif_primary(s)) {
		error_set(err, ERROR_EXISTS, "image already contains a primary partition");
		return error_hint(err,
				  "add it as a system partition, and choose it by sif setprim");
	}
	return 0;
}

static bool is_itself(int a, int b)
{
	struct stat one, two;
	return fstat(a, &one) == 0 && fstat(b, &two) == 0 && one.st_dev == two.st_dev &&
	       one.st_ino == two.st_ino;
}

int sif_add_object(int fd, const struct sif_addition *a, int64_t now, struct error **err)
{
	CLEANUP_SIF_EDIT struct sif_edit e = { .fd = fd };
	struct sif_descriptor d = { 0 };
	if (sif_edit_load(&e, err) < 0 || fill(e.sif, a, &d, err) < 0 ||
	    sif_find_slot(e.sif, &d.slot, err) < 0 ||
	    find_end(e.sif, a->alignment, &d.off, err) < 0)
		return -1;
	if (is_itself(fd, a->fd))
		return error_set(err, ERROR_USAGE, "an image cannot be added to itself");
	if (sif_edit_sweep(&e, err) < 0)
		return -1;
	d.id = (uint32_t)d.slot + 1;
	if (prepare(&e, a, &d, sif_edit_time(e.sif, now), err) < 0) {
		take_back(&e, d.slot);
		return -1;
	}
	return sif_edit_mark(&e, d.slot, 1, err);
}

/* ------------------------------------------------------------------ removing */

/* A key's bytes go, as who it was for may be nobody's business; not where another object has them.
 * The slot still names them, so that what is cut off here is done by the next change (edit.c). */
static int wipe_key(const struct sif_edit *e, const struct sif_descriptor *d, struct error **err)
{
	if (d->type != SIF_GENERIC || strcmp(d->name, SIF_KEY_OBJECT_NAME) != 0 ||
	    !sif_is_free(e->sif, d->off, d->len))
		return 0;
	return sif_edit_erase(e, d->off, d->len, err);
}

/* One with the number; 0 when there is none left. */
static int remove_one(struct sif_edit *e, uint32_t id, int64_t time, struct error **err)
{
	const struct sif_descriptor *found = sif_by_id(e->sif, id);
	struct sif_edit_counts counts = { .time = time,
					  .free = (size_t)e->sif->descriptors_total -
						  e->sif->count + 1,
					  .data_len = e->sif->data_len };
	if (!found)
		return 0;
	struct sif_descriptor d = *found;
	if (d.type == SIF_PARTITION && d.partition == SIF_PRIMARY)
		counts.arch = SIF_ARCH_NONE;
	if (sif_edit_mark(e, d.slot, 0, err) < 0 || sif_edit_header(e, &counts, err) < 0 ||
	    sif_edit_load(e, err) < 0 || wipe_key(e, &d, err) < 0)
		return -1;
	if (sif_edit_wipe(e, sif_edit_slot_off(e, d.slot), SIF_DESCRIPTOR_LEN, err) < 0 ||
	    sif_edit_settle(e, err) < 0)
		return -1;
	return 1;
}

/* The object of a number, or why there is none. */
static const struct sif_descriptor *find(const struct sif *s, uint32_t id, struct error **err)
{
	const struct sif_descriptor *d = sif_by_id(s, id);
	/* Apptainer asks in this order. */
	if (!id && s->count)
		error_set(err, ERROR_USAGE, "invalid object ID");
	else if (!d || !id)
		error_set(err, ERROR_NOT_FOUND, "object not found");
	return id ? d : NULL;
}

int sif_remove_object(int fd, uint32_t id, int64_t now, struct error **err)
{
	CLEANUP_SIF_EDIT struct sif_edit e = { .fd = fd };
	if (sif_edit_load(&e, err) < 0 || !find(e.sif, id, err) || sif_edit_sweep(&e, err) < 0)
		return -1;
	int64_t time = sif_edit_time(e.sif, now);
	int r;
	/* All that have it, as Apptainer does. */
	while ((r = remove_one(&e, id, time, err)) > 0)
		continue;
	return r;
}

/* ------------------------------------------------------------------ the primary partition */

static int set_kind(const struct sif_edit *e, const struct sif_descriptor *d,
		    enum sif_partition kind, int64_t time, struct error **err)
{
	uint8_t raw[8];
	uint64_t off = sif_edit_slot_off(e, d->slot);
	bytes_put_le(raw, (uint64_t)time, sizeof(raw));
	if (sif_edit_put(e, raw, sizeof(raw), off + SLOT_MODIFIED_OFF, err) < 0)
		return -1;
	/* The other three bytes of it are zeros in both. */
	bytes_put_le(raw, kind, 1);
	if (sif_edit_put(e, raw, 1, off + SLOT_PARTITION_OFF, err) < 0)
		return -1;
	return sif_edit_settle(e, err);
}

static int choose(const struct sif_edit *e, const struct sif_descriptor *d, int64_t time,
		  struct error **err)
{
	struct sif_edit_counts counts = { .time = time,
					  .free = (size_t)e->sif->descriptors_free,
					  .data_len = e->sif->data_len,
					  .arch = d->arch };
	if (d->partition != SIF_PRIMARY && set_kind(e, d, SIF_PRIMARY, time, err) < 0)
		return -1;
	for (size_t i = 0; i < e->sif->count; i++) {
		const struct sif_descriptor *other = &e->sif->descriptors[i];
		if (other == d || other->type != SIF_PARTITION || other->partition != SIF_PRIMARY)
			continue;
		if (set_kind(e, other, SIF_SYSTEM, time, err) < 0)
			return -1;
	}
	return sif_edit_header(e, &counts, err) < 0 ? -1 : sif_edit_settle(e, err);
}

/* Whether it is the only primary one, and the header says so. */
static bool is_chosen(const struct sif *s, const struct sif_descriptor *d)
{
	size_t count = 0;
	for (size_t i = 0; i < s->count; i++)
		count += s->descriptors[i].type == SIF_PARTITION &&
			 s->descriptors[i].partition == SIF_PRIMARY;
	return d->partition == SIF_PRIMARY && count == 1 && !strcmp(s->arch, d->arch);
}

int sif_set_primary(int fd, uint32_t id, int64_t now, struct error **err)
{
	CLEANUP_SIF_EDIT struct sif_edit e = { .fd = fd };
	if (sif_edit_load(&e, err) < 0)
		return -1;
	const struct sif_descriptor *d = find(e.sif, id, err);
	if (!d)
		return -1;
	if (d->type != SIF_PARTITION)
		return error_set(err, ERROR_USAGE, "data object not a partition");
	if (is_chosen(e.sif, d))
		return 0;
	if (d->partition != SIF_SYSTEM && d->partition != SIF_PRIMARY)
		return error_set(err, ERROR_USAGE, "data object not a system partition");
	if (sif_edit_sweep(&e, err) < 0)
		return -1;
	return choose(&e, d, sif_edit_time(e.sif, now), err);
}
