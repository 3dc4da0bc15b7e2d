/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands/internal.h"

#include <string.h>

const struct option options_help_only[] = { OPTION_HELP, { 0 } };

static int run_help(const struct invocation *in, struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	const struct command *command = &command_global;
	size_t words = 0;
	if (in->argument_count) {
		command = table_find(in->arguments, &words);
		const char *next = in->arguments[words];
		const struct command *group = command && command->group ? command : NULL;
		if (next && (!command || group) && table_missing(group, next))
			return report_no_command(group, in->program, next, err);
		if (!command || words < in->argument_count) {
			if (buffer_puts(&text, "Unknown help topic [", err) < 0)
				return -1;
			for (size_t i = 0; i < in->argument_count; i++)
				if (buffer_printf(&text, err, "%s`%s`", i ? " " : "",
						  in->arguments[i]) < 0)
					return -1;
			if (buffer_puts(&text, "]\n", err) < 0 ||
			    help_main_usage(NULL, in->program, &text, err) < 0)
				return -1;
			return report_print(&text, err);
		}
	}
	if (help_command(command, in->program, &text, err) < 0)
		return -1;
	return report_print(&text, err);
}

const struct command cli_help = {
	.name = "help",
	.summary = "Print the help of a command",
	.usage = "help [command] [subcommand]",
	.description = "Prints what `%s <command> --help` prints.\n",
	.topics = true,
	.options = options_help_only,
	.max_arguments = -1,
	.run = run_help,
};

static int run_version(const struct invocation *in, struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	if (buffer_printf(&text, err, "%s\n", dialect_version(in->program)) < 0)
		return -1;
	return report_print(&text, err);
}

const struct command cli_version = {
	.name = "version",
	.summary = "Print the version",
	.usage = "version",
	.description = "Prints the version of coffer.\n",
	.options = options_help_only,
	.run = run_version,
};

/* One line an option, for the check that compares the manual with the table. */
static int run_table_dump(const struct invocation *in, struct error **err)
{
	static const char *const support[] = { "works", "no-effect", "unsupported" };
	CLEANUP_BUFFER struct buffer text = { 0 };
	(void)in;
	for (const struct option *o = command_global.options; o->name; o++)
		if (buffer_printf(&text, err, "-\t--%s\t%c\t%s\t%s\n", o->name,
				  o->letter ? o->letter : '-', support[o->support],
				  o->hidden ? "hidden" : "shown") < 0)
			return -1;
	for (const struct command *const *c = command_table; *c; c++)
		for (const struct option *o = (*c)->options; o->name; o++)
			if (buffer_printf(&text, err, "%s\t--%s\t%c\t%s\t%s\n", (*c)->name, o->name,
					  o->letter ? o->letter : '-', support[o->support],
					  o->hidden || (*c)->hidden ? "hidden" : "shown") < 0)
				return -1;
	return report_print(&text, err);
}

const struct command cli_table_dump = {
	.name = "option-table",
	.summary = "Print the table of options",
	.usage = "option-table",
	.description =
		"One line an option: command, name, letter, support, whether help shows it.\n",
	.options = options_help_only,
	.hidden = true,
	.run = run_table_dump,
};
