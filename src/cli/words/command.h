/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_CLI_WORDS_COMMAND_H
#define COFFER_CLI_WORDS_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/base.h"

/*
 * One table of commands and options: parsing, help, completion and the manual's synopsis all come
 * from it. A command is one file of cli/commands/, ending in its one entry; table.c there lists
 * them.
 */
enum option_kind {
	OPTION_SWITCH, /* --x, --x=false */
	OPTION_TEXT,   /* --x V, --x=V: the last wins */
	OPTION_INT,
	OPTION_INT32,
	OPTION_UINT32,
	OPTION_ARRAY, /* repeatable, commas kept */
	OPTION_LIST,  /* repeatable, split at commas */
	OPTION_MAP,   /* repeatable, split at commas, each NAME=VALUE; the last of a name wins */
};

/*
 * Scripts pass options that coffer has no use for. What can be left out without changing what the
 * container sees or may do is taken silently; the rest is refused by name.
 */
enum option_support {
	OPTION_WORKS,
	OPTION_NO_EFFECT,
	OPTION_UNSUPPORTED,
};

struct option_value {
	bool set;	     /* given at all, on the command line or by a variable */
	bool on;	     /* OPTION_SWITCH */
	const char *text;    /* OPTION_TEXT; borrowed */
	long number;	     /* OPTION_INT and its like */
	struct strings list; /* OPTION_ARRAY, OPTION_LIST, OPTION_MAP */
};

struct option {
	const char *name; /* long, without dashes */
	char letter;	  /* short, or 0 */
	enum option_kind kind;
	const char *argument; /* how help names its value: "file", ...; NULL for switches */
	const char *help;     /* a few words, wrapped by help */
	const char *choices;  /* for completion: its values, blank-separated, or NULL */
	const char
		*variables; /* names without APPTAINER_, blank-separated, or NULL: runtime.md 17 */
	enum option_support support;
	bool hidden;		/* accepted, not in help (runtime.md 17) */
	bool add_variables;	/* variables are added to the command line's, not replaced by it */
	bool no_value_ever;	/* a switch that carries no value: what follows = may be a secret */
	const char *deprecated; /* what to say when it is used, or NULL */
	const char *instead;	/* OPTION_UNSUPPORTED: what else there is, or NULL */
	size_t into; /* OPTION_INTO: the member of the command's wish that it fills; or 0 */
};
/*
 * The place of a member in the wish that a command's options fill (invocation_fill), which has to
 * be of the type that the option's kind has: bool, const char * or struct strings. The first member
 * of a wish is no option's.
 */
/* NOLINTNEXTLINE(bugprone-macro-parentheses): no type's name stands in parentheses there */
#define OPTION_INTO(wish, member, type) _Generic(((wish *)0)->member, type : offsetof(wish, member))

struct command;
struct invocation {
	const struct command *command;
	struct option_value *values;  /* one per command->options; owned */
	const char *const *arguments; /* what is left, NULL-terminated; owned */
	size_t argument_count;
	const char *program; /* "coffer", "apptainer" or "singularity" */
	const char *config;  /* --config, or NULL */
};

struct command {
	const char *name;	      /* "build"; "sif list" for one of a group */
	const char *alias;	      /* another name, or NULL */
	const char *summary;	      /* one line */
	const char *usage;	      /* after the program's name: "build [build options...] ..." */
	const char *description;      /* lines of at most 78 columns; %s is the program's name */
	const char *examples;	      /* the same, or NULL */
	const struct option *options; /* ends with a NULL name */
	int min_arguments, max_arguments; /* max -1: any */
	bool intermixed;		  /* options may follow arguments */
	bool group;			  /* has sub-commands and does nothing itself */
	bool usage_errors; /* its errors are shown as usage errors with status 1: sif.md 11.9 */
	bool hidden;
	bool image;	     /* its first argument is an image: for completion */
	bool topics;	     /* its arguments are commands */
	const char *choices; /* its first argument is one of these, blank-separated; or NULL */
	/* Does it: returns the exit status, or -1 with *err set. NULL for a group. */
	int (*run)(const struct invocation *in, struct error **err);
};

/* The one that may have been meant by a long name of so many bytes, or NULL. */
const struct option *option_near(const struct command *command, const char *name, size_t len);
/* What the options have that name a member: given or not, so the members that no option names are
 * set by the caller, and others afterwards. The lists stay the invocation's. */
void invocation_fill(const struct invocation *in, void *wish);
/* The value of an option by its long name; asking for one that is not in the table aborts. */
const struct option_value *invocation_option(const struct invocation *in, const char *name);
static inline bool invocation_on(const struct invocation *in, const char *name)
{
	return invocation_option(in, name)->on;
}
static inline const char *invocation_text(const struct invocation *in, const char *name)
{
	return invocation_option(in, name)->text;
}

/* cli/commands/table.c: all commands, NULL-terminated. Those of a group follow it. */
extern const struct command *const command_table[];
/* What Apptainer has and coffer has not, and in which other way that is had, or NULL; the last row
 * has no name. */
extern const struct command_missing {
	const char *name, *instead;
} command_missing[];
/* The options before the command. */
extern const struct command command_global;

#endif
