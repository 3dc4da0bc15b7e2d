/* SPDX-License-Identifier: Apache-2.0 */
#include "json/internal.h"

#include <stdlib.h>
#include <string.h>

/*
 * json-c puts a member in the place of an earlier one of the same name, and cuts a name at a NUL
 * that is written as an escape. Two readers of such a text may then see two things in it. So the
 * members of each object are counted in the text, to be compared with those that json-c has.
 */

void json_scan_free(struct json_scan *s)
{
	free(s->members);
	*s = (struct json_scan){ 0 };
}

/* Where the text that begins behind `at` ends: at its quotation mark, or at len. */
static size_t end_of_text(const char *text, size_t len, size_t at, bool *ret_nul, bool *ret_bad)
{
	while (at < len && text[at] != '"') {
		size_t n = json_utf8_len((const unsigned char *)text + at, len - at);
		if (!n || (unsigned char)text[at] < ' ')
			*ret_bad = true; /* of overlong and surrogate forms json-c takes some */
		if (text[at] == '\\') {
			if (len - at >= 6 && !memcmp(text + at, "\\u0000", 6))
				*ret_nul = true;
			n = 2;
		}
		at += n ? n : 1;
	}
	return at;
}

static int begin_object(struct json_scan *s, struct error **err)
{
	size_t *grown = array_grow(s->members, s->objects, &s->cap, sizeof(*s->members), err);
	if (!grown)
		return -1;
	s->members = grown;
	s->members[s->objects++] = 0;
	return 0;
}

int json_scan(const char *text, size_t len, const struct json_limits *limits, struct json_scan *ret,
	      struct error **err)
{
	static const char others[] = " \t\r\n0123456789+-.Eaeflnrstu"; /* of true, 1.5e-3 */
	static const size_t list = SIZE_MAX;
	size_t open[JSON_DEPTH_MAX]; /* which object each level is, or `list` */
	unsigned depth = 0;
	bool nul = false; /* in the last text, which is a name where a colon follows */
	ret->values = 1;
	for (size_t at = 0; at < len && !ret->bad && ret->values <= limits->values; at++) {
		switch (text[at]) {
		case '"':
			nul = false;
			at = end_of_text(text, len, at + 1, &nul, &ret->bad);
			break;
		case '{':
		case '[':
			if (depth == JSON_DEPTH_MAX || depth == limits->depth)
				return 0;
			open[depth++] = text[at] == '{' ? ret->objects : list;
			ret->values++;
			if (text[at] == '{' && begin_object(ret, err) < 0)
				return -1;
			break;
		case '}':
		case ']':
			ret->bad = !depth || (open[depth - 1] == list) != (text[at] == ']');
			depth -= !ret->bad;
			break;
		case ':':
			ret->bad = nul || !depth || open[depth - 1] == list;
			if (!ret->bad)
				ret->members[open[depth - 1]]++;
			break;
		case ',':
			ret->values++;
			break;
		default:
			/* json-c takes names in apostrophes and some words that are no JSON. */
			ret->bad = !text[at] || !strchr(others, text[at]);
			break;
		}
	}
	return 0;
}
