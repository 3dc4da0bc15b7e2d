/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_CLI_COMMANDS_SIGN_INTERNAL_H
#define COFFER_CLI_COMMANDS_SIGN_INTERNAL_H

#include "cli/commands/internal.h"
#include "sif/sif.h"

/* What both commands take: which objects, by today's names and those of before. */
#define OPTIONS_SELECTION(what)                                                       \
	{ .name = "group-id",                                                         \
	  .letter = 'g',                                                              \
	  .kind = OPTION_UINT32,                                                      \
	  .argument = "n",                                                            \
	  .help = what " the objects of this group alone" },                          \
		{ .name = "groupid",                                                  \
		  .kind = OPTION_UINT32,                                              \
		  .argument = "n",                                                    \
		  .hidden = true,                                                     \
		  .deprecated = "use '--group-id'",                                   \
		  .help = "the same" },                                               \
		{ .name = "sif-id",                                                   \
		  .letter = 'i',                                                      \
		  .kind = OPTION_UINT32,                                              \
		  .argument = "n",                                                    \
		  .help = what " the object with this number alone" },                \
	{                                                                             \
		.name = "id", .kind = OPTION_UINT32, .argument = "n", .hidden = true, \
		.deprecated = "use '--sif-id'", .help = "the same"                    \
	}

/* sign.c */
void cli_sign_selection(const struct invocation *in, struct sif_selection *ret);

#endif
