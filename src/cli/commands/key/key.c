/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands/internal.h"

#include "image/image.h"

/* key: what a person wants to know of a key before it is needed. Nothing here runs an image. */

const struct command cli_key = {
	.name = "key",
	.summary = "Show a key, or try which one opens an image",
	.usage = "key <subcommand>",
	.description = "Shows what a key file is, and tries keys on an image, with nothing run.\n",
	.options = options_help_only,
	.max_arguments = -1,
	.group = true,
};

/* Asks as a run does, and notes that it had to. */
static int ask_and_note(void *context, const char *prompt, struct secret **ret, struct error **err)
{
	*(bool *)context = true;
	return tty_ask(NULL, prompt, ret, err);
}

/* text: NULL, or where the file's is kept from the first time to the next. */
static int read_key(const char *path, struct secret **text, enum key_use use, bool *ret_protected,
		    struct key **ret, struct error **err)
{
	struct key_request request = { .use = use,
				       .pem_path = path,
				       .pem_text = text,
				       .any_form = true,
				       .ask = ask_and_note,
				       .ask_context = ret_protected };
	*ret_protected = false;
	return key_choose(&request, ret, err);
}

/* Keys of age's, and Ed25519 keys of OpenSSH's: a file may hold several. */
static int print_ages(const char *path, const struct key *k, enum key_use use, bool is_protected,
		      struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	bool private = use == KEY_FOR_RUN;
	if (buffer_printf(&text, err, "%s:\n", path) < 0)
		return -1;
	for (size_t i = 0; i < key_age_count(k); i++) {
		CLEANUP_BUFFER struct buffer kind = { 0 }, name = { 0 };
		if (key_age_describe(k, i, &kind, &name, err) < 0 ||
		    buffer_printf(&text, err,
				  "  kind:         %s\n  protected:    %s\n  fingerprint:  %s\n"
				  "  use:          %s\n",
				  kind.data, is_protected ? "yes, with a passphrase" : "no",
				  name.data,
				  private ? "opens images that were built for it: --identity"
					  : "images are built for it: --recipient") < 0)
			return -1;
	}
	return report_print(&text, err);
}

static int print_key(const char *path, const struct key *k, enum key_use use, bool is_protected,
		     struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	bool private = use == KEY_FOR_RUN;
	if (buffer_printf(&text, err,
			  "%s:\n  kind:         RSA %s, %zu bits\n  protected:    %s\n"
			  "  fingerprint:  ",
			  path, private ? "private key" : "public key", key_bits(k),
			  is_protected ? "yes, with a password" : "no") < 0 ||
	    key_describe(k, &text, err) < 0 ||
	    buffer_printf(&text, err, "\n  use:          %s\n",
			  private ? "opens images that were built with its public half"
				  : "builds images that its private half opens") < 0)
		return -1;
	return report_print(&text, err);
}

/* Neither half: the words of both tries, of which one fits what the file is. */
static int no_key(const char *path, const struct error *private, const struct error *public,
		  struct error **err)
{
	error_set(err, error_kind(private), "%s: to run: %s; to build: %s", path,
		  error_message(private), error_message(public));
	return error_hint(err, "coffer(1), KEYS, tells which forms of keys there are");
}

static int run_show(const struct invocation *in, struct error **err)
{
	CLEANUP_KEY struct key *k = NULL;
	CLEANUP_SECRET struct secret *text = NULL;
	CLEANUP_ERROR struct error *not_private = NULL, *not_public = NULL;
	const char *path = in->arguments[0];
	enum key_use use = KEY_FOR_RUN;
	bool is_protected;
	if (keys_begin(err) < 0)
		return -1;
	int r = read_key(path, &text, use, &is_protected, &k, &not_private);
	/* Of a private key it is no news that it is not a public one. */
	if (r < 0 && (is_protected || error_kind(not_private) != ERROR_KEY_INVALID)) {
		*err = take_pointer(&not_private);
	} else if (r < 0) {
		use = KEY_FOR_BUILD;
		r = read_key(path, &text, use, &is_protected, &k, &not_public);
		if (r < 0)
			no_key(path, not_private, not_public, err);
	}
	keys_end();
	if (r < 0)
		return -1;
	return key_age_count(k) ? print_ages(path, k, use, is_protected, err)
				: print_key(path, k, use, is_protected, err);
}

const struct command cli_key_show = {
	.name = "key show",
	.summary = "Show what kind of key a file holds",
	.usage = "key show <file>",
	.description =
		"Reads a key file as run and build do, and prints its kind, length, whether\n"
		"it is protected, what it is for, and the fingerprint, which is the same for\n"
		"both halves: that of `openssl pkey -pubout -outform DER | sha256sum`. The\n"
		"password of a protected key is asked for.\n",
	.examples = "$ %s key show rsa_pri.pem\n",
	.options = options_help_only,
	.min_arguments = 1,
	.max_arguments = 1,
	.run = run_show,
};

/* ------------------------------------------------------------------ which one opens it */

/* 1 when it opens the image, 0 when it does not; then why. Other errors are the image's. */
static int opens(const struct image *img, const struct key *k, struct error **ret_why,
		 struct error **err)
{
	CLEANUP_IMAGE_TREE struct image_tree *tree = NULL;
	if (image_unseal(img, k, NULL, &tree, ret_why) == 0)
		return 1;
	enum error_kind kind = error_kind(*ret_why);
	if (kind == ERROR_KEY_WRONG || kind == ERROR_KEY_INVALID)
		return 0;
	*err = take_pointer(ret_why);
	return -1;
}

static int try_key(const struct image *img, const struct key *k, const char *name,
		   struct buffer *text, struct error **err)
{
	CLEANUP_ERROR struct error *why = NULL;
	int r = opens(img, k, &why, err);
	if (r < 0)
		return -1;
	if (buffer_printf(text, err, "%s: %s%s\n", name, r ? "opens " : "does not open ",
			  img->path) < 0)
		return -1;
	return r;
}

/* A file that is no key is one more that does not open it. */
static int try_file(const struct image *img, const char *path, struct buffer *text,
		    struct error **err)
{
	CLEANUP_KEY struct key *k = NULL;
	CLEANUP_ERROR struct error *why = NULL;
	bool is_protected;
	if (read_key(path, NULL, KEY_FOR_RUN, &is_protected, &k, &why) == 0)
		return try_key(img, k, path, text, err);
	return buffer_printf(text, err, "%s: is no key for it: %s\n", path, error_message(why));
}

static int try_all(const struct invocation *in, const struct image *img, struct buffer *text,
		   struct error **err)
{
	CLEANUP_KEY struct key *k = NULL;
	struct key_request request = { .use = KEY_FOR_RUN,
				       .use_environment = true,
				       .ask = tty_ask };
	if (keys_request(in, &request, err) < 0)
		return -1;
	int found = 0, r = 0;
	if (in->argument_count == 1 || keys_given(in)) {
		if (key_choose(&request, &k, err) < 0 ||
		    (!k && image_has_key_object(img) && keys_default(&request, &k, err) < 0))
			return -1;
		if (!k) {
			error_set(err, ERROR_KEY_MISSING, "no key is given");
			return error_hint(err, "name key files behind the image, or give a key as "
					       "for run: --pem-path, --passphrase, a variable");
		}
		r = try_key(img, k, key_origin(k), text, err);
		found |= r > 0;
	}
	for (size_t i = 1; r >= 0 && i < in->argument_count; i++) {
		r = try_file(img, in->arguments[i], text, err);
		found |= r > 0;
	}
	return r < 0 ? -1 : found;
}

static int run_check(const struct invocation *in, struct error **err)
{
	CLEANUP_IMAGE struct image *img = NULL;
	CLEANUP_BUFFER struct buffer text = { 0 };
	const char *path = in->arguments[0];
	if (image_open(path, &img, err) < 0)
		return -1;
	if (!image_is_encrypted(img)) {
		error_set(err, ERROR_USAGE, "%s is not encrypted", path);
		return error_hint(err, "it runs without a key");
	}
	if (keys_limit(in, err) < 0 || keys_begin(err) < 0)
		return -1;
	int r = try_all(in, img, &text, err);
	keys_end();
	if (r < 0 || report_print(&text, err) < 0)
		return -1;
	return r ? 0 : 1;
}

static const struct option check_options[] = {
	OPTION_IDENTITY,   OPTIONS_KEY_SOURCES, OPTION_MAX_KDF_MEMORY,
	OPTIONS_KEY_OPENS, OPTION_HELP,		{ 0 },
};

const struct command cli_key_check = {
	.name = "key check",
	.summary = "Try which keys open an image",
	.usage = "key check [options...] <image> [key file...]",
	.description =
		"Unlocks the encrypted image with each of the keys, runs nothing of it, and\n"
		"says for each whether it opens it. Without a key file the key is taken as\n"
		"for run: by an option or a variable. The exit status is 0 when one of them\n"
		"opens the image, and 1 when none does.\n",
	.examples = "$ %s key check secret.sif rsa_pri.pem other.pem\n"
		    "$ %s key check --passphrase secret.sif\n",
	.options = check_options,
	.min_arguments = 1,
	.max_arguments = -1,
	.intermixed = true,
	.image = true,
	.run = run_check,
};
