/* SPDX-License-Identifier: Apache-2.0 */
#include "key/internal.h"

#include <string.h>

/* Apptainer's words, for running too (cli-messages 2). */
int passphrase_is_empty(struct error **err)
{
	return error_set(err, ERROR_KEY_INVALID, "Cannot encrypt container with empty passphrase");
}

int passphrase_ask(const struct key_request *request, struct secret **ret, struct error **err)
{
	struct secret *first CLEANUP_SECRET = NULL, *second CLEANUP_SECRET = NULL;
	if (!request->ask) {
		error_set(err, ERROR_KEY_MISSING, "nobody can be asked for the passphrase");
		return error_hint(err, "set APPTAINER_ENCRYPTION_PASSPHRASE, or use --pem-path");
	}
	if (request->ask(request->ask_context, KEY_PROMPT, &first, err) < 0)
		return -1;
	if (!first)
		return passphrase_is_empty(err);
	if (request->confirm) {
		if (request->ask(request->ask_context, KEY_PROMPT_CONFIRM, &second, err) < 0)
			return -1;
		if (!second || !secret_equal(first, second))
			return error_set(err, ERROR_KEY_INVALID, "the two passphrases differ");
	}
	*ret = first;
	first = NULL;
	return 0;
}

int passphrase_for_form(const struct secret *passphrase, enum key_secret_form form, bool only_line,
			struct secret **ret, struct error **err)
{
	size_t len = secret_size(passphrase);
	if (form == KEY_SECRET_LUKS2) {
		if (len > LUKS2_PASSPHRASE_MAX)
			return error_set(err, ERROR_KEY_INVALID,
					 "maximum passphrase length of %d bytes exceeded",
					 LUKS2_PASSPHRASE_MAX);
		return secret_copy(secret_bytes(passphrase), len, ret, err);
	}
	/* gocryptfs takes one line from its standard input. */
	const unsigned char *newline = memchr(secret_bytes(passphrase), '\n', len);
	if (newline && only_line)
		return error_set(err, ERROR_KEY_INVALID,
				 "the passphrase has more than one line, of which gocryptfs would "
				 "use only the first");
	if (newline)
		len = (size_t)(newline - secret_bytes(passphrase));
	if (!len)
		return passphrase_is_empty(err);
	if (len > GOCRYPTFS_PASSPHRASE_MAX)
		return error_set(err, ERROR_KEY_INVALID,
				 "maximum password length of %d bytes exceeded",
				 GOCRYPTFS_PASSPHRASE_MAX);
	return secret_copy(secret_bytes(passphrase), len, ret, err);
}
