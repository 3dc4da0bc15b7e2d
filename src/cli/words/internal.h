/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_CLI_WORDS_INTERNAL_H
#define COFFER_CLI_WORDS_INTERNAL_H

#include "cli/words/command.h"

/*
 * The words of a command line, read and explained by the table of commands. Nothing here does what
 * a command says; the commands themselves are in cli/commands/.
 */

/* ------------------------------------------------------------------ parse.c */

/*
 * Parses words (those after the command's name) by the rules of pflag. Fills values and arguments;
 * program and config are the caller's. The errors are ERROR_USAGE in pflag's words.
 */
int parse_words(const struct command *command, const char *const *words, struct invocation *ret,
		struct error **err);
void invocation_free(struct invocation *in);
#define CLEANUP_INVOCATION __attribute__((cleanup(invocation_free)))
/* Whether there are as many arguments as the command takes: ERROR_USAGE. */
int parse_check_arguments(const struct invocation *in, struct error **err);
/* Sets one value from text, as an option or (names_flag false) a variable would. */
int parse_value(const struct option *option, const char *text, struct option_value *value,
		struct error **err);
/* number.c: a whole number of OPTION_INT, _INT32 or _UINT32, in whatever base: ERROR_USAGE. */
int parse_integer(enum option_kind kind, const char *text, long *ret, struct error **err);
/* One record of comma-separated values, quotes as in RFC 4180. */
int parse_csv(const char *text, struct strings *ret, struct error **err);
/* Text in double quotes, with escapes, for messages. NULL with *err set. */
char *parse_quote(const char *text, struct error **err);
/* Whether the word is true or false in Go's spelling; -1 when it is neither. */
int parse_bool(const char *text);

/* Finds "build" or "sif list" by one or two words; how many were used is in *ret_words. */
const struct command *table_find(const char *const *words, size_t *ret_words);
/* Whether a command of this name stands in the group ("sif list" in sif), or (NULL) in none. */
bool table_is_in(const char *name, const struct command *group);
/* Whether an option is shown: by help, and as what may stand there or was meant. */
bool table_offers(const struct option *o);
/* Goes through the commands that are shown: of the group, or (NULL) of none. *at: NULL to begin. */
bool table_next(const struct command *group, const struct command *const **at);
/* For a word that is no command (NULL: at the start; else of the group): its row, where Apptainer
 * has it, and the one it may have been meant to be; or NULL. */
const struct command_missing *table_missing(const struct command *group, const char *word);
const struct command *table_near(const struct command *group, const char *word);
/* Whether one slip parts the words: letters too many, too few or others in one place, two at most;
 * or two that changed places. */
bool table_is_near(const char *a, const char *b);
/* The last word of a command's name: how errors name it. */
const char *command_word(const struct command *command);

/* ------------------------------------------------------------------ dialect.c */

/* Called by this name (argv[0]): "coffer" unless it is one of Apptainer's. */
const char *dialect_program(const char *argv0);
/* The version to answer by that name. */
const char *dialect_version(const char *program);
/* The name that stands before it in what --version prints. */
const char *dialect_calls_itself(const char *program);
/* Whether that is coffer's own name, and so what is said need not be Apptainer's words. */
bool dialect_is_own(const char *program);
/* What help says first of a command, whose own words are `own`. */
const char *dialect_summary(const char *program, const char *command, const char *own);
/* Whether a new passphrase is asked for a second time. */
bool dialect_asks_twice(const char *program);

/* What the user wanted when the error came. */
enum dialect_action {
	DIALECT_OPEN,	 /* to open an image and run it */
	DIALECT_DECRYPT, /* to run the open image */
	DIALECT_INSPECT, /* to read an image's metadata */
};

/* Puts Apptainer's words round an error, or none, by its place and kind. Returns -1. */
int dialect_frame(enum dialect_action action, const char *image, struct error **err);
/* Whether the error is one of the kinds that a key is to blame for. */
bool dialect_is_of_key(const struct error *e);

/* ------------------------------------------------------------------ help.c */

#define HELP_COLUMNS 80
/* How wide help is, from then on: HELP_COLUMNS without this. */
void help_set_columns(int width);

int help_options(const struct command *command, struct buffer *ret, struct error **err);
/* What --help prints. */
int help_command(const struct command *command, const char *program, struct buffer *ret,
		 struct error **err);
/* The usage with the list of commands (NULL: all; else of the group), for a missing or unknown
 * one. */
int help_main_usage(const struct command *group, const char *program, struct buffer *ret,
		    struct error **err);
/* The second half of a usage error, for standard output: cli-messages 1.4. */
int help_usage_error(const struct command *command, const char *program, bool flag,
		     struct buffer *ret, struct error **err);

/* ------------------------------------------------------------------ settings.c */

struct config;
/* What the site's file says, and --config: config/config.h. *ret is to be freed, also on failure.
 */
int settings_read_config(const struct invocation *in, struct config *ret, struct error **err);

/* Verbosity and colour, from the environment first: cli-messages 1.2. in: the global options. */
int settings_apply_global(struct invocation *in, struct error **err);
/* Options from APPTAINER_X and SINGULARITY_X: runtime.md 17. */
int settings_apply_variables(struct invocation *in, struct error **err);
/* Refuses what coffer does not do and warns of what is deprecated. */
int settings_check_support(const struct invocation *in, struct error **err);

#endif
