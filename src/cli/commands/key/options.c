/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands/internal.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "image/image.h"
#include "os/os.h"

int keys_begin(struct error **err)
{
	/* Not secret_harden_process: its limit on core files would go on into the container. A
	 * process that is not dumpable writes none either. */
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return error_errno(err, errno, "keep other processes from reading this one's keys");
	return 0;
}

void keys_end(void)
{
	key_environment_wipe();
	secret_report_unlocked();
}

/* The values of an option that not each command has; NULL where it has not, or none were given. */
static const struct strings *list(const struct invocation *in, const char *name)
{
	for (const struct option *o = in->command->options; o->name; o++)
		if (!strcmp(o->name, name)) {
			const struct strings *given = &invocation_option(in, name)->list;
			return given->len ? given : NULL;
		}
	return NULL;
}

/* The name of a file, likewise. */
static const char *text(const struct invocation *in, const char *name)
{
	for (const struct option *o = in->command->options; o->name; o++)
		if (!strcmp(o->name, name))
			return invocation_text(in, name);
	return NULL;
}

bool keys_given(const struct invocation *in)
{
	return text(in, "pem-path") || invocation_option(in, "passphrase")->on ||
	       invocation_option(in, "key-fd")->set || invocation_option(in, "key-command")->text ||
	       list(in, "identity") || list(in, "recipient") || list(in, "recipients-file");
}

char *keys_own_file(const char *name, struct error **err)
{
	const char *home = account_home(getuid());
	return home ? text_printf(err, "%s/.config/coffer/%s", home, name) : NULL;
}

int keys_default(const struct key_request *given, struct key **ret, struct error **err)
{
	CLEANUP_STRINGS struct strings files = { 0 };
	struct key_request request = *given;
	const char *name = given->use == KEY_FOR_RUN ? "identities" : "recipients";
	CLEANUP_TEXT char *path = keys_own_file(name, err);
	if (!path)
		return *err ? -1 : 0;
	if (access(path, F_OK) < 0)
		return 0;
	log_verbose("No key is given: taking the %s of %s", name, path);
	if (strings_add(&files, path, err) < 0)
		return -1;
	*(given->use == KEY_FOR_RUN ? &request.identities : &request.recipients_files) = &files;
	return key_choose(&request, ret, err);
}

/* --pem-path beside --passphrase is Apptainer's, and counts; the others are ours, and stand alone.
 */
int keys_request(const struct invocation *in, struct key_request *request, struct error **err)
{
	const struct option_value *fd = invocation_option(in, "key-fd");
	request->pem_path = text(in, "pem-path");
	request->ask_passphrase = invocation_option(in, "passphrase")->on;
	request->key_command = invocation_option(in, "key-command")->text;
	request->has_key_fd = fd->set;
	request->identities = list(in, "identity");
	request->recipients = list(in, "recipient");
	request->recipients_files = list(in, "recipients-file");
	int given = fd->set + (request->key_command != NULL) +
		    (request->pem_path || request->ask_passphrase);
	if (given > 1) {
		error_set(err, ERROR_USAGE, "more than one source of the key is given");
		return error_hint(err, "give one of --pem-path, --passphrase, --key-fd and "
				       "--key-command");
	}
	if (fd->set && (fd->number < 0 || fd->number > INT32_MAX))
		return error_set(err, ERROR_USAGE, "--key-fd %ld is no descriptor", fd->number);
	request->key_fd = (int)fd->number;
	return 0;
}

int keys_none(struct error **err)
{
	error_set(err, ERROR_KEY_MISSING, "no key is given that opens the image");
	return error_hint(err, "give one as for run: --identity, --pem-path, --passphrase, a "
			       "variable, or ~/.config/coffer/identities");
}

int keys_opener(const struct invocation *in, const struct image *img, struct key **ret,
		struct error **err)
{
	struct key_request request = { .use = KEY_FOR_RUN,
				       .use_environment = true,
				       .ask = tty_ask };
	if (keys_request(in, &request, err) < 0)
		return -1;
	request.recipients = request.recipients_files = NULL;
	if (key_choose(&request, ret, err) < 0)
		return -1;
	return !*ret && image_has_key_object(img) ? keys_default(&request, ret, err) : 0;
}

int keys_limit(const struct invocation *in, struct error **err)
{
	const struct option_value *limit = invocation_option(in, "max-kdf-memory");
	if (limit->set && (limit->number <= 0 || limit->number > INT32_MAX))
		return error_set(err, ERROR_USAGE,
				 "--max-kdf-memory %ld: give it in MiB, 1 or more", limit->number);
	if (limit->set)
		crypto_kdf_allow((uint64_t)limit->number << 20);
	return 0;
}
