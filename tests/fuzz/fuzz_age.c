/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An age file, opened with known identities. The first byte says with which: an X25519 key, or a
 * passphrase, whose derivation stands in for a dear one (kdf.c).
 */
#include "fuzz.h"

#include <string.h>

#include "age/age.h"

#define TEXT_MAX 100000
#define PASSPHRASE "fuzz"
static const char identity[] =
	"AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";

enum { BY_PASSPHRASE = 1 };

static int known_key(uint8_t switches, struct age_key **ret, struct error **err)
{
	struct secret *passphrase CLEANUP_SECRET = NULL;
	if (!(switches & BY_PASSPHRASE))
		return age_key_from_text(identity, strlen(identity), ret, err);
	if (secret_copy(PASSPHRASE, strlen(PASSPHRASE), &passphrase, err) < 0)
		return -1;
	return age_key_passphrase(passphrase, 10, ret, err);
}

int fuzz_seed(struct buffer *ret, struct error **err)
{
	struct age_key *k CLEANUP_AGE_KEY = NULL;
	struct secret *text CLEANUP_SECRET = NULL;
	if (known_key(0, &k, err) < 0 || secret_copy("a text", 6, &text, err) < 0 ||
	    buffer_puts(ret, "0", err) < 0)
		return -1;
	return age_seal(&k, 1, text, ret, err);
}

int fuzz_run(const uint8_t *data, size_t len, struct error **err)
{
	struct bytes b = bytes_of(data, len);
	struct age_key *k CLEANUP_AGE_KEY = NULL;
	struct age_file *f CLEANUP_AGE_FILE = NULL;
	struct secret *file_key CLEANUP_SECRET = NULL, *text CLEANUP_SECRET = NULL;
	struct buffer shown CLEANUP_BUFFER = { 0 };
	uint8_t switches = bytes_u8(&b);
	if (age_read(b.data + b.off, bytes_left(&b), &f, err) < 0)
		return -1;
	for (size_t i = 0; i < age_stanza_count(f); i++)
		if (age_stanza_describe(f, i, &shown, err) < 0)
			return -1;
	fuzz_saw(shown.data, shown.len);
	if (known_key(switches, &k, err) < 0 || age_unwrap(f, &k, 1, NULL, &file_key, err) < 0 ||
	    age_authenticate(f, file_key, err) < 0 ||
	    age_payload(f, file_key, TEXT_MAX, &text, err) < 0)
		return -1;
	fuzz_saw(secret_bytes(text), secret_size(text));
	return 0;
}
