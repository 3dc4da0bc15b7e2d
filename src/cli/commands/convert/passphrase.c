/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands/convert/internal.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

/* passphrase: another one for an image that is there, or another cost of guessing it. */

struct passphrase_wish {
	struct key *old, *named;
	struct image_passphrase_change change;
	unsigned ways;
	const struct image *img;
};

static void wish_done(struct passphrase_wish *w)
{
	key_free(&w->old);
	key_free(&w->named);
}
#define CLEANUP_WISH __attribute__((cleanup(wish_done)))

/* A number of an option that is given, at least 1; 0 where it is not. */
static int take_number(const struct invocation *in, const char *name, const char *unit,
		       uint32_t *ret, struct error **err)
{
	const struct option_value *v = invocation_option(in, name);
	if (v->set && (v->number < 1 || v->number > INT32_MAX))
		return error_set(err, ERROR_USAGE, "--%s %ld: give it in %s, 1 or more", name,
				 v->number, unit);
	*ret = v->set ? (uint32_t)v->number : 0;
	return 0;
}

static int take_cost(const struct invocation *in, struct seal_cost *ret, struct error **err)
{
	uint32_t mib;
	if (take_number(in, "kdf-memory", "MiB", &mib, err) < 0 ||
	    take_number(in, "kdf-time", "ms", &ret->time_ms, err) < 0)
		return -1;
	ret->memory = (uint64_t)mib << 20;
	if (!invocation_on(in, "keep") || mib || ret->time_ms)
		return 0;
	error_set(err, ERROR_USAGE, "nothing is to be changed");
	return error_hint(err, "with --keep give --kdf-memory or --kdf-time");
}

/* The one that it has is asked for, unless it is given otherwise; then the new one. */
static int find_keys(const struct invocation *in, struct passphrase_wish *w, struct error **err)
{
	struct key_request old = { .use = KEY_FOR_RUN, .use_environment = true, .ask = tty_ask };
	struct key_request named = { .use = KEY_FOR_BUILD,
				     .ask_passphrase = true,
				     .confirm = tty_present(),
				     .ask = convert_ask_new };
	if (keys_limit(in, err) < 0 || keys_request(in, &old, err) < 0 ||
	    key_choose(&old, &w->old, err) < 0)
		return -1;
	if (!w->old) {
		old.ask_passphrase = true;
		if (key_choose(&old, &w->old, err) < 0)
			return -1;
	}
	w->change.old = w->change.passphrase = w->old;
	if (invocation_on(in, "keep") || !key_is_passphrase(w->old))
		return 0;
	if (key_choose(&named, &w->named, err) < 0)
		return -1;
	w->change.passphrase = w->named;
	return 0;
}

/* ------------------------------------------------------------------ the file */

static bool is_same(int fd, const struct image *img)
{
	struct stat one, two;
	return fstat(fd, &one) == 0 && fstat(img->fd, &two) == 0 && one.st_dev == two.st_dev &&
	       one.st_ino == two.st_ino;
}

/* What was looked at before it was locked may be another one by now. */
static int change_in_place(const char *path, struct passphrase_wish *w, struct error **err)
{
	CLEANUP_FD int fd = -1;
	CLEANUP_IMAGE struct image *img = NULL;
	if (sif_open_locked(path, &fd, err) < 0 || image_open(path, &img, err) < 0)
		return -1;
	if (!is_same(fd, img) || !image_is_encrypted(img) || !image_passphrase_in_place(img)) {
		error_set(err, ERROR_SYSTEM, "%s has just become another file", path);
		return error_hint(err, "somebody has put another image there: try again");
	}
	return image_change_passphrase(img, fd, &w->change, &w->ways, err);
}

static int fill_copy(void *context, int out_fd, struct error **err)
{
	struct passphrase_wish *w = context;
	return image_change_passphrase(w->img, out_fd, &w->change, &w->ways, err);
}

static int change_copy(const char *path, struct passphrase_wish *w, struct error **err)
{
	/* The file itself, where the name is a link to it: the link stays. */
	CLEANUP_TEXT char *file = realpath(path, NULL);
	CLEANUP_WORK struct convert_work copy = {
		.lock = -1, .target = file, .replace = true, .itself = true
	};
	if (!file)
		return error_errno(err, errno, "%s", path);
	if (convert_check_target(&copy, err) < 0 || convert_open(&copy, path, err) < 0)
		return -1;
	if (!image_is_encrypted(copy.img))
		return convert_not_encrypted(copy.img, err);
	w->img = copy.img;
	return convert_write_by(&copy, fill_copy, w, err);
}

/* ------------------------------------------------------------------ the command */

static int report(const struct invocation *in, const struct passphrase_wish *w, struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	bool keep = invocation_on(in, "keep");
	if (buffer_printf(&text, err, "%s: %s%s\n", in->arguments[0],
			  keep ? "its passphrase costs something else now"
			       : "it has another passphrase now",
			  w->ways > 1 ? "; others open it, too" : "") < 0 ||
	    report_print(&text, err) < 0)
		return error_hint(err, "all is done, and the new passphrase opens the image");
	if (!keep)
		log_warning("Who knew the old passphrase may have kept a copy of the image, or of "
			    "the volume key that encrypts its files, and opens both as before. "
			    "`coffer rekey` encrypts the image anew, under another one");
	return 0;
}

/* Before anybody has answered: then it can still be left as it is. */
static void warn_signatures(const char *path, const struct image *img)
{
	size_t count = image_passphrase_signatures(img);
	if (count)
		log_warning("%zu signature%s over the encrypted part of %s will not hold any more: "
			    "sign it anew afterwards (`coffer sif del`, `coffer sign`)",
			    count, count > 1 ? "s" : "", path);
}

static int run_passphrase(const struct invocation *in, struct error **err)
{
	CLEANUP_WISH struct passphrase_wish w = { 0 };
	CLEANUP_IMAGE struct image *img = NULL;
	const char *path = in->arguments[0];
	if (take_cost(in, &w.change.cost, err) < 0 || image_open(path, &img, err) < 0)
		return -1;
	if (!image_is_encrypted(img))
		return convert_not_encrypted(img, err);
	warn_signatures(path, img);
	if (keys_begin(err) < 0)
		return -1;
	int r = find_keys(in, &w, err);
	keys_end();
	if (r == 0)
		r = image_passphrase_in_place(img) ? change_in_place(path, &w, err)
						   : change_copy(path, &w, err);
	return r < 0 ? -1 : report(in, &w, err);
}

static const struct option passphrase_options[] = {
	{ .name = "kdf-memory",
	  .kind = OPTION_INT,
	  .argument = "MiB",
	  .help = "how much memory unlocking it shall take, at most" },
	{ .name = "kdf-time",
	  .kind = OPTION_INT,
	  .argument = "ms",
	  .help = "how long it shall take on this machine; LUKS2 only" },
	{ .name = "keep",
	  .kind = OPTION_SWITCH,
	  .help = "the passphrase stays, and what it costs is changed" },
	OPTIONS_KEY_SOURCES,
	OPTION_MAX_KDF_MEMORY,
	{ .name = "passphrase",
	  .kind = OPTION_SWITCH,
	  .no_value_ever = true,
	  .help = "ask for the passphrase that it has, whatever variables are set" },
	OPTION_HELP,
	{ 0 },
};

const struct command cli_passphrase = {
	.name = "passphrase",
	.summary = "Give an image another passphrase",
	.usage = "passphrase [options...] <image>",
	.description =
		"Puts another passphrase in the place of the one that an encrypted image has,\n"
		"and with --kdf-memory and --kdf-time another cost of guessing it, for\n"
		"machines with little memory. Both are asked for: on a terminal, or as two\n"
		"lines of standard input. What else opens the image, its recipients, stays, and\n"
		"so does its volume key: nothing is encrypted anew. A kill at any moment\n"
		"leaves an image that one of the two opens.\n",
	.examples = "$ %s passphrase secret.sif\n"
		    "$ %s passphrase --keep --kdf-memory 64 secret.sif\n",
	.options = passphrase_options,
	.min_arguments = 1,
	.max_arguments = 1,
	.intermixed = true,
	.image = true,
	.run = run_passphrase,
};
