/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of identities, or of recipients to build for: age's, protected or not, and OpenSSH's. The
 * first byte says which of the two it shall be, and whether somebody answers when a passphrase is
 * asked for, whose derivation stands in for a dear one (kdf.c). Recipients are written as the lines
 * that a key object has of them, which name the same ones when they are read.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "key/internal.h"

#define PASSPHRASE "fuzz"

enum { FOR_BUILD = 1, NOBODY = 2 };

static int answer(void *context, const char *prompt, struct secret **ret, struct error **err)
{
	(void)context;
	(void)prompt;
	return secret_copy(PASSPHRASE, strlen(PASSPHRASE), ret, err);
}

static int again(const struct key *k, struct error **err)
{
	struct strings lines CLEANUP_STRINGS = { 0 }, same CLEANUP_STRINGS = { 0 };
	struct key *reread CLEANUP_KEY = NULL;
	if (key_recipients(k, &lines, err) < 0 || key_for_recipients(&lines, &reread, err) < 0 ||
	    key_recipients(reread, &same, err) < 0)
		return -1;
	if (lines.len != same.len)
		abort();
	for (size_t i = 0; i < lines.len; i++)
		if (strcmp(lines.items[i], same.items[i]) != 0)
			abort();
	return 0;
}

int fuzz_run(const uint8_t *data, size_t len, struct error **err)
{
	struct bytes b = bytes_of(data, len);
	struct secret *text CLEANUP_SECRET = NULL;
	uint8_t switches = bytes_u8(&b);
	bool build = switches & FOR_BUILD;
	const struct key_request request = { .use = build ? KEY_FOR_BUILD : KEY_FOR_RUN,
					     .ask = switches & NOBODY ? NULL : answer };
	size_t left = bytes_left(&b);
	struct key *k CLEANUP_KEY = calloc(1, sizeof(*k));
	if (!k)
		return error_no_memory(err);
	if (!left || left > PEM_TEXT_MAX)
		return error_set(err, ERROR_KEY_INVALID, "no file of keys has this size");
	if (secret_copy(bytes_take(&b, left), left, &text, err) < 0)
		return -1;
	if ((build ? recipient_add : identity_add)(&request, "the file", text, k, err) < 0)
		return -1;
	fuzz_saw_number(key_age_count(k));
	return build ? again(k, err) : 0;
}
