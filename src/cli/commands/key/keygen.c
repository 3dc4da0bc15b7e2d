/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "key/key.h"

/* keygen: a new pair of keys. */

static int exists(const char *path, struct error **err)
{
	error_set(err, ERROR_EXISTS, "%s is there already, and a key is never overwritten", path);
	return error_hint(err, "choose another name with --output");
}

/* The folder that a path ends behind, and made if it is missing. */
static int make_folder(char *path, char *end, struct error **err)
{
	*end = '\0';
	int r = mkdir(path, 0700) < 0 && errno != EEXIST ? error_errno(err, errno, "make %s", path)
							 : 0;
	*end = '/';
	return r;
}

/* Where run looks for it; its folders are made. NULL with *err set. */
static char *default_path(struct error **err)
{
	CLEANUP_TEXT char *path = keys_own_file("identities", err);
	if (!path) {
		if (!*err) {
			error_set(err, ERROR_USAGE, "there is no home folder to put the key in");
			error_hint(err, "name the file with --output");
		}
		return NULL;
	}
	char *coffer = strrchr(path, '/'), *config = memrchr(path, '/', (size_t)(coffer - path));
	return make_folder(path, config, err) < 0 || make_folder(path, coffer, err) < 0
		       ? NULL
		       : take_pointer(&path);
}

/* With its whole text, or not at all. */
static int write_new(const char *path, const struct secret *text, struct error **err)
{
	CLEANUP_FD int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == EEXIST ? exists(path, err)
				       : error_errno(err, errno, "make %s", path);
	int r = fd_write(fd, secret_bytes(text), secret_size(text));
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0)
		return 0;
	(void)unlink(path);
	return error_errno(err, -r, "write %s", path);
}

/* NULL where it is not wished for. */
static int ask_passphrase(const struct invocation *in, struct secret **ret, struct error **err)
{
	bool wanted = invocation_option(in, "passphrase")->on;
	struct secret *again CLEANUP_SECRET = NULL;
	if (invocation_option(in, "unprotected")->on) {
		if (wanted)
			return error_set(err, ERROR_USAGE,
					 "--passphrase and --unprotected exclude each other");
		return 0;
	}
	if (!wanted && !tty_present())
		return 0;
	if (tty_ask(NULL, "Enter passphrase to protect the key: ", ret, err) < 0)
		return -1;
	if (!*ret) {
		error_set(err, ERROR_KEY_INVALID, "no passphrase was given");
		return error_hint(err, "a key without one is written with --unprotected");
	}
	if (tty_present() && (tty_ask(NULL, "Confirm passphrase: ", &again, err) < 0 || !again ||
			      !secret_equal(*ret, again)))
		return *err ? -1 : error_set(err, ERROR_KEY_INVALID, "the two passphrases differ");
	return 0;
}

static int generate(const struct invocation *in, const char *path, struct buffer *said,
		    struct error **err)
{
	struct secret *passphrase CLEANUP_SECRET = NULL, *text CLEANUP_SECRET = NULL;
	CLEANUP_BUFFER struct buffer public = { 0 };
	if (ask_passphrase(in, &passphrase, err) < 0 ||
	    key_generate(passphrase, &text, &public, err) < 0 || write_new(path, text, err) < 0)
		return -1;
	return buffer_printf(said, err,
			     "public key:   %s\n"
			     "private key:  %s, %s\n"
			     "next:         %s build --recipient %s secret.sif image.def\n",
			     public.data, path,
			     passphrase ? "protected with a passphrase" : "NOT protected",
			     in->program, public.data);
}

static int run_keygen(const struct invocation *in, struct error **err)
{
	CLEANUP_BUFFER struct buffer said = { 0 };
	const char *output = invocation_option(in, "output")->text;
	CLEANUP_TEXT char *path = output ? text_dup(output, err) : default_path(err);
	if (!path)
		return -1;
	/* Before anybody is asked. */
	if (access(path, F_OK) == 0)
		return exists(path, err);
	if (keys_begin(err) < 0)
		return -1;
	int r = generate(in, path, &said, err);
	keys_end();
	return r < 0 ? -1 : report_print(&said, err);
}

static const struct option keygen_options[] = {
	{ .name = "output",
	  .letter = 'o',
	  .kind = OPTION_TEXT,
	  .argument = "file",
	  .help = "where the private key goes; ~/.config/coffer/identities without this" },
	{ .name = "passphrase",
	  .kind = OPTION_SWITCH,
	  .no_value_ever = true,
	  .help = "ask for a passphrase also where there is no terminal" },
	{ .name = "unprotected", .kind = OPTION_SWITCH, .help = "write it without a passphrase" },
	OPTION_HELP,
	{ 0 },
};

const struct command cli_keygen = {
	.name = "keygen",
	.summary = "Make a pair of keys",
	.usage = "keygen [options...]",
	.description =
		"Makes a new X25519 key as age has it. The private half, an identity, goes into\n"
		"a file that only its owner can read, which must not be there yet; on a\n"
		"terminal it is protected with a passphrase. The public half, a recipient, is\n"
		"printed: images are built for it. Both are for age, too.\n",
	.examples = "$ %s keygen\n"
		    "$ %s keygen --output node.key --unprotected\n",
	.options = keygen_options,
	.max_arguments = 0,
	.run = run_keygen,
};
