/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_RUN_ENV_ENV_H
#define COFFER_RUN_ENV_ENV_H

#include "run/run.h"

/* The door of env/: the environment of the payload, and its account files. */

struct run_binds;
struct run_plan;

/* ---------------------------------------------------------------- env.c */

/* A variable to be set inside, after the image's own scripts (runtime.md 5.2). */
struct run_injection {
	char *name;
	char *value;
};
struct run_injections {
	struct run_injection *items;
	size_t len, cap;
};
struct run_env {
	/* NAME=VALUE as the payload shall have them unless the image says otherwise */
	struct strings base;
	struct run_injections injections;
};
void run_env_free(struct run_env *e);
/* The value in a NAME=VALUE list, or NULL. */
const char *run_env_get(const struct strings *list, const char *name);
int run_env_set(struct strings *list, const char *name, const char *value, struct error **err);
void run_env_unset(struct strings *list, const char *name);
bool run_env_name_ok(const char *name, size_t len);
/* Whether the name of a file in /.singularity.d/env is a script's: it ends in ".sh". */
bool run_env_is_script(const char *name);
/* 0 for PATH, 1 for PREPEND_PATH, 2 for APPEND_PATH, which are put together; -1: another one. */
int run_env_path_index(const char *name);

struct run_env_source {
	const char *const *host; /* environ */
	const struct run_wish *wish;
	const char *image; /* absolute path */
	const char *home;
	const char *instance; /* its name; or NULL */
	const struct run_binds *binds;
};
int run_env_prepare(const struct run_env_source *source, struct run_env *ret, struct error **err);

/* envfile.c: evaluates one --env-file's text; each assignment is added to ret as NAME=VALUE. */
int run_envfile_parse(const char *text, const char *name, const struct strings *known,
		      struct strings *ret, struct error **err);

/* ---------------------------------------------------------------- passwd.c */

/* The new text, or *ret->len unchanged and -1; ERROR_DAMAGED for a line that cannot be read. */
int run_passwd_text(const char *old, const struct run_plan *plan, struct buffer *ret,
		    struct error **err);
int run_group_text(const char *old, const struct run_plan *plan, struct buffer *ret,
		   struct error **err);

/* ---------------------------------------------------------------- action.c and its roads */

#define RUN_ENV_DIRECTORY "/.singularity.d/env"
#define RUN_RESULT_FD 9 /* one digit: no shell takes more */
/*
 * shell.c: evaluates the command in the image's bash, or else its /bin/sh, with these variables
 * alone. *text: what it wrote to RUN_RESULT_FD. Returns its status, or -1 with *err; *ret_errnum:
 * 0, or why there was no shell to start.
 */
int run_shell_ask(const struct run_plan *plan, const char *command, const struct strings *variables,
		  struct buffer *text, int *ret_errnum, struct error **err);

/*
 * action.c: the environment scripts' results. *ret_exit: -1, or the status with which a script
 * ended everything.
 */
int run_action_environment(const struct run_plan *plan, struct strings *ret, int *ret_exit,
			   struct error **err);
/*
 * scripts.c: the same from the scripts in directory, without a shell where they are simple enough.
 * Returns 1; 0 when the shell is needed; or -1 with *err.
 */
int run_scripts_evaluate(const struct run_plan *plan, int directory,
			 const struct strings *variables, struct strings *ret, struct error **err);
/* The same where the image has no shell: what takes one is left out, and said. Returns 0 or -1. */
int run_scripts_bare(const struct run_plan *plan, const struct strings *variables,
		     struct strings *ret, struct error **err);

/* ---------------------------------------------------------------- inject.c */

/* PATH where it is unset or empty. */
int run_path_default(struct strings *env, struct error **err);
/* After an OCI image's variables: the folders of the usual path that PATH lacks. */
int run_path_folders(struct strings *env, struct error **err);
/* Whether no shell is needed to work on them, the paths among them. */
bool run_injections_are_plain(const struct run_plan *plan);
/* Those but the paths; then the paths. ERROR_COMMAND for a value that only a shell knows. */
int run_inject(const struct run_plan *plan, struct strings *env, struct error **err);
int run_inject_paths(const struct run_plan *plan, struct strings *env, struct error **err);
/* As 99-base.sh. */
int run_base_script(struct strings *env, struct error **err);

/* ---------------------------------------------------------------- words.c, runscript.c */

/* A variable that shells have their own ideas about. PATH is none of them. */
bool run_word_special(const char *name, size_t len);
/*
 * One word, in any quotes, with the variables of env: appended to *ret, which is a text then, and
 * *at moves to what follows the blanks behind it. Returns 1; 0 when it takes a shell (what is in
 * *ret counts for nothing then), -1 with *err.
 */
int run_word_take(const struct strings *env, const char **at, struct buffer *ret,
		  struct error **err);
/* The same of a whole text as it would be between double quotes; a quote in it is one. */
int run_word_quoted(const struct strings *env, const char *text, struct buffer *ret,
		    struct error **err);
/* The same of all words of a text, added to *ret. */
int run_words_split(const struct strings *env, const char *text, struct strings *ret,
		    struct error **err);
/*
 * What the runscript of an OCI image would execute: returns 1 with the words, 0 when the script at
 * that path is another one, -1 with *err.
 */
int run_oci_words(const struct run_plan *plan, const struct strings *env, const char *path,
		  struct strings *ret, struct error **err);

#endif
