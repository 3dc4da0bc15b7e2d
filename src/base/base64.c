/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
#define PADDING 64

int base64_encode(const void *data, size_t len, size_t line, struct buffer *ret, struct error **err)
{
	size_t need, newlines = 0;
	if (!checked_add(len / 3, (size_t)1, &need) || !checked_mul(need, (size_t)4, &need))
		return error_no_memory(err);
	if (line)
		newlines = need / line + 1;
	char *to = buffer_reserve(ret, need + newlines, err);
	if (!to)
		return -1;
	const unsigned char *p = data;
	size_t n = 0, column = 0;
	for (size_t i = 0; i < len; i += 3) {
		size_t have = len - i < 3 ? len - i : 3;
		unsigned v = (unsigned)p[i] << 16 | (have > 1 ? (unsigned)p[i + 1] << 8 : 0) |
			     (have > 2 ? (unsigned)p[i + 2] : 0);
		for (size_t j = 0; j < 4; j++) {
			to[n++] = alphabet[j > have ? PADDING : v >> (18 - 6 * j) & 63];
			if (line && ++column == line) {
				to[n++] = '\n';
				column = 0;
			}
		}
	}
	if (column)
		to[n++] = '\n';
	ret->len += n;
	ret->data[ret->len] = 0;
	return 0;
}

/*
 * The digit that a character is, or -1. A private key comes this way: neither a branch nor the
 * place in a table depends on it, so that its letters cannot be told by caches and predictors. Each
 * term is `value + 1` where the character is in its range, as both differences are negative there,
 * and 0 elsewhere.
 */
static inline int value_of(char c)
{
	int x = (unsigned char)c;
	/* Without the bit that parts them, capitals and small letters are one range. */
	int y = x & ~0x20;
	int v = (('A' - 1 - y) & (y - 'Z' - 1)) >> 8 & ((x & 31) + (x >> 5 & 1) * 26);
	v |= (('0' - 1 - x) & (x - '9' - 1)) >> 8 & (x - '0' + 53);
	v |= (('+' - 1 - x) & (x - '+' - 1)) >> 8 & 63;
	v |= (('/' - 1 - x) & (x - '/' - 1)) >> 8 & 64;
	return v - 1;
}

bool base64_decode(const char *text, size_t len, bool blanks, void *out, size_t *ret_len)
{
	unsigned char *to = out;
	size_t n = 0, digits = 0, padding = 0;
	unsigned v = 0;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];
		int digit = value_of(c);
		if (digit < 0) {
			if (blanks && (c == ' ' || c == '\t' || c == '\r' || c == '\n'))
				continue;
			if (c != '=')
				return false;
			padding++;
			continue;
		}
		if (padding)
			return false;
		v = v << 6 | (unsigned)digit;
		if (++digits % 4 == 0) {
			to[n++] = (unsigned char)(v >> 16);
			to[n++] = (unsigned char)(v >> 8);
			to[n++] = (unsigned char)v;
			v = 0;
		}
	}
	/* The bits that a short last group leaves over are zero in the one right encoding. */
	switch (digits % 4) {
	case 0:
		if (padding)
			return false;
		break;
	case 2:
		if (padding != 2 || v & 0xf)
			return false;
		to[n++] = (unsigned char)(v >> 4);
		break;
	case 3:
		if (padding != 1 || v & 3)
			return false;
		to[n++] = (unsigned char)(v >> 10);
		to[n++] = (unsigned char)(v >> 2);
		break;
	default:
		return false;
	}
	*ret_len = n;
	return true;
}
