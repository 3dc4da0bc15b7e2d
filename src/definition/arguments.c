/* SPDX-License-Identifier: Apache-2.0 */
#include "definition/definition.h"

#include <stdlib.h>
#include <string.h>

#include "definition/format.h"

/* Build arguments, spec deffile.md 3: replacement is textual, over the raw text of a stage. */

void definition_arguments_free(struct definition_arguments *a)
{
	for (size_t i = 0; i < a->count; i++) {
		free(a->items[i].name);
		free(a->items[i].value);
	}
	free(a->items);
	*a = (struct definition_arguments){ 0 };
}

struct definition_argument *definition_arguments_find(const struct definition_arguments *a,
						      struct span name)
{
	for (size_t i = 0; i < a->count; i++)
		if (span_is(name, a->items[i].name))
			return &a->items[i];
	return NULL;
}

int definition_arguments_add(struct definition_arguments *a, struct span text, struct error **err)
{
	struct span name = span_before(text, '=');
	if (name.len == text.len)
		return error_set(err, ERROR_USAGE, "\"%.*s\" is not a key=value pair",
				 (int)text.len, text.text);
	struct span value = span_trim(span_of(name.text + name.len + 1, text.len - name.len - 1));
	name = span_trim(name);
	if (!name.len)
		return error_set(err, ERROR_USAGE, "missing key portion in \"%.*s\"", (int)text.len,
				 text.text);
	CLEANUP_TEXT char *value_text = text_dup_len(value.text, value.len, err);
	if (!value_text)
		return -1;
	struct definition_argument *old = definition_arguments_find(a, name);
	if (old) {
		free(old->value);
		old->value = take_pointer(&value_text);
		return 0;
	}
	struct definition_argument *grown =
		array_grow(a->items, a->count, &a->cap, sizeof(*a->items), err);
	if (!grown)
		return -1;
	a->items = grown;
	char *name_text = text_dup_len(name.text, name.len, err);
	if (!name_text)
		return -1;
	a->items[a->count++] =
		(struct definition_argument){ .name = name_text, .value = value_text };
	value_text = NULL;
	return 0;
}

int definition_arguments_add_file(struct definition_arguments *a, struct span text,
				  struct error **err)
{
	struct span line;
	while (span_line(&text, &line)) {
		CLEANUP_ERROR struct error *bad = NULL;
		if (definition_arguments_add(a, line, &bad) == 0)
			continue;
		if (error_kind(bad) == ERROR_MEMORY) {
			*err = take_pointer(&bad);
			return -1;
		}
		log_warning("Skipping \"%.*s\" in build arg file: %s", (int)line.len, line.text,
			    error_message(bad));
	}
	return 0;
}

static bool word_character(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

/* The length of "{{ NAME }}" at the beginning of s, or 0. */
static size_t match(struct span s, struct span *ret_name)
{
	size_t at = 2;
	if (s.len < 5 || memcmp(s.text, "{{", 2) != 0)
		return 0;
	while (at < s.len && strchr(" \t\n\f\r", s.text[at]))
		at++;
	size_t begin = at;
	while (at < s.len && word_character(s.text[at]))
		at++;
	*ret_name = span_of(s.text + begin, at - begin);
	while (at < s.len && strchr(" \t\n\f\r", s.text[at]))
		at++;
	if (!ret_name->len || s.len - at < 2 || memcmp(s.text + at, "}}", 2) != 0)
		return 0;
	return at + 2;
}

/*
 * Goes on by len characters, keeping whether what stands before on the line makes a comment of
 * what follows: a '#' with something after it that is no '!'.
 */
static size_t step(struct span text, size_t at, size_t len, bool *in_comment)
{
	for (size_t end = at + len; at < end; at++) {
		if (text.text[at] == '\n')
			*in_comment = false;
		else if (at && text.text[at - 1] == '#' && text.text[at] != '!')
			*in_comment = true;
	}
	return at;
}

static const char *look_up(struct span name, struct definition_arguments *given,
			   const struct definition_arguments *defaults)
{
	struct definition_argument *found = definition_arguments_find(given, name);
	if (found)
		found->used = true;
	else
		found = definition_arguments_find(defaults, name);
	return found ? found->value : NULL;
}

static int substitute(struct span text, struct definition_arguments *given,
		      const struct definition_arguments *defaults, bool inner, struct buffer *ret,
		      struct error **err)
{
	size_t at = 0, copied = 0;
	bool in_comment = false;
	while (at < text.len) {
		struct span name;
		size_t len = match(span_of(text.text + at, text.len - at), &name);
		if (!len || (!inner && in_comment)) {
			at = step(text, at, len ? len : 1, &in_comment);
			continue;
		}
		const char *value = look_up(name, given, defaults);
		if (!value && !inner) {
			error_set(err, ERROR_USAGE,
				  "build var %.*s is not defined through either --build-arg "
				  "(--build-arg-file) or 'arguments' section",
				  (int)name.len, name.text);
			return error_hint(err,
					  "give it with --build-arg %.*s=VALUE, or in %%arguments "
					  "of the same stage",
					  (int)name.len, name.text);
		}
		if (value) {
			struct span put = span_of(value, strlen(value));
			if (buffer_append(ret, text.text + copied, at - copied, err) < 0)
				return -1;
			/* A value is looked through once more, and no deeper. */
			int result = inner ? buffer_append(ret, put.text, put.len, err)
					   : substitute(put, given, defaults, true, ret, err);
			if (result < 0)
				return -1;
			copied = at + len;
		}
		if (ret->len > DEFINITION_BYTES_MAX)
			return error_set(err, ERROR_LIMIT,
					 "larger than %zu bytes with its build arguments",
					 DEFINITION_BYTES_MAX);
		at = step(text, at, len, &in_comment);
	}
	return buffer_append(ret, text.text + copied, text.len - copied, err);
}

int definition_substitute(struct span text, struct definition_arguments *given,
			  const struct definition_arguments *defaults, struct buffer *ret,
			  struct error **err)
{
	return substitute(text, given, defaults, false, ret, err);
}
