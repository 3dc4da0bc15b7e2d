/* SPDX-License-Identifier: Apache-2.0 */
#include "json/internal.h"

#include <inttypes.h>
#include <json.h>
#include <stdio.h>
#include <string.h>

static struct json_object *object_of(const struct json_at *at)
{
	return (struct json_object *)at->value;
}

/* ------------------------------------------------------------------ places and errors */

const char *json_shown(const char *text)
{
	static const char harmless[] = "abcdefghijklmnopqrstuvwxyz"
				       "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/+";
	size_t len = strlen(text);
	return len && len <= 64 && strspn(text, harmless) == len ? text : "(unprintable)";
}

/* Appends to the path, as far as there is room. */
static void add(struct json_at *at, const char *text)
{
	size_t have = strlen(at->path), room = sizeof(at->path) - 1 - have, len = strlen(text);
	len = len < room ? len : room;
	memcpy(at->path + have, text, len);
	at->path[have + len] = '\0';
}

static struct json_at below(const struct json_at *at, const char *name, struct json_object *value)
{
	struct json_at ret = *at;
	ret.value = value;
	if (*ret.path)
		add(&ret, ".");
	add(&ret, name);
	return ret;
}

struct json_at json_root(const struct json *j)
{
	return (struct json_at){ .json = j, .value = j->root };
}

/* "keyslots.0.kdf.memory", or what the whole is called. */
#define PLACE "%s: %s%s%s"
#define PLACE_OF(at, member)                                                  \
	(at)->json->what, *(at)->path || *(member) ? (at)->path : "the JSON", \
		*(at)->path &&*(member) ? "." : "", (member)

int json_damaged(const struct json_at *at, const char *member, const char *why, struct error **err)
{
	return error_set(err, ERROR_DAMAGED, PLACE " %s", PLACE_OF(at, member), why);
}

int json_unsupported(const struct json_at *at, const char *member, const char *value,
		     struct error **err)
{
	return error_set(err, ERROR_UNSUPPORTED, PLACE " \"%s\" is not supported",
			 PLACE_OF(at, member), json_shown(value));
}

int json_over_limit(const struct json_at *at, const char *member, uint64_t limit,
		    struct error **err)
{
	return error_set(err, ERROR_LIMIT, PLACE " is over the limit of %" PRIu64,
			 PLACE_OF(at, member), limit);
}

/* ------------------------------------------------------------------ values */

enum json_kind json_kind(const struct json_at *at)
{
	switch (json_object_get_type(object_of(at))) {
	case json_type_boolean:
		return JSON_SWITCH;
	case json_type_double:
		return JSON_REAL;
	case json_type_int:
		return JSON_NUMBER;
	case json_type_object:
		return JSON_OBJECT;
	case json_type_array:
		return JSON_LIST;
	case json_type_string:
		return JSON_TEXT;
	default:
		return JSON_NULL;
	}
}

bool json_find(const struct json_at *at, const char *member, struct json_at *ret)
{
	struct json_object *o = NULL;
	if (!json_object_object_get_ex(object_of(at), member, &o))
		return false;
	if (ret)
		*ret = below(at, json_shown(member), o);
	return true;
}

int json_get(const struct json_at *at, const char *member, enum json_kind kind, struct json_at *ret,
	     struct error **err)
{
	static const char *const words[] = {
		[JSON_NULL] = "is not null",
		[JSON_SWITCH] = "is neither true nor false",
		[JSON_NUMBER] = "is not a whole number",
		[JSON_REAL] = "is not a fraction",
		[JSON_TEXT] = "is not a text",
		[JSON_LIST] = "is not a list",
		[JSON_OBJECT] = "is not an object",
	};
	struct json_at one;
	if (!json_find(at, member, &one))
		return json_damaged(at, member, "is missing", err);
	if (json_kind(&one) != kind)
		return json_damaged(at, member, words[kind], err);
	*ret = one;
	return 0;
}

int json_get_number(const struct json_at *at, const char *member, uint64_t min, uint64_t max,
		    uint64_t *ret, struct error **err)
{
	struct json_at one;
	if (json_get(at, member, JSON_NUMBER, &one, err) < 0)
		return -1;
	/* json-c saturates what does not fit, and makes 0 of what is negative. */
	uint64_t v = json_object_get_uint64(object_of(&one));
	if (json_object_get_int64(object_of(&one)) < 0 || v < min)
		return json_damaged(at, member, "is too small", err);
	if (v > max)
		return json_over_limit(at, member, max, err);
	*ret = v;
	return 0;
}

const char *json_text(const struct json_at *at, size_t *ret_len)
{
	if (json_kind(at) != JSON_TEXT)
		return NULL;
	*ret_len = (size_t)json_object_get_string_len(object_of(at));
	return json_object_get_string(object_of(at));
}

int json_get_text(const struct json_at *at, const char *member, const char **ret,
		  struct error **err)
{
	struct json_at one;
	size_t len = 0;
	if (json_get(at, member, JSON_TEXT, &one, err) < 0)
		return -1;
	const char *text = json_text(&one, &len);
	if (strlen(text) != len)
		return json_damaged(at, member, "has a NUL in it", err);
	*ret = text;
	return 0;
}

int json_get_copy(const struct json_at *at, const char *member, char **ret, struct error **err)
{
	const char *text;
	if (json_get_text(at, member, &text, err) < 0)
		return -1;
	*ret = text_dup(text, err);
	return *ret ? 0 : -1;
}

int json_own_text(const struct json_at *at, const char **ret, struct error **err)
{
	size_t len = 0;
	const char *text = json_text(at, &len);
	if (!text)
		return json_damaged(at, "", "is not a text", err);
	if (strlen(text) != len)
		return json_damaged(at, "", "has a NUL in it", err);
	*ret = text;
	return 0;
}

bool json_is_true(const struct json_at *at)
{
	return json_kind(at) == JSON_SWITCH && json_object_get_boolean(object_of(at));
}

int json_get_choice(const struct json_at *at, const char *member, const char *const *list,
		    const char **ret, struct error **err)
{
	const char *text;
	if (json_get_text(at, member, &text, err) < 0)
		return -1;
	for (; *list; list++) {
		if (strcmp(text, *list) == 0) {
			*ret = *list;
			return 0;
		}
	}
	return json_unsupported(at, member, text, err);
}

int json_only(const struct json_at *at, const char *const *list, struct error **err)
{
	const void *cursor = NULL;
	const char *name;
	struct json_at one;
	while (json_next(at, &cursor, &name, &one)) {
		size_t i = 0;
		while (list[i] && strcmp(list[i], name) != 0)
			i++;
		if (!list[i])
			return error_set(err, ERROR_UNSUPPORTED, PLACE " is not supported",
					 PLACE_OF(at, json_shown(name)));
	}
	return 0;
}

/* ------------------------------------------------------------------ lists and objects */

size_t json_count(const struct json_at *at)
{
	switch (json_kind(at)) {
	case JSON_LIST:
		return json_object_array_length(object_of(at));
	case JSON_OBJECT:
		return (size_t)json_object_object_length(object_of(at));
	default:
		return 0;
	}
}

struct json_at json_item(const struct json_at *list, size_t i)
{
	char number[24];
	(void)snprintf(number, sizeof(number), "%zu", i);
	return below(list, number, json_object_array_get_idx(object_of(list), i));
}

bool json_next(const struct json_at *object, const void **cursor, const char **name,
	       struct json_at *ret)
{
	const struct lh_entry *entry = *cursor;
	if (!entry && json_kind(object) != JSON_OBJECT)
		return false;
	entry = entry ? entry->next : json_object_get_object(object_of(object))->head;
	if (!entry)
		return false;
	*cursor = entry;
	*name = lh_entry_k(entry);
	*ret = below(object, json_shown(*name), lh_entry_v(entry));
	return true;
}
