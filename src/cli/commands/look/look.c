/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands/look/internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "serve/serve.h"

/* ls, cat, find: what is in an image, with nothing of it run or mounted. */

/* ------------------------------------------------------------------ opening it */

static int find_key(const struct invocation *in, const struct image *img, struct key **ret,
		    struct error **err)
{
	if (!image_is_encrypted(img))
		return 0;
	if (keys_limit(in, err) < 0 || keys_begin(err) < 0)
		return -1;
	int r = keys_opener(in, img, ret, err);
	keys_end();
	if (r < 0)
		return -1;
	return *ret ? 0 : keys_none(err);
}

static int open_image_tree(const struct invocation *in, struct image **ret_img,
			   struct image_tree **ret_tree, struct error **err)
{
	CLEANUP_IMAGE struct image *img = NULL;
	CLEANUP_KEY struct key *key = NULL;
	if (image_open(in->arguments[0], &img, err) < 0)
		return -1;
	if (image_is_folder(img)) {
		error_set(err, ERROR_USAGE, "%s is a folder", in->arguments[0]);
		return error_hint(err, "it is looked into with the system's own programs");
	}
	if (find_key(in, img, &key, err) < 0 || image_unseal(img, key, NULL, ret_tree, err) < 0)
		return -1;
	*ret_img = take_pointer(&img);
	return 0;
}

static int take(void *context, const void *data, size_t len, struct error **err)
{
	/* Borrowed: it is only read. */
	struct buffer piece = { .data = (char *)(uintptr_t)data, .len = len };
	return report_piece(context, &piece, err);
}

/* The paths are those behind the image; the whole of it where there are none. */
static int look(const struct invocation *in, serve_work *work, struct look_wish *wish,
		struct error **err)
{
	static const char *const whole[] = { "/", NULL };
	CLEANUP_IMAGE struct image *img = NULL;
	CLEANUP_IMAGE_TREE struct image_tree *tree = NULL;
	struct screen screen = { .form = SCREEN_TEXT };
	wish->paths = in->argument_count > 1 ? in->arguments + 1 : whole;
	wish->terminal = isatty(STDOUT_FILENO);
	if (open_image_tree(in, &img, &tree, err) < 0)
		return -1;
	const struct serve_aside plan = { .work = work,
					  .work_context = wish,
					  .take = take,
					  .take_context = &screen,
					  .image_fd = image_descriptor(img) };
	int r = serve_aside(&tree, &plan, err);
	return r < 0 ? error_wrap(err, "%s", in->arguments[0]) : report_end(&screen, err);
}

#define OPTIONS_LOOK \
	OPTION_IDENTITY, OPTIONS_KEY_SOURCES, OPTION_MAX_KDF_MEMORY, OPTIONS_KEY_OPENS, OPTION_HELP

/* ------------------------------------------------------------------ ls */

static int run_ls(const struct invocation *in, struct error **err)
{
	struct look_wish wish = { .recursive = invocation_on(in, "recursive"),
				  .details = invocation_on(in, "long") };
	return look(in, look_list, &wish, err);
}

static const struct option ls_options[] = {
	{ .name = "long",
	  .letter = 'l',
	  .kind = OPTION_SWITCH,
	  .help = "with mode, links, owner and group by number, size and time (UTC)" },
	{ .name = "recursive",
	  .letter = 'R',
	  .kind = OPTION_SWITCH,
	  .help = "the folders below as well" },
	OPTIONS_LOOK,
	{ 0 },
};

const struct command cli_ls = {
	.name = "ls",
	.summary = "List files in an image, without running it",
	.usage = "ls [options...] <image> [<path>...]",
	.description = "Lists what is in the image, or in these folders of it, those with a dot\n"
		       "before their name too. Nothing of the image is run or mounted. The key of\n"
		       "an encrypted one is given as for run.\n",
	.examples = "$ %s ls -lR --identity me.key secret.sif /etc\n",
	.options = ls_options,
	.min_arguments = 1,
	.max_arguments = -1,
	.intermixed = true,
	.image = true,
	.run = run_ls,
};

/* ------------------------------------------------------------------ cat */

static int run_cat(const struct invocation *in, struct error **err)
{
	struct look_wish wish = { 0 };
	return look(in, look_cat, &wish, err);
}

static const struct option cat_options[] = { OPTIONS_LOOK, { 0 } };

const struct command cli_cat = {
	.name = "cat",
	.summary = "Print files of an image, without running it",
	.usage = "cat [options...] <image> <path>...",
	.description = "Writes these files of the image to standard output, one after another.\n"
		       "Links are followed, within the image. On a terminal what is no text is\n"
		       "shown by its number. The key of an encrypted image is given as for run.\n",
	.examples = "$ %s cat --identity me.key secret.sif /etc/os-release\n",
	.options = cat_options,
	.min_arguments = 2,
	.max_arguments = -1,
	.intermixed = true,
	.image = true,
	.run = run_cat,
};

/* ------------------------------------------------------------------ find */

static int read_type(const char *word, mode_t *ret, struct error **err)
{
	if (!word)
		return 0;
	*ret = !strcmp(word, "f")   ? S_IFREG
	       : !strcmp(word, "d") ? S_IFDIR
	       : !strcmp(word, "l") ? S_IFLNK
				    : 0;
	return *ret ? 0 : error_set(err, ERROR_USAGE, "--type takes f, d or l, not %s", word);
}

static int run_find(const struct invocation *in, struct error **err)
{
	bool null = invocation_on(in, "null");
	struct look_wish wish = { .find = true,
				  .recursive = true,
				  .separator = null ? '\0' : '\n',
				  .name = invocation_text(in, "name") };
	return read_type(invocation_text(in, "type"), &wish.type, err) < 0
		       ? -1
		       : look(in, look_list, &wish, err);
}

static const struct option find_options[] = {
	{ .name = "name",
	  .kind = OPTION_TEXT,
	  .argument = "pattern",
	  .help = "those alone whose name is like this: *, ? and [] as for the shell" },
	{ .name = "null",
	  .letter = '0',
	  .kind = OPTION_SWITCH,
	  .help = "a zero byte behind each, in place of a new line" },
	{ .name = "type",
	  .kind = OPTION_TEXT,
	  .argument = "letter",
	  .choices = "f d l",
	  .help = "files (f), folders (d) or links (l) alone" },
	OPTIONS_LOOK,
	{ 0 },
};

const struct command cli_find = {
	.name = "find",
	.summary = "Find files in an image, without running it",
	.usage = "find [options...] <image> [<path>...]",
	.description = "Prints the paths of what is below these folders of the image, or in all\n"
		       "of it. Nothing of the image is run or mounted. The key of an encrypted\n"
		       "one is given as for run.\n",
	.examples = "$ %s find --name '*.py' --identity me.key secret.sif /opt\n",
	.options = find_options,
	.min_arguments = 1,
	.max_arguments = -1,
	.intermixed = true,
	.image = true,
	.run = run_find,
};
