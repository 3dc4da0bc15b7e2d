/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bech32 (BIP 173): the text of a key. A prefix, "1", five bits a letter, and six letters of a
 * checksum, which is a remainder of polynomials over GF(32).
 *
 * The text of a private key passes through here, so nothing is looked up at a place, and no branch
 * is taken, that depends on the letters: only on whether they are letters at all.
 */
#include "age/internal.h"

#include <string.h>

static const char alphabet[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
#define CHECKSUM 6
#define NO_VALUE 32u

/* All ones where a equals b, of numbers below 2^31. */
static uint32_t same(uint32_t a, uint32_t b)
{
	return (((a ^ b) - 1u) >> 31) * UINT32_MAX;
}

static uint32_t value_of(uint8_t letter)
{
	uint32_t value = NO_VALUE;
	for (uint32_t i = 0; i < 32; i++) {
		uint32_t mask = same(letter, (uint8_t)alphabet[i]);
		value = (value & ~mask) | (i & mask);
	}
	return value;
}

static char letter_of(uint32_t value)
{
	uint32_t letter = 0;
	for (uint32_t i = 0; i < 32; i++)
		letter |= (uint8_t)alphabet[i] & same(value, i);
	return (char)letter;
}

/* The remainder with one more value. */
static uint32_t step(uint32_t sum, uint32_t value)
{
	static const uint32_t generators[] = { 0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd,
					       0x2a1462b3 };
	uint32_t top = sum >> 25;
	sum = (sum & 0x1ffffff) << 5 ^ value;
	for (unsigned i = 0; i < 5; i++)
		sum ^= generators[i] & (0u - (top >> i & 1));
	return sum;
}

static uint32_t prefix_sum(const char *prefix)
{
	uint32_t sum = 1;
	for (const char *p = prefix; *p; p++)
		sum = step(sum, (uint32_t)*p >> 5);
	sum = step(sum, 0);
	for (const char *p = prefix; *p; p++)
		sum = step(sum, (uint32_t)*p & 31);
	return sum;
}

/* A letter in small, and which of the two it was, in *cases: 1 small, 2 capital. */
static uint8_t small(char c, unsigned *cases)
{
	uint32_t letter = (uint8_t)c;
	uint32_t is_capital = ((letter - 'A') >> 31 ^ 1) & (('Z' - letter) >> 31 ^ 1);
	uint32_t is_small = ((letter - 'a') >> 31 ^ 1) & (('z' - letter) >> 31 ^ 1);
	*cases |= is_small | is_capital << 1;
	return (uint8_t)(letter + 32 * is_capital);
}

bool age_bech32_decode(const char *text, size_t len, const char *prefix, uint8_t *ret, size_t want)
{
	size_t prefix_len = strlen(prefix);
	if (len != AGE_BECH32_LEN(prefix_len, want))
		return false;
	unsigned cases = 0, bits = 0;
	for (size_t i = 0; i < prefix_len; i++)
		if (small(text[i], &cases) != (uint8_t)prefix[i])
			return false;
	if (text[prefix_len] != '1')
		return false;
	uint32_t sum = prefix_sum(prefix), held = 0, bad = 0;
	size_t n = 0;
	for (size_t i = prefix_len + 1; i < len; i++) {
		uint32_t value = value_of(small(text[i], &cases));
		bad |= value & NO_VALUE;
		sum = step(sum, value);
		if (i + CHECKSUM >= len)
			continue;
		held = (held << 5 | value) & 0xfff;
		bits += 5;
		if (bits >= 8) {
			bits -= 8;
			ret[n++] = (uint8_t)(held >> bits);
		}
	}
	/* What the last letter has left over is zero in the one right encoding. */
	bad |= held & ((1u << bits) - 1);
	return n == want && !bad && sum == 1 && cases != 3;
}

void age_bech32_encode(const char *prefix, const uint8_t *data, size_t len, bool capitals, char *to)
{
	char *p = to;
	uint32_t sum = prefix_sum(prefix), held = 0;
	unsigned bits = 0;
	size_t next = 0, letters = (len * 8 + 4) / 5;
	p = stpcpy(p, prefix);
	*p++ = '1';
	for (size_t i = 0; i < letters; i++) {
		if (bits < 5) {
			held = (held << 8 | (next < len ? data[next] : 0)) & 0xffff;
			next++;
			bits += 8;
		}
		bits -= 5;
		uint32_t value = held >> bits & 31;
		sum = step(sum, value);
		*p++ = letter_of(value);
	}
	for (int i = 0; i < CHECKSUM; i++)
		sum = step(sum, 0);
	sum ^= 1;
	for (int i = 0; i < CHECKSUM; i++)
		*p++ = letter_of(sum >> (5 * (CHECKSUM - 1 - i)) & 31);
	for (char *c = to; capitals && c < p; c++)
		if (*c >= 'a' && *c <= 'z')
			*c = (char)(*c - 32);
}
