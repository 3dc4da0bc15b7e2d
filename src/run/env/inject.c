/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is set round the image's scripts, as action.c has it for a shell: the search path, the
 * values that the user and the host bring (runtime.md 5.2, 5.3), and what 99-base.sh sets.
 */
#include "run/internal.h"

#include <string.h>

/* What the user's value comes to: an error, where only a shell knows. */
static int injected_value(const struct run_plan *plan, const struct strings *env,
			  const struct run_injection *in, struct buffer *ret, struct error **err)
{
	if (plan->wish->no_eval)
		return buffer_puts(ret, in->value, err);
	int r = run_word_quoted(env, in->value, ret, err);
	if (r)
		return r < 0 ? -1 : 0;
	error_set(err, ERROR_COMMAND,
		  "the value of %s is for a shell to work on, and the image has none", in->name);
	return error_hint(err, "--no-eval takes all values as they are");
}

/* 1 with the value of one of the three, 0 when it is not set, -1. */
static int injected_path(const struct run_plan *plan, const struct strings *env, int which,
			 struct buffer *ret, struct error **err)
{
	const struct run_injections *list = &plan->env.injections;
	for (size_t i = 0; i < list->len; i++)
		if (run_env_path_index(list->items[i].name) == which)
			return injected_value(plan, env, &list->items[i], ret, err) < 0 ? -1 : 1;
	return 0;
}

/* What the user sets may ask the shell to work on it (runtime.md 5.2). */
bool run_injections_are_plain(const struct run_plan *plan)
{
	for (size_t i = 0; i < plan->env.injections.len; i++) {
		const struct run_injection *in = &plan->env.injections.items[i];
		if (run_word_special(in->name, strlen(in->name)) ||
		    (!plan->wish->no_eval && strpbrk(in->value, "$`\\\"")))
			return false;
	}
	return true;
}

int run_path_default(struct strings *env, struct error **err)
{
	const char *path = run_env_get(env, "PATH");
	return path && *path ? 0 : run_env_set(env, "PATH", RUN_DEFAULT_PATH, err);
}

/* After an OCI image's variables: the folders of the usual path that are missing in it. */
int run_path_folders(struct strings *env, struct error **err)
{
	CLEANUP_TEXT char *folders = text_dup(RUN_DEFAULT_PATH, err);
	if (!folders)
		return -1;
	char *rest = folders;
	for (char *folder; (folder = strsep(&rest, ":"));) {
		const char *path = run_env_get(env, "PATH");
		CLEANUP_TEXT char *within = text_printf(err, ":%s:", path ? path : "");
		CLEANUP_TEXT char *wanted = text_printf(err, ":%s:", folder);
		CLEANUP_TEXT char *grown = text_printf(err, "%s%s%s", path ? path : "",
						       path && *path ? ":" : "", folder);
		if (!within || !wanted || !grown)
			return -1;
		if (!strstr(within, wanted) && run_env_set(env, "PATH", grown, err) < 0)
			return -1;
	}
	return 0;
}

static int join(struct strings *env, const char *name, const char *before, const char *after,
		struct error **err)
{
	CLEANUP_TEXT char *value = text_printf(err, "%s:%s", before, after);
	return value ? run_env_set(env, name, value, err) : -1;
}

int run_inject(const struct run_plan *plan, struct strings *env, struct error **err)
{
	static const char libraries[] = "/.singularity.d/libs";
	if (run_path_default(env, err) < 0)
		return -1;
	for (size_t i = 0; i < plan->env.injections.len; i++) {
		const struct run_injection *in = &plan->env.injections.items[i];
		CLEANUP_BUFFER struct buffer value = { 0 };
		if (run_env_path_index(in->name) >= 0)
			continue;
		if (injected_value(plan, env, in, &value, err) < 0)
			return -1;
		if (!strcmp(in->name, "LD_LIBRARY_PATH") && *in->value) {
			if (join(env, in->name, value.data, libraries, err) < 0)
				return -1;
		} else if (run_env_set(env, in->name, value.data, err) < 0) {
			return -1;
		}
	}
	return 0;
}

int run_inject_paths(const struct run_plan *plan, struct strings *env, struct error **err)
{
	CLEANUP_BUFFER struct buffer whole = { 0 }, before = { 0 }, after = { 0 };
	int r = injected_path(plan, env, 0, &whole, err);
	if (r)
		return r < 0 ? -1 : run_env_set(env, "PATH", whole.data, err);
	const char *now = run_env_get(env, "PATH");
	r = injected_path(plan, env, 1, &before, err);
	if (r < 0 || (r > 0 && join(env, "PATH", before.data, now ? now : "", err) < 0))
		return -1;
	now = run_env_get(env, "PATH");
	r = injected_path(plan, env, 2, &after, err);
	if (r < 0 || (r > 0 && join(env, "PATH", now ? now : "", after.data, err) < 0))
		return -1;
	now = run_env_get(env, "PATH");
	/* As the shell, which exports it whatever it is. */
	return now ? 0 : run_env_set(env, "PATH", "", err);
}

int run_base_script(struct strings *env, struct error **err)
{
	static const char libraries[] = "/.singularity.d/libs";
	const char *now = run_env_get(env, "LD_LIBRARY_PATH");
	int r = now && *now ? join(env, "LD_LIBRARY_PATH", now, libraries, err)
			    : run_env_set(env, "LD_LIBRARY_PATH", libraries, err);
	if (r < 0)
		return -1;
	now = run_env_get(env, "PS1");
	return now && *now ? 0 : run_env_set(env, "PS1", "Apptainer> ", err);
}
