/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runscript of an OCI image, without a shell: deffile.md 4, runtime.md 4.2. Each of those that
 * are made of an image's configuration says the same: the words of the entry point, then the
 * arguments, or without any those of the command. What is taken for one has nothing else in it:
 * each of its lines is of a form that only such a script has, and a script with any other line is
 * the shell's alone.
 */
#include "run/internal.h"

#include <fcntl.h>
#include <string.h>

#define SCRIPT_LIMIT ((size_t)1 << 20)

/* What it says: the two lists, as words in double quotes. */
struct oci_script {
	struct buffer entrypoint, command;
	bool evaluates, executes;
};

static void oci_script_free(struct oci_script *s)
{
	buffer_free(&s->entrypoint);
	buffer_free(&s->command);
}

static bool begins(const char *line, const char *with)
{
	return strncmp(line, with, strlen(with)) == 0;
}

static bool ends(const char *line, const char *with)
{
	size_t len = strlen(line), n = strlen(with);
	return len >= n && !strcmp(line + len - n, with);
}

/*
 * NAME="..." of a variable of the script's own, with nothing in it that would run a program: what
 * is in the environment already would reach the payload.
 */
static bool is_assignment(const struct strings *env, const char *line)
{
	CLEANUP_ERROR struct error *failed = NULL;
	size_t len = strcspn(line, "=");
	const char *value = line + len;
	if (!len || !run_env_name_ok(line, len) || *value++ != '=' || strpbrk(value, "`;&|<>("))
		return false;
	CLEANUP_TEXT char *name = text_dup_len(line, len, &failed);
	len = strlen(value);
	return name && !run_env_get(env, name) && len >= 2 && (*value == '"' || *value == '\'') &&
	       value[len - 1] == *value;
}

/* The lines of the two lists, each of which is there once. 1, 0 when it is none, -1. */
static int take_list(const char *line, const char *name, struct buffer *ret, struct error **err)
{
	static const struct strings none = { 0 };
	if (!begins(line, name) || ret->data)
		return 0;
	line += strlen(name);
	int r = run_word_take(&none, &line, ret, err);
	return r > 0 && *line ? 0 : r;
}

/* `exec` with the words as they are, in the branch of --no-eval. */
static bool is_literal_exec(const struct oci_script *s, const char *line)
{
	const char *lists[] = { s->entrypoint.data, s->command.data };
	if (!begins(line, "exec"))
		return false;
	line += strlen("exec");
	for (size_t i = 0; i < 2; i++) {
		size_t len = lists[i] ? strlen(lists[i]) : 0;
		if (len && *line == ' ' && !strncmp(line + 1, lists[i], len))
			line += 1 + len;
	}
	return !*line || !strcmp(line, " \"$@\"");
}

static bool has_word(const struct buffer *list, const char *word)
{
	static const struct strings none = { 0 };
	CLEANUP_ERROR struct error *failed = NULL;
	CLEANUP_STRINGS struct strings words = { 0 };
	if (!list->data || run_words_split(&none, list->data, &words, &failed) <= 0)
		return false;
	for (size_t i = 0; i < words.len; i++)
		if (!strcmp(words.items[i], word))
			return true;
	return false;
}

/* `set -- 'word' "$@"`, with a word of the lists: --no-eval again. */
static bool is_prepending(const struct oci_script *s, const char *line)
{
	static const struct strings none = { 0 };
	CLEANUP_ERROR struct error *failed = NULL;
	CLEANUP_BUFFER struct buffer word = { 0 };
	if (!begins(line, "set -- "))
		return false;
	line += strlen("set -- ");
	return run_word_take(&none, &line, &word, &failed) > 0 && !strcmp(line, "\"$@\"") &&
	       (has_word(&s->entrypoint, word.data) || has_word(&s->command, word.data));
}

/* Whether such a script has a line like this. */
static bool is_known(struct oci_script *s, const struct strings *env, const char *line)
{
	static const char *const whole[] = { "else", "fi", "done", ":", "exec \"$@\"" };
	for (size_t i = 0; i < sizeof(whole) / sizeof(*whole); i++)
		if (!strcmp(line, whole[i]))
			return true;
	if (!strcmp(line, "eval \"set ${SINGULARITY_OCI_RUN}\""))
		return s->evaluates = true;
	if (begins(line, "if [ ") && ends(line, " ]; then"))
		return !strpbrk(line, "`(<>\\");
	if (begins(line, "for ") && ends(line, " in \"$@\"; do"))
		return true;
	return is_assignment(env, line) || is_prepending(s, line) || is_literal_exec(s, line);
}

/* 1, 0 when it has a line of another kind, -1. */
static int read_line(struct oci_script *s, const struct strings *env, char *line,
		     struct error **err)
{
	line += strspn(line, " \t");
	size_t len = strlen(line);
	while (len && (line[len - 1] == ' ' || line[len - 1] == '\t'))
		line[--len] = '\0';
	if (!*line || *line == '#')
		return 1;
	int r = take_list(line, "OCI_ENTRYPOINT=", &s->entrypoint, err);
	if (r == 0)
		r = take_list(line, "OCI_CMD=", &s->command, err);
	s->executes = !strcmp(line, "exec \"$@\"");
	return r ? r : is_known(s, env, line);
}

static int read_script(const char *path, const struct strings *env, struct oci_script *ret,
		       struct error **err)
{
	CLEANUP_ERROR struct error *failed = NULL;
	CLEANUP_BUFFER struct buffer text = { 0 };
	CLEANUP_FD int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fd_read_all(fd, SCRIPT_LIMIT, path, &text, &failed) < 0 || !text.len ||
	    memchr(text.data, 0, text.len))
		return 0;
	char *rest = text.data;
	for (char *line; (line = strsep(&rest, "\n"));) {
		int r = read_line(ret, env, line, err);
		if (r <= 0)
			return r;
	}
	bool lists = ret->entrypoint.data && ret->command.data;
	bool none = !ret->entrypoint.data && !ret->command.data;
	return ret->executes && (ret->evaluates ? lists : none);
}

/* Once the lines that say more are known not to be there, this is what is left of them. */
static int put_words(const struct oci_script *s, const struct run_plan *plan,
		     const struct strings *env, struct strings *ret, struct error **err)
{
	static const struct strings none = { 0 };
	const char *const *given = plan->wish->arguments;
	bool any = given && *given;
	const char *no_eval = run_env_get(env, "SINGULARITY_NO_EVAL");
	bool literal = (no_eval && *no_eval) || !s->evaluates;
	const char *lists[] = { s->entrypoint.data, any ? NULL : s->command.data };
	for (size_t i = 0; i < 2; i++) {
		int r = lists[i] ? run_words_split(literal ? &none : env, lists[i], ret, err) : 1;
		if (r <= 0)
			return r;
	}
	for (; any && *given; given++) {
		CLEANUP_TEXT char *quoted = text_printf(err, "\"%s\"", *given);
		int r = !quoted	  ? -1
			: literal ? (strings_add(ret, *given, err) < 0 ? -1 : 1)
				  : run_words_split(env, quoted, ret, err);
		if (r <= 0)
			return r;
	}
	return 1;
}

int run_oci_words(const struct run_plan *plan, const struct strings *env, const char *path,
		  struct strings *ret, struct error **err)
{
	__attribute__((cleanup(oci_script_free))) struct oci_script s = { 0 };
	int r = read_script(path, env, &s, err);
	if (r <= 0)
		return r;
	r = put_words(&s, plan, env, ret, err);
	if (r == 0) {
		error_set(err, ERROR_COMMAND,
			  "%s hands its arguments to a shell, and the image has none: one of them "
			  "is more than text and variables",
			  path);
		return error_hint(err, "--no-eval hands them over as they are");
	}
	if (r > 0 && !ret->len) {
		error_set(err, ERROR_COMMAND,
			  "the image has neither an entry point nor a command to run");
		return error_hint(err, "name a program of it: coffer exec %s PROGRAM",
				  plan->image->path);
	}
	return r;
}
