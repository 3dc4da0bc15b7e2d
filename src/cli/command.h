/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_CLI_COMMAND_H
#define COFFER_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/base.h"

/*
 * One table of commands and options: parsing, help, completion and the manual's synopsis all come
 * from it. A command is one file, cmd_NAME.c, ending in its one entry.
 */
enum option_kind {
	OPTION_SWITCH, /* --x, --x=false */
	OPTION_TEXT,   /* --x V, --x=V: the last wins */
	OPTION_INT,
	OPTION_ARRAY,  /* repeatable, commas kept */
	OPTION_LIST,   /* repeatable, split at commas */
};

struct option_value {
	bool set;        /* given at all, on the command line or by a variable */
	bool on;         /* OPTION_SWITCH */
	const char *text; /* OPTION_TEXT; borrowed */
	long number;     /* OPTION_INT */
	struct strings list; /* OPTION_ARRAY, OPTION_LIST */
};

struct option {
	const char *name;      /* long, without dashes */
	char letter;           /* short, or 0 */
	enum option_kind kind;
	const char *argument;  /* how help names its value: "file", ... */
	const char *help;      /* one line */
	const char *variables; /* names without APPTAINER_, blank-separated, or NULL: runtime.md 17 */
	bool hidden;           /* accepted, not in help (runtime.md 17) */
	bool add_variables;    /* variables are added to the command line's, not replaced by it */
};

struct command;
struct invocation {
	const struct command *command;
	struct option_value *values;    /* one per command->options */
	const char *const *arguments;   /* what is left, NULL-terminated */
	size_t argument_count;
	const char *program;            /* "coffer", "apptainer" or "singularity" */
};

struct command {
	const char *name;       /* "build"; "sif list" for one of a group */
	const char *summary;    /* one line */
	const char *usage;      /* after the program's name: "build [build options...] ..." */
	const char *description;
	const char *examples;
	const struct option *options; /* ends with a NULL name */
	int min_arguments, max_arguments; /* max -1: any */
	bool intermixed;        /* options may follow arguments */
	int error_status;       /* exit status of an error: 255, or 1 for the sif group */
	/* Does it: returns the exit status, or -1 with *err set. */
	int (*run)(const struct invocation *in, struct error **err);
};

/* The value of an option by its long name; asking for one that is not in the table aborts. */
const struct option_value *invocation_option(const struct invocation *in, const char *name);

#endif
