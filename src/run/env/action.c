/* SPDX-License-Identifier: Apache-2.0 */
#include "run/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * The environment scripts are the image's, in its own shell's language: its own shell sources
 * them, once (shell.c), and tells what it ends up with by `export -p` on a descriptor that we read
 * (runtime.md 4.1). What the host brings is handed over in variables of that shell, never in its
 * arguments, which everybody on the machine can read. The payload is chosen and started by us.
 */

#define RESULT_END "coffer-end"
/* A variable has at most 128 KiB (MAX_ARG_STRLEN): the script goes in several. */
#define SCRIPT_PART ((size_t)100000)

/* The variables that scripts see from the start (4.1, step 2). */
static const char *const visible[] = { "HOME",
				       "SINGULARITY_APPNAME",
				       "SINGULARITY_SHELL",
				       "APPTAINER_NAME",
				       "APPTAINER_CONTAINER",
				       "APPTAINER_INSTANCE",
				       NULL };

/*
 * The value as the inside of double quotes: what the shell evaluates there stays (5.2), but
 * a quote, or a backslash at the very end, cannot close them.
 */
static char *quotable(const char *value, struct error **err)
{
	CLEANUP_BUFFER struct buffer out = { 0 };
	for (const char *p = value; *p; p++) {
		int r = 0;
		if (*p == '"')
			r = buffer_puts(&out, "\\\"", err);
		else if (*p == '\\' && (p[1] == '\0' || p[1] == '"'))
			r = buffer_puts(&out, "\\\\", err);
		else if (*p == '\\')
			r = buffer_append(&out, p++, 2, err);
		else
			r = buffer_append(&out, p, 1, err);
		if (r < 0)
			return NULL;
	}
	return buffer_steal(&out, err);
}

/* Adds "name=<value of the i-th injection>" to the script, and the value to the variables. */
static int hand_over(const struct run_plan *plan, size_t i, const char *name, struct buffer *script,
		     struct strings *variables, struct error **err)
{
	const struct run_injection *in = &plan->env.injections.items[i];
	bool literal = plan->wish->no_eval;
	CLEANUP_TEXT char *value = literal ? text_dup(in->value, err) : quotable(in->value, err);
	if (!value || strings_addf(variables, err, "COFFER_V%zu=%s", i, value) < 0)
		return -1;
	if (literal)
		return buffer_printf(script, err, "%s=$__coffer_v%zu\n", name, i);
	return buffer_printf(script, err, "command eval \"%s=\\\"$__coffer_v%zu\\\"\"\n", name, i);
}

static int write_injection(const struct run_plan *plan, struct buffer *script,
			   struct strings *variables, struct error **err)
{
	const struct run_injections *list = &plan->env.injections;
	if (buffer_puts(script,
			"__coffer_inject() {\n"
			"__coffer_done=1\n"
			"__coffer_path\n",
			err) < 0)
		return -1;
	for (size_t i = 0; i < list->len; i++) {
		const char *name = list->items[i].name;
		if (run_env_path_index(name) >= 0)
			continue;
		if (hand_over(plan, i, name, script, variables, err) < 0 ||
		    buffer_printf(script, err, "export %s\n", name) < 0)
			return -1;
		if (!strcmp(name, "LD_LIBRARY_PATH") && *list->items[i].value &&
		    buffer_puts(script, "LD_LIBRARY_PATH=$LD_LIBRARY_PATH:/.singularity.d/libs\n",
				err) < 0)
			return -1;
	}
	return buffer_puts(script, "}\n", err);
}

static int write_paths(const struct run_plan *plan, struct buffer *script,
		       struct strings *variables, struct error **err)
{
	const struct run_injections *list = &plan->env.injections;
	size_t at[3] = { SIZE_MAX, SIZE_MAX, SIZE_MAX };
	for (size_t i = 0; i < list->len; i++) {
		int which = run_env_path_index(list->items[i].name);
		if (which >= 0)
			at[which] = i;
	}
	if (buffer_puts(script, "__coffer_paths() {\n:\n", err) < 0)
		return -1;
	if (at[0] != SIZE_MAX) {
		if (hand_over(plan, at[0], "PATH", script, variables, err) < 0)
			return -1;
	} else {
		static const char *const joined[3] = {
			NULL,
			"[ -z \"${__coffer_p+1}\" ] || PATH=$__coffer_p:$PATH\nunset __coffer_p\n",
			"[ -z \"${__coffer_p+1}\" ] || PATH=$PATH:$__coffer_p\nunset __coffer_p\n",
		};
		for (int k = 1; k < 3; k++) {
			if (at[k] != SIZE_MAX &&
			    (hand_over(plan, at[k], "__coffer_p", script, variables, err) < 0 ||
			     buffer_puts(script, joined[k], err) < 0))
				return -1;
		}
	}
	return buffer_puts(script, "export PATH\n}\n", err);
}

static const char main_script[] =
	"if [ -d " RUN_ENV_DIRECTORY " ]; then\n"
	"for __coffer_f in " RUN_ENV_DIRECTORY "/*.sh; do\n"
	"[ -f \"$__coffer_f\" ] || continue\n"
	"case $__coffer_f in\n"
	"*/99-runtimevars.sh) __coffer_paths; __coffer_late= ;;\n"
	"*/99-base.sh) command . \"$__coffer_f\"; __coffer_inject ;;\n"
	"*/10-docker.sh | */10-docker2singularity.sh) command . \"$__coffer_f\"; __coffer_default "
	";;\n"
	/* Whoever puts a folder before $PATH in %environment counts on there being one. */
	"*/90-environment.sh) __coffer_path; command . \"$__coffer_f\" ;;\n"
	"*) command . \"$__coffer_f\" ;;\n"
	"esac\n"
	"done\n"
	"else\n"
	"[ ! -f /environment ] || command . /environment\n"
	"__coffer_default\n"
	"__coffer_inject\n"
	"fi\n"
	"__coffer_path\n"
	"[ -z \"$__coffer_late\" ] || __coffer_paths\n";

/*
 * `.`, `export` and `eval` are special to a POSIX shell, which ends where one fails; Apptainer's
 * own interpreter leaves out what failed and goes on, and so does bash. `command` takes that from
 * them, and the alias from a `.` in a script; bash, which does not need it, expands none.
 */
static const char default_script[] =
	"command alias .='command .' source='command .' 2>/dev/null\n"
	"__coffer_late=1\n"
	"__coffer_path() {\n"
	"[ -n \"${PATH-}\" ] || PATH=" RUN_DEFAULT_PATH "\n"
	"export PATH\n"
	"}\n"
	"__coffer_default() {\n"
	"for __coffer_p in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin; do\n"
	"case :${PATH-}: in\n"
	"*:$__coffer_p:*) ;;\n"
	"*) PATH=${PATH:+$PATH:}$__coffer_p ;;\n"
	"esac\n"
	"done\n"
	"}\n";

static int write_script(const struct run_plan *plan, struct buffer *script,
			struct strings *variables, struct error **err)
{
	/* bash has the first two by itself, read-only; others have none (runtime.md 5.2). */
	if (buffer_puts(script, "unset PATH PS1 PS2 PROMPT_COMMAND\n__coffer_done=\n", err) < 0 ||
	    buffer_printf(script, err, ": \"${UID:=%u}\" \"${EUID:=%u}\" \"${GID:=%u}\"\n",
			  (unsigned)plan->inside_uid, (unsigned)plan->inside_uid,
			  (unsigned)plan->inside_gid) < 0)
		return -1;
	for (size_t i = 0; i < plan->env.injections.len; i++) {
		if (buffer_printf(script, err, "__coffer_v%zu=${COFFER_V%zu-}; unset COFFER_V%zu\n",
				  i, i, i) < 0)
			return -1;
	}
	if (buffer_puts(script, default_script, err) < 0 ||
	    write_injection(plan, script, variables, err) < 0 ||
	    write_paths(plan, script, variables, err) < 0 ||
	    buffer_puts(script, main_script, err) < 0)
		return -1;
	/* A tree that is only being built has no 99-base.sh yet. */
	if (plan->wish->for_build &&
	    buffer_puts(script, "[ -n \"$__coffer_done\" ] || __coffer_inject\n", err) < 0)
		return -1;
	/* No braces: bash may take none for one after values that it could not read. */
	return buffer_puts(script, "umask >&9\nexport -p >&9\necho " RESULT_END " >&9\n", err);
}

/* ---------------------------------------------------------------- reading the result */

/* What the shells of the world write between "=" and the end of the line: quoted in any way. */
static int read_quoted(const char **at, struct buffer *ret, struct error **err)
{
	const char *p = *at;
	char quote = 0;
	if (buffer_puts(ret, "", err) < 0)
		return -1;
	for (; *p && (quote || *p != '\n'); p++) {
		char c = *p;
		if (quote == '\'' ? c == '\'' : quote && c == '"' && quote == '"') {
			quote = 0;
			continue;
		}
		if (!quote && (c == '\'' || c == '"')) {
			quote = c;
			continue;
		}
		if (!quote && c == '$' && p[1] == '\'') {
			quote = '$';
			p++;
			continue;
		}
		if (quote == '$' && c == '\'') {
			quote = 0;
			continue;
		}
		if (c == '\\' && quote != '\'' && p[1]) {
			c = *++p;
			if (quote == '$') {
				static const char names[] = "abefnrtvE",
						  codes[] = "\a\b\033\f\n\r\t\v\033";
				const char *known = strchr(names, c);
				if (known) {
					c = codes[known - names];
				} else if (c >= '0' && c <= '7') {
					unsigned v = 0;
					for (int k = 0; k < 3 && *p >= '0' && *p <= '7'; k++)
						v = v * 8 + (unsigned)(*p++ - '0');
					p--;
					c = (char)v;
				}
			} else if (c == '\n') {
				continue;
			}
		}
		if (buffer_append(ret, &c, 1, err) < 0)
			return -1;
	}
	*at = *p ? p + 1 : p;
	return 0;
}

/* The shell's own, which no script has set. */
static bool shells_own(const char *name)
{
	static const char *const names[] = { "_", "SHLVL", "OLDPWD", "PWD" };
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (!strcmp(name, names[i]))
			return true;
	}
	return !strncmp(name, "COFFER_V", 8);
}

/* Returns 1 when the end mark was found, 0 when not. */
static int read_result(const char *text, struct strings *ret, struct error **err)
{
	const char *at = text;
	char *end;
	long mask = strtol(at, &end, 8);
	if (end != at && mask >= 0 && mask <= 0777)
		(void)umask((mode_t)mask);
	at += strcspn(at, "\n");
	while (*at) {
		at += strspn(at, "\n");
		if (!strncmp(at, RESULT_END "\n", sizeof(RESULT_END)))
			return 1;
		if (!strncmp(at, "export ", 7)) {
			at += 7;
		} else if (!strncmp(at, "declare -", 9)) {
			at += 9;
			at += strcspn(at, " \n");
			at += *at == ' ';
		}
		size_t len = strcspn(at, "=\n");
		CLEANUP_TEXT char *name = text_dup_len(at, len, err);
		CLEANUP_BUFFER struct buffer value = { 0 };
		if (!name)
			return -1;
		at += len;
		if (*at != '=')
			continue;
		at++;
		if (read_quoted(&at, &value, err) < 0)
			return -1;
		if (run_env_name_ok(name, strlen(name)) && !shells_own(name) &&
		    run_env_set(ret, name, value.data ? value.data : "", err) < 0)
			return -1;
	}
	return 0;
}

/* ---------------------------------------------------------------- the shell */

/* Adds the script to the variables. Returns the command that evaluates it, without them. */
static char *give_script(const struct buffer *script, struct strings *variables, struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	CLEANUP_BUFFER struct buffer names = { 0 };
	for (size_t i = 0, off = 0; off < script->len; i++, off += SCRIPT_PART) {
		size_t left = script->len - off;
		int len = (int)(left < SCRIPT_PART ? left : SCRIPT_PART);
		if (strings_addf(variables, err, "COFFER_SCRIPT%zu=%.*s", i, len,
				 script->data + off) < 0 ||
		    buffer_printf(&text, err, "$COFFER_SCRIPT%zu", i) < 0 ||
		    buffer_printf(&names, err, " COFFER_SCRIPT%zu", i) < 0)
			return NULL;
	}
	return text_printf(err, "__coffer_s=%s; unset%s; eval \"$__coffer_s\"", text.data,
			   names.data);
}

/* An image may do without a shell, but nobody wants a container whose scripts were left out since
 * the environment is too large for an exec. */
static int without_shell(const struct run_plan *plan, int errnum, const struct strings *variables,
			 struct strings *ret, struct error **err)
{
	if (errnum == ENOENT || errnum == EACCES || errnum == ENOEXEC || errnum == ENOTDIR)
		return run_scripts_bare(plan, variables, ret, err);
	error_errno(err, errnum, "start the image's shell for its environment scripts");
	return errnum == E2BIG ? error_hint(err, "hand over fewer or shorter variables") : -1;
}

/* What scripts see from the start, added to *ret. */
static int add_visible(const struct run_plan *plan, struct strings *ret, struct error **err)
{
	CLEANUP_TEXT char *cwd = getcwd(NULL, 0);
	for (size_t i = 0; visible[i]; i++) {
		const char *value = run_env_get(&plan->env.base, visible[i]);
		if (value && run_env_set(ret, visible[i], value, err) < 0)
			return -1;
	}
	return cwd ? run_env_set(ret, "PWD", cwd, err) : 0;
}

int run_action_environment(const struct run_plan *plan, struct strings *ret, int *ret_exit,
			   struct error **err)
{
	CLEANUP_BUFFER struct buffer script = { 0 };
	CLEANUP_BUFFER struct buffer text = { 0 };
	CLEANUP_STRINGS struct strings seen = { 0 }, variables = { 0 };
	if (add_visible(plan, &seen, err) < 0 || add_visible(plan, &variables, err) < 0)
		return -1;
	CLEANUP_FD int directory = open(RUN_ENV_DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = directory < 0 ? 0 : run_scripts_evaluate(plan, directory, &seen, ret, err);
	if (r) {
		*ret_exit = -1;
		return r < 0 ? -1 : 0;
	}
	if (access("/bin/bash", X_OK) < 0 && access("/bin/sh", X_OK) < 0)
		return run_scripts_bare(plan, &seen, ret, err);
	if (write_script(plan, &script, &variables, err) < 0)
		return -1;
	CLEANUP_TEXT char *command = give_script(&script, &variables, err);
	if (!command)
		return -1;
	fd_close(&directory);
	int errnum = 0;
	int status = run_shell_ask(plan, command, &variables, &text, &errnum, err);
	if (status < 0)
		return -1;
	int complete = read_result(text.data ? text.data : "", ret, err);
	if (complete < 0)
		return -1;
	if (errnum)
		return without_shell(plan, errnum, &seen, ret, err);
	/* A script ended everything (4.1): its status is the container's. */
	*ret_exit = complete ? -1 : status;
	return 0;
}
