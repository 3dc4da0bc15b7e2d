/* SPDX-License-Identifier: Apache-2.0 */
#include "definition/internal.h"

#include <string.h>

/* Pieces of a text that is cut without a copy. */

bool span_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

struct span span_trim(struct span s)
{
	while (s.len && span_blank(s.text[0])) {
		s.text++;
		s.len--;
	}
	while (s.len && span_blank(s.text[s.len - 1]))
		s.len--;
	return s;
}

struct span span_before(struct span s, char c)
{
	const char *at = s.len ? memchr(s.text, c, s.len) : NULL;
	return at ? span_of(s.text, (size_t)(at - s.text)) : s;
}

bool span_is(struct span s, const char *text)
{
	return strlen(text) == s.len && (!s.len || !memcmp(s.text, text, s.len));
}

bool span_line(struct span *rest, struct span *ret)
{
	if (!rest->len)
		return false;
	*ret = span_before(*rest, '\n');
	size_t used = ret->len < rest->len ? ret->len + 1 : ret->len;
	*rest = span_of(rest->text + used, rest->len - used);
	if (ret->len && ret->text[ret->len - 1] == '\r')
		ret->len--;
	return true;
}

char *span_dup(struct span s, struct error **err)
{
	return text_dup_len(s.len ? s.text : "", s.len, err);
}

char *span_dup_lower(struct span s, struct error **err)
{
	char *copy = span_dup(s, err);
	for (char *c = copy; c && *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c | 0x20);
	return copy;
}

bool span_word(struct span *rest, struct span *ret)
{
	struct span s = span_trim(*rest);
	size_t len = 0;
	while (len < s.len && !span_blank(s.text[len]))
		len++;
	*ret = span_of(s.text, len);
	*rest = span_of(s.text + len, s.len - len);
	return len > 0;
}
