/* SPDX-License-Identifier: Apache-2.0 */
#include "tree/metadata.h"

#include <json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tree/format.h"

/*
 * JSON is read by json-c and written here: the objects of a SIF are compared byte by byte, and
 * the encoder that makes Apptainer's has escapes of its own.
 */

/* The length of the well-formed UTF-8 character at p, or 0: RFC 3629, section 4. */
static size_t utf8_len(const unsigned char *p, size_t left)
{
	static const struct {
		unsigned char first, last, second_min, second_max, len;
	} forms[] = {
		{ 0x00, 0x7f, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (p[0] < forms[i].first || p[0] > forms[i].last)
			continue;
		if (forms[i].len > left)
			return 0;
		if (forms[i].len > 1 && (p[1] < forms[i].second_min || p[1] > forms[i].second_max))
			return 0;
		for (size_t k = 2; k < forms[i].len; k++)
			if (p[k] < 0x80 || p[k] > 0xbf)
				return 0;
		return forms[i].len;
	}
	return 0;
}

/* What stands for a character in a string, or NULL when it stands for itself. */
static const char *escape(const unsigned char *p, size_t len, char buf[8])
{
	if (len == 0)
		return "\\ufffd"; /* once for each bad byte */
	if (len == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9))
		return p[2] == 0xa8 ? "\\u2028" : "\\u2029";
	if (len > 1)
		return NULL;
	switch (p[0]) {
	case '"':
		return "\\\"";
	case '\\':
		return "\\\\";
	case '\b':
		return "\\b";
	case '\f':
		return "\\f";
	case '\n':
		return "\\n";
	case '\r':
		return "\\r";
	case '\t':
		return "\\t";
	case '<':
	case '>':
	case '&':
		break;
	default:
		if (p[0] >= 0x20)
			return NULL;
	}
	snprintf(buf, 8, "\\u%04x", p[0]);
	return buf;
}

int json_put_string(struct buffer *b, const char *text, size_t len, struct error **err)
{
	const unsigned char *p = (const unsigned char *)text;
	char buf[8];
	if (buffer_puts(b, "\"", err) < 0)
		return -1;
	size_t plain = 0;
	for (size_t at = 0; at < len;) {
		size_t n = utf8_len(p + at, len - at);
		const char *put = escape(p + at, n, buf);
		if (put && (buffer_append(b, text + plain, at - plain, err) < 0 ||
			    buffer_puts(b, put, err) < 0))
			return -1;
		at += n ? n : 1;
		if (put)
			plain = at;
	}
	if (buffer_append(b, text + plain, len - plain, err) < 0)
		return -1;
	return buffer_puts(b, "\"", err);
}

/* ------------------------------------------------------------------ labels */

void labels_free(struct labels *l)
{
	for (size_t i = 0; i < l->count; i++) {
		free(l->items[i].key);
		free(l->items[i].value);
	}
	free(l->items);
	*l = (struct labels){ 0 };
}

/* Where a key is, or belongs. */
static size_t position(const struct labels *l, const char *key, bool *ret_found)
{
	size_t low = 0, high = l->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(l->items[middle].key, key);
		if (order == 0) {
			*ret_found = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_found = false;
	return low;
}

int labels_set(struct labels *l, const char *key, const char *value, struct error **err)
{
	bool found;
	size_t at = position(l, key, &found);
	CLEANUP_TEXT char *value_text = text_dup(value, err);
	if (!value_text)
		return -1;
	if (found) {
		free(l->items[at].value);
		l->items[at].value = value_text;
		value_text = NULL;
		return 0;
	}
	if (l->count >= TREE_LABELS_MAX)
		return error_set(err, ERROR_LIMIT, "more than %d labels", TREE_LABELS_MAX);
	struct definition_pair *grown =
		array_grow(l->items, l->count, &l->cap, sizeof(*l->items), err);
	if (!grown)
		return -1;
	l->items = grown;
	char *key_text = text_dup(key, err);
	if (!key_text)
		return -1;
	memmove(l->items + at + 1, l->items + at, (l->count - at) * sizeof(*l->items));
	l->items[at] = (struct definition_pair){ .key = key_text, .value = value_text };
	l->count++;
	value_text = NULL;
	return 0;
}

const char *labels_get(const struct labels *l, const char *key)
{
	bool found;
	size_t at = position(l, key, &found);
	return found ? l->items[at].value : NULL;
}

static void free_json(struct json_object **o)
{
	(void)json_object_put(*o);
}

/*
 * A text of a JSON file as Apptainer's decoder takes it: a byte that is no UTF-8 becomes U+FFFD. So
 * two keys that would be written alike are one from the beginning.
 */
static char *well_formed(const char *text, struct error **err)
{
	CLEANUP_BUFFER struct buffer b = { 0 };
	size_t len = strlen(text);
	if (buffer_puts(&b, "", err) < 0)
		return NULL;
	for (size_t at = 0; at < len;) {
		size_t n = utf8_len((const unsigned char *)text + at, len - at);
		if ((n ? buffer_append(&b, text + at, n, err)
		       : buffer_puts(&b, "\xef\xbf\xbd", err)) < 0)
			return NULL;
		at += n ? n : 1;
	}
	return buffer_steal(&b, err);
}

int labels_read_json(struct labels *l, const char *text, size_t len, struct error **err)
{
	struct json_tokener *tokener = json_tokener_new_ex(TREE_JSON_DEPTH_MAX);
	if (!tokener || len > INT32_MAX) {
		if (tokener)
			json_tokener_free(tokener);
		return error_set(err, ERROR_MEMORY, "out of memory");
	}
	__attribute__((cleanup(free_json))) struct json_object *root =
		json_tokener_parse_ex(tokener, text, (int)len);
	/* "null" could go on; the end of the text says that it does not. */
	if (json_tokener_get_error(tokener) == json_tokener_continue)
		root = json_tokener_parse_ex(tokener, "", 1);
	enum json_tokener_error fault = json_tokener_get_error(tokener);
	json_tokener_free(tokener);
	if (fault != json_tokener_success)
		return error_set(err, ERROR_DAMAGED, "labels.json is no JSON: %s",
				 json_tokener_error_desc(fault));
	if (!root)
		return 0;
	if (!json_object_is_type(root, json_type_object))
		return error_set(err, ERROR_DAMAGED, "labels.json is no JSON object");
	json_object_object_foreach(root, key, value)
	{
		if (!json_object_is_type(value, json_type_string))
			return error_set(err, ERROR_DAMAGED,
					 "labels.json: the value of %s is no text", key);
		CLEANUP_TEXT char *key_text = well_formed(key, err);
		CLEANUP_TEXT char *value_text =
			key_text ? well_formed(json_object_get_string(value), err) : NULL;
		if (!value_text || labels_set(l, key_text, value_text, err) < 0)
			return -1;
	}
	return 0;
}

int labels_read_lines(struct labels *l, struct span text, struct error **err)
{
	struct span line;
	while (span_line(&text, &line)) {
		line = span_trim(line);
		if (!line.len || line.text[0] == '#')
			continue;
		struct span key = span_before(line, ' ');
		struct span value = span_trim(span_of(line.text + key.len, line.len - key.len));
		key = span_trim(key);
		CLEANUP_TEXT char *key_text = text_dup_len(key.text, key.len, err);
		CLEANUP_TEXT char *value_text =
			key_text ? text_dup_len(value.text, value.len, err) : NULL;
		if (!value_text || labels_set(l, key_text, value_text, err) < 0)
			return -1;
	}
	return 0;
}

int labels_put_json(const struct labels *l, bool lines, struct buffer *ret, struct error **err)
{
	if (buffer_puts(ret, "{", err) < 0)
		return -1;
	for (size_t i = 0; i < l->count; i++) {
		const struct definition_pair *p = &l->items[i];
		if ((i && buffer_puts(ret, ",", err) < 0) ||
		    (lines && buffer_puts(ret, "\n\t", err) < 0) ||
		    json_put_string(ret, p->key, strlen(p->key), err) < 0 ||
		    buffer_puts(ret, lines ? ": " : ":", err) < 0 ||
		    json_put_string(ret, p->value, strlen(p->value), err) < 0)
			return -1;
	}
	return buffer_puts(ret, lines && l->count ? "\n}" : "}", err);
}

void json_decode_bad(struct buffer *b)
{
	size_t to = 0;
	for (size_t at = 0; at < b->len;) {
		size_t len = b->data[at] == '\\' && at + 1 < b->len ? 2 : 1;
		if (len == 2 && b->len - at >= 6 && !memcmp(b->data + at, "\\ufffd", 6)) {
			memcpy(b->data + to, "\xef\xbf\xbd", 3);
			to += 3;
			at += 6;
			continue;
		}
		memmove(b->data + to, b->data + at, len);
		to += len;
		at += len;
	}
	b->len = to;
	if (b->data)
		b->data[to] = '\0';
}
