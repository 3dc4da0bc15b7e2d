/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_BASE_BUFFER_H
#define COFFER_BASE_BUFFER_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/*
 * A byte string that grows. Always followed by a NUL that is not counted, so that text can be used
 * as a C string; data is NULL only while it is empty and untouched. Not for secrets: growing
 * leaves copies behind (see secret/secret.h).
 */
struct buffer {
	char *data;
	size_t len;
	size_t cap;
};

void buffer_free(struct buffer *b); /* back to empty, ready for use */
#define CLEANUP_BUFFER __attribute__((cleanup(buffer_free)))

/* Append bytes, a text, or a text in printf style. After a failure the buffer is as it was. */
int buffer_append(struct buffer *b, const void *data, size_t len, struct error **err);
int buffer_puts(struct buffer *b, const char *text, struct error **err);
int buffer_printf(struct buffer *b, struct error **err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Appends two hexadecimal digits, in small letters, for each byte. */
int buffer_hex(struct buffer *b, const void *bytes, size_t len, struct error **err);
/* Makes room for len more bytes and returns where they start, or NULL; the length is unchanged. */
char *buffer_reserve(struct buffer *b, size_t len, struct error **err);
/* Hands the text over (never NULL: "" when empty) and empties the buffer; NULL with *err set. */
char *buffer_steal(struct buffer *b, struct error **err);

/*
 * A list of strings that grows, NULL-terminated at all times once something was added, so that it
 * can be given to execve.
 */
struct strings {
	char **items; /* owned, each item too */
	size_t len;
	size_t cap;
};

/* Frees all items; the list is empty then, and ready for use. */
void strings_free(struct strings *s);
#define CLEANUP_STRINGS __attribute__((cleanup(strings_free)))

/* Add a copy of a text, or a text in printf style, at the end. */
int strings_add(struct strings *s, const char *text, struct error **err);
int strings_addf(struct strings *s, struct error **err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Takes text over, also on failure. */
int strings_take(struct strings *s, char *text, struct error **err);
/* For qsort of such a list or any array of texts: by their bytes. */
int strings_compare(const void *a, const void *b);
/* Sorts them so. */
void strings_sort(struct strings *s);

/* strdup, strndup and asprintf with an error object; the text is the caller's. NULL on failure. */
char *text_dup(const char *text, struct error **err);
char *text_dup_len(const char *text, size_t len, struct error **err);
/* Writes two hexadecimal digits, in small letters, for each byte, and no NUL. Returns the end. */
char *text_put_hex(char *to, const void *bytes, size_t len);
/* Whether the text is len bytes in lower-case hexadecimal digits and no more: those, in *ret. */
bool text_hex(const char *text, void *ret, size_t len);
char *text_printf(struct error **err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Frees *text, if any, and sets it to NULL. */
void text_free(char **text);
#define CLEANUP_TEXT __attribute__((cleanup(text_free)))

/*
 * An array that grows, for elements of any size: returns the (moved) array with room for at least
 * one more than len elements, or NULL with *err set (the old array stays valid then).
 */
void *array_grow(void *array, size_t len, size_t *cap, size_t element_size, struct error **err);

#endif
