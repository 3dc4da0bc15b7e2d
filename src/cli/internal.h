/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_CLI_INTERNAL_H
#define COFFER_CLI_INTERNAL_H

#include "cli/words/internal.h"
#include "secret/secret.h"

/* What all commands share beside the words: messages with exit statuses, and the terminal. */

/* ------------------------------------------------------------------ report.c */

#define EXIT_USAGE 1
#define EXIT_FATAL 255

/* Shows an error, the cause and what to do, and returns the exit status. */
int report_error(const struct error *e);
/* The frame of a usage error; returns the exit status. flag: one of an option, which Apptainer's
 * names answer with the list of all, and coffer with what may have been meant. */
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
/* The width of the terminal at standard output, or what stands for it. */
int report_columns(void);

/* ------------------------------------------------------------------ tty.c */

/* A key_ask (key/key.h): asks on the terminal without echo, or takes one line of a pipe. */
int tty_ask(void *context, const char *prompt, struct secret **ret, struct error **err);
/* A question with y or n; yes and capitals do, anything else is no. For build_check_target. */
bool tty_confirm(void *context, const char *question);
/* Whether there is a person at standard input. */
bool tty_present(void);

#endif
