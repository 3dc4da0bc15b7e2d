/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A SIF file that is changed, in place and by a copy. The first byte says how many changes there
 * are, up to seven; a byte for each follows, and then the file. Of a change the low three bits say
 * which, the others of what.
 *
 * Whatever a change comes to, also where a call fails: the file can be read afterwards, and each
 * object that was not to go has its slot, its number and its bytes.
 */
#include "fuzz.h"
#include "sif/internal.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define NOW 1700000000
#define OBJECTS_MAX 64
#define FILE_MAX 262144
#define ADDED_LEN 9
#define KEY_LEN 20

enum { ADD, ADD_PARTITION, DELETE, CHOOSE, SET_KEY, DROP_KEY, COPY, COPY_BARE };

struct object {
	size_t slot;
	uint32_t id;
	uint64_t off, len, digest;
	bool is_key;
};
/* What is in the file; without those that lie in its table or header, which change. */
struct state {
	struct object objects[OBJECTS_MAX];
	size_t count;
	uint64_t size;
	bool has_primary;
};

static uint8_t bytes[FILE_MAX];

static size_t read_all(int fd)
{
	fault_pause();
	ssize_t n = fd_pread(fd, bytes, sizeof(bytes), 0);
	fault_resume();
	if (n < 0 || n == sizeof(bytes))
		fuzz_bug("the file has become too long, or cannot be read");
	return (size_t)n;
}

static uint64_t digest_of(const uint8_t *p, uint64_t len)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	for (uint64_t i = 0; i < len; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h;
}

static bool meets(uint64_t off, uint64_t len, uint64_t other, uint64_t other_len)
{
	return len && off < other + other_len && other < off + len;
}

/* -1: it is no SIF. */
static int look(int fd, struct state *ret)
{
	struct source *file CLEANUP_SOURCE = NULL;
	struct sif *s CLEANUP_SIF = NULL;
	struct error *err CLEANUP_ERROR = NULL;
	*ret = (struct state){ .size = read_all(fd) };
	if (fuzz_source(bytes, ret->size, &file, &err) < 0 || sif_read(file, &s, &err) < 0)
		return -1;
	ret->has_primary = sif_primary(s) != NULL;
	for (size_t i = 0; i < s->count && ret->count < OBJECTS_MAX; i++) {
		const struct sif_descriptor *d = &s->descriptors[i];
		if (meets(d->off, d->len, 0, SIF_HEADER_LEN) ||
		    meets(d->off, d->len, s->descriptors_off, sif_table_len(s)))
			continue;
		ret->objects[ret->count++] = (struct object){
			.slot = d->slot,
			.id = d->id,
			.off = d->off,
			.len = d->len,
			.digest = digest_of(bytes + d->off, d->len),
			.is_key = d->type == SIF_GENERIC && !strcmp(d->name, SIF_KEY_OBJECT_NAME),
		};
	}
	return 0;
}

static const struct object *in_slot(const struct state *s, size_t slot)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->objects[i].slot == slot)
			return &s->objects[i];
	return NULL;
}

/* Where it lies is another place in a copy. */
static void compare(const struct state *old, const struct state *new, unsigned how, unsigned what)
{
	bool in_place = how < COPY;
	for (size_t i = 0; i < old->count; i++) {
		const struct object *o = &old->objects[i], *n = in_slot(new, o->slot);
		bool may_go = how == DELETE ? o->id == what
					    : (how == SET_KEY || how == DROP_KEY) && o->is_key;
		if (may_go)
			continue;
		if (!n || n->id != o->id || n->len != o->len || n->digest != o->digest ||
		    (in_place && n->off != o->off))
			fuzz_bug("change %u of %u: object %u of slot %zu is %s", how, what, o->id,
				 o->slot, n ? "another" : "gone");
	}
	if (in_place && new->size > old->size + KEY_LEN + SIF_ALIGNMENT + SIF_HEADER_LEN)
		fuzz_bug("change %u of %u: %llu bytes have become %llu", how, what,
			 (unsigned long long)old->size, (unsigned long long)new->size);
}

/* ------------------------------------------------------------------ the changes */

static int add(int fd, unsigned how, unsigned what, struct error **err)
{
	fault_pause();
	CLEANUP_FD int from = memfd_create("object", MFD_CLOEXEC);
	bool ok = fd_write(from, "an object", ADDED_LEN) == 0 && lseek(from, 0, SEEK_SET) == 0;
	fault_resume();
	if (!ok)
		fuzz_bug("no object");
	struct sif_addition a = {
		.fd = from,
		.type = (enum sif_type)(SIF_DEFFILE + what % 11),
		.group = what,
		.link = what % 2 ? SIF_GROUP_MASK | what : what,
		.name = what == SIF_GENERIC - SIF_DEFFILE ? SIF_KEY_OBJECT_NAME : "added",
		.alignment = 1 << what % 13,
	};
	if (how == ADD_PARTITION) {
		a.type = SIF_PARTITION;
		sif_extra_partition(a.extra, SIF_SQUASHFS, (int32_t)(what % 5), "02");
	}
	return sif_add_object(fd, &a, NOW, err);
}

/* leave() takes out of the old state what this does not keep. */
static bool keeps(const void *context, const struct sif_descriptor *d)
{
	const unsigned *what = context;
	return !(d->slot < 5 && *what >> d->slot & 1);
}

static int write_copy(struct sif_writer *w, struct sink *to, bool bare, struct error **err)
{
	uint64_t off;
	if (!bare && (sif_write_partition_begin(w, &off, err) < 0 ||
		      sink_write(to, "hsqs", 4, off, err) < 0 ||
		      sif_write_partition_end(w, SIF_GOCRYPTFS_SQUASHFS, "02", 4, err) < 0 ||
		      sif_write_key_object(w, "a copy's key", 12, err) < 0))
		return -1;
	return sif_write_finish(w, err);
}

/* *fd is the copy's afterwards, if it could be made. */
static int copy(int *fd, unsigned how, unsigned what, struct error **err)
{
	struct source *from CLEANUP_SOURCE = NULL;
	struct sink *to CLEANUP_SINK = NULL;
	struct sif *s CLEANUP_SIF = NULL;
	struct sif_writer *w = NULL;
	size_t len = read_all(*fd);
	CLEANUP_FD int new = memfd_create("copy", MFD_CLOEXEC);
	if (new < 0)
		return error_set(err, ERROR_SYSTEM, "no memory file");
	if (fuzz_source(bytes, len, &from, err) < 0 || sif_read(from, &s, err) < 0 ||
	    sink_from_fd(new, &to, err) < 0)
		return -1;
	if (how == COPY_BARE && sif_primary(s))
		return error_set(err, ERROR_UNSUPPORTED,
				 "the partition that is kept is to be written");
	if (sif_write_begin_copy(to, s, from, keeps, &what, NOW, &w, err) < 0)
		return -1;
	int r = write_copy(w, to, how == COPY_BARE, err);
	sif_writer_free(&w);
	if (r < 0)
		return -1;
	fd_close(fd);
	*fd = fd_steal(&new);
	return 0;
}

static int change(int *fd, unsigned how, unsigned what, struct error **err)
{
	switch (how) {
	case ADD:
	case ADD_PARTITION:
		return add(*fd, how, what, err);
	case DELETE:
		return sif_remove_object(*fd, what, NOW, err);
	case CHOOSE:
		return sif_set_primary(*fd, what, NOW, err);
	case SET_KEY:
		return sif_set_key_object(*fd, "the key object's own", 1 + what % KEY_LEN, NOW,
					  err);
	case DROP_KEY:
		return sif_set_key_object(*fd, "", 0, NOW, err);
	default:
		return copy(fd, how, what, err);
	}
}

/* What a copy shall have of the old file. */
static void leave(struct state *old, int fd, unsigned what)
{
	struct source *file CLEANUP_SOURCE = NULL;
	struct sif *s CLEANUP_SIF = NULL;
	struct error *err CLEANUP_ERROR = NULL;
	size_t len = read_all(fd), kept = 0;
	if (fuzz_source(bytes, len, &file, &err) < 0 || sif_read(file, &s, &err) < 0)
		fuzz_bug("a SIF is none");
	const struct sif_descriptor *primary = sif_primary(s);
	for (size_t i = 0; i < old->count; i++) {
		struct object o = old->objects[i];
		bool goes = o.slot < 5 && what >> o.slot & 1;
		if (!goes && !(primary && primary->slot == o.slot))
			old->objects[kept++] = o;
	}
	old->count = kept;
}

static int change_and_look(int *fd, uint8_t byte, struct error **err)
{
	struct state old, new;
	unsigned how = byte & 7, what = byte >> 3;
	fault_pause();
	bool was_sif = look(*fd, &old) == 0;
	if (was_sif && how >= COPY)
		leave(&old, *fd, what);
	fault_resume();
	int r = change(fd, how, what, err);
	fault_pause();
	bool is_sif = look(*fd, &new) == 0;
	fault_resume();
	if (was_sif && !is_sif)
		fuzz_bug("change %u of %u: the file is no SIF any more", how, what);
	/* A copy that was not made: nothing has changed. */
	if (was_sif && (r == 0 || how < COPY))
		compare(&old, &new, how, what);
	if (r == 0 && !was_sif)
		fuzz_bug("change %u of %u in what is no SIF", how, what);
	return r;
}

int fuzz_run(const uint8_t *data, size_t len, struct error **err)
{
	struct error *first CLEANUP_ERROR = NULL;
	size_t count = len ? data[0] & 7 : 0;
	if (len < 1 + count)
		return error_set(err, ERROR_DAMAGED, "no file");
	fault_pause();
	CLEANUP_FD int fd = memfd_create("sif", MFD_CLOEXEC);
	int r = fd_pwrite(fd, data + 1 + count, len - 1 - count, 0);
	fault_resume();
	if (r < 0)
		fuzz_bug("no file");
	for (size_t i = 0; i < count; i++) {
		struct error *e CLEANUP_ERROR = NULL;
		fuzz_saw_number(change_and_look(&fd, data[1 + i], &e) == 0);
		fuzz_note(&first, &e);
	}
	fuzz_saw(bytes, read_all(fd));
	*err = take_pointer(&first);
	return *err ? -1 : 0;
}

/* A file of four slots, one of which is free, as short as it can be; our writer's is ten times so
 * long. */
int fuzz_seed(struct buffer *ret, struct error **err)
{
	static const uint8_t changes[] = { 6,
					   SET_KEY | 7 << 3,
					   DROP_KEY,
					   ADD_PARTITION | 1 << 3,
					   CHOOSE | 4 << 3,
					   DELETE | 1 << 3,
					   COPY };
	static const enum sif_type types[] = { SIF_DEFFILE, SIF_PARTITION, SIF_GENERIC };
	uint8_t raw[SIF_HEADER_LEN + 4 * SIF_DESCRIPTOR_LEN + 24] = { 0 };
	uint64_t data_off = sizeof(raw) - 24;
	memcpy(raw + SIF_MAGIC_OFF, SIF_MAGIC, SIF_MAGIC_LEN);
	memcpy(raw + 42, SIF_VERSION, sizeof(SIF_VERSION));
	memcpy(raw + 45, SIF_ARCH_NONE, 3);
	bytes_put_le(raw + 80, 1, 8);
	bytes_put_le(raw + 88, 4, 8);
	bytes_put_le(raw + 96, SIF_HEADER_LEN, 8);
	bytes_put_le(raw + 104, data_off - SIF_HEADER_LEN, 8);
	bytes_put_le(raw + 112, data_off, 8);
	bytes_put_le(raw + 120, 24, 8);
	for (size_t i = 0; i < 3; i++) {
		struct sif_descriptor d = { .type = types[i],
					    .id = (uint32_t)i + 1,
					    .group = 1,
					    .off = data_off + 8 * i,
					    .len = 8,
					    .len_padded = 8 };
		if (d.type == SIF_PARTITION)
			sif_extra_partition(d.extra, SIF_GOCRYPTFS_SQUASHFS, SIF_PRIMARY, "02");
		sif_put_descriptor(&d, NOW, raw + SIF_HEADER_LEN + i * SIF_DESCRIPTOR_LEN);
		memset(raw + d.off, 'a' + (int)i, 8);
	}
	return buffer_append(ret, changes, sizeof(changes), err) < 0 ||
			       buffer_append(ret, raw, sizeof(raw), err) < 0
		       ? -1
		       : 0;
}
