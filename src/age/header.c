/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header of an age file, read and written: age-encryption.org/v1, "Header".
 *
 * Lines of ASCII: the version; for each recipient a stanza, whose first line has arguments and
 * whose others are base64, the last one shorter than 64 columns; and the line of the MAC. There is
 * one way to write a header, and everything else is refused: what is lenient could be changed
 * without the MAC noticing.
 *
 * Nothing here is authenticated: whoever has the file has written it. What holds of a struct
 * age_file once age_read has returned it:
 * - there is one stanza at least, each with a type; bodies are decoded and bounded;
 * - a stanza of a passphrase stands alone, since who knows a passphrase takes it for granted that
 *   nobody else can have written the file;
 * - the nonce of the payload stands behind the header; what follows it may be nothing.
 */
#include "age/internal.h"

#include <stdlib.h>
#include <string.h>

#define MAC_BASE64 43

static int damaged(const char *what, struct error **err)
{
	return error_set(err, ERROR_DAMAGED, "the age header is damaged: %s", what);
}

static int over_limit(const char *what, unsigned long limit, struct error **err)
{
	return error_set(err, ERROR_LIMIT, "the age header has %s, and %lu is the limit", what,
			 limit);
}

bool age_is(struct bytes text, const char *word)
{
	return text.len == strlen(word) && !memcmp(text.data, word, text.len);
}

struct bytes age_argument(const struct age_stanza *s, size_t i)
{
	const uint8_t *begin = s->line.data, *end = begin + s->line.len;
	while (begin < end && i) {
		const uint8_t *blank = memchr(begin, ' ', (size_t)(end - begin));
		begin = blank ? blank + 1 : end;
		i--;
	}
	const uint8_t *blank = memchr(begin, ' ', (size_t)(end - begin));
	return bytes_of(begin, (size_t)((blank ? blank : end) - begin));
}

/* ------------------------------------------------------------------ base64 without padding */

/* Room for what one line can have. */
#define BASE64_LINE_MAX 128

bool age_base64_take(struct bytes text, void *ret, size_t len)
{
	char padded[BASE64_LINE_MAX + 4];
	uint8_t out[BASE64_LINE_MAX + 8];
	size_t n = text.len, out_len;
	if (n > BASE64_LINE_MAX || n != (len * 8 + 5) / 6)
		return false;
	memcpy(padded, text.data, n);
	if (memchr(padded, '=', n))
		return false;
	while (n % 4)
		padded[n++] = '=';
	if (!base64_decode(padded, n, false, out, &out_len) || out_len != len)
		return false;
	memcpy(ret, out, len);
	return true;
}

int age_base64_put(struct buffer *b, const void *data, size_t len, struct error **err)
{
	if (base64_encode(data, len, 0, b, err) < 0)
		return -1;
	while (b->len && b->data[b->len - 1] == '=')
		b->data[--b->len] = '\0';
	return 0;
}

/* ------------------------------------------------------------------ reading */

/* The next line without its end. */
static bool take_line(struct bytes *b, struct bytes *ret)
{
	size_t left = bytes_left(b);
	const uint8_t *begin = b->data + b->off;
	const uint8_t *end = memchr(begin, '\n', left < AGE_HEADER_MAX ? left : AGE_HEADER_MAX);
	if (!end)
		return false;
	*ret = bytes_of(begin, (size_t)(end - begin));
	bytes_skip(b, ret->len + 1);
	return true;
}

static int read_version(struct bytes *b, struct error **err)
{
	struct bytes line;
	if (!age_is_file(b->data, b->len))
		return damaged("it does not begin as one", err);
	if (!take_line(b, &line))
		return damaged("it ends too early", err);
	if (!age_is(line, AGE_VERSION_LINE)) {
		error_set(err, ERROR_UNSUPPORTED, "an age file of another version than v1");
		return error_hint(err, "a newer coffer may read it");
	}
	return 0;
}

static int read_arguments(struct bytes line, struct age_stanza *s, struct error **err)
{
	if (line.len > AGE_LINE_MAX)
		return over_limit("a stanza with longer arguments", AGE_LINE_MAX, err);
	s->line = line;
	s->arguments = 1;
	for (size_t i = 0; i < line.len; i++) {
		uint8_t c = line.data[i];
		bool edge = i == 0 || i + 1 == line.len || line.data[i - 1] == ' ';
		if (c < ' ' || c > '~' || (c == ' ' && edge))
			return damaged("a stanza's arguments are not as they have to be", err);
		s->arguments += c == ' ';
	}
	return line.len ? 0 : damaged("a stanza has no type", err);
}

static int read_body(struct bytes *b, struct age_file *f, struct age_stanza *s, struct error **err)
{
	struct bytes line;
	s->body_off = f->bodies.len;
	do {
		uint8_t piece[AGE_BODY_COLUMNS / 4 * 3];
		if (!take_line(b, &line))
			return damaged("a stanza ends too early", err);
		size_t len = line.len * 6 / 8;
		if (line.len > AGE_BODY_COLUMNS || !age_base64_take(line, piece, len))
			return damaged("a stanza's body is not base64 as it has to be", err);
		if (buffer_append(&f->bodies, piece, len, err) < 0)
			return -1;
		s->body_len = f->bodies.len - s->body_off;
		if (s->body_len > AGE_BODY_MAX)
			return over_limit("a stanza with more bytes", AGE_BODY_MAX, err);
	} while (line.len == AGE_BODY_COLUMNS);
	return 0;
}

static int read_stanza(struct bytes *b, struct bytes line, struct age_file *f, struct error **err)
{
	size_t prefix = strlen(AGE_STANZA_PREFIX);
	if (line.len < prefix || memcmp(line.data, AGE_STANZA_PREFIX, prefix) != 0)
		return damaged("a line is neither a stanza's beginning nor the end", err);
	if (f->count == AGE_STANZAS_MAX)
		return over_limit("more stanzas", AGE_STANZAS_MAX, err);
	struct age_stanza *grown = array_grow(f->stanzas, f->count, &f->cap, sizeof(*grown), err);
	if (!grown)
		return -1;
	f->stanzas = grown;
	struct age_stanza *s = &f->stanzas[f->count];
	*s = (struct age_stanza){ 0 };
	if (read_arguments(bytes_of(line.data + prefix, line.len - prefix), s, err) < 0 ||
	    read_body(b, f, s, err) < 0)
		return -1;
	f->count++;
	return b->off > AGE_HEADER_MAX ? over_limit("more bytes", AGE_HEADER_MAX, err) : 0;
}

/* The line of the MAC, which is the last one. */
static int read_end(struct bytes line, struct age_file *f, struct error **err)
{
	size_t prefix = strlen(AGE_MAC_PREFIX) + 1;
	struct bytes mac = bytes_of(line.data + prefix, line.len > prefix ? line.len - prefix : 0);
	if (line.len != prefix + MAC_BASE64 || line.data[prefix - 1] != ' ' ||
	    !age_base64_take(mac, f->mac, sizeof(f->mac)))
		return damaged("its last line is not as it has to be", err);
	return 0;
}

static bool is_end(struct bytes line)
{
	size_t len = strlen(AGE_MAC_PREFIX);
	return line.len >= len && !memcmp(line.data, AGE_MAC_PREFIX, len);
}

/* See the head of this file; and bodies do not move any more. */
static int check(struct age_file *f, struct error **err)
{
	if (!f->count)
		return damaged("it has no stanza", err);
	for (size_t i = 0; i < f->count; i++) {
		struct age_stanza *s = &f->stanzas[i];
		s->body = (const uint8_t *)f->bodies.data + s->body_off;
		if (f->count > 1 && age_is(age_argument(s, 0), AGE_TYPE_SCRYPT))
			return damaged("a passphrase's stanza does not stand alone", err);
	}
	return 0;
}

static int read_header(struct age_file *f, struct error **err)
{
	struct bytes b = f->all, line;
	if (read_version(&b, err) < 0)
		return -1;
	for (;;) {
		f->mac_off = b.off;
		if (!take_line(&b, &line))
			return damaged("it ends too early", err);
		if (is_end(line))
			break;
		if (read_stanza(&b, line, f, err) < 0)
			return -1;
	}
	f->payload_off = b.off;
	if (read_end(line, f, err) < 0)
		return -1;
	return bytes_left(&b) < AGE_NONCE_LEN ? damaged("no nonce follows it", err) : check(f, err);
}

bool age_is_file(const void *data, size_t len)
{
	size_t prefix = strlen(AGE_VERSION_PREFIX);
	return len >= prefix && !memcmp(data, AGE_VERSION_PREFIX, prefix);
}

int age_read(const void *data, size_t len, struct age_file **ret, struct error **err)
{
	struct age_file *f CLEANUP_AGE_FILE = calloc(1, sizeof(*f));
	if (!f)
		return error_no_memory(err);
	f->all = bytes_of(data, len);
	if (read_header(f, err) < 0)
		return -1;
	*ret = take_pointer(&f);
	return 0;
}

void age_file_free(struct age_file **f)
{
	if (!*f)
		return;
	free((*f)->stanzas);
	buffer_free(&(*f)->bodies);
	free(*f);
	*f = NULL;
}

/* ------------------------------------------------------------------ writing */

int age_stanza_put(struct buffer *header, const char *line, const void *body, size_t len,
		   struct error **err)
{
	struct buffer text CLEANUP_BUFFER = { 0 };
	if (age_base64_put(&text, body, len, err) < 0 ||
	    buffer_printf(header, err, AGE_STANZA_PREFIX "%s\n", line) < 0)
		return -1;
	/* The last line is short, if need be empty. */
	for (size_t off = 0; off <= text.len; off += AGE_BODY_COLUMNS) {
		size_t piece = text.len - off;
		if (piece > AGE_BODY_COLUMNS)
			piece = AGE_BODY_COLUMNS;
		if (buffer_append(header, text.data + off, piece, err) < 0 ||
		    buffer_puts(header, "\n", err) < 0)
			return -1;
	}
	return 0;
}
