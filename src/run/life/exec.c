/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last step: which program it is (runtime.md 4.2), and becoming it.
 *
 * All that could fail with words of ours has to fail before the exec. After it, whatever is said is
 * the payload's. So the program is looked for as a shell would, in the payload's PATH, and its
 * absence is told in the words that scripts know.
 */
#include "run/internal.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RUNSCRIPT "/.singularity.d/runscript"

/* What is to be executed: runtime.md 4.2. */
struct payload {
	struct strings argv;
	char *path; /* owned */
};

static void payload_free(struct payload *c)
{
	strings_free(&c->argv);
	text_free(&c->path);
}

char *run_errno_words(int errnum, struct error **err)
{
	char *text = text_dup(strerror(errnum), err);
	if (text)
		*text = (char)tolower((unsigned char)*text);
	return text;
}

static bool executable(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* ---------------------------------------------------------------- the environment */

static int restore_host(const struct run_plan *plan, struct strings *env, struct error **err)
{
	for (size_t i = 0; i < plan->env.base.len; i++) {
		const char *item = plan->env.base.items[i];
		const char *equals = strchr(item, '=');
		CLEANUP_TEXT char *name = text_dup_len(item, (size_t)(equals - item), err);
		if (!name)
			return -1;
		const char *now = run_env_get(env, name);
		/* Our own words about the container are no script's to change. */
		bool fixed = !strcmp(name, "APPTAINER_NAME") ||
			     !strcmp(name, "APPTAINER_CONTAINER") ||
			     !strcmp(name, "APPTAINER_INSTANCE");
		if (now && !*now && !fixed)
			run_env_unset(env, name);
		else if ((!now || fixed) && run_env_set(env, name, equals + 1, err) < 0)
			return -1;
	}
	return 0;
}

static int set_prompt(struct strings *env, struct error **err)
{
	const char *ps1 = run_env_get(env, "PS1"), *old = run_env_get(env, "PROMPT_COMMAND");
	CLEANUP_TEXT char *value = NULL;
	if (old && *old)
		value = text_printf(err,
				    "%s; PROMPT_COMMAND=\"${PROMPT_COMMAND%%%%; "
				    "PROMPT_COMMAND=*}\"; PS1=\"%s\"",
				    old, ps1 ? ps1 : "");
	else
		value = text_printf(err, "PS1=\"%s\"; unset PROMPT_COMMAND", ps1 ? ps1 : "");
	return value ? run_env_set(env, "PROMPT_COMMAND", value, err) : -1;
}

static int finish_environment(const struct run_plan *plan, struct strings *env, struct error **err)
{
	static const char place[] = "/.singularity.d/env/91-environment.sh";
	if (restore_host(plan, env, err) < 0 || set_prompt(env, err) < 0)
		return -1;
	if (!run_env_get(env, "APPTAINER_ENVIRONMENT") &&
	    run_env_set(env, "APPTAINER_ENVIRONMENT", place, err) < 0)
		return -1;
	if (!run_env_get(env, "SINGULARITY_ENVIRONMENT") &&
	    run_env_set(env, "SINGULARITY_ENVIRONMENT", place, err) < 0)
		return -1;
	if (!run_env_get(env, "PATH") && run_env_set(env, "PATH", RUN_DEFAULT_PATH, err) < 0)
		return -1;
	char *cwd = getcwd(NULL, 0);
	CLEANUP_TEXT char *owned = cwd;
	return owned ? run_env_set(env, "PWD", owned, err) : 0;
}

/* ---------------------------------------------------------------- the command */

static int add_words(struct payload *c, const char *const *words, struct error **err)
{
	for (; words && *words; words++) {
		if (strings_add(&c->argv, *words, err) < 0)
			return -1;
	}
	return 0;
}

/* A program by its path, with the user's arguments. Returns 1 when it is there, 0 when not. */
static int try_program(struct payload *c, const char *path, const char *const *words,
		       struct error **err)
{
	if (!executable(path))
		return 0;
	c->path = text_dup(path, err);
	if (!c->path || strings_add(&c->argv, path, err) < 0 || add_words(c, words, err) < 0)
		return -1;
	return 1;
}

/* An error of the action script: status 1, not 255 (4.2). */
static int action_error(struct error **err, const char *words, const char *name)
{
	error_set(err, ERROR_COMMAND, "%s%s", words, name);
	return error_set_exit_status(err, 1);
}

/* The words are Apptainer's, which say nothing of what cannot be run. */
static int not_a_program(const char *name, const char *why, struct error **err)
{
	error_set(err, ERROR_COMMAND, "%s", why);
	return error_hint(err, "is %s a program, and may you run it?", name);
}

static int find_in_path(const char *name, const struct strings *env, char **ret, struct error **err)
{
	const char *path = run_env_get(env, "PATH");
	bool denied = false;
	CLEANUP_TEXT char *copy = text_dup(path ? path : "", err);
	if (!copy)
		return -1;
	char *rest = copy;
	for (char *dir; *name && (dir = strsep(&rest, ":"));) {
		CLEANUP_TEXT char *full = path_join(*dir ? dir : ".", name, err);
		struct stat st;
		if (!full)
			return -1;
		if (executable(full)) {
			*ret = take_pointer(&full);
			return 0;
		}
		denied |= stat(full, &st) == 0 && S_ISREG(st.st_mode);
	}
	error_set(err, ERROR_NOT_FOUND, "\"%s\": executable file not found in $PATH", name);
	return denied ? error_hint(err, "there is a file %s, and you may not run it", name) : -1;
}

/* The program that the first word names, with the others as its arguments. */
static int choose_words(const char *const *words, const struct strings *env, struct payload *c,
			struct error **err)
{
	const char *name = words && *words ? *words : "";
	struct stat st;
	if (!strchr(name, '/')) {
		if (find_in_path(name, env, &c->path, err) < 0)
			return -1;
	} else {
		if (stat(name, &st) < 0) {
			CLEANUP_TEXT char *why = run_errno_words(errno, err);
			return why ? error_set(err, ERROR_NOT_FOUND, "stat %s: %s", name, why) : -1;
		}
		if (S_ISDIR(st.st_mode))
			return not_a_program(name, "is a directory", err);
		if (!executable(name))
			return not_a_program(name, "permission denied", err);
		c->path = text_dup(name, err);
		if (!c->path)
			return -1;
	}
	return strings_add(&c->argv, c->path, err) < 0 ? -1 : add_words(c, words + 1, err);
}

static int choose_shell(const struct run_plan *plan, struct strings *env, struct payload *c,
			struct error **err)
{
	static const char *const norc[] = { "--norc", NULL };
	int r = plan->wish->shell ? try_program(c, plan->wish->shell, NULL, err) : 0;
	if (r)
		return r < 0 ? -1 : 0;
	r = try_program(c, "/bin/bash", norc, err);
	if (r == 0)
		r = try_program(c, "/bin/sh", NULL, err);
	if (r == 0)
		return action_error(err, "/bin/sh does not exist in container", "");
	return r < 0 ? -1 : run_env_set(env, "SHELL", c->path, err);
}

static int choose_app(const struct run_plan *plan, const char *script, const char *complaint,
		      struct payload *c, struct error **err)
{
	CLEANUP_TEXT char *path =
		text_printf(err, "/scif/apps/%s/scif/%s", plan->wish->app, script);
	if (!path)
		return -1;
	int r = try_program(c, path, plan->wish->arguments, err);
	if (r == 0)
		r = try_program(c, "/scif/apps/singularity/scif/test", plan->wish->arguments, err);
	if (r == 0)
		return action_error(err, complaint, plan->wish->app);
	return r < 0 ? -1 : 0;
}

/* What an OCI image's runscript says, where its shell is missing: 1, 0 for another script, -1. */
static int try_oci_runscript(const struct run_plan *plan, const struct strings *env,
			     struct payload *c, struct error **err)
{
	CLEANUP_STRINGS struct strings words = { 0 };
	if (!executable(RUNSCRIPT) || executable("/bin/sh"))
		return 0;
	int r = run_oci_words(plan, env, RUNSCRIPT, &words, err);
	if (r <= 0)
		return r;
	return choose_words((const char *const *)words.items, env, c, err) < 0 ? -1 : 1;
}

static int choose_run(const struct run_plan *plan, const struct strings *env, struct payload *c,
		      struct error **err)
{
	const char *const *words = plan->wish->arguments;
	int r = try_oci_runscript(plan, env, c, err);
	if (r == 0)
		r = try_program(c, RUNSCRIPT, words, err);
	if (r == 0)
		r = try_program(c, "/apptainer", words, err);
	if (r == 0) {
		r = try_program(c, "/bin/sh", words, err);
		if (r > 0)
			log_info("No runscript found in container, executing /bin/sh");
	}
	if (r == 0)
		return action_error(err,
				    "No runscript and no /bin/sh executable found in container, "
				    "aborting",
				    "");
	return r < 0 ? -1 : 0;
}

/* A script of the image, else the words, and what the image has for that action. */
static int choose_script(const struct run_plan *plan, const char *script, const char *words,
			 const char *fallback, struct payload *c, struct error **err)
{
	int r = try_program(c, script, plan->wish->arguments, err);
	if (r)
		return r < 0 ? -1 : 0;
	log_info("%s", words);
	r = try_program(c, fallback, plan->wish->arguments, err);
	if (r == 0)
		return error_set(err, ERROR_NOT_FOUND, "exec %s failed: no such file or directory",
				 fallback);
	return r < 0 ? -1 : 0;
}

static int choose(const struct run_plan *plan, struct strings *env, struct payload *c,
		  struct error **err)
{
	bool app = plan->wish->app && *plan->wish->app;
	switch (plan->wish->action) {
	case RUN_EXEC:
		return choose_words(plan->wish->arguments, env, c, err);
	case RUN_SHELL:
		return choose_shell(plan, env, c, err);
	case RUN_RUN:
		return app ? choose_app(plan, "runscript", "no runscript for contained app: ", c,
					err)
			   : choose_run(plan, env, c, err);
	case RUN_TEST:
		return app ? choose_app(plan, "test", "No tests for contained app: ", c, err)
			   : choose_script(plan, "/.singularity.d/test",
					   "No test script found in container, exiting",
					   "/.singularity.d/actions/test", c, err);
	case RUN_START:
		return app ? choose_app(plan, "startscript",
					"No startscript for contained app: ", c, err)
			   : choose_script(plan, "/.singularity.d/startscript",
					   "No instance start script found in container",
					   "/.singularity.d/actions/start", c, err);
	}
	return error_set(err, ERROR_INTERNAL, "unknown action");
}

/* As much of a script's first line as the kernel looks at: BINPRM_BUF_SIZE. */
#define FIRST_LINE_LEN 256

/* The interpreter that the first line of a script names; "" where it is none. */
static void read_interpreter(const char *path, char ret[FIRST_LINE_LEN])
{
	char head[FIRST_LINE_LEN] = "";
	CLEANUP_FD int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : fd_pread(fd, head, sizeof(head) - 1, 0);
	*ret = '\0';
	if (n < 2 || memcmp(head, "#!", 2) != 0)
		return;
	const char *name = head + 2 + strspn(head + 2, " \t");
	size_t len = strcspn(name, " \t\n");
	memcpy(ret, name, len);
	ret[len] = '\0';
}

/* Of a script ENOENT and EACCES mean its interpreter: the file itself was looked at before. */
static int interpreter_failed(const char *path, char *name, int errnum, struct error **err)
{
	size_t len = strlen(name);
	bool windows = name[len - 1] == '\r';
	if (windows)
		name[len - 1] = '\0';
	if (errnum == ENOENT && !windows)
		error_set(err, ERROR_COMMAND,
			  "exec %s failed: its interpreter %s does not exist in the image", path,
			  name);
	else if (windows)
		error_set(err, ERROR_COMMAND,
			  "exec %s failed: its first line, #!%s, ends with a carriage return", path,
			  name);
	else
		error_set(err, ERROR_COMMAND,
			  "exec %s failed: its interpreter %s may not be run: permission denied",
			  path, name);
	return error_hint(err, windows ? "it has line ends of Windows: take them out with "
					 "sed -i 's/\\r$//'"
				       : "add the interpreter to the image, or name another in the "
					 "first line of the script");
}

static int become(const struct payload *c, const struct strings *env, struct error **err)
{
	log_debug("Running %s", c->path);
	execve(c->path, c->argv.items, env->items);
	if (errno == ENOEXEC) {
		/* A script without its first line is /bin/sh's. */
		CLEANUP_STRINGS struct strings argv = { 0 };
		if (strings_add(&argv, "/bin/sh", err) < 0 || strings_add(&argv, c->path, err) < 0)
			return -1;
		for (size_t i = 1; i < c->argv.len; i++) {
			if (strings_add(&argv, c->argv.items[i], err) < 0)
				return -1;
		}
		execve("/bin/sh", argv.items, env->items);
	}
	int errnum = errno;
	char interpreter[FIRST_LINE_LEN];
	read_interpreter(c->path, interpreter);
	if (*interpreter && (errnum == ENOENT || errnum == EACCES))
		return interpreter_failed(c->path, interpreter, errnum, err);
	if (errnum == ENOENT)
		return error_set(err, ERROR_COMMAND,
				 "exec %s failed: a shared library is likely missing in the image",
				 c->path);
	error_errno(err, errnum, "exec %s failed", c->path);
	return error_set_kind(err, ERROR_COMMAND);
}

int run_payload(const struct run_plan *plan, struct error **err)
{
	CLEANUP_STRINGS struct strings env = { 0 };
	__attribute__((cleanup(payload_free))) struct payload c = { 0 };
	int ended = -1;
	if (run_action_environment(plan, &env, &ended, err) < 0)
		return -1;
	if (ended >= 0 && plan->wish->stay) {
		error_set(err, ERROR_COMMAND,
			  "the container's environment scripts ended with status %d", ended);
		return error_hint(err, "the instance's log files have what they said");
	}
	if (ended >= 0)
		_exit(ended);
	if (finish_environment(plan, &env, err) < 0 ||
	    run_descriptors_environment(plan, &env, err) < 0 || choose(plan, &env, &c, err) < 0)
		return -1;
	if (run_plan_is_served(plan))
		run_program_ahead(c.path);
	if (run_filter_load(plan, err) < 0)
		return -1;
	return become(&c, &env, err);
}
