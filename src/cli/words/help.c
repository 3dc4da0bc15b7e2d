/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/words/internal.h"

#include <stdlib.h>
#include <string.h>

/* Help in the frame of the real program's, as wide as the terminal, else 80 columns: runtime.md 1.
 */

static int columns = HELP_COLUMNS;

void help_set_columns(int width)
{
	columns = width;
}

/* The least that is left for the words beside the names of options; else they go below. */
#define WORDS_LEAST 24
#define WORDS_BELOW 8

#define OPTIONS_MAX 128 /* of one command */

/* "  -B, --bind spec" */
static int option_head(const struct option *o, struct buffer *ret, struct error **err)
{
	char letter[] = "    ";
	if (o->letter) {
		letter[0] = '-';
		letter[1] = o->letter;
		letter[2] = ',';
	}
	return buffer_printf(ret, err, "  %s--%s%s%s", letter, o->name, o->argument ? " " : "",
			     o->argument ? o->argument : "");
}

/* Appends text, broken at blanks; the line so far ends at column `at`. */
static int wrap(struct buffer *ret, const char *text, int indent, int at, struct error **err)
{
	while (*text) {
		int len = (int)strcspn(text, " ");
		bool breaks = at > indent && at + len + 1 > columns;
		if (breaks && buffer_printf(ret, err, "\n%*s", indent, "") < 0)
			return -1;
		if (!breaks && at > indent && buffer_puts(ret, " ", err) < 0)
			return -1;
		at = breaks ? indent + len : at + (at > indent) + len;
		if (buffer_append(ret, text, (size_t)len, err) < 0)
			return -1;
		text += len;
		text += strspn(text, " ");
	}
	return buffer_puts(ret, "\n", err);
}

static int by_option_name(const void *a, const void *b)
{
	const struct option *const *x = a, *const *y = b;
	return strcmp((*x)->name, (*y)->name);
}

int help_options(const struct command *command, struct buffer *ret, struct error **err)
{
	size_t count = 0, n = 0;
	int column = 0;
	while (command->options[count].name)
		count++;
	const struct option *sorted[OPTIONS_MAX];
	if (count > OPTIONS_MAX)
		abort();
	for (size_t i = 0; i < count; i++) {
		CLEANUP_BUFFER struct buffer head = { 0 };
		const struct option *o = &command->options[i];
		if (!table_offers(o))
			continue;
		if (option_head(o, &head, err) < 0)
			return -1;
		if ((int)head.len > column)
			column = (int)head.len;
		sorted[n++] = o;
	}
	qsort(sorted, n, sizeof(const void *), by_option_name);
	for (size_t i = 0; i < n; i++) {
		size_t before = ret->len;
		if (option_head(sorted[i], ret, err) < 0)
			return -1;
		int at = (int)(ret->len - before), indent = column + 3;
		bool below = columns - indent < WORDS_LEAST;
		if (below)
			indent = WORDS_BELOW;
		if (buffer_printf(ret, err, "%s%*s", below ? "\n" : "",
				  below ? indent : indent - at, "") < 0 ||
		    wrap(ret, sorted[i]->help, indent, indent, err) < 0)
			return -1;
	}
	return 0;
}

/* Text of the table, "%s" in it being the program's name and "%%" a %, indented by two. */
static int put_text(struct buffer *ret, const char *text, const char *program, struct error **err)
{
	bool line_start = true;
	for (; *text; text++) {
		if (line_start && *text != '\n' && buffer_puts(ret, "  ", err) < 0)
			return -1;
		line_start = *text == '\n';
		if (text[0] == '%' && text[1] && strchr("s%", text[1])) {
			text++;
			if (buffer_puts(ret, *text == '%' ? "%" : program, err) < 0)
				return -1;
		} else if (buffer_append(ret, text, 1, err) < 0) {
			return -1;
		}
	}
	return line_start ? 0 : buffer_puts(ret, "\n", err);
}

/* The same of sentences, whose lines are broken anew where the terminal is narrower than they are.
 */
static int put_prose(struct buffer *ret, const char *text, const char *program, struct error **err)
{
	CLEANUP_BUFFER struct buffer whole = { 0 };
	if (columns >= HELP_COLUMNS)
		return put_text(ret, text, program, err);
	if (put_text(&whole, text, program, err) < 0 || buffer_append(&whole, "", 1, err) < 0)
		return -1;
	for (char *at = whole.data, *end; *at; at = end) {
		end = strstr(at, "\n\n");
		end = end ? end : at + strlen(at);
		char after = *end;
		*end = '\0';
		for (char *c = at; (c = strchr(c, '\n'));)
			*c = ' ';
		at += strspn(at, " ");
		if (buffer_puts(ret, "  ", err) < 0 || wrap(ret, at, 2, 2, err) < 0 ||
		    (after && buffer_puts(ret, "\n", err) < 0))
			return -1;
		end += after ? 2 : 0;
	}
	return 0;
}

/* The commands, or with a group those of the group. */
static int put_commands(struct buffer *ret, const struct command *group, struct error **err)
{
	int width = 0;
	for (int pass = 0; pass < 2; pass++) {
		const struct command *const *c = NULL;
		while (table_next(group, &c)) {
			const char *word = command_word(*c);
			if (pass == 0)
				width = (int)strlen(word) > width ? (int)strlen(word) : width;
			else if (buffer_printf(ret, err, "  %-*s  ", width, word) < 0 ||
				 wrap(ret, (*c)->summary, width + 4, width + 4, err) < 0)
				return -1;
		}
	}
	return 0;
}

int help_command(const struct command *command, const char *program, struct buffer *ret,
		 struct error **err)
{
	bool global = command == &command_global;
	if (wrap(ret, dialect_summary(program, command->name, command->summary), 0, 0, err) < 0 ||
	    buffer_printf(ret, err, "\nUsage:\n  %s", program) < 0 ||
	    wrap(ret, command->usage, 4, 2 + (int)strlen(program), err) < 0 ||
	    buffer_puts(ret, "\nDescription:\n", err) < 0 ||
	    put_prose(ret, command->description, program, err) < 0 ||
	    buffer_puts(ret, "\nOptions:\n", err) < 0 || help_options(command, ret, err) < 0)
		return -1;
	if ((global || command->group) && (buffer_puts(ret, "\nAvailable Commands:\n", err) < 0 ||
					   put_commands(ret, global ? NULL : command, err) < 0))
		return -1;
	if (!command->examples)
		return 0;
	return buffer_puts(ret, "\nExamples:\n", err) < 0
		       ? -1
		       : put_text(ret, command->examples, program, err);
}

static int put_pointer(struct buffer *ret, const char *program, struct error **err)
{
	return buffer_printf(ret, err, "\nRun '%s --help' for more detailed usage information.\n",
			     program);
}

int help_main_usage(const struct command *group, const char *program, struct buffer *ret,
		    struct error **err)
{
	if (buffer_printf(ret, err,
			  "Usage:\n  %s [global options...] %s%s<command>\n\nAvailable Commands:\n",
			  program, group ? group->name : "", group ? " " : "") < 0 ||
	    put_commands(ret, group, err) < 0)
		return -1;
	return put_pointer(ret, program, err);
}

int help_usage_error(const struct command *command, const char *program, bool flag,
		     struct buffer *ret, struct error **err)
{
	if (flag) {
		if (buffer_printf(ret, err, "Options for %s command:\n\n",
				  command == &command_global ? program : command_word(command)) <
			    0 ||
		    help_options(command, ret, err) < 0)
			return -1;
	} else if (buffer_printf(ret, err, "Usage:\n  %s [global options...] %s\n", program,
				 command->usage) < 0) {
		return -1;
	}
	return put_pointer(ret, program, err);
}
