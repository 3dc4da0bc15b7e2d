/* SPDX-License-Identifier: Apache-2.0 */
#include "run/internal.h"

#include <string.h>

/*
 * --env-file: the part of the shell's language that sets variables (runtime.md 5.2): comments,
 * quoting, $NAME, ${NAME} and ${NAME:-WORD}, assignments with or without "export". No shell of
 * the host ever sees the text: what would execute something is refused with a warning.
 */
struct reader {
	const char *at;
	const char *file;
	const struct strings *known; /* the host's variables */
	struct strings *set;	     /* what the file has set */
	unsigned depth;		     /* of braces in braces */
};

#define DEPTH_MAX 100

/* NULL when it is not set. */
static const char *value_of(const struct reader *r, const char *name)
{
	const char *value = run_env_get(r->set, name);
	return value ? value : run_env_get(r->known, name);
}

/* Passes over $(...) or `...` without looking at what it says; answers with nothing. */
static void refuse_command(struct reader *r)
{
	char close = *r->at == '`' ? '`' : ')';
	int depth = 1;
	size_t len = 1;
	for (; r->at[len] && depth; len++) {
		if (r->at[len] == '\\' && r->at[len + 1])
			len++;
		else if (close == ')' && r->at[len] == '(')
			depth++;
		else if (r->at[len] == close)
			depth--;
	}
	log_warning("%s: could not execute \"%.*s\": execution is disabled", r->file,
		    (int)(len > 60 ? 60 : len), r->at);
	r->at += len;
}

static int read_value(struct reader *r, const char *ends, struct buffer *ret, struct error **err);

static int read_braces(struct reader *r, struct buffer *ret, struct error **err)
{
	size_t len = strcspn(r->at, ":-}\n");
	CLEANUP_TEXT char *name = text_dup_len(r->at, len, err);
	if (!name)
		return -1;
	if (!run_env_name_ok(name, len))
		return error_set(err, ERROR_USAGE, "%s: bad substitution ${%s", r->file, name);
	r->at += len;
	const char *value = value_of(r, name);
	bool otherwise = r->at[0] == ':' && r->at[1] == '-';
	if (otherwise || *r->at == '-') {
		CLEANUP_BUFFER struct buffer word = { 0 };
		r->at += otherwise ? 2 : 1;
		if (r->depth >= DEPTH_MAX)
			return error_set(err, ERROR_LIMIT, "%s: over %d braces in each other",
					 r->file, DEPTH_MAX);
		r->depth++;
		if (read_value(r, "}", &word, err) < 0)
			return -1;
		r->depth--;
		if (!value || (otherwise && !*value))
			value = word.data ? word.data : "";
		if (*r->at == '}') {
			r->at++;
			return buffer_puts(ret, value, err);
		}
	}
	if (*r->at != '}')
		return error_set(err, ERROR_UNSUPPORTED, "%s: unsupported substitution of %s",
				 r->file, name);
	r->at++;
	return buffer_puts(ret, value ? value : "", err);
}

static int read_dollar(struct reader *r, struct buffer *ret, struct error **err)
{
	if (*r->at == '(') {
		refuse_command(r);
		return 0;
	}
	if (*r->at == '{') {
		r->at++;
		return read_braces(r, ret, err);
	}
	size_t len = 0;
	while (run_env_name_ok(r->at, len + 1))
		len++;
	if (!len)
		return buffer_puts(ret, "$", err);
	CLEANUP_TEXT char *name = text_dup_len(r->at, len, err);
	if (!name)
		return -1;
	r->at += len;
	const char *value = value_of(r, name);
	return buffer_puts(ret, value ? value : "", err);
}

static int read_double(struct reader *r, struct buffer *ret, struct error **err)
{
	while (*r->at != '"') {
		if (!*r->at)
			return error_set(err, ERROR_USAGE, "%s: a quote is not closed", r->file);
		if (r->at[0] == '\\' && r->at[1] && strchr("$`\"\\\n", r->at[1])) {
			if (r->at[1] != '\n' && buffer_append(ret, r->at + 1, 1, err) < 0)
				return -1;
			r->at += 2;
		} else if (*r->at == '$') {
			r->at++;
			if (read_dollar(r, ret, err) < 0)
				return -1;
		} else if (*r->at == '`') {
			refuse_command(r);
		} else if (buffer_append(ret, r->at++, 1, err) < 0) {
			return -1;
		}
	}
	r->at++;
	return 0;
}

/* One word, its quotes taken off, up to an unquoted character of ends. */
static int read_value(struct reader *r, const char *ends, struct buffer *ret, struct error **err)
{
	if (buffer_puts(ret, "", err) < 0)
		return -1;
	while (*r->at && !strchr(ends, *r->at)) {
		char c = *r->at++;
		if (c == '\'') {
			size_t len = strcspn(r->at, "'");
			if (!r->at[len])
				return error_set(err, ERROR_USAGE, "%s: a quote is not closed",
						 r->file);
			if (buffer_append(ret, r->at, len, err) < 0)
				return -1;
			r->at += len + 1;
		} else if (c == '"') {
			if (read_double(r, ret, err) < 0)
				return -1;
		} else if (c == '$') {
			if (read_dollar(r, ret, err) < 0)
				return -1;
		} else if (c == '`') {
			r->at--;
			refuse_command(r);
		} else if (c == '\\' && *r->at) {
			if (*r->at != '\n' && buffer_append(ret, r->at, 1, err) < 0)
				return -1;
			r->at++;
		} else if (buffer_append(ret, &c, 1, err) < 0) {
			return -1;
		}
	}
	return 0;
}

#define WORD_ENDS " \t\r\n;&|<>()"

static bool ignored(const char *name)
{
	static const char *const names[] = { "EUID", "GID", "HOME", "IFS", "PWD", "OPTIND", "UID" };
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (!strcmp(name, names[i]))
			return true;
	}
	return false;
}

/* An assignment at the cursor; *ret_found false when there is something else. */
static int read_assignment(struct reader *r, bool *ret_found, struct error **err)
{
	size_t len = strcspn(r->at, "=" WORD_ENDS "'\"$`\\");
	*ret_found = r->at[len] == '=' && run_env_name_ok(r->at, len);
	if (!*ret_found)
		return 0;
	CLEANUP_TEXT char *name = text_dup_len(r->at, len, err);
	CLEANUP_BUFFER struct buffer value = { 0 };
	if (!name)
		return -1;
	r->at += len + 1;
	if (read_value(r, WORD_ENDS, &value, err) < 0)
		return -1;
	return ignored(name) ? 0 : run_env_set(r->set, name, value.data ? value.data : "", err);
}

static int read_command(struct reader *r, struct error **err)
{
	CLEANUP_BUFFER struct buffer word = { 0 };
	bool found;
	if (read_assignment(r, &found, err) < 0)
		return -1;
	if (found)
		return 0;
	if (read_value(r, WORD_ENDS, &word, err) < 0)
		return -1;
	if (!strcmp(word.data, "export") || !strcmp(word.data, ":"))
		return 0;
	/* "export NAME": it is exported as it is, with all others. */
	if (run_env_get(r->set, word.data))
		return 0;
	log_warning("%s: could not execute \"%s\": execution is disabled", r->file, word.data);
	r->at += strcspn(r->at, "\n");
	return 0;
}

int run_envfile_parse(const char *text, const char *name, const struct strings *known,
		      struct strings *ret, struct error **err)
{
	struct reader r = { .at = text, .file = name, .known = known, .set = ret };
	for (;;) {
		r.at += strspn(r.at, " \t\r\n;");
		if (!*r.at)
			return 0;
		if (*r.at == '#') {
			r.at += strcspn(r.at, "\n");
		} else if (strchr("&|<>()", *r.at)) {
			log_warning("%s: \"%c\" is not supported, the rest of the line is ignored",
				    name, *r.at);
			r.at += strcspn(r.at, "\n");
		} else if (read_command(&r, err) < 0) {
			return -1;
		}
	}
}
