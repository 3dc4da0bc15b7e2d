/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <unistd.h>

#include "cli/commands/inspect/internal.h"
#include "cli/commands/internal.h"

static int run_inspect(const struct invocation *in, struct error **err)
{
	CLEANUP_METADATA struct inspect_metadata metadata = { 0 };
	CLEANUP_BUFFER struct buffer out = { 0 };
	struct inspect_wish wish = {
		.list_apps = invocation_option(in, "list-apps")->on,
		.all = invocation_option(in, "all")->on,
		.json = invocation_option(in, "json")->on || invocation_option(in, "all")->on,
		.terminal = isatty(STDOUT_FILENO),
	};
	bool any = wish.list_apps;
	for (int part = 0; part < PARTS; part++) {
		wish.parts[part] = invocation_option(in, inspect_part_names[part])->on;
		any |= wish.parts[part];
	}
	wish.parts[PART_LABELS] |= !any;
	if (!wish.all)
		wish.app = invocation_option(in, "app")->text;
	if (wish.app && !*wish.app)
		wish.app = NULL;
	if (inspect_open(in->arguments[0], &wish, &metadata, err) < 0)
		return -1;
	if ((wish.json ? inspect_put_json : inspect_put_text)(&out, &wish, &metadata, err) < 0)
		return -1;
	return report_print(&out, err);
}

static int run_run_help(const struct invocation *in, struct error **err)
{
	CLEANUP_METADATA struct inspect_metadata metadata = { 0 };
	CLEANUP_BUFFER struct buffer out = { 0 };
	struct inspect_wish wish = { .parts[PART_HELPFILE] = true,
				     .terminal = isatty(STDOUT_FILENO) };
	wish.app = invocation_option(in, "app")->text;
	if (wish.app && !*wish.app)
		wish.app = NULL;
	if (access(in->arguments[0], F_OK) < 0)
		return error_errno(err, errno, "container not found: stat %s", in->arguments[0]);
	if (inspect_open(in->arguments[0], &wish, &metadata, err) < 0 ||
	    inspect_put_text(&out, &wish, &metadata, err) < 0)
		return -1;
	if (!out.len &&
	    buffer_puts(&out, "No help sections were defined for this image\n", err) < 0)
		return -1;
	return report_print(&out, err);
}

static const struct option inspect_options[] = {
	{ .name = "all", .kind = OPTION_SWITCH, .help = "show everything there is, as JSON" },
	{ .name = "app",
	  .kind = OPTION_TEXT,
	  .argument = "name",
	  .help = "show what belongs to this app" },
	{ .name = "deffile",
	  .letter = 'd',
	  .kind = OPTION_SWITCH,
	  .help = "show the definition that the image was built from" },
	{ .name = "environment",
	  .letter = 'e',
	  .kind = OPTION_SWITCH,
	  .help = "show the scripts that set the environment" },
	{ .name = "helpfile", .letter = 'H', .kind = OPTION_SWITCH, .help = "show the help text" },
	{ .name = "json", .letter = 'j', .kind = OPTION_SWITCH, .help = "print JSON" },
	{ .name = "labels",
	  .letter = 'l',
	  .kind = OPTION_SWITCH,
	  .help = "show the labels (the default)" },
	{ .name = "list-apps", .kind = OPTION_SWITCH, .help = "list the apps" },
	{ .name = "runscript", .letter = 'r', .kind = OPTION_SWITCH, .help = "show the runscript" },
	{ .name = "startscript",
	  .letter = 's',
	  .kind = OPTION_SWITCH,
	  .help = "show the startscript" },
	{ .name = "test", .letter = 't', .kind = OPTION_SWITCH, .help = "show the test script" },
	OPTION_HELP,
	{ 0 },
};

const struct command cli_inspect = {
	.name = "inspect",
	.summary = "Show what an image says about itself",
	.usage = "inspect [inspect options...] <image path>",
	.description =
		"Shows labels, scripts, help and definition of a SIF image, a squashfs image or\n"
		"a sandbox. No key is needed, even for an encrypted image: these texts are not\n"
		"encrypted.\n",
	.examples = "$ %s inspect image.sif\n"
		    "$ %s inspect --deffile image.sif\n"
		    "$ %s inspect --all image.sif\n",
	.options = inspect_options,
	.min_arguments = 1,
	.max_arguments = 1,
	.image = true,
	.run = run_inspect,
};

static const struct option run_help_options[] = {
	{ .name = "app",
	  .kind = OPTION_TEXT,
	  .argument = "name",
	  .help = "print the help of this app" },
	OPTION_HELP,
	{ 0 },
};

const struct command cli_run_help = {
	.name = "run-help",
	.summary = "Print an image's own help",
	.usage = "run-help <image path>",
	.description = "Prints the text of the %%help section that the image was built with.\n",
	.examples = "$ %s run-help image.sif\n",
	.options = run_help_options,
	.min_arguments = 1,
	.max_arguments = 1,
	.image = true,
	.run = run_run_help,
};
