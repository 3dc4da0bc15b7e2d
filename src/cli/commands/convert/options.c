/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands/convert/internal.h"

#include <string.h>

/* For whom the new image is: from the words of the command line to a key to build with. */

int convert_seal(const struct invocation *in, const struct seal *usual, const struct seal **ret,
		 struct error **err)
{
	const char *kind = invocation_text(in, "encryption");
	*ret = kind ? seal_by_name(kind) : usual;
	return *ret ? 0
		    : error_set(err, ERROR_USAGE, "--encryption takes luks2 or gocryptfs, not %s",
				kind);
}

int convert_key(const struct invocation *in, struct key **ret, struct error **err)
{
	struct key_request request = {
		.use = KEY_FOR_BUILD,
		.use_environment = true,
		.confirm = tty_present() && dialect_asks_twice(in->program),
		.ask = tty_ask,
	};
	if (keys_request(in, &request, err) < 0 || key_choose(&request, ret, err) < 0 ||
	    (!*ret && keys_default(&request, ret, err) < 0))
		return -1;
	if (*ret)
		return 0;
	error_set(err, ERROR_KEY_MISSING, "no key is given to encrypt the image with");
	return error_hint(err, "give one as for build: --recipient, --passphrase, --pem-path, a "
			       "variable, or ~/.config/coffer/recipients");
}

/* One of two questions has been answered already. */
int convert_ask_new(void *context, const char *prompt, struct secret **ret, struct error **err)
{
	if (!strcmp(prompt, KEY_PROMPT))
		prompt = "Enter the new passphrase: ";
	else if (!strcmp(prompt, KEY_PROMPT_CONFIRM))
		prompt = "Confirm the new passphrase: ";
	return tty_ask(context, prompt, ret, err);
}

int convert_new_key(const struct invocation *in, struct key **ret, struct error **err)
{
	struct key_request given = { 0 }, request = {
		.use = KEY_FOR_BUILD,
		.pem_path = invocation_text(in, "new-pem-path"),
		.ask_passphrase = invocation_on(in, "new-passphrase"),
		.confirm = tty_present(),
		.ask = convert_ask_new,
	};
	if (request.pem_path && request.ask_passphrase)
		return error_set(err, ERROR_USAGE,
				 "--new-passphrase and --new-pem-path exclude each other");
	if (keys_request(in, &given, err) < 0)
		return -1;
	request.recipients = given.recipients;
	request.recipients_files = given.recipients_files;
	return key_choose(&request, ret, err);
}
