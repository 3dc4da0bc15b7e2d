/* SPDX-License-Identifier: Apache-2.0 */
#include "tree/metadata.h"

#include <stdlib.h>
#include <string.h>

#include "json/json.h"
#include "tree/format.h"

/* Labels: read of a labels.json, or of lines, and written as one. */

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

/* A key or a value without NUL in it. */
static int set_text(struct labels *l, const char *key, const struct json_at *value,
		    struct error **err)
{
	size_t len = 0;
	const char *text = json_text(value, &len);
	if (!text)
		return json_damaged(value, "", "is no text", err);
	if (strlen(text) != len)
		return json_damaged(value, "", "has a NUL in it", err);
	return labels_set(l, key, text, err);
}

/*
 * As Apptainer's decoder takes it: a byte that is no UTF-8 becomes U+FFFD, so that two keys that
 * would be written alike are one from the beginning, and of two the last counts.
 */
static int parse(const char *text, size_t len, struct json **ret, struct error **err)
{
	static const struct json_limits limits = {
		.what = "labels.json",
		.bytes = 3 * METADATA_FILE_MAX,
		.depth = TREE_JSON_DEPTH_MAX,
		.values = METADATA_FILE_MAX,
		.last_counts = true,
	};
	CLEANUP_BUFFER struct buffer mended = { 0 };
	if (json_mend(text, len, &mended, err) < 0)
		return -1;
	if (json_read(mended.data, mended.len, &limits, ret, err) == 0)
		return 0;
	/* What is nested at all is no labels. */
	return error_kind(*err) == ERROR_LIMIT ? error_set_kind(err, ERROR_DAMAGED) : -1;
}

int labels_read_json(struct labels *l, const char *text, size_t len, struct error **err)
{
	CLEANUP_JSON struct json *j = NULL;
	if (parse(text, len, &j, err) < 0)
		return -1;
	const struct json_at root = json_root(j);
	if (json_kind(&root) == JSON_NULL)
		return 0;
	if (json_kind(&root) != JSON_OBJECT)
		return json_damaged(&root, "", "is not an object", err);
	const void *cursor = NULL;
	const char *key;
	struct json_at value;
	while (json_next(&root, &cursor, &key, &value))
		if (set_text(l, key, &value, err) < 0)
			return -1;
	return 0;
}

/* ------------------------------------------------------------------ for who only looks */

/* The first thing that is wrong, in the words of Go's decoder: scripts look for them. */
static int complain(struct buffer *complaint, const struct json_at *value, const char *wanted,
		    struct error **err)
{
	static const char *const names[] = {
		[JSON_SWITCH] = "bool", [JSON_NUMBER] = "number", [JSON_REAL] = "number",
		[JSON_TEXT] = "string", [JSON_LIST] = "array",	  [JSON_OBJECT] = "object",
	};
	return complaint->len ? 0
			      : buffer_printf(complaint, err,
					      "json: cannot unmarshal %s into Go value of type %s",
					      names[json_kind(value)], wanted);
}

/* The value of a label, or "" where it is none. */
static int set_shown(struct labels *l, const char *key, const struct json_at *value,
		     struct buffer *complaint, struct error **err)
{
	size_t len = 0;
	const char *text = json_text(value, &len);
	if (text && strlen(text) == len)
		return labels_set(l, key, text, err);
	if (json_kind(value) != JSON_NULL && complain(complaint, value, "string", err) < 0)
		return -1;
	return labels_set(l, key, "", err);
}

int labels_read_shown(struct labels *l, const char *text, size_t len, struct buffer *complaint,
		      struct error **err)
{
	CLEANUP_JSON struct json *j = NULL;
	CLEANUP_ERROR struct error *damaged = NULL;
	if (!len)
		return buffer_puts(complaint, "unexpected end of JSON input", err);
	if (parse(text, len, &j, &damaged) < 0) {
		if (error_kind(damaged) == ERROR_DAMAGED)
			return buffer_puts(complaint, error_message(damaged), err);
		*err = take_pointer(&damaged);
		return -1;
	}
	const struct json_at root = json_root(j);
	if (json_kind(&root) == JSON_NULL)
		return 0;
	if (json_kind(&root) != JSON_OBJECT)
		return complain(complaint, &root, "map[string]string", err);
	const void *cursor = NULL;
	const char *key;
	struct json_at value;
	while (json_next(&root, &cursor, &key, &value))
		if (set_shown(l, key, &value, complaint, err) < 0)
			return -1;
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
	struct json_writer w = { .out = ret, .lines = lines };
	if (json_begin(&w, NULL, err) < 0)
		return -1;
	for (size_t i = 0; i < l->count; i++) {
		const struct definition_pair *p = &l->items[i];
		if (json_put_text(&w, p->key, p->value, strlen(p->value), err) < 0)
			return -1;
	}
	return json_end(&w, err);
}
