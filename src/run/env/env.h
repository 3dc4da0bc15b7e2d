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

struct run_env_source {
	const char *const *host; /* environ */
	const struct run_wish *wish;
	const char *image; /* absolute path */
	const char *home;
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

/* ---------------------------------------------------------------- action.c, scripts.c, shell.c */

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

#endif
