/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/*
 * Characters that are no picture but an order. Unicode 15.0: 23.1 (C1 controls), 23.2 and UAX 9
 * (directions), 5.8 (separators), 23.8 (specials), 23.9 (tags, with which text is hidden in text).
 */
static const struct {
	uint32_t first, last;
} orders[] = {
	{ 0x80, 0x9f },	      /* C1 */
	{ 0x61c, 0x61c },     /* Arabic letter mark */
	{ 0x200e, 0x200f },   /* marks of direction */
	{ 0x2028, 0x202e },   /* separators, embeddings and overrides */
	{ 0x2066, 0x206f },   /* isolates; deprecated orders about shapes */
	{ 0xfeff, 0xfeff },   /* byte order mark */
	{ 0xfff9, 0xfffb },   /* interlinear annotation */
	{ 0xe0000, 0xe007f }, /* tags */
};

static bool is_order(uint32_t c)
{
	for (size_t i = 0; i < sizeof(orders) / sizeof(*orders); i++)
		if (c >= orders[i].first && c <= orders[i].last)
			return true;
	return false;
}

/* How long the character is that begins with this byte; 0: none does (RFC 3629, 4). */
static unsigned length_by_lead(unsigned char lead)
{
	if (lead >= 0xc2 && lead <= 0xdf)
		return 2;
	if (lead >= 0xe0 && lead <= 0xef)
		return 3;
	if (lead >= 0xf0 && lead <= 0xf4)
		return 4;
	return 0;
}

/* Whether `byte` may follow what is held. The second byte keeps out longer forms and surrogates. */
static bool may_follow(const struct screen *s, unsigned char byte)
{
	unsigned char least = 0x80, most = 0xbf;
	if (s->held_len == 1) {
		switch (s->held[0]) {
		case 0xe0:
			least = 0xa0;
			break;
		case 0xed:
			most = 0x9f;
			break;
		case 0xf0:
			least = 0x90;
			break;
		case 0xf4:
			most = 0x8f;
			break;
		default:
			break;
		}
	}
	return byte >= least && byte <= most;
}

static size_t show_byte(unsigned char byte, char *out)
{
	out[0] = '\\';
	out[1] = 'x';
	return (size_t)(text_put_hex(out + 2, &byte, 1) - out);
}

/* A whole character is held. */
static size_t show_held(struct screen *s, char out[SCREEN_STEP_MAX])
{
	uint32_t c = s->held[0] & (0xffU >> (s->held_len + 1));
	for (unsigned i = 1; i < s->held_len; i++)
		c = c << 6 | (s->held[i] & 0x3f);
	size_t len = s->held_len;
	s->held_len = 0;
	if (is_order(c))
		return (size_t)snprintf(out, SCREEN_STEP_MAX, "\\u{%x}", (unsigned)c);
	memcpy(out, s->held, len);
	return len;
}

size_t screen_end(struct screen *s, char out[SCREEN_STEP_MAX])
{
	size_t len = 0;
	for (unsigned i = 0; i < s->held_len; i++)
		len += show_byte(s->held[i], out + len);
	s->held_len = 0;
	return len;
}

size_t screen_step(struct screen *s, unsigned char byte, char out[SCREEN_STEP_MAX])
{
	if (s->held_len && may_follow(s, byte)) {
		s->held[s->held_len++] = byte;
		return s->held_len == length_by_lead(s->held[0]) ? show_held(s, out) : 0;
	}
	size_t len = screen_end(s, out);
	if (length_by_lead(byte)) {
		s->held[s->held_len++] = byte;
		return len;
	}
	if (byte == '\n' && s->form == SCREEN_LINE) {
		out[len++] = '\\';
		out[len++] = 'n';
		return len;
	}
	if (byte != '\n' && byte != '\t' && (byte < ' ' || byte > '~'))
		return len + show_byte(byte, out + len);
	out[len++] = (char)byte;
	return len;
}

int screen_put(struct screen *s, const char *text, size_t len, struct buffer *ret,
	       struct error **err)
{
	char out[SCREEN_STEP_MAX];
	for (size_t i = 0; i < len; i++)
		if (buffer_append(ret, out, screen_step(s, (unsigned char)text[i], out), err) < 0)
			return -1;
	return 0;
}

int screen_finish(struct screen *s, struct buffer *ret, struct error **err)
{
	char out[SCREEN_STEP_MAX];
	return buffer_append(ret, out, screen_end(s, out), err);
}

int screen_show(enum screen_form form, const char *text, size_t len, struct buffer *ret,
		struct error **err)
{
	struct screen s = { .form = form };
	return screen_put(&s, text, len, ret, err) < 0 ? -1 : screen_finish(&s, ret, err);
}
