/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_CLI_COMMANDS_H
#define COFFER_CLI_COMMANDS_H

#include "cli/internal.h"

/* The entries that each cmd_*.c ends in, and what their tables share. */
extern const struct command cli_build, cli_completion, cli_config, cli_config_check,
	cli_directive_table, cli_doctor, cli_exec, cli_help, cli_inspect, cli_key, cli_key_check,
	cli_key_show, cli_pull, cli_run, cli_run_help, cli_shell, cli_sif, cli_sif_dump,
	cli_sif_header, cli_sif_info, cli_sif_list, cli_table_dump, cli_test, cli_version;

#define OPTION_HELP                                                                             \
	{                                                                                       \
		.name = "help", .letter = 'h', .kind = OPTION_SWITCH, .help = "print this help" \
	}

/* For commands that may open an encrypted image: keys_limit. */
#define OPTION_MAX_KDF_MEMORY                                                              \
	{                                                                                  \
		.name = "max-kdf-memory", .kind = OPTION_INT, .argument = "MiB",           \
		.variables = "MAX_KDF_MEMORY",                                             \
		.help = "the memory that an image may ask for to unlock it; without this " \
			"three quarters of what is free"                                   \
	}

/* What run, exec and build share besides: where a key comes from, without a file of the user's. */
#define OPTIONS_KEY_SOURCES                                                                  \
	{ .name = "key-command",                                                             \
	  .kind = OPTION_TEXT,                                                               \
	  .argument = "command",                                                             \
	  .help = "the shell runs this; its standard output is the key, a passphrase or an " \
		  "RSA key" },                                                               \
	{                                                                                    \
		.name = "key-fd", .kind = OPTION_INT, .argument = "n",                       \
		.help = "read the key, a passphrase or an RSA key, from this descriptor"     \
	}

struct key_request;
/* The options by which a key is given: whether there is one, and what they ask for. */
bool keys_given(const struct invocation *in);
int keys_request(const struct invocation *in, struct key_request *request, struct error **err);
/*
 * Round everything that finds a key: from keys_begin on no process of the same user can read our
 * memory, a child's after a fork neither (see run/ about id maps); keys_end takes the key
 * variables out of the environment, before any program is started.
 */
int keys_begin(struct error **err);
void keys_end(void);
/* Takes --max-kdf-memory to where keys are derived. */
int keys_limit(const struct invocation *in, struct error **err);

struct build_wish;
struct base_key;
/*
 * What build and pull have in common: compression, key, target. base is for the key of an encrypted
 * image that is built upon; NULL where there is none.
 */
int options_build(const struct invocation *in, struct build_wish *wish, struct base_key *base,
		  struct error **err);

/* A command without options of its own. */
extern const struct option options_help_only[];

#endif
