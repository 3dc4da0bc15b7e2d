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
	if (!first) {
		passphrase_is_empty(err);
		return error_hint(err, "type it when asked, or give it as one line on the standard "
				       "input");
	}
	if (request->confirm) {
		if (request->ask(request->ask_context, KEY_PROMPT_CONFIRM, &second, err) < 0)
			return -1;
		if (!second || !secret_equal(first, second)) {
			error_set(err, ERROR_KEY_INVALID, "the two passphrases differ");
			return error_hint(err, "type the same one twice");
		}
	}
	*ret = take_pointer(&first);
	return 0;
}

static int too_long(const struct secret_form *form, struct error **err)
{
	error_set(err, ERROR_KEY_INVALID, "maximum %s length of %zu bytes exceeded",
		  form->passphrase_name, form->passphrase_max);
	return error_hint(err, "give a shorter one, or use an RSA key");
}

int passphrase_for_form(const struct secret *passphrase, const struct secret_form *form,
			bool only_line, struct secret **ret, struct error **err)
{
	size_t len = secret_size(passphrase);
	const unsigned char *newline =
		form->line ? memchr(secret_bytes(passphrase), '\n', len) : NULL;
	if (newline && only_line) {
		error_set(err, ERROR_KEY_INVALID,
			  "the passphrase has more than one line, of which gocryptfs would use "
			  "only the first");
		return error_hint(err, "give a passphrase of one line");
	}
	if (newline)
		len = (size_t)(newline - secret_bytes(passphrase));
	if (!len)
		return passphrase_is_empty(err);
	if (len > form->passphrase_max)
		return too_long(form, err);
	return secret_copy(secret_bytes(passphrase), len, ret, err);
}
