/* SPDX-License-Identifier: Apache-2.0 */
#include "json/internal.h"

#include <json.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void json_free(struct json **j)
{
	if (*j)
		(void)json_object_put((*j)->root);
	free(*j);
	*j = NULL;
}

static void tokener_free(struct json_tokener **t)
{
	if (*t)
		json_tokener_free(*t);
	*t = NULL;
}

/*
 * Looks for a member that the text has more often than the tree. Both are walked in the order of
 * the text, and up to the first object that differs they have the same objects.
 */
static int compare(const struct json_at *at, const struct json_scan *scan, size_t *object,
		   struct error **err)
{
	enum json_kind kind = json_kind(at);
	if (kind == JSON_OBJECT) {
		if (*object >= scan->objects || scan->members[*object] != json_count(at))
			return json_damaged(at, "", "has a member twice", err);
		(*object)++;
		const void *cursor = NULL;
		const char *name;
		struct json_at one;
		while (json_next(at, &cursor, &name, &one))
			if (compare(&one, scan, object, err) < 0)
				return -1;
	}
	for (size_t i = 0; kind == JSON_LIST && i < json_count(at); i++) {
		const struct json_at one = json_item(at, i);
		if (compare(&one, scan, object, err) < 0)
			return -1;
	}
	return 0;
}

/* The tree; NULL, and *err set where the text is none, for null too. */
static struct json_object *parse(const char *text, size_t len, const struct json_limits *limits,
				 struct error **err)
{
	__attribute__((cleanup(tokener_free))) struct json_tokener *tok =
		json_tokener_new_ex((int)limits->depth);
	if (!tok) {
		error_no_memory(err);
		return NULL;
	}
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	struct json_object *root = json_tokener_parse_ex(tok, text, (int)len);
	enum json_tokener_error fault = json_tokener_get_error(tok);
	size_t end = json_tokener_get_parse_end(tok);
	if (fault == json_tokener_continue && len) {
		/* A number or "null" could go on; the end of the text says that it does not. */
		root = json_tokener_parse_ex(tok, "", 1);
		fault = json_tokener_get_error(tok);
	}
	if (fault == json_tokener_success && end == len)
		return root;
	(void)json_object_put(root);
	if (fault == json_tokener_error_depth)
		error_set(err, ERROR_LIMIT, "%s: the JSON is over %u levels deep", limits->what,
			  limits->depth);
	else
		error_set(err, ERROR_DAMAGED, "%s: the JSON does not parse", limits->what);
	return NULL;
}

int json_read(const char *text, size_t len, const struct json_limits *limits, struct json **ret,
	      struct error **err)
{
	if (len > limits->bytes || len > INT_MAX)
		return error_set(err, ERROR_LIMIT, "%s: over %zu bytes of JSON", limits->what,
				 limits->bytes);
	CLEANUP_SCAN struct json_scan scan = { 0 };
	if (json_scan(text, len, limits, &scan, err) < 0)
		return -1;
	if (scan.values > limits->values)
		return error_set(err, ERROR_LIMIT, "%s: over %zu values in the JSON", limits->what,
				 limits->values);
	if (scan.bad)
		return error_set(err, ERROR_DAMAGED, "%s: the JSON does not parse", limits->what);

	CLEANUP_JSON struct json *j = calloc(1, sizeof(*j));
	if (!j)
		return error_no_memory(err);
	j->what = limits->what;
	j->root = parse(text, len, limits, err);
	if (*err)
		return -1;
	/* An object that is none for want of memory is no error to json-c 0.16. */
	if (!j->root && text[strspn(text, " \t\r\n")] != 'n')
		return error_no_memory(err);
	const struct json_at root = json_root(j);
	size_t object = 0;
	if (!limits->last_counts && compare(&root, &scan, &object, err) < 0)
		return -1;
	*ret = j;
	j = NULL;
	return 0;
}
