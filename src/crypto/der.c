/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DER, the little of it that keys and wrapped keys are made of (X.690).
 *
 * A cursor's overrun mark is sticky (base/bytes.h), so a caller may take several values and ask
 * once whether all were there. Lengths have at most four bytes and must be in their shortest form:
 * with two ways to write one length, two readers could see two keys in one file.
 */
#include "crypto/crypto.h"

bool crypto_der_take(struct bytes *b, uint8_t tag, struct bytes *ret)
{
	if (bytes_u8(b) != tag)
		b->overrun = true;
	size_t len = bytes_u8(b);
	if (len & 0x80) {
		size_t digits = len & 0x7f;
		if (digits < 1 || digits > 4)
			b->overrun = true;
		else
			len = bytes_be(b, digits);
		/* X.690 10.1: the shortest form only. */
		if (bytes_ok(b) && (len < 0x80 || len >> (8 * (digits - 1)) == 0))
			b->overrun = true;
	}
	const void *content = bytes_ok(b) ? bytes_take(b, len) : NULL;
	if (!content)
		return false;
	*ret = bytes_of(content, len);
	return true;
}

int crypto_der_peek(const struct bytes *b)
{
	return bytes_left(b) ? b->data[b->off] : -1;
}
