/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/words/completion.h"

#include <string.h>

/* What all shells are told, and bash's script. */

enum completion_value completion_value(const struct option *o)
{
	static const char *const words[] = { "file", "dir", "path", "spec", "src", "image" };
	if (o->kind == OPTION_SWITCH)
		return COMPLETION_SWITCH;
	if (o->choices)
		return COMPLETION_CHOICES;
	if (!strcmp(o->argument, "dir"))
		return COMPLETION_FOLDER;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strncmp(o->argument, words[i], strlen(words[i])))
			return COMPLETION_FILE;
	return COMPLETION_OTHER;
}

int completion_quote(const char *text, const char *backslashed, const char *quote,
		     struct buffer *ret, struct error **err)
{
	for (; *text; text++) {
		int r = 0;
		if (*text == '\'')
			r = buffer_puts(ret, quote, err);
		else if (strchr(backslashed, *text))
			r = buffer_printf(ret, err, "\\%c", *text);
		else
			r = buffer_append(ret, text, 1, err);
		if (r < 0)
			return -1;
	}
	return 0;
}

/* The words that may stand after `command` (NULL: at the start), blank-separated. */
static int put_words(const struct command *command, struct buffer *ret, struct error **err)
{
	for (const struct option *o = (command ? command : &command_global)->options; o->name;
	     o++) {
		if (!table_offers(o))
			continue;
		if (buffer_printf(ret, err, "--%s%s ", o->name,
				  o->kind == OPTION_SWITCH ? "" : "=") < 0 ||
		    (o->letter && buffer_printf(ret, err, "-%c ", o->letter) < 0))
			return -1;
	}
	if (command && command->choices && buffer_printf(ret, err, "%s ", command->choices) < 0)
		return -1;
	if (command && !command->group && !command->topics)
		return 0;
	const struct command *const *c = NULL;
	while (table_next(command && command->group ? command : NULL, &c))
		if (buffer_printf(ret, err, "%s ", command_word(*c)) < 0)
			return -1;
	return 0;
}

static int put_cases(struct buffer *ret, struct error **err)
{
	for (const struct command *const *c = command_table; *c; c++) {
		if ((*c)->hidden)
			continue;
		if (buffer_printf(ret, err, "\t'%s') words='", (*c)->name) < 0 ||
		    put_words(*c, ret, err) < 0 || buffer_puts(ret, "' ;;\n", err) < 0)
			return -1;
	}
	if (buffer_puts(ret, "\t*) words='", err) < 0 || put_words(NULL, ret, err) < 0)
		return -1;
	return buffer_puts(ret, "' ;;\n", err);
}

/* What may follow the options that take a value: 'build --encryption') words='luks2 gocryptfs' */
static int put_value_cases(const struct command *command, struct buffer *ret, struct error **err)
{
	for (const struct option *o = command->options; o->name; o++) {
		if (!table_offers(o) || o->kind == OPTION_SWITCH)
			continue;
		if (buffer_printf(ret, err, "\t'%s --%s'", command->name, o->name) < 0 ||
		    (o->letter &&
		     buffer_printf(ret, err, " | '%s -%c'", command->name, o->letter) < 0) ||
		    buffer_printf(ret, err, ") words='%s' files=%s ;;\n",
				  o->choices ? o->choices : "",
				  completion_value(o) == COMPLETION_FILE ||
						  completion_value(o) == COMPLETION_FOLDER
					  ? "1"
					  : "") < 0)
			return -1;
	}
	return 0;
}

static int put_bash_values(struct buffer *ret, struct error **err)
{
	if (put_value_cases(&command_global, ret, err) < 0)
		return -1;
	for (const struct command *const *c = command_table; *c; c++)
		if (!(*c)->hidden && put_value_cases(*c, ret, err) < 0)
			return -1;
	return 0;
}

/* "sif | siftool) command='sif ' ;;" */
static int put_bash_groups(struct buffer *ret, struct error **err)
{
	const struct command *const *c = NULL;
	while (table_next(NULL, &c))
		if ((*c)->group && buffer_printf(ret, err, "\t\t%s%s%s) command='%s ' ;;\n",
						 (*c)->name, (*c)->alias ? " | " : "",
						 (*c)->alias ? (*c)->alias : "", (*c)->name) < 0)
			return -1;
	return 0;
}

/*
 * bash cuts words at `=`, so that `--pem-path=rsa` comes as three. Names of files are left to
 * readline, which knows how to quote them; told that words are such names, it would quote the `=`
 * of an option.
 */
int completion_bash(const char *p, struct buffer *ret, struct error **err)
{
	if (buffer_printf(ret, err,
			  "# bash completion for %s\n"
			  "_%s() {\n"
			  "\tlocal i command= words= files= skip= hidden=\n"
			  "\tlocal current=${COMP_WORDS[COMP_CWORD]}\n"
			  "\tlocal option=${COMP_WORDS[COMP_CWORD-1]}\n"
			  "\tCOMPREPLY=()\n"
			  "\tif [[ $current == = ]]; then\n"
			  "\t\tcurrent=\n"
			  "\telif [[ $option == = ]]; then\n"
			  "\t\toption=${COMP_WORDS[COMP_CWORD-2]}\n"
			  "\tfi\n"
			  "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
			  "\t\tcase $skip${COMP_WORDS[i]} in\n"
			  "\t\t--config | -c) skip=value: ;;\n"
			  "\t\tvalue:=) ;;\n"
			  "\t\tvalue:*) skip= ;;\n"
			  "\t\t-*) ;;\n",
			  p, p) < 0 ||
	    put_bash_groups(ret, err) < 0 ||
	    buffer_puts(ret,
			"\t\t*) command=$command${COMP_WORDS[i]}; break ;;\n"
			"\t\tesac\n"
			"\tdone\n"
			"\tcase ${command% } in\n",
			err) < 0 ||
	    put_cases(ret, err) < 0 ||
	    buffer_puts(
		    ret,
		    "\tesac\n"
		    "\t[[ $command == *[!\\ ] && $command != help && $command != completion ]] &&\n"
		    "\t\tfiles=1\n"
		    "\tcase \"$command $option\" in\n",
		    err) < 0 ||
	    put_bash_values(ret, err) < 0)
		return -1;
	return buffer_printf(ret, err,
			     "\t*) [[ $current == -* ]] && files= ;;\n"
			     "\tesac\n"
			     "\tif [[ $files ]]; then\n"
			     "\t\tcompopt -o default 2>/dev/null\n"
			     "\t\treturn\n"
			     "\tfi\n"
			     "\tcompopt +o default 2>/dev/null\n"
			     "\t[[ $current == -* ]] || hidden='-*'\n"
			     "\tCOMPREPLY=($(compgen -W \"$words\" -X \"$hidden\" -- "
			     "\"$current\"))\n"
			     "\t[[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null\n"
			     "}\n"
			     "complete -o default -F _%s %s\n",
			     p, p);
}
