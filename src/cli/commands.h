/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_CLI_COMMANDS_H
#define COFFER_CLI_COMMANDS_H

#include "cli/internal.h"

/* The entries that each cmd_*.c ends in, and what their tables share. */
extern const struct command command_build, command_completion, command_exec, command_help,
	command_inspect, command_run, command_run_help, command_shell, command_sif,
	command_sif_dump, command_sif_header, command_sif_info, command_sif_list,
	command_table_dump, command_test, command_version;

#define OPTION_HELP                                                                             \
	{                                                                                       \
		.name = "help", .letter = 'h', .kind = OPTION_SWITCH, .help = "print this help" \
	}

/*
 * Round everything that finds a key: from keys_begin on no process of the same user can read our
 * memory, a child's after a fork neither (see run/ about id maps); keys_end takes the key
 * variables out of the environment, before any program is started.
 */
int keys_begin(struct error **err);
void keys_end(void);

/* A command without options of its own. */
extern const struct option options_help_only[];

#endif
