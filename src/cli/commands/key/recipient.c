/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands/internal.h"

#include <string.h>
#include <time.h>

#include "image/image.h"

/* recipient: for whom an image is encrypted, shown and changed. */

const struct command cli_recipient = {
	.name = "recipient",
	.summary = "Show and change for whom an image is encrypted",
	.usage = "recipient <subcommand>",
	.description = "Shows the recipients that an encrypted image has, adds some, and takes\n"
		       "some away. The image is changed in place.\n",
	.options = options_help_only,
	.max_arguments = -1,
	.group = true,
};

/* ------------------------------------------------------------------ which keys */

/* Those that are to be added or removed. */
static int find_named(const struct invocation *in, struct key **ret, struct error **err)
{
	struct key_request all = { 0 }, request = { .use = KEY_FOR_BUILD };
	if (keys_request(in, &all, err) < 0)
		return -1;
	request.recipients = all.recipients;
	request.recipients_files = all.recipients_files;
	if (key_choose(&request, ret, err) < 0)
		return -1;
	if (*ret)
		return 0;
	error_set(err, ERROR_USAGE, "no recipient is named");
	return error_hint(err, "name them with --recipient KEY or --recipients-file FILE");
}

/* ------------------------------------------------------------------ list */

static int list_names(const struct image *img, const struct key *key, struct buffer *text,
		      struct error **err)
{
	CLEANUP_STRINGS struct strings names = { 0 };
	if (image_name_recipients(img, key, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.len; i++)
		if (buffer_printf(text, err, "%s\n", names.items[i]) < 0)
			return -1;
	return 0;
}

static int run_list(const struct invocation *in, struct error **err)
{
	CLEANUP_IMAGE struct image *img = NULL;
	CLEANUP_BUFFER struct buffer text = { 0 };
	CLEANUP_KEY struct key *key = NULL;
	if (image_open(in->arguments[0], &img, err) < 0)
		return -1;
	if (!keys_given(in))
		return image_list_recipients(img, &text, err) < 0 ? -1 : report_print(&text, err);
	if (keys_begin(err) < 0)
		return -1;
	int r = keys_opener(in, img, &key, err);
	keys_end();
	if (r == 0)
		r = key ? list_names(img, key, &text, err) : keys_none(err);
	return r < 0 ? -1 : report_print(&text, err);
}

static const struct option list_options[] = {
	OPTION_IDENTITY, OPTIONS_KEY_SOURCES, OPTIONS_KEY_OPENS, OPTION_HELP, { 0 },
};

const struct command cli_recipient_list = {
	.name = "recipient list",
	.summary = "List for which kinds of keys an image is encrypted",
	.usage = "recipient list [options...] <image>",
	.description =
		"Prints a line for each key that opens the encrypted image, but for\n"
		"passphrases. Of OpenSSH's keys the beginning of the fingerprint is shown, as\n"
		"`ssh-keygen -l` prints it; age's own (X25519) leave no trace of whose they\n"
		"are.\n"
		"No key is needed. With one of the recipients' private keys the public keys of\n"
		"all of them are printed, in a form that --recipient takes.\n",
	.examples = "$ %s recipient list secret.sif\n"
		    "$ %s recipient list --identity node.key secret.sif\n",
	.options = list_options,
	.min_arguments = 1,
	.max_arguments = 1,
	.intermixed = true,
	.image = true,
	.run = run_list,
};

/* ------------------------------------------------------------------ add and remove */

/* Removal changes who opens this file from now on, and nothing else: people must know. */
#define WHAT_REMAINS                                                                        \
	"Who was a recipient may have kept a copy of the image, or of the volume key that " \
	"encrypts its files, and opens both as before. `coffer rekey` encrypts the image "  \
	"anew, under another one"

static int report_change(const struct image_recipients_changed *changed, bool removed,
			 struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	if (buffer_printf(&text, err, "%s: %zu; recipients now: %zu%s\n",
			  removed ? "removed" : "added", changed->changed, changed->left,
			  !changed->left       ? ", its passphrase or RSA key alone opens it"
			  : changed->otherwise ? ", besides its passphrase or RSA key"
					       : "") < 0)
		return -1;
	if (report_print(&text, err) < 0)
		return -1;
	if (changed->unsigned_group)
		log_warning("The signature over the recipients does not hold any more, those over "
			    "the rest do: remove it with `coffer sif del`, and sign them with "
			    "`coffer sign --key=FILE --group-id %u`",
			    changed->unsigned_group);
	if (removed)
		log_warning("%s", WHAT_REMAINS);
	return 0;
}

static int find_keys(const struct invocation *in, struct key **ret_key, struct key **ret_named,
		     struct error **err)
{
	CLEANUP_IMAGE struct image *img = NULL;
	if (find_named(in, ret_named, err) < 0 || image_open(in->arguments[0], &img, err) < 0 ||
	    keys_opener(in, img, ret_key, err) < 0)
		return -1;
	return *ret_key || !image_is_encrypted(img) ? 0 : keys_none(err);
}

static int change(const struct invocation *in, bool remove, struct error **err)
{
	CLEANUP_KEY struct key *key = NULL, *named = NULL;
	struct image_recipients_changed changed;
	if (keys_limit(in, err) < 0 || keys_begin(err) < 0)
		return -1;
	int r = find_keys(in, &key, &named, err);
	keys_end();
	const struct image_recipients_change wish = {
		.remove = remove, .key = key, .named = named, .now = time(NULL)
	};
	if (r < 0 || image_change_recipients(in->arguments[0], &wish, &changed, err) < 0)
		return -1;
	return report_change(&changed, remove, err);
}

static int run_add(const struct invocation *in, struct error **err)
{
	return change(in, false, err);
}

static int run_remove(const struct invocation *in, struct error **err)
{
	return change(in, true, err);
}

static const struct option change_options[] = {
	OPTION_IDENTITY,
	OPTIONS_KEY_SOURCES,
	OPTION_MAX_KDF_MEMORY,
	OPTIONS_KEY_OPENS,
	{ .name = "recipient",
	  .letter = 'r',
	  .kind = OPTION_ARRAY,
	  .argument = "key",
	  .help = "this public key, age1..., ssh-ed25519 ..., ssh-rsa ..., or those in this "
		  "file; any number of times" },
	{ .name = "recipients-file",
	  .letter = 'R',
	  .kind = OPTION_ARRAY,
	  .argument = "file",
	  .help = "the public keys in this file, one a line" },
	OPTION_HELP,
	{ 0 },
};

const struct command cli_recipient_add = {
	.name = "recipient add",
	.summary = "Let further keys open an image",
	.usage = "recipient add [options...] <image>",
	.description =
		"Adds recipients to an encrypted image, in place and without touching what is\n"
		"encrypted: a kill at any moment leaves the image as it was or as it will be.\n"
		"It takes a key that opens the image, given as for run. An image of a\n"
		"passphrase or an RSA key, Apptainer's too, gets its first recipients so, and\n"
		"is opened by the old key as before.\n",
	.examples = "$ %s recipient add --identity me.key -r you.pub secret.sif\n"
		    "$ %s recipient add --pem-path rsa_pri.pem -R team.txt secret.sif\n",
	.options = change_options,
	.min_arguments = 1,
	.max_arguments = 1,
	.intermixed = true,
	.image = true,
	.run = run_add,
};

const struct command cli_recipient_remove = {
	.name = "recipient remove",
	.summary = "Let keys no longer open an image",
	.usage = "recipient remove [options...] <image>",
	.description =
		"Removes recipients from an encrypted image, in place. It takes the identity\n"
		"of any of them. They cannot open this file any more; but who has kept a copy\n"
		"of it, or of its volume key, can go on to read what is in it, as the files\n"
		"are not encrypted anew: `rekey` does that.\n",
	.examples = "$ %s recipient remove --identity me.key -r you.pub secret.sif\n",
	.options = change_options,
	.min_arguments = 1,
	.max_arguments = 1,
	.intermixed = true,
	.image = true,
	.run = run_remove,
};
