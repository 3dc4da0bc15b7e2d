/* SPDX-License-Identifier: Apache-2.0 */
#include "tree/files.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tree/format.h"

#define PATTERN_MAX 65536

/* The paths so far that a pattern stands for. */
struct expansion {
	int root; /* in which they are looked for, links and all; -1: on the host */
	struct strings *paths;
	size_t bytes;
};

static int add_path(struct expansion *to, const char *path, struct error **err)
{
	size_t len = strlen(path) + 1;
	if (to->paths->len >= TREE_EXPANSION_MAX)
		return error_set(err, ERROR_LIMIT, "it stands for more than %d paths",
				 TREE_EXPANSION_MAX);
	if (len > TREE_EXPANSION_BYTES_MAX - to->bytes)
		return error_set(err, ERROR_LIMIT, "it stands for more than %zu bytes of paths",
				 TREE_EXPANSION_BYTES_MAX);
	to->bytes += len;
	return strings_add(to->paths, path, err);
}

/* ------------------------------------------------------------------ braces */

/* The end of the brace that opens at text (its '}'), or NULL; whether commas part it. */
static const char *brace_end(const char *text, bool *ret_commas)
{
	size_t depth = 0;
	*ret_commas = false;
	for (const char *at = text; *at; at++) {
		if (*at == '\\' && at[1]) {
			at++;
		} else if (*at == '{') {
			depth++;
		} else if (*at == ',' && depth == 1) {
			*ret_commas = true;
		} else if (*at == '}' && --depth == 0) {
			return at;
		}
	}
	return NULL;
}

static int expand_braces(const char *word, struct expansion *to, struct error **err);
static int expand_wildcards(const char *word, struct expansion *to, struct error **err);

/* before + middle + after, expanded further. */
static int put_alternative(const char *word, const char *open, const char *middle,
			   size_t middle_len, const char *close, struct expansion *to,
			   struct error **err)
{
	CLEANUP_TEXT char *text = text_printf(err, "%.*s%.*s%s", (int)(open - word), word,
					      (int)middle_len, middle, close + 1);
	if (!text)
		return -1;
	if (strlen(text) > PATTERN_MAX)
		return error_set(err, ERROR_LIMIT, "it is longer than %d bytes", PATTERN_MAX);
	return expand_braces(text, to, err);
}

static int expand_commas(const char *word, const char *open, const char *close,
			 struct expansion *to, struct error **err)
{
	size_t depth = 0;
	const char *begin = open + 1;
	for (const char *at = begin; at <= close; at++) {
		if (*at == '\\' && at[1]) {
			at++;
		} else if (at == close || (*at == ',' && depth == 0)) {
			if (put_alternative(word, open, begin, (size_t)(at - begin), close, to,
					    err) < 0)
				return -1;
			begin = at + 1;
		} else if (*at == '{') {
			depth++;
		} else if (*at == '}') {
			depth--;
		}
	}
	return 0;
}

/* A number of at most 18 digits: true, and *at behind it. */
static bool take_number(const char **at, long long *ret)
{
	size_t sign = **at == '-', digits = strspn(*at + sign, "0123456789");
	if (!digits || digits > 18)
		return false;
	*ret = strtoll(*at, NULL, 10);
	*at += sign + digits;
	return true;
}

/* N..N or N..N..STEP, and nothing behind. */
static bool take_range(const char *at, long long *first, long long *last, long long *step)
{
	if (!take_number(&at, first) || strncmp(at, "..", 2) != 0)
		return false;
	at += 2;
	if (!take_number(&at, last))
		return false;
	if (strncmp(at, "..", 2) == 0) {
		at += 2;
		if (!take_number(&at, step))
			return false;
	}
	return !*at;
}

/* {1..5}, {01..10..2}, {a..e}. Returns 1 when it was one, 0 when not. */
static int expand_sequence(const char *word, const char *open, const char *close,
			   struct expansion *to, struct error **err)
{
	long long first, last, step = 1;
	int width = 0;
	bool letters = false;
	CLEANUP_TEXT char *inner = text_dup_len(open + 1, (size_t)(close - open) - 1, err);
	if (!inner)
		return -1;
	if (take_range(inner, &first, &last, &step)) {
		const char *digits = inner + (*inner == '-');
		if (digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9')
			width = (int)strcspn(inner, ".");
	} else if (strlen(inner) == 4 && inner[1] == '.' && inner[2] == '.') {
		letters = true;
		first = (unsigned char)inner[0];
		last = (unsigned char)inner[3];
	} else {
		return 0;
	}
	step = step ? llabs(step) : 1;
	size_t count = (size_t)(llabs(last - first) / step) + 1;
	if (count > TREE_EXPANSION_MAX)
		return error_set(err, ERROR_LIMIT, "it stands for more than %d paths",
				 TREE_EXPANSION_MAX);
	for (size_t i = 0; i < count; i++) {
		char text[32];
		long long value = first + (last < first ? -step : step) * (long long)i;
		if (letters)
			snprintf(text, sizeof(text), "%c", (char)value);
		else
			snprintf(text, sizeof(text), "%0*lld", width < 20 ? width : 20, value);
		if (put_alternative(word, open, text, strlen(text), close, to, err) < 0)
			return -1;
	}
	return 1;
}

static int expand_braces(const char *word, struct expansion *to, struct error **err)
{
	for (const char *at = word; *at; at++) {
		bool commas;
		if (*at == '\\' && at[1]) {
			at++;
			continue;
		}
		if (*at != '{')
			continue;
		const char *close = brace_end(at, &commas);
		if (!close)
			break;
		if (commas)
			return expand_commas(word, at, close, to, err);
		int done = expand_sequence(word, at, close, to, err);
		if (done)
			return done < 0 ? -1 : 0;
	}
	return expand_wildcards(word, to, err);
}

/* ------------------------------------------------------------------ wildcards */

static bool has_wildcards(const char *text)
{
	for (; *text; text++) {
		if (*text == '\\' && text[1])
			text++;
		else if (strchr("*?[", *text) || (strchr("@+!", *text) && text[1] == '('))
			return true;
	}
	return false;
}

/* The text without its escapes. */
static char *literal(const char *text, size_t len, struct error **err)
{
	char *out = text_dup_len(text, len, err);
	size_t n = 0;
	for (size_t i = 0; out && i < len; i++) {
		if (text[i] == '\\' && i + 1 < len)
			i++;
		out[n++] = text[i];
	}
	if (out)
		out[n] = '\0';
	return out;
}

/* What is at a path; false when there is nothing. */
static bool look_at(const struct expansion *in, const char *path, bool follow, struct stat *ret)
{
	if (in->root < 0)
		return (follow ? stat(path, ret) : lstat(path, ret)) == 0;
	CLEANUP_FD int fd =
		path_open_in_root(in->root, path, O_PATH | (follow ? 0 : O_NOFOLLOW), 0);
	return fd >= 0 && fstat(fd, ret) == 0;
}

/* Names in a folder; one that cannot be read has none, as in a shell. */
static int names_in(const struct expansion *in, const char *folder, struct strings *ret,
		    struct error **err)
{
	int r;
	if (in->root < 0) {
		r = directory_names(AT_FDCWD, *folder ? folder : ".", ret);
	} else {
		CLEANUP_FD int fd = path_open_in_root(in->root, *folder ? folder : "/",
						      O_PATH | O_DIRECTORY, 0);
		r = fd < 0 ? fd : directory_names(fd, ".", ret);
	}
	if (r == -ENOMEM)
		return error_no_memory(err);
	strings_sort(ret);
	return 0;
}

static int match_from(const char *base, const char *pattern, size_t depth, struct expansion *to,
		      struct error **err);

static bool is_folder(const struct expansion *in, const char *path, bool follow)
{
	struct stat st;
	return look_at(in, path, follow, &st) && S_ISDIR(st.st_mode);
}

/* base + name, and on with what follows the component. */
static int descend(const char *base, const char *name, const char *rest, size_t depth,
		   struct expansion *to, struct error **err)
{
	struct stat st;
	CLEANUP_TEXT char *path = text_printf(err, "%s%s", base, name);
	if (!path)
		return -1;
	if (!*rest)
		return look_at(to, path, false, &st) ? add_path(to, path, err) : 0;
	if (!is_folder(to, path, true))
		return 0;
	CLEANUP_BUFFER struct buffer next = { 0 };
	if (buffer_puts(&next, path, err) < 0)
		return -1;
	for (; *rest == '/'; rest++)
		if (buffer_puts(&next, "/", err) < 0)
			return -1;
	return match_from(next.data, rest, depth + 1, to, err);
}

/* "**": no folder, or any number of them, links not followed. */
static int match_deep(const char *base, const char *rest, size_t depth, struct expansion *to,
		      struct error **err)
{
	const char *after = rest;
	while (*after == '/')
		after++;
	if (*after && match_from(base, after, depth + 1, to, err) < 0)
		return -1;
	CLEANUP_STRINGS struct strings names = { 0 };
	if (names_in(to, base, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.len; i++) {
		if (names.items[i][0] == '.')
			continue;
		CLEANUP_TEXT char *path = text_printf(err, "%s%s", base, names.items[i]);
		CLEANUP_TEXT char *inside = path ? text_printf(err, "%s/", path) : NULL;
		if (!inside || (!*rest && add_path(to, path, err) < 0))
			return -1;
		if (is_folder(to, path, false) && match_deep(inside, rest, depth + 1, to, err) < 0)
			return -1;
	}
	return 0;
}

static int match_from(const char *base, const char *pattern, size_t depth, struct expansion *to,
		      struct error **err)
{
	if (depth > TREE_DEPTH_MAX)
		return error_set(err, ERROR_LIMIT, "folders are nested too deep");
	if (!*pattern)
		return add_path(to, base, err);
	size_t len = strcspn(pattern, "/");
	const char *rest = pattern + len;
	if (len == 2 && !strncmp(pattern, "**", 2))
		return match_deep(base, rest, depth, to, err);
	CLEANUP_TEXT char *component = text_dup_len(pattern, len, err);
	if (!component)
		return -1;
	if (!has_wildcards(component)) {
		CLEANUP_TEXT char *name = literal(component, len, err);
		return name ? descend(base, name, rest, depth, to, err) : -1;
	}
	CLEANUP_STRINGS struct strings names = { 0 };
	if (names_in(to, base, &names, err) < 0)
		return -1;
	bool hidden = *component == '.' || (*component == '\\' && component[1] == '.');
	for (size_t i = 0; i < names.len; i++) {
		/* Looked at here too: fnmatch lets !(...) stand for a first dot. */
		if (names.items[i][0] == '.' && !hidden)
			continue;
		if (fnmatch(component, names.items[i], FNM_PERIOD | FNM_EXTMATCH) == 0 &&
		    descend(base, names.items[i], rest, depth, to, err) < 0)
			return -1;
	}
	return 0;
}

static int expand_wildcards(const char *word, struct expansion *to, struct error **err)
{
	if (has_wildcards(word)) {
		size_t before = to->paths->len, slashes = strspn(word, "/");
		CLEANUP_TEXT char *base = text_dup_len(word, slashes, err);
		if (!base || match_from(base, word + slashes, 0, to, err) < 0)
			return -1;
		if (to->paths->len > before)
			return 0;
	}
	CLEANUP_TEXT char *plain = literal(word, strlen(word), err);
	return plain ? add_path(to, plain, err) : -1;
}

/* What a shell would put something else for: it is said, not passed over. */
static int refuse_shell(const char *pattern, struct error **err)
{
	const char *found = *pattern == '~' ? "~" : NULL;
	for (const char *at = pattern; *at && !found; at++) {
		if (*at == '\\' && at[1])
			at++;
		else if (*at == '`')
			found = "`";
		else if (*at == '$' && at[1] && !strchr(" ./-", at[1]))
			found = "$";
	}
	if (!found)
		return 0;
	error_set(err, ERROR_UNSUPPORTED, "variables, commands and ~ are not expanded in %%files");
	return error_hint(err,
			  "write the path out, use {{ NAME }} with --build-arg, or put a "
			  "backslash before the %s",
			  found);
}

int expand_source(int root, const char *pattern, struct strings *ret, struct error **err)
{
	struct expansion to = { .root = root, .paths = ret };
	if (strlen(pattern) > PATTERN_MAX)
		return error_set(err, ERROR_LIMIT, "it is longer than %d bytes", PATTERN_MAX);
	return refuse_shell(pattern, err) < 0 ? -1 : expand_braces(pattern, &to, err);
}
