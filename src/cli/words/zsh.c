/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/words/completion.h"

#include <string.h>

/*
 * zsh's own _arguments does the work: each option is a word of it, "(-B
 * --bind)-B+[help]:spec:_files". A command is a branch of one function; a group's commands are one
 * of a second.
 */

/* Text between the brackets or colons of such a word, in single quotes. */
static int put_text(const char *text, struct buffer *ret, struct error **err)
{
	return completion_quote(text, "\\[]:", "'\\''", ret, err);
}

static int put_value(const struct option *o, struct buffer *ret, struct error **err)
{
	if (o->kind == OPTION_SWITCH)
		return 0;
	if (buffer_puts(ret, ":", err) < 0 || put_text(o->argument, ret, err) < 0)
		return -1;
	switch (completion_value(o)) {
	case COMPLETION_CHOICES:
		return buffer_printf(ret, err, ":(%s)", o->choices);
	case COMPLETION_FILE:
		return buffer_puts(ret, ":_files", err);
	case COMPLETION_FOLDER:
		return buffer_puts(ret, ":_files -/", err);
	default:
		return buffer_puts(ret, ": ", err);
	}
}

/* One form of it, the long or the short one. `*`: it may be given more than once. */
static int put_form(const struct option *o, bool is_long, struct buffer *ret, struct error **err)
{
	bool repeats = o->kind == OPTION_ARRAY || o->kind == OPTION_LIST || o->kind == OPTION_MAP;
	char letter[] = { o->letter, '\0' };
	if (buffer_printf(ret, err, " \\\n\t\t'%s%s%s%s[", repeats ? "*" : "", is_long ? "--" : "-",
			  is_long ? o->name : letter,
			  o->kind == OPTION_SWITCH ? ""
			  : is_long		   ? "="
						   : "+") < 0 ||
	    put_text(o->help, ret, err) < 0 || buffer_puts(ret, "]", err) < 0 ||
	    put_value(o, ret, err) < 0)
		return -1;
	return buffer_puts(ret, "'", err);
}

static int put_options(const struct command *c, struct buffer *ret, struct error **err)
{
	for (const struct option *o = c->options; o->name; o++)
		if (table_offers(o) && (put_form(o, true, ret, err) < 0 ||
					(o->letter && put_form(o, false, ret, err) < 0)))
			return -1;
	return 0;
}

/* "'1:command:((list\:"List the data objects" ...))'" */
static int put_commands(const struct command *group, struct buffer *ret, struct error **err)
{
	const struct command *const *c = NULL;
	if (buffer_puts(ret, " \\\n\t\t'1:command:((", err) < 0)
		return -1;
	while (table_next(group, &c))
		if (buffer_printf(ret, err, "%s\\:\"", command_word(*c)) < 0 ||
		    put_text((*c)->summary, ret, err) < 0 || buffer_puts(ret, "\" ", err) < 0)
			return -1;
	return buffer_puts(ret, "))'", err);
}

static int put_arguments(const char *p, const struct command *c, struct buffer *ret,
			 struct error **err)
{
	if (c->topics)
		return put_commands(NULL, ret, err);
	if (c->choices)
		return buffer_printf(ret, err, " \\\n\t\t'1: :(%s)'", c->choices);
	if (c->image && buffer_printf(ret, err, " \\\n\t\t'1:image:_%s_images'", p) < 0)
		return -1;
	return c->max_arguments ? buffer_puts(ret, " \\\n\t\t'*:file:_files'", err) : 0;
}

/* The branch of a command. Behind the image of run an option is the payload's. */
static int put_command(const char *p, const struct command *c, struct buffer *ret,
		       struct error **err)
{
	const char *word = command_word(c);
	if (buffer_printf(ret, err, "\t%s%s%s) ", word, c->alias ? " | " : "",
			  c->alias ? c->alias : "") < 0)
		return -1;
	if (c->group)
		return buffer_printf(ret, err, "_%s_%s ;;\n", p, c->name);
	if (buffer_printf(ret, err, "_arguments -s%s", c->intermixed ? "" : " -A '-*'") < 0 ||
	    put_options(c, ret, err) < 0 || put_arguments(p, c, ret, err) < 0)
		return -1;
	return buffer_puts(ret, " ;;\n", err);
}

/* The function of a group, or (NULL) of the program. */
static int put_function(const char *p, const struct command *group, struct buffer *ret,
			struct error **err)
{
	const struct command *const *c = NULL;
	if (buffer_printf(ret, err,
			  "_%s%s%s() {\n"
			  "\tlocal curcontext=\"$curcontext\" state line\n"
			  "\t_arguments -C -s -A '-*'",
			  p, group ? "_" : "", group ? group->name : "") < 0 ||
	    put_options(group ? group : &command_global, ret, err) < 0 ||
	    put_commands(group, ret, err) < 0 ||
	    buffer_puts(ret,
			" \\\n\t\t'*:: :->more' && return\n"
			"\t[[ $state == more ]] || return 1\n"
			"\tcase $words[1] in\n",
			err) < 0)
		return -1;
	while (table_next(group, &c))
		if (put_command(p, *c, ret, err) < 0)
			return -1;
	return buffer_puts(ret, "\tesac\n}\n", err);
}

int completion_zsh(const char *p, struct buffer *ret, struct error **err)
{
	const struct command *const *c = NULL;
	if (buffer_printf(ret, err,
			  "#compdef %s\n"
			  "# zsh completion for %s\n"
			  "_%s_images() {\n"
			  "\t_files -g '*.sif(-.)' || _files\n"
			  "}\n",
			  p, p, p) < 0)
		return -1;
	while (table_next(NULL, &c))
		if ((*c)->group && put_function(p, *c, ret, err) < 0)
			return -1;
	if (put_function(p, NULL, ret, err) < 0)
		return -1;
	/* As a file of fpath it is the function's body; sourced, it has to be named. */
	return buffer_printf(ret, err,
			     "if [[ $funcstack[1] == _%s ]]; then\n"
			     "\t_%s \"$@\"\n"
			     "else\n"
			     "\tcompdef _%s %s\n"
			     "fi\n",
			     p, p, p, p);
}
