/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_TESTS_UNIT_CLI_WORDS_TABLE_H
#define COFFER_TESTS_UNIT_CLI_WORDS_TABLE_H

#include "cli/words/internal.h"

/* A command that does not exist, with an option of each kind. */
static const struct option fake_options[] = {
	{ .name = "array",
	  .letter = 'a',
	  .kind = OPTION_ARRAY,
	  .argument = "x",
	  .help = "array",
	  .variables = "T_ARRAY T_ARRAYS",
	  .add_variables = true },
	{ .name = "both",
	  .letter = 'b',
	  .kind = OPTION_SWITCH,
	  .help = "switch",
	  .variables = "T_BOTH" },
	{ .name = "count",
	  .kind = OPTION_INT,
	  .argument = "n",
	  .help = "number",
	  .variables = "T_COUNT" },
	{ .name = "list",
	  .letter = 'l',
	  .kind = OPTION_LIST,
	  .argument = "x",
	  .help = "list",
	  .variables = "T_LIST" },
	{ .name = "map", .kind = OPTION_MAP, .argument = "x", .help = "map" },
	{ .name = "passphrase", .kind = OPTION_SWITCH, .help = "ask", .no_value_ever = true },
	{ .name = "text",
	  .letter = 't',
	  .kind = OPTION_TEXT,
	  .argument = "x",
	  .help = "text",
	  .variables = "T_TEXT T_TEXT2" },
	{ .name = "unsupported",
	  .letter = 'u',
	  .kind = OPTION_SWITCH,
	  .help = "not here",
	  .support = OPTION_UNSUPPORTED,
	  .variables = "T_UNSUPPORTED" },
	{ .name = "nothing",
	  .kind = OPTION_SWITCH,
	  .help = "nothing",
	  .variables = "T_NOTHING",
	  .support = OPTION_NO_EFFECT },
	{ .name = "yes", .letter = 'y', .kind = OPTION_SWITCH, .help = "switch" },
	{ 0 },
};

static const struct command fake_command __attribute__((unused)) = {
	.name = "fake",
	.summary = "Does nothing",
	.usage = "fake [fake options...] <x>",
	.description = "%s.\n",
	.options = fake_options,
	.min_arguments = 1,
	.max_arguments = 2,
};

static const struct command fake_intermixed __attribute__((unused)) = {
	.name = "sif fake",
	.summary = "Does nothing",
	.usage = "sif fake <x>",
	.description = "%s.\n",
	.options = fake_options,
	.min_arguments = 1,
	.max_arguments = 1,
	.intermixed = true,
};

#define WORDS(...) ((const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

#endif
