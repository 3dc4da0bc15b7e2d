/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"

#include <string.h>

const struct command *const command_table[] = {
	&cli_build,	&cli_completion, &cli_config,	&cli_config_check, &cli_directive_table,
	&cli_doctor,	&cli_exec,	 &cli_help,	&cli_inspect,	   &cli_key,
	&cli_key_check, &cli_key_show,	 &cli_pull,	&cli_run,	   &cli_run_help,
	&cli_shell,	&cli_sif,	 &cli_sif_dump, &cli_sif_header,   &cli_sif_info,
	&cli_sif_list,	&cli_table_dump, &cli_test,	&cli_version,	   NULL,
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

bool table_is_in(const char *name, const struct command *group)
{
	size_t len = group ? strlen(group->name) : 0;
	return group ? !strncmp(name, group->name, len) && name[len] == ' ' : !strchr(name, ' ');
}

static const struct command *find(const struct command *group, const char *word)
{
	for (const struct command *const *c = command_table; *c; c++) {
		if (!table_is_in((*c)->name, group))
			continue;
		if (!strcmp(command_word(*c), word) || ((*c)->alias && !strcmp((*c)->alias, word)))
			return *c;
	}
	return NULL;
}

const struct command *table_find(const char *const *words, size_t *ret_words)
{
	const struct command *c = words[0] ? find(NULL, words[0]) : NULL;
	*ret_words = c != NULL;
	if (!c || !c->group || !words[1])
		return c;
	const struct command *sub = find(c, words[1]);
	*ret_words += sub != NULL;
	return sub ? sub : c;
}

/* What Apptainer has and coffer has not, in the order of its help. */
static const char *const missing[] = {
	"cache",    "capability", "checkpoint", "config fakeroot", "config global", "delete",
	"instance", "key export", "key import", "key list",	   "key newpair",   "key pull",
	"key push", "key remove", "key search", "keyserver",	   "oci",	    "overlay",
	"plugin",   "push",	  "registry",	"remote",	   "search",	    "sign",
	"verify",   "sif add",	  "sif del",	"sif new",	   "sif setprim",
};

bool table_is_missing(const struct command *group, const char *word)
{
	size_t before = group ? strlen(group->name) + 1 : 0;
	for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++)
		if (table_is_in(missing[i], group) && !strcmp(missing[i] + before, word))
			return true;
	return false;
}

/* One slip: letters too many, too few or others in one place, two at most; or two that changed
 * places. */
static bool is_near(const char *a, const char *b)
{
	size_t a_len = strlen(a), b_len = strlen(b), before = 0, behind = 0;
	size_t shorter = a_len < b_len ? a_len : b_len, longer = a_len + b_len - shorter;
	while (before < shorter && a[before] == b[before])
		before++;
	while (behind < shorter - before && a[a_len - 1 - behind] == b[b_len - 1 - behind])
		behind++;
	return longer - before - behind <= 2 && before + behind > 0;
}

const struct command *table_near(const struct command *group, const char *word)
{
	for (const struct command *const *c = command_table; *c; c++)
		if (!(*c)->hidden && table_is_in((*c)->name, group) &&
		    is_near(command_word(*c), word))
			return *c;
	return NULL;
}
