/* SPDX-License-Identifier: Apache-2.0 */
#include "json/internal.h"

#include <stdio.h>
#include <string.h>

/*
 * Texts as Go's encoding/json writes and reads them: the objects of a SIF are compared byte by
 * byte, and the encoder that makes Apptainer's has escapes of its own.
 */

size_t json_utf8_len(const unsigned char *p, size_t left)
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
		size_t n = json_utf8_len(p + at, len - at);
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

int json_mend(const char *text, size_t len, struct buffer *ret, struct error **err)
{
	if (buffer_puts(ret, "", err) < 0)
		return -1;
	for (size_t at = 0; at < len;) {
		size_t n = json_utf8_len((const unsigned char *)text + at, len - at);
		if ((n ? buffer_append(ret, text + at, n, err)
		       : buffer_puts(ret, "\xef\xbf\xbd", err)) < 0)
			return -1;
		at += n ? n : 1;
	}
	return 0;
}
