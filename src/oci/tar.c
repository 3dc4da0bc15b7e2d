/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/internal.h"

#include <stdlib.h>
#include <string.h>

/*
 * The entries of a layer: OCI layers are tar in POSIX's ustar and pax forms; GNU's long names,
 * numbers and holes are there as well, and the form from before POSIX.
 *
 * Why not libarchive: names do not come out of 3.6.2 both as bytes and for sure. In a UTF-8 locale
 * it composes letters; in C it keeps the bytes of each name that is not ASCII as a conversion that
 * failed, with the status it also has for a record it passes over as damaged. What it takes in
 * silence is refused here. docs/architecture.md, "Layers", has what was measured.
 */

#define BLOCK ((size_t)512)

void oci_tar_entry_free(struct tar_entry *e)
{
	text_free(&e->path);
	text_free(&e->link);
	for (size_t i = 0; i < e->attribute_count; i++) {
		free(e->attributes[i].name);
		free(e->attributes[i].value);
	}
	free(e->attributes);
	free(e->pieces);
	*e = (struct tar_entry){ 0 };
}

static int damaged(struct error **err)
{
	return error_set(err, ERROR_DAMAGED, "a header of a layer is damaged");
}

/* Octal digits with blanks around them, or GNU's big numbers, whose first bit is set. */
static int number(const uint8_t *field, size_t len, uint64_t *ret, struct error **err)
{
	uint64_t n = 0;
	size_t i = 0;
	if (*field & 0x80) {
		/* A negative one (a time before 1970) counts as 0. */
		if (*field & 0x40) {
			*ret = 0;
			return 0;
		}
		n = *field & 0x3f;
		for (i = 1; i < len; i++)
			if (!checked_mul(n, 256, &n) || !checked_add(n, field[i], &n))
				return damaged(err);
		*ret = n;
		return 0;
	}
	while (i < len && field[i] == ' ')
		i++;
	for (; i < len && field[i] >= '0' && field[i] <= '7'; i++)
		n = n << 3 | (uint64_t)(field[i] - '0'); /* 12 digits at most: 36 bits */
	if (i < len && field[i] && field[i] != ' ')
		return damaged(err);
	*ret = n;
	return 0;
}

static int read_block(struct tar *t, uint8_t *block, bool *ret_end, struct error **err)
{
	size_t n;
	if (oci_stream_read(t->stream, block, BLOCK, &n, err) < 0)
		return -1;
	if (n && n < BLOCK)
		return error_set(err, ERROR_DAMAGED, "a layer is cut off");
	*ret_end = !n;
	return 0;
}

static bool checksum_is_right(const uint8_t *block, struct error **err)
{
	uint64_t said;
	uint32_t sum = 0;
	int32_t with_sign = 0;
	if (number(block + 148, 8, &said, err) < 0)
		return false;
	for (size_t i = 0; i < BLOCK; i++) {
		uint8_t byte = i >= 148 && i < 156 ? ' ' : block[i];
		sum += byte;
		with_sign += (int8_t)byte;
	}
	if (said == sum || (with_sign >= 0 && said == (uint32_t)with_sign))
		return true;
	(void)damaged(err);
	return false;
}

static int pass_over(struct tar *t, uint64_t len, struct error **err)
{
	uint8_t scrap[8192];
	while (len) {
		size_t n, want = len < sizeof(scrap) ? (size_t)len : sizeof(scrap);
		if (oci_stream_read(t->stream, scrap, want, &n, err) < 0)
			return -1;
		if (n < want)
			return error_set(err, ERROR_DAMAGED, "a layer is cut off");
		len -= n;
	}
	return 0;
}

int oci_tar_data(struct tar *t, void *buf, size_t len, struct error **err)
{
	size_t n;
	if (len > t->left)
		return damaged(err);
	if (oci_stream_read(t->stream, buf, len, &n, err) < 0)
		return -1;
	if (n < len)
		return error_set(err, ERROR_DAMAGED, "a layer is cut off");
	t->left -= len;
	return 0;
}

static int begin_data(struct tar *t, uint64_t len, struct error **err)
{
	if (len > OCI_TREE_MAX)
		return error_set(err, ERROR_LIMIT, "a file of more than %llu bytes in a layer",
				 (unsigned long long)OCI_TREE_MAX);
	t->left = len;
	t->padding = (BLOCK - len % BLOCK) % BLOCK;
	return 0;
}

static int end_data(struct tar *t, struct error **err)
{
	uint64_t len = t->left + t->padding;
	t->left = t->padding = 0;
	return pass_over(t, len, err);
}

/* The data of a header that is about the next one. */
static int read_extension(struct tar *t, uint64_t size, struct buffer *ret, struct error **err)
{
	if (size > OCI_PAX_MAX)
		return error_set(err, ERROR_LIMIT, "a header of more than %zu bytes in a layer",
				 OCI_PAX_MAX);
	char *at = buffer_reserve(ret, (size_t)size + 1, err);
	if (!at || begin_data(t, size, err) < 0 || oci_tar_data(t, at, (size_t)size, err) < 0)
		return -1;
	ret->len = (size_t)size;
	at[size] = '\0';
	return end_data(t, err);
}

static char *field_text(const uint8_t *field, size_t len, struct error **err)
{
	return text_dup_len((const char *)field, strnlen((const char *)field, len), err);
}

/* POSIX: what does not fit the name stands before it. GNU's form has other things there. */
static char *header_path(const uint8_t *block, struct error **err)
{
	const char *name = (const char *)block, *prefix = name + 345;
	if (memcmp(block + 257, "ustar\0", 6) != 0 || !*prefix)
		return field_text(block, 100, err);
	return text_printf(err, "%.*s/%.*s", (int)strnlen(prefix, 155), prefix,
			   (int)strnlen(name, 100), name);
}

/* ------------------------------------------------------------------ holes */

static int add_pieces(struct tar_entry *e, const uint8_t *at, size_t count, struct error **err)
{
	for (size_t i = 0; i < count; i++, at += 24) {
		uint64_t off, len;
		if (!at[0])
			return 0;
		if (number(at, 12, &off, err) < 0 || number(at + 12, 12, &len, err) < 0 ||
		    oci_tar_add_piece(e, off, len, err) < 0)
			return -1;
	}
	return 0;
}

/* GNU tar's own form: in the header and in blocks behind it. */
static int read_old_sparse(struct tar *t, const uint8_t *block, struct tar_entry *e,
			   struct error **err)
{
	uint8_t more[BLOCK];
	bool end = false;
	e->sparse = true;
	if (number(block + 483, 12, &e->size, err) < 0 || add_pieces(e, block + 386, 4, err) < 0)
		return -1;
	for (bool go_on = block[482]; go_on; go_on = more[504]) {
		if (read_block(t, more, &end, err) < 0)
			return -1;
		if (end)
			return error_set(err, ERROR_DAMAGED, "a layer is cut off");
		if (add_pieces(e, more, 21, err) < 0)
			return -1;
	}
	return 0;
}

/* Form 1.0: numbers in lines at the beginning of the data, up to a whole block. */
struct map_reader {
	uint8_t block[BLOCK];
	size_t at;
};

static int map_number(struct tar *t, struct map_reader *m, uint64_t *ret, struct error **err)
{
	uint64_t n = 0;
	for (size_t digits = 0;; digits++) {
		if (m->at == BLOCK) {
			if (oci_tar_data(t, m->block, BLOCK, err) < 0)
				return -1;
			m->at = 0;
		}
		uint8_t c = m->block[m->at++];
		if (c == '\n' && digits) {
			*ret = n;
			return 0;
		}
		if (c < '0' || c > '9' || !checked_mul(n, 10, &n) || !checked_add(n, c - '0', &n))
			return error_set(err, ERROR_DAMAGED,
					 "the holes of a file in a layer are damaged");
	}
}

static int read_map(struct tar *t, struct tar_entry *e, struct error **err)
{
	struct map_reader m = { .at = BLOCK };
	uint64_t count, off, len;
	if (map_number(t, &m, &count, err) < 0)
		return -1;
	for (uint64_t i = 0; i < count; i++)
		if (map_number(t, &m, &off, err) < 0 || map_number(t, &m, &len, err) < 0 ||
		    oci_tar_add_piece(e, off, len, err) < 0)
			return -1;
	return 0;
}

/* The pieces lie in the file, and are what the archive has of it. */
static int check_pieces(const struct tar *t, const struct tar_entry *e, struct error **err)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < e->piece_count; i++)
		if (!range_within(e->pieces[i].off, e->pieces[i].len, e->size) ||
		    !checked_add(sum, e->pieces[i].len, &sum))
			sum = UINT64_MAX;
	if (sum > t->left)
		return error_set(err, ERROR_DAMAGED, "the holes of a file in a layer are damaged");
	return 0;
}

/* ------------------------------------------------------------------ entries */

static int read_header(const uint8_t *block, struct tar_entry *e, uint64_t *ret_size,
		       struct error **err)
{
	uint64_t mode, seconds;
	if (number(block + 100, 8, &mode, err) < 0 || number(block + 108, 8, &e->uid, err) < 0 ||
	    number(block + 116, 8, &e->gid, err) < 0 ||
	    number(block + 124, 12, ret_size, err) < 0 ||
	    number(block + 136, 12, &seconds, err) < 0)
		return -1;
	if (!memcmp(block + 257, "ustar", 5) && (number(block + 329, 8, &e->major, err) < 0 ||
						 number(block + 337, 8, &e->minor, err) < 0))
		return -1;
	e->mode = mode & 07777;
	e->time = (struct timespec){ .tv_sec = seconds > UINT64_C(1) << 40 ? 0 : (time_t)seconds };
	if (!e->path && !(e->path = header_path(block, err)))
		return -1;
	if (!e->link && !(e->link = field_text(block + 157, 100, err)))
		return -1;
	e->type = (char)block[156];
	if (e->type == '\0' || e->type == '7')
		e->type = '0';
	/* Before POSIX a folder was a file with a slash at its end. */
	size_t len = strlen(e->path);
	if (block[156] == '\0' && len && e->path[len - 1] == '/')
		e->type = '5';
	return 0;
}

static void apply_pax(struct pax *p, struct tar_entry *e, uint64_t *size)
{
	if (p->has_uid)
		e->uid = p->uid;
	if (p->has_gid)
		e->gid = p->gid;
	if (p->has_size)
		*size = p->size;
	if (p->has_time)
		e->time = p->time;
	if (p->sparse_name) {
		text_free(&e->path);
		e->path = p->sparse_name;
		p->sparse_name = NULL;
	}
}

/* The header of the entry itself, with what those before it have said. */
static int finish_entry(struct tar *t, const uint8_t *block, struct pax *p, struct tar_entry *e,
			struct error **err)
{
	uint64_t size;
	if (read_header(block, e, &size, err) < 0)
		return -1;
	apply_pax(p, e, &size);
	bool old_sparse = e->type == 'S';
	if (old_sparse && read_old_sparse(t, block, e, err) < 0)
		return -1;
	if (old_sparse)
		e->type = '0';
	/* Links, folders and the like have no data, whatever their size says: as Go reads them. */
	if (e->type >= '1' && e->type <= '6')
		size = 0;
	if (begin_data(t, size, err) < 0)
		return -1;
	if (!old_sparse)
		e->size = size;
	if (e->type == '0' && p->sparse && !old_sparse) {
		e->sparse = true;
		if (!p->has_real)
			return damaged(err);
		e->size = p->real;
		if (p->map_in_data && read_map(t, e, err) < 0)
			return -1;
	}
	if (e->size > OCI_TREE_MAX)
		return error_set(err, ERROR_LIMIT, "a file of more than %llu bytes in a layer",
				 (unsigned long long)OCI_TREE_MAX);
	return e->sparse ? check_pieces(t, e, err) : 0;
}

static bool is_zero(const uint8_t *block)
{
	for (size_t i = 0; i < BLOCK; i++)
		if (block[i])
			return false;
	return true;
}

/* Reads headers up to an entry's own: 1, or 0 at the end. */
static int read_headers(struct tar *t, struct tar_entry *e, struct pax *p, struct error **err)
{
	uint8_t block[BLOCK];
	bool end = false;
	for (unsigned extensions = 0;; extensions++) {
		CLEANUP_BUFFER struct buffer text = { 0 };
		uint64_t size;
		if (extensions > 16)
			return damaged(err);
		if (read_block(t, block, &end, err) < 0)
			return -1;
		if (end || is_zero(block)) {
			t->ended = true;
			return extensions ? damaged(err) : 0;
		}
		if (!checksum_is_right(block, err) || number(block + 124, 12, &size, err) < 0)
			return -1;
		char type = (char)block[156];
		if (type != 'x' && type != 'g' && type != 'L' && type != 'K')
			return finish_entry(t, block, p, e, err) < 0 ? -1 : 1;
		if (read_extension(t, size, &text, err) < 0)
			return -1;
		/* What is for all entries (g) is comments in the field. */
		if (type == 'x' && oci_pax_read(p, text.data, text.len, err) < 0)
			return -1;
		if (type == 'L' && !e->path && !(e->path = text_dup(text.data, err)))
			return -1;
		if (type == 'K' && !e->link && !(e->link = text_dup(text.data, err)))
			return -1;
		/* It is no part of the entry that follows. */
		if (type == 'g')
			extensions--;
	}
}

int oci_tar_next(struct tar *t, struct tar_entry *ret, struct error **err)
{
	if (t->ended)
		return 0;
	if (end_data(t, err) < 0)
		return -1;
	struct pax p = { .entry = ret };
	int r = read_headers(t, ret, &p, err);
	oci_pax_free(&p);
	if (r <= 0)
		oci_tar_entry_free(ret);
	return r;
}
