/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_CLI_INTERNAL_H
#define COFFER_CLI_INTERNAL_H

#include "cli/command.h"
#include "secret/secret.h"

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
/* For a word that is no command (NULL: at the start; else of the group): whether Apptainer has it,
 * and the one it may have been meant to be, or NULL. */
bool table_is_missing(const struct command *group, const char *word);
const struct command *table_near(const struct command *group, const char *word);
/* The last word of a command's name: how errors name it. */
const char *command_word(const struct command *command);

/* ------------------------------------------------------------------ dialect.c */

/* Called by this name (argv[0]): "coffer" unless it is one of Apptainer's. */
const char *dialect_program(const char *argv0);
/* The version to answer by that name. */
const char *dialect_version(const char *program);
/* The name that stands before it in what --version prints. */
const char *dialect_calls_itself(const char *program);
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

/* ------------------------------------------------------------------ report.c */

#define EXIT_USAGE 1
#define EXIT_FATAL 255

/* Shows an error, the cause and what to do, and returns the exit status. */
int report_error(const struct error *e);
/* The frame of a usage error; returns the exit status. flag: the options are listed. */
int report_usage(const struct command *command, const char *program, bool flag,
		 const struct error *e);
/* The same for a word that is no command (NULL: none was given), of the group where not NULL. */
int report_no_command(const struct command *group, const char *program, const char *word,
		      struct error **err);
/*
 * Writes text to standard output: an error when it cannot be written. On a terminal it is shown
 * through base/screen.h, as parts of it may be a stranger's.
 */
int report_print(const struct buffer *text, struct error **err);
/* The same piece by piece; report_end after the last one. */
int report_piece(struct screen *screen, const struct buffer *text, struct error **err);
int report_end(struct screen *screen, struct error **err);

/* ------------------------------------------------------------------ tty.c */

/* A key_ask (key/key.h): asks on the terminal without echo, or takes one line of a pipe. */
int tty_ask(void *context, const char *prompt, struct secret **ret, struct error **err);
/* A question with y or n; yes and capitals do, anything else is no. For build_check_target. */
bool tty_confirm(void *context, const char *question);
/* Whether there is a person at standard input. */
bool tty_present(void);

#endif
