/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"

#include <string.h>

const struct command *const command_table[] = {
	&cli_build,    &cli_completion, &cli_exec,	 &cli_help,
	&cli_inspect,  &cli_run,	&cli_run_help,	 &cli_shell,
	&cli_sif,      &cli_sif_dump,	&cli_sif_header, &cli_sif_info,
	&cli_sif_list, &cli_table_dump, &cli_test,	 &cli_version,
	NULL,
};

static const struct option global_options[] = {
	{ .name = "build-config",
	  .kind = OPTION_SWITCH,
	  .support = OPTION_NO_EFFECT,
	  .help = "use configuration needed for building containers" },
	{ .name = "config",
	  .letter = 'c',
	  .kind = OPTION_TEXT,
	  .argument = "file",
	  .variables = "CONFIG_FILE",
	  .help = "read the site configuration from this file, which must be root's" },
	{ .name = "debug",
	  .letter = 'd',
	  .kind = OPTION_SWITCH,
	  .variables = "DEBUG",
	  .help = "tell everything" },
	{ .name = "nocolor",
	  .kind = OPTION_SWITCH,
	  .variables = "NOCOLOR",
	  .help = "no colours in messages" },
	{ .name = "quiet",
	  .letter = 'q',
	  .kind = OPTION_SWITCH,
	  .variables = "QUIET",
	  .help = "warnings and errors only" },
	{ .name = "silent",
	  .letter = 's',
	  .kind = OPTION_SWITCH,
	  .variables = "SILENT",
	  .help = "errors only" },
	{ .name = "verbose",
	  .letter = 'v',
	  .kind = OPTION_SWITCH,
	  .variables = "VERBOSE",
	  .help = "tell more" },
	{ .name = "version", .kind = OPTION_SWITCH, .help = "print the version" },
	OPTION_HELP,
	{ 0 },
};

const struct command command_global = {
	.name = "",
	.summary = "Build and run encrypted containers, for anybody: no root, no setuid program",
	.usage = "[global options...] <command>",
	.description = "%s writes and reads SIF images whose root file system is encrypted,\n"
		       "as LUKS2 or with gocryptfs, and runs them without ever putting a\n"
		       "decrypted byte on a disk. The images are exchangeable with Apptainer's.\n",
	.examples = "$ %s build --passphrase secret.sif secret.def\n"
		    "$ %s run --passphrase secret.sif\n"
		    "$ %s help build\n",
	.options = global_options,
	.max_arguments = -1,
};

const char *command_word(const struct command *command)
{
	const char *blank = strchr(command->name, ' ');
	return blank ? blank + 1 : command->name;
}

static const struct command *find_name(const char *name, const char *word)
{
	size_t len = strlen(name);
	for (const struct command *const *c = command_table; *c; c++) {
		if (!word &&
		    (!strcmp((*c)->name, name) || ((*c)->alias && !strcmp((*c)->alias, name))))
			return *c;
		if (word && !strncmp((*c)->name, name, len) && (*c)->name[len] == ' ' &&
		    !strcmp((*c)->name + len + 1, word))
			return *c;
	}
	return NULL;
}

const struct command *table_find(const char *const *words, size_t *ret_words)
{
	*ret_words = 0;
	if (!words[0] || strchr(words[0], ' '))
		return NULL;
	const struct command *c = find_name(words[0], NULL);
	*ret_words = c != NULL;
	if (!c || !c->group || !words[1])
		return c;
	const struct command *sub = find_name(c->name, words[1]);
	*ret_words += sub != NULL;
	return sub ? sub : c;
}
