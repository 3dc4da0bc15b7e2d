/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_BASE_BASE64_H
#define COFFER_BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

/* RFC 4648, section 4: the standard alphabet with padding. */

/* Appends the text of len bytes; a newline after each `line` characters and at the end, if any. */
int base64_encode(const void *data, size_t len, size_t line, struct buffer *ret,
		  struct error **err);

/* Bytes that a text of len characters can stand for, at most. */
static inline size_t base64_decoded_max(size_t len)
{
	return len / 4 * 3 + 3;
}
/*
 * Decodes into out; cap is at least base64_decoded_max(len). With `blanks`, white space anywhere
 * is passed over (PEM). False for anything else that is not the one right encoding.
 */
bool base64_decode(const char *text, size_t len, bool blanks, void *out, size_t *ret_len);

#endif
