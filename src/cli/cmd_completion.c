/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"

#include <string.h>

/* Completion for shells, from the table: words only, no program is run while a person types. */

static bool offered(const struct option *o)
{
	return !o->hidden && o->support == OPTION_WORKS;
}

/* Whether its value is a file's name, or begins with one: by how help calls it. */
static bool takes_file(const struct option *o)
{
	static const char *const words[] = { "file", "dir", "path", "spec", "src" };
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strncmp(o->argument, words[i], strlen(words[i])))
			return true;
	return false;
}

/* The words that may stand after `command` (NULL: at the start), blank-separated. */
static int put_words(const struct command *command, struct buffer *ret, struct error **err)
{
	const struct command *options = command ? command : &command_global;
	for (const struct option *o = options->options; o->name; o++) {
		if (!offered(o))
			continue;
		if (buffer_printf(ret, err, "--%s%s ", o->name,
				  o->kind == OPTION_SWITCH ? "" : "=") < 0 ||
		    (o->letter && buffer_printf(ret, err, "-%c ", o->letter) < 0))
			return -1;
	}
	if (command == &cli_completion && buffer_puts(ret, "bash zsh fish ", err) < 0)
		return -1;
	if (command && !command->group && command != &cli_help)
		return 0;
	const struct command *group = command == &cli_help ? NULL : command;
	for (const struct command *const *c = command_table; *c; c++)
		if (table_is_in((*c)->name, group) && !(*c)->hidden &&
		    buffer_printf(ret, err, "%s ", command_word(*c)) < 0)
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
		if (!offered(o) || o->kind == OPTION_SWITCH)
			continue;
		if (buffer_printf(ret, err, "\t'%s --%s'", command->name, o->name) < 0 ||
		    (o->letter &&
		     buffer_printf(ret, err, " | '%s -%c'", command->name, o->letter) < 0) ||
		    buffer_printf(ret, err, ") words='%s' files=%s ;;\n",
				  o->choices ? o->choices : "", takes_file(o) ? "1" : "") < 0)
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

/*
 * bash cuts words at `=`, so that `--pem-path=rsa` comes as three. Names of files are left to
 * readline, which knows how to quote them; told that words are such names, it would quote the `=`
 * of an option.
 */
static int put_bash(const char *p, struct buffer *ret, struct error **err)
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
			  "\t\t-*) ;;\n"
			  "\t\tsif | siftool) command='sif ' ;;\n"
			  "\t\t*) command=$command${COMP_WORDS[i]}; break ;;\n"
			  "\t\tesac\n"
			  "\tdone\n"
			  "\tcase ${command%% } in\n",
			  p, p) < 0 ||
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

static int put_zsh(const char *p, struct buffer *ret, struct error **err)
{
	if (buffer_printf(ret, err,
			  "#compdef %s\n"
			  "# zsh completion for %s\n"
			  "_%s() {\n"
			  "\tlocal word command= words_text=\n"
			  "\tfor word in ${words[2,CURRENT-1]}; do\n"
			  "\t\tcase $word in\n"
			  "\t\t-*) ;;\n"
			  "\t\tsif) command='sif ' ;;\n"
			  "\t\t*) command=$command$word; break ;;\n"
			  "\t\tesac\n"
			  "\tdone\n"
			  "\tlocal -a offered\n"
			  "\tcase ${command%% } in\n",
			  p, p, p) < 0)
		return -1;
	CLEANUP_BUFFER struct buffer cases = { 0 };
	if (put_cases(&cases, err) < 0)
		return -1;
	/* zsh keeps the command line itself in `words`. */
	for (const char *at = cases.data; *at;) {
		const char *found = strstr(at, "words='");
		size_t len = found ? (size_t)(found - at) : strlen(at);
		if (buffer_append(ret, at, len, err) < 0)
			return -1;
		if (!found)
			break;
		if (buffer_puts(ret, "words_text='", err) < 0)
			return -1;
		at = found + strlen("words='");
	}
	return buffer_printf(ret, err,
			     "\tesac\n"
			     "\toffered=(${=words_text})\n"
			     "\tcompadd -S '' -- ${(M)offered:#*=}\n"
			     "\tcompadd -- ${offered:#*=}\n"
			     "\t[[ $command == *[!\\ ] ]] && _files\n"
			     "}\n"
			     "_%s \"$@\"\n",
			     p);
}

static int put_fish_options(const char *p, const struct command *c, const char *condition,
			    struct buffer *ret, struct error **err)
{
	for (const struct option *o = c->options; o->name; o++) {
		if (!offered(o))
			continue;
		if (buffer_printf(ret, err, "complete -c %s -n '%s' -l %s", p, condition, o->name) <
			    0 ||
		    (o->letter && buffer_printf(ret, err, " -s %c", o->letter) < 0) ||
		    buffer_puts(ret, o->kind == OPTION_SWITCH ? "" : " -r", err) < 0 ||
		    (o->choices && buffer_printf(ret, err, " -f -a '%s'", o->choices) < 0) ||
		    buffer_puts(ret, "\n", err) < 0)
			return -1;
	}
	return 0;
}

static int put_fish(const char *p, struct buffer *ret, struct error **err)
{
	if (buffer_printf(ret, err, "# fish completion for %s\n", p) < 0 ||
	    put_fish_options(p, &command_global, "__fish_use_subcommand", ret, err) < 0)
		return -1;
	for (const struct command *const *c = command_table; *c; c++) {
		CLEANUP_BUFFER struct buffer condition = { 0 };
		const char *word = command_word(*c);
		int group_len = (int)(word - (*c)->name) - 1;
		bool of_group = group_len > 0;
		CLEANUP_TEXT char *group =
			of_group ? text_printf(err, "__fish_seen_subcommand_from %.*s", group_len,
					       (*c)->name)
				 : text_dup("__fish_use_subcommand", err);
		if (!group)
			return -1;
		if ((*c)->hidden)
			continue;
		if (of_group ? buffer_printf(&condition, err,
					     "%s; and __fish_seen_subcommand_from %s", group,
					     word) < 0
			     : buffer_printf(&condition, err, "__fish_seen_subcommand_from %s",
					     word) < 0)
			return -1;
		if (buffer_printf(ret, err, "complete -c %s -n '%s' -a %s -d '%s'\n", p, group,
				  word, (*c)->summary) < 0 ||
		    put_fish_options(p, *c, condition.data, ret, err) < 0)
			return -1;
	}
	return 0;
}

static int run_completion(const struct invocation *in, struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	const char *shell = in->arguments[0];
	int r;
	if (!strcmp(shell, "bash"))
		r = put_bash(in->program, &text, err);
	else if (!strcmp(shell, "zsh"))
		r = put_zsh(in->program, &text, err);
	else if (!strcmp(shell, "fish"))
		r = put_fish(in->program, &text, err);
	else
		return error_set(err, ERROR_USAGE,
				 "no completion for the shell \"%s\": there is "
				 "one for bash, zsh and fish",
				 shell);
	return r < 0 ? -1 : report_print(&text, err);
}

const struct command cli_completion = {
	.name = "completion",
	.summary = "Print a completion script for a shell",
	.usage = "completion <bash|zsh|fish>",
	.description = "Prints a script that makes the shell complete commands and options.\n",
	.examples = "$ source <(%s completion bash)\n"
		    "$ %s completion zsh > ~/.zfunc/_%s\n"
		    "$ %s completion fish > ~/.config/fish/completions/%s.fish\n",
	.options = options_help_only,
	.min_arguments = 1,
	.max_arguments = 1,
	.intermixed = true,
	.usage_errors = true,
	.run = run_completion,
};
