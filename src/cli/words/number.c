/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole numbers as Go's strconv reads them where the base is not said, which is what pflag asks it
 * to: 12, 0x_c, 0b1100, 0o14, 014, 1_2. C's strtol takes blanks, and neither 0b, 0o nor _.
 */
#include "cli/words/internal.h"

#include <string.h>

enum outcome { FINE, NO_SYNTAX, NO_RANGE };

/* 36 for what is none. */
static unsigned digit_of(char c)
{
	return c >= '0' && c <= '9'   ? (unsigned)(c - '0')
	       : c >= 'a' && c <= 'z' ? (unsigned)(c - 'a') + 10
	       : c >= 'A' && c <= 'Z' ? (unsigned)(c - 'A') + 10
				      : 36;
}

/* What the text begins with, and how much of it that is. */
static unsigned base_of(const char *text, size_t *ret_len)
{
	static const struct {
		char letter;
		unsigned base;
	} bases[] = { { 'b', 2 }, { 'o', 8 }, { 'x', 16 } };
	*ret_len = 0;
	if (*text != '0')
		return 10;
	for (size_t i = 0; text[1] && text[2] && i < sizeof(bases) / sizeof(*bases); i++)
		if ((text[1] | 0x20) == bases[i].letter) {
			*ret_len = 2;
			return bases[i].base;
		}
	*ret_len = 1;
	return 8;
}

/* Each has a digit on both sides; what says the base counts as one. */
static bool underscores_separate(const char *digits, bool after_base)
{
	bool was_digit = after_base;
	for (; *digits; digits++) {
		if (*digits == '_' && (!was_digit || !digits[1]))
			return false;
		was_digit = *digits != '_';
	}
	return true;
}

/* Too large is said before what follows is looked at, as Go says it. */
static enum outcome read_digits(const char *text, uint64_t max, uint64_t *ret)
{
	size_t len;
	unsigned base = base_of(text, &len);
	uint64_t n = 0;
	if (!*text)
		return NO_SYNTAX;
	for (const char *p = text + len; *p; p++) {
		unsigned digit = digit_of(*p);
		if (*p == '_')
			continue;
		if (digit >= base)
			return NO_SYNTAX;
		if (n > (max - digit) / base)
			return NO_RANGE;
		n = n * base + digit;
	}
	*ret = n;
	return underscores_separate(text + len, len > 0) ? FINE : NO_SYNTAX;
}

/* bits: of the number, its sign included. */
static enum outcome read_signed(const char *text, unsigned bits, long *ret)
{
	bool negative = *text == '-';
	uint64_t n = 0, limit = UINT64_C(1) << (bits - 1);
	enum outcome r =
		read_digits(text + (negative || *text == '+'), UINT64_MAX >> (64 - bits), &n);
	if (r != FINE)
		return r;
	if (negative ? n > limit : n >= limit)
		return NO_RANGE;
	*ret = !negative ? (long)n : n ? -(long)(n - 1) - 1 : 0;
	return FINE;
}

int parse_integer(enum option_kind kind, const char *text, long *ret, struct error **err)
{
	bool is_unsigned = kind == OPTION_UINT32;
	uint64_t n = 0;
	enum outcome r = is_unsigned ? read_digits(text, UINT32_MAX, &n)
				     : read_signed(text, kind == OPTION_INT32 ? 32 : 64, ret);
	if (r == FINE) {
		if (is_unsigned)
			*ret = (long)n;
		return 0;
	}
	CLEANUP_TEXT char *quoted = parse_quote(text, err);
	return quoted ? error_set(err, ERROR_USAGE, "strconv.%s: parsing %s: %s",
				  is_unsigned ? "ParseUint" : "ParseInt", quoted,
				  r == NO_RANGE ? "value out of range" : "invalid syntax")
		      : -1;
}
