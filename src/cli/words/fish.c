/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/words/completion.h"

/*
 * fish asks each `complete` line whether it is meant (-n). Ours ask a function which command the
 * words so far have named: a word of the payload's that looks like a command is none.
 */

static int put_quoted(const char *text, struct buffer *ret, struct error **err)
{
	return buffer_puts(ret, "'", err) < 0 ||
			       completion_quote(text, "\\", "\\'", ret, err) < 0 ||
			       buffer_puts(ret, "'", err) < 0
		       ? -1
		       : 0;
}

/* "complete -c coffer -n '__fish_coffer_at exec'" */
static int put_start(const char *p, const char *command, struct buffer *ret, struct error **err)
{
	return buffer_printf(ret, err, "complete -c %s -n '__fish_%s_at%s%s'", p, p,
			     *command ? " " : "", command);
}

static int put_option(const char *p, const char *command, const struct option *o,
		      struct buffer *ret, struct error **err)
{
	if (put_start(p, command, ret, err) < 0 || buffer_printf(ret, err, " -l %s", o->name) < 0 ||
	    (o->letter && buffer_printf(ret, err, " -s %c", o->letter) < 0))
		return -1;
	int r = 0;
	switch (completion_value(o)) {
	case COMPLETION_SWITCH:
		break;
	case COMPLETION_CHOICES:
		r = buffer_printf(ret, err, " -x -a '%s'", o->choices);
		break;
	case COMPLETION_FILE:
		r = buffer_puts(ret, " -r -F", err);
		break;
	case COMPLETION_FOLDER:
		r = buffer_puts(ret, " -x -a '(__fish_complete_directories)'", err);
		break;
	case COMPLETION_OTHER:
		r = buffer_puts(ret, " -x", err);
		break;
	}
	if (r < 0 || buffer_puts(ret, " -d ", err) < 0 || put_quoted(o->help, ret, err) < 0)
		return -1;
	return buffer_puts(ret, "\n", err);
}

static int put_options(const char *p, const struct command *c, struct buffer *ret,
		       struct error **err)
{
	for (const struct option *o = c->options; o->name; o++)
		if (table_offers(o) && put_option(p, c->name, o, ret, err) < 0)
			return -1;
	return 0;
}

/* The commands that may stand behind `command`, those of the group. */
static int put_commands(const char *p, const char *command, const struct command *group,
			struct buffer *ret, struct error **err)
{
	const struct command *const *c = NULL;
	while (table_next(group, &c))
		if (put_start(p, command, ret, err) < 0 ||
		    buffer_printf(ret, err, " -f -a %s -d ", command_word(*c)) < 0 ||
		    put_quoted((*c)->summary, ret, err) < 0 || buffer_puts(ret, "\n", err) < 0)
			return -1;
	return 0;
}

/* What stands behind a command: files, images before the others, or no file. */
static int put_arguments(const char *p, const struct command *c, struct buffer *ret,
			 struct error **err)
{
	if (c->topics)
		return put_commands(p, c->name, NULL, ret, err);
	if (put_start(p, c->name, ret, err) < 0)
		return -1;
	if (c->choices)
		return buffer_printf(ret, err, " -f -a '%s'\n", c->choices);
	if (c->image)
		return buffer_puts(ret, " -f -k -a '(__fish_complete_suffix .sif)'\n", err);
	return buffer_puts(ret, c->max_arguments == 0 ? " -f\n" : " -F\n", err);
}

static int put_command(const char *p, const struct command *c, struct buffer *ret,
		       struct error **err)
{
	if (put_options(p, c, ret, err) < 0)
		return -1;
	return c->group ? put_commands(p, c->name, c, ret, err) : put_arguments(p, c, ret, err);
}

/* The groups, whose name is not yet the command: "case sif siftool" */
static int put_groups(struct buffer *ret, struct error **err)
{
	const struct command *const *c = NULL;
	while (table_next(NULL, &c))
		if ((*c)->group &&
		    buffer_printf(ret, err, "\t\t\tcase %s %s\n\t\t\t\tset -a found %s\n",
				  (*c)->name, (*c)->alias ? (*c)->alias : "", (*c)->name) < 0)
			return -1;
	return 0;
}

int completion_fish(const char *p, struct buffer *ret, struct error **err)
{
	if (buffer_printf(ret, err,
			  "# fish completion for %s\n"
			  "function __fish_%s_at\n"
			  "\tset -l found\n"
			  "\tset -l words (commandline -opc)\n"
			  "\tset -e words[1]\n"
			  "\twhile set -q words[1]\n"
			  "\t\tswitch $words[1]\n"
			  "\t\t\tcase --config -c\n"
			  "\t\t\t\tset -q words[2]; and set -e words[1]\n"
			  "\t\t\tcase '-*'\n",
			  p, p) < 0 ||
	    put_groups(ret, err) < 0 ||
	    buffer_printf(ret, err,
			  "\t\t\tcase '*'\n"
			  "\t\t\t\tset -a found $words[1]\n"
			  "\t\t\t\tbreak\n"
			  "\t\tend\n"
			  "\t\tset -e words[1]\n"
			  "\tend\n"
			  "\ttest \"$found\" = \"$argv\"\n"
			  "end\n") < 0 ||
	    put_options(p, &command_global, ret, err) < 0 ||
	    put_commands(p, "", NULL, ret, err) < 0)
		return -1;
	for (const struct command *const *c = command_table; *c; c++)
		if (!(*c)->hidden && put_command(p, *c, ret, err) < 0)
			return -1;
	return 0;
}
