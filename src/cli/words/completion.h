/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_CLI_WORDS_COMPLETION_H
#define COFFER_CLI_WORDS_COMPLETION_H

#include "cli/words/internal.h"

/*
 * Completion for shells, from the table: words only, no program of ours is run while a person
 * types. Each script is for the one name that it is made for.
 */

/* What the option's value is, by how help calls it. */
enum completion_value {
	COMPLETION_SWITCH, /* it has none */
	COMPLETION_CHOICES,
	COMPLETION_FILE, /* a file's name, or begins with one */
	COMPLETION_FOLDER,
	COMPLETION_OTHER,
};
enum completion_value completion_value(const struct option *o);

/* Text for single quotes: a quote in it becomes `quote`, and those letters get a backslash. */
int completion_quote(const char *text, const char *backslashed, const char *quote,
		     struct buffer *ret, struct error **err);

int completion_bash(const char *program, struct buffer *ret, struct error **err);
int completion_zsh(const char *program, struct buffer *ret, struct error **err);
int completion_fish(const char *program, struct buffer *ret, struct error **err);

#endif
