/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/internal.h"

#include <stdlib.h>
#include <string.h>

/*
 * Extended headers: POSIX pax, "pax Extended Header", records of "LENGTH KEY=VALUE\n"; attributes
 * as star and everybody else writes them, GNU tar's three ways to tell of holes ("Sparse Formats").
 * Texts are bytes: whatever code names are in, they stay as they are (tar.c has why it is no
 * library that reads them).
 */

#define ATTRIBUTE "SCHILY.xattr."

void oci_pax_free(struct pax *p)
{
	text_free(&p->sparse_name);
}

static int damaged(struct error **err)
{
	return error_set(err, ERROR_DAMAGED, "an extended header of a layer is damaged");
}

/* A text that is to be a name: no NUL in it. */
static int take_text(const char *value, size_t len, char **ret, struct error **err)
{
	if (memchr(value, 0, len))
		return damaged(err);
	char *copy = text_dup_len(value, len, err);
	if (!copy)
		return -1;
	text_free(ret);
	*ret = copy;
	return 0;
}

static int take_number(const char *value, size_t len, uint64_t *ret, struct error **err)
{
	uint64_t n = 0;
	if (!len)
		return damaged(err);
	for (size_t i = 0; i < len; i++)
		if (value[i] < '0' || value[i] > '9' || !checked_mul(n, 10, &n) ||
		    !checked_add(n, (uint64_t)(value[i] - '0'), &n))
			return damaged(err);
	*ret = n;
	return 0;
}

/* Seconds with a fraction, also before 1970: what is beyond the clock's range is 0. */
static int take_time(const char *value, size_t len, struct timespec *ret, struct error **err)
{
	bool before = len && *value == '-';
	const char *dot = memchr(value, '.', len);
	size_t whole = dot ? (size_t)(dot - value) : len;
	uint64_t seconds = 0;
	long nanoseconds = 0, unit = 100000000;
	if (take_number(value + before, whole - before, &seconds, err) < 0)
		return -1;
	for (size_t i = whole + 1; i < len; i++, unit /= 10) {
		if (value[i] < '0' || value[i] > '9')
			return damaged(err);
		nanoseconds += unit * (value[i] - '0');
	}
	if (seconds > UINT64_C(1) << 40)
		seconds = 0;
	ret->tv_sec = before ? -(time_t)seconds : (time_t)seconds;
	ret->tv_nsec = nanoseconds;
	if (before && nanoseconds) {
		ret->tv_sec--;
		ret->tv_nsec = 1000000000 - nanoseconds;
	}
	return 0;
}

int oci_tar_add_piece(struct tar_entry *e, uint64_t off, uint64_t len, struct error **err)
{
	const struct tar_piece *last = e->piece_count ? &e->pieces[e->piece_count - 1] : NULL;
	uint64_t end;
	if (!checked_add(off, len, &end) || (last && off < last->off + last->len))
		return error_set(err, ERROR_DAMAGED, "the holes of a file in a layer are damaged");
	if (e->piece_count >= OCI_PIECES_MAX)
		return error_set(err, ERROR_LIMIT, "a file of more than %zu pieces in a layer",
				 OCI_PIECES_MAX);
	struct tar_piece *grown =
		array_grow(e->pieces, e->piece_count, &e->piece_cap, sizeof(*grown), err);
	if (!grown)
		return -1;
	e->pieces = grown;
	e->pieces[e->piece_count++] = (struct tar_piece){ off, len };
	return 0;
}

static int take_attribute(struct tar_entry *e, const char *name, size_t name_len, const char *value,
			  size_t len, struct error **err)
{
	if (!name_len || memchr(name, 0, name_len))
		return damaged(err);
	if (e->attribute_count >= OCI_ATTRIBUTES_MAX)
		return error_set(err, ERROR_LIMIT, "more than %d attributes of a file in a layer",
				 OCI_ATTRIBUTES_MAX);
	struct tar_attribute *grown = array_grow(e->attributes, e->attribute_count,
						 &e->attribute_cap, sizeof(*grown), err);
	if (!grown)
		return -1;
	e->attributes = grown;
	struct tar_attribute *a = &e->attributes[e->attribute_count];
	*a = (struct tar_attribute){ .name = text_dup_len(name, name_len, err) };
	if (!a->name)
		return -1;
	e->attribute_count++;
	a->value = malloc(len + 1);
	if (!a->value)
		return error_no_memory(err);
	memcpy(a->value, value, len);
	a->len = len;
	return 0;
}

/* 0.1: offset, length, offset, length... */
static int take_map(struct tar_entry *e, const char *value, size_t len, struct error **err)
{
	uint64_t numbers[2];
	size_t count = 0;
	while (len) {
		const char *comma = memchr(value, ',', len);
		size_t n = comma ? (size_t)(comma - value) : len;
		if (take_number(value, n, &numbers[count], err) < 0)
			return -1;
		if (++count == 2 && oci_tar_add_piece(e, numbers[0], numbers[1], err) < 0)
			return -1;
		count %= 2;
		n += comma ? 1 : 0;
		value += n;
		len -= n;
	}
	return count ? damaged(err) : 0;
}

static int take_sparse(struct pax *p, const char *key, size_t key_len, const char *value,
		       size_t len, struct error **err)
{
	struct span {
		const char *text;
		size_t len;
	} k = { key, key_len };
#define IS(name) (k.len == strlen(name) && !memcmp(k.text, name, k.len))
	uint64_t n = 0;
	p->sparse = true;
	if (IS("name"))
		return take_text(value, len, &p->sparse_name, err);
	if (IS("map"))
		return take_map(p->entry, value, len, err);
	if (take_number(value, len, &n, err) < 0)
		return -1;
	if (IS("major")) {
		if (n > 1)
			return error_set(err, ERROR_UNSUPPORTED,
					 "a file with holes in a form of GNU tar that is new");
		p->map_in_data = n == 1;
	} else if (IS("size") || IS("realsize")) {
		p->real = n;
		p->has_real = true;
	} else if (IS("offset")) {
		p->offset = n;
		p->has_offset = true;
	} else if (IS("numbytes")) {
		if (!p->has_offset)
			return damaged(err);
		p->has_offset = false;
		return oci_tar_add_piece(p->entry, p->offset, n, err);
	}
#undef IS
	return 0;
}

static int take_record(struct pax *p, const char *key, size_t key_len, const char *value,
		       size_t len, struct error **err)
{
	static const char sparse[] = "GNU.sparse.";
	const size_t attribute_len = strlen(ATTRIBUTE), sparse_len = strlen(sparse);
#define IS(name) (key_len == strlen(name) && !memcmp(key, name, key_len))
	if (key_len > attribute_len && !memcmp(key, ATTRIBUTE, attribute_len))
		return take_attribute(p->entry, key + attribute_len, key_len - attribute_len, value,
				      len, err);
	if (key_len > sparse_len && !memcmp(key, sparse, sparse_len))
		return take_sparse(p, key + sparse_len, key_len - sparse_len, value, len, err);
	/* An empty value takes back what another header has said: there is none here. */
	if (!len)
		return 0;
	if (IS("path"))
		return take_text(value, len, &p->entry->path, err);
	if (IS("linkpath"))
		return take_text(value, len, &p->entry->link, err);
	if (IS("size")) {
		p->has_size = true;
		return take_number(value, len, &p->size, err);
	}
	if (IS("uid")) {
		p->has_uid = true;
		return take_number(value, len, &p->uid, err);
	}
	if (IS("gid")) {
		p->has_gid = true;
		return take_number(value, len, &p->gid, err);
	}
	if (IS("mtime")) {
		p->has_time = true;
		return take_time(value, len, &p->time, err);
	}
#undef IS
	return 0;
}

int oci_pax_read(struct pax *p, const char *text, size_t len, struct error **err)
{
	while (len) {
		uint64_t whole = 0;
		const char *blank = memchr(text, ' ', len < 20 ? len : 20);
		if (!blank || take_number(text, (size_t)(blank - text), &whole, err) < 0)
			return *err ? -1 : damaged(err);
		size_t head = (size_t)(blank - text) + 1;
		if (whole > len || whole < head + 2 || text[whole - 1] != '\n')
			return damaged(err);
		const char *key = text + head;
		size_t rest = (size_t)whole - head - 1;
		const char *equals = memchr(key, '=', rest);
		if (!equals || equals == key)
			return damaged(err);
		size_t key_len = (size_t)(equals - key);
		if (take_record(p, key, key_len, equals + 1, rest - key_len - 1, err) < 0)
			return -1;
		text += whole;
		len -= (size_t)whole;
	}
	return 0;
}
