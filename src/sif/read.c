/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a SIF: header and descriptors (sif.md 2, 3 and 9).
 *
 * A SIF is a table of objects: where each lies in the file, how long it is, and what it is. Nothing
 * in it is encrypted, and nothing is authenticated unless it is signed, which coffer does not look
 * at: so all of it is an image's word, read before any key is at hand.
 *
 * What holds of a struct sif once sif_read has returned it:
 * - the table lay within the file, and had no more than SIF_SLOTS_MAX slots: it is read whole, so
 * its size is not the image's to choose;
 * - each used object lies within the file, so whoever opens a slice of it need not ask again;
 * - name and extra end with the NUL that is behind them here, whatever the file has.
 * What does not: that ids are different, that objects do not overlap, that a type is one we know.
 * Two partitions may share bytes, and two objects an id: then the first one in the table is meant,
 * always, for everybody who asks. Free slots are passed over unseen.
 *
 * The words of the errors are Apptainer's, since scripts look for them (sif.md 9); the hint is
 * ours.
 */
#include "sif/internal.h"

#include "crypto/crypto.h"

#include <stdlib.h>
#include <string.h>

bool sif_probe(const void *head, size_t len)
{
	/* Apptainer looks for the text anywhere in the first 2048 bytes (sif.md 9.1). */
	return memmem(head, len < 2048 ? len : 2048, SIF_MAGIC, strlen(SIF_MAGIC)) != NULL;
}

/* The common form of what cannot be right in a file that begins like a SIF. */
static int damaged(struct error **err, const char *what)
{
	error_set(err, ERROR_DAMAGED, "%s", what);
	return error_hint(err, "the file is damaged or cut short: copy or build it again");
}

/*
 * Magic and version first: of another file, or another version, no other field means anything. What
 * follows is held to the file's size, so that the table can be read whole.
 */
static int parse_header(struct source *file, struct sif *s, struct error **err)
{
	uint8_t raw[SIF_HEADER_LEN];
	if (file->size < sizeof(raw))
		return damaged(err, file->size ? "reading global header: unexpected EOF"
					       : "reading global header: EOF");
	if (source_read(file, raw, sizeof(raw), 0, err) < 0)
		return error_wrap(err, "reading global header");
	struct bytes b = bytes_of(raw, sizeof(raw));
	char magic[SIF_MAGIC_LEN];
	bytes_copy(&b, s->launch, SIF_LAUNCH_LEN);
	bytes_copy(&b, magic, sizeof(magic));
	bytes_copy(&b, s->version, sizeof(s->version));
	bytes_copy(&b, s->arch, 3);
	bytes_copy(&b, s->uuid, sizeof(s->uuid));
	s->created = (int64_t)bytes_le64(&b);
	s->modified = (int64_t)bytes_le64(&b);
	s->descriptors_free = (int64_t)bytes_le64(&b);
	s->descriptors_total = (int64_t)bytes_le64(&b);
	s->descriptors_off = bytes_le64(&b);
	s->descriptors_len = bytes_le64(&b);
	s->data_off = bytes_le64(&b);
	s->data_len = bytes_le64(&b);
	if (memcmp(magic, SIF_MAGIC, SIF_MAGIC_LEN) != 0) {
		error_set(err, ERROR_DAMAGED, "invalid SIF magic");
		return error_hint(err, "this is no SIF image");
	}
	if (memcmp(s->version, SIF_VERSION, sizeof(SIF_VERSION)) != 0)
		return error_set(err, ERROR_UNSUPPORTED, "incompatible SIF version");
	/* Signed in the format: what is negative is no count. */
	if (s->descriptors_total < 0 || s->descriptors_total > SIF_SLOTS_MAX)
		return damaged(err, "reading descriptors: impossible number of descriptors");
	uint64_t table = (uint64_t)s->descriptors_total * SIF_DESCRIPTOR_LEN;
	if (s->descriptors_free < 0 || s->descriptors_free > s->descriptors_total ||
	    table > s->descriptors_len || !range_within(s->descriptors_off, table, file->size))
		return damaged(err, "reading descriptors: the table lies outside the file");
	return 0;
}

/* The field that each type uses in its own way: sif.md 5. The others' is left as it is. */
static void decode_extra(struct sif_descriptor *d)
{
	struct bytes b = bytes_of(d->extra, sizeof(d->extra));
	if (d->type == SIF_PARTITION) {
		d->filesystem = (int32_t)bytes_le32(&b);
		d->partition = (int32_t)bytes_le32(&b);
		bytes_copy(&b, d->arch, 3);
	} else if (d->type == SIF_CRYPT_MESSAGE) {
		d->message_format = (int32_t)bytes_le32(&b);
		d->message_kind = (int32_t)bytes_le32(&b);
	}
}

/* One slot. *ret_used is false for a free one. */
static int parse_descriptor(struct bytes *b, uint64_t file_size, struct sif_descriptor *d,
			    bool *ret_used, struct error **err)
{
	memset(d, 0, sizeof(*d));
	d->type = (int32_t)bytes_le32(b);
	*ret_used = bytes_u8(b) != 0;
	d->id = bytes_le32(b);
	d->group = bytes_le32(b) & ~SIF_GROUP_MASK;
	uint32_t link = bytes_le32(b);
	/* The top four bits tell a group from an object; a group has them always. */
	d->link_is_group = (link & SIF_GROUP_MASK) == SIF_GROUP_MASK;
	d->link = link & ~SIF_GROUP_MASK;
	d->off = bytes_le64(b);
	d->len = bytes_le64(b);
	d->len_padded = bytes_le64(b);
	d->created = (int64_t)bytes_le64(b);
	d->modified = (int64_t)bytes_le64(b);
	bytes_skip(b, 2 * sizeof(int64_t)); /* owner and group, no longer used */
	bytes_copy(b, d->name, SIF_NAME_LEN);
	bytes_copy(b, d->extra, SIF_EXTRA_LEN);
	if (!bytes_ok(b))
		return damaged(err, "reading descriptors: unexpected EOF");
	/* What a free slot holds is what was there before, and means nothing. */
	if (!*ret_used)
		return 0;
	decode_extra(d);
	if (!range_within(d->off, d->len, file_size)) {
		error_set(err, ERROR_DAMAGED,
			  "object %u lies outside the file (offset %llu, size %llu, file %llu)",
			  d->id, (unsigned long long)d->off, (unsigned long long)d->len,
			  (unsigned long long)file_size);
		return error_hint(err, "the file is damaged or cut short: copy or build it again");
	}
	return 0;
}

/* Keeps the used slots, in their order: lookups below give the first that fits. */
static int parse_table(struct source *file, struct sif *s, struct error **err)
{
	size_t slots = (size_t)s->descriptors_total, len = slots * SIF_DESCRIPTOR_LEN;
	CLEANUP_BUFFER struct buffer raw = { 0 };
	char *table = buffer_reserve(&raw, len, err);
	if (!table)
		return -1;
	if (source_read(file, table, len, s->descriptors_off, err) < 0)
		return error_wrap(err, "reading descriptors");
	s->descriptors = calloc(slots ? slots : 1, sizeof(*s->descriptors));
	if (!s->descriptors)
		return error_no_memory(err);
	struct bytes b = bytes_of(table, len);
	for (size_t i = 0; i < slots; i++) {
		bool used = false;
		struct sif_descriptor *d = &s->descriptors[s->count];
		if (parse_descriptor(&b, file->size, d, &used, err) < 0)
			return -1;
		d->slot = i;
		if (used)
			s->count++;
	}
	return 0;
}

int sif_read(struct source *file, struct sif **ret, struct error **err)
{
	CLEANUP_SIF struct sif *s = calloc(1, sizeof(*s));
	if (!s)
		return error_no_memory(err);
	if (parse_header(file, s, err) < 0 || parse_table(file, s, err) < 0)
		return -1;
	*ret = take_pointer(&s);
	return 0;
}

int sif_digest(const struct sif *s, struct source *file, uint8_t ret[32], struct error **err)
{
	/* As they are in the file, free slots and all: two readers get the same digest. */
	CLEANUP_BUFFER struct buffer all = { 0 };
	/* Not descriptors_len, which is vetted to be no less, and may be anything more. */
	size_t len = (size_t)s->descriptors_total * SIF_DESCRIPTOR_LEN;
	char *to = buffer_reserve(&all, SIF_HEADER_LEN + len, err);
	if (!to || source_read(file, to, SIF_HEADER_LEN, 0, err) < 0 ||
	    source_read(file, to + SIF_HEADER_LEN, len, s->descriptors_off, err) < 0)
		return -1;
	return crypto_sha256(to, SIF_HEADER_LEN + len, ret, err);
}

void sif_free(struct sif **s)
{
	if (*s)
		free((*s)->descriptors);
	free(*s);
	*s = NULL;
}

const struct sif_descriptor *sif_by_id(const struct sif *s, uint32_t id)
{
	for (size_t i = 0; i < s->count; i++) {
		if (s->descriptors[i].id == id)
			return &s->descriptors[i];
	}
	return NULL;
}

const struct sif_descriptor *sif_primary(const struct sif *s)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct sif_descriptor *d = &s->descriptors[i];
		if (d->type == SIF_PARTITION && d->partition == SIF_PRIMARY)
			return d;
	}
	return NULL;
}

/* A link to a group does not count: whose key it would be is not said (sif.md 9.1). */
bool sif_is_key_object(const struct sif_descriptor *d, const struct sif_descriptor *partition)
{
	return d->type == SIF_GENERIC && !strcmp(d->name, SIF_KEY_OBJECT_NAME) &&
	       d->link == partition->id && !d->link_is_group;
}

const struct sif_descriptor *sif_key_object(const struct sif *s,
					    const struct sif_descriptor *partition)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct sif_descriptor *d = &s->descriptors[i];
		if (sif_is_key_object(d, partition))
			return d;
	}
	return NULL;
}

const struct sif_descriptor *sif_crypt_message(const struct sif *s,
					       const struct sif_descriptor *partition)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct sif_descriptor *d = &s->descriptors[i];
		if (d->type == SIF_CRYPT_MESSAGE && !d->link_is_group && d->link == partition->id &&
		    d->message_format == SIF_MESSAGE_PEM && d->message_kind == SIF_MESSAGE_RSA_OAEP)
			return d;
	}
	return NULL;
}

const struct sif_descriptor *sif_find(const struct sif *s, enum sif_type type, const char *name)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct sif_descriptor *d = &s->descriptors[i];
		if (d->type == (int32_t)type && (!name || !strcmp(d->name, name)))
			return d;
	}
	return NULL;
}

/* The caller says how much it is willing to have: the length itself is only known to fit the file.
 */
int sif_object(struct source *file, const struct sif_descriptor *d, size_t limit,
	       struct buffer *ret, struct error **err)
{
	if (d->len > limit)
		return error_set(err, ERROR_LIMIT, "object %u is larger than %zu bytes", d->id,
				 limit);
	char *to = buffer_reserve(ret, (size_t)d->len, err);
	if (!to)
		return -1;
	if (source_read(file, to, (size_t)d->len, d->off, err) < 0)
		return error_wrap(err, "read object %u", d->id);
	ret->len += (size_t)d->len;
	ret->data[ret->len] = '\0';
	return 0;
}
