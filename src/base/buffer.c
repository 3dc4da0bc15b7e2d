/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buffer_free(struct buffer *b)
{
	free(b->data);
	*b = (struct buffer){ 0 };
}

char *buffer_reserve(struct buffer *b, size_t len, struct error **err)
{
	size_t want;
	if (!checked_add(b->len, len, &want) || !checked_add(want, (size_t)1, &want)) {
		error_no_memory(err);
		return NULL;
	}
	if (want > b->cap) {
		size_t cap = b->cap < 64 ? 64 : b->cap;
		while (cap < want && checked_mul(cap, (size_t)2, &cap))
			;
		if (cap < want)
			cap = want;
		char *data = realloc(b->data, cap);
		if (!data) {
			error_no_memory(err);
			return NULL;
		}
		b->data = data;
		b->cap = cap;
		b->data[b->len] = '\0';
	}
	return b->data + b->len;
}

int buffer_append(struct buffer *b, const void *data, size_t len, struct error **err)
{
	char *to = buffer_reserve(b, len, err);
	if (!to)
		return -1;
	if (len)
		memcpy(to, data, len);
	b->len += len;
	b->data[b->len] = '\0';
	return 0;
}

int buffer_puts(struct buffer *b, const char *text, struct error **err)
{
	return buffer_append(b, text, strlen(text), err);
}

char *text_put_hex(char *to, const void *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *from = bytes;
	for (size_t i = 0; i < len; i++) {
		*to++ = digits[from[i] >> 4];
		*to++ = digits[from[i] & 15];
	}
	return to;
}

int buffer_hex(struct buffer *b, const void *bytes, size_t len, struct error **err)
{
	size_t room;
	if (!checked_mul(len, (size_t)2, &room))
		return error_no_memory(err);
	char *to = buffer_reserve(b, room, err);
	if (!to)
		return -1;
	*text_put_hex(to, bytes, len) = '\0';
	b->len += room;
	return 0;
}

static char *format(const char *fmt, va_list ap, size_t *ret_len, struct error **err)
{
	char *s = NULL;
	int len = vasprintf(&s, fmt, ap);
	if (len < 0) {
		error_no_memory(err);
		return NULL;
	}
	*ret_len = (size_t)len;
	return s;
}

int buffer_printf(struct buffer *b, struct error **err, const char *fmt, ...)
{
	va_list ap;
	size_t len = 0;
	va_start(ap, fmt);
	CLEANUP_TEXT char *s = format(fmt, ap, &len, err);
	va_end(ap);
	return s ? buffer_append(b, s, len, err) : -1;
}

char *buffer_steal(struct buffer *b, struct error **err)
{
	if (!b->data && !buffer_reserve(b, 0, err))
		return NULL;
	char *data = b->data;
	*b = (struct buffer){ 0 };
	return data;
}

void strings_free(struct strings *s)
{
	for (size_t i = 0; i < s->len; i++)
		free(s->items[i]);
	free(s->items);
	*s = (struct strings){ 0 };
}

int strings_take(struct strings *s, char *text, struct error **err)
{
	if (!text)
		return -1;
	/* One more than array_grow promises, for the final NULL. */
	if (s->len + 2 > s->cap) {
		char **items = array_grow(s->items, s->len + 1, &s->cap, sizeof(*items), err);
		if (!items) {
			free(text);
			return -1;
		}
		s->items = items;
	}
	s->items[s->len++] = text;
	s->items[s->len] = NULL;
	return 0;
}

int strings_add(struct strings *s, const char *text, struct error **err)
{
	return strings_take(s, text_dup(text, err), err);
}

int strings_addf(struct strings *s, struct error **err, const char *fmt, ...)
{
	va_list ap;
	size_t len = 0;
	va_start(ap, fmt);
	char *text = format(fmt, ap, &len, err);
	va_end(ap);
	return strings_take(s, text, err);
}

char *text_dup(const char *text, struct error **err)
{
	return text_dup_len(text, strlen(text), err);
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool text_hex(const char *text, void *ret, size_t len)
{
	unsigned char *to = ret;
	if (len > SIZE_MAX / 2 || strlen(text) != 2 * len)
		return false;
	for (size_t i = 0; i < len; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		to[i] = (unsigned char)((unsigned)high << 4 | (unsigned)low);
	}
	return true;
}

char *text_dup_len(const char *text, size_t len, struct error **err)
{
	char *copy = len < SIZE_MAX ? malloc(len + 1) : NULL;
	if (!copy) {
		error_no_memory(err);
		return NULL;
	}
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

char *text_printf(struct error **err, const char *fmt, ...)
{
	va_list ap;
	size_t len = 0;
	va_start(ap, fmt);
	char *text = format(fmt, ap, &len, err);
	va_end(ap);
	return text;
}

void text_free(char **text)
{
	free(*text);
	*text = NULL;
}

void *array_grow(void *array, size_t len, size_t *cap, size_t element_size, struct error **err)
{
	if (len < *cap)
		return array;
	size_t want = *cap ? *cap : 4, bytes;
	while (want <= len) {
		if (!checked_mul(want, (size_t)2, &want)) {
			error_no_memory(err);
			return NULL;
		}
	}
	void *grown = checked_mul(want, element_size, &bytes) ? realloc(array, bytes) : NULL;
	if (!grown) {
		error_no_memory(err);
		return NULL;
	}
	*cap = want;
	return grown;
}

int strings_compare(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;
	return strcmp(*x, *y);
}

void strings_sort(struct strings *s)
{
	if (s->len)
		qsort(s->items, s->len, sizeof(*s->items), strings_compare);
}
