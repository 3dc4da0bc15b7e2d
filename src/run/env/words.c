/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words as a shell reads them, as far as every shell reads them alike and nothing has to be run:
 * quotes, variables, `${NAME:-...}` within double quotes. The scripts that are made of an OCI
 * image's configuration have no others (deffile.md 4), and so an image without a shell can be run
 * by them (runtime.md 4). What is more than that is never guessed: whoever asks is told that it
 * takes a shell.
 */
#include "run/internal.h"

#include <string.h>

#define TAKES_A_SHELL 0
#define DONE 1

bool run_word_special(const char *name, size_t len)
{
	static const char *const names[] = { "_",      "ENV",	 "EUID",   "IFS",     "OLDPWD",
					     "OPTARG", "OPTIND", "PPID",   "PS1",     "PS2",
					     "PS4",    "PWD",	 "RANDOM", "SECONDS", "SHLVL",
					     "UID",    "LINENO" };
	static const char *const prefixes[] = { "BASH",	     "COFFER_", "SHELLOPTS",
						"__coffer_", "MAIL",	"HIST" };
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strlen(names[i]) == len && !memcmp(names[i], name, len))
			return true;
	}
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
		size_t n = strlen(prefixes[i]);
		if (len >= n && !memcmp(prefixes[i], name, n))
			return true;
	}
	return false;
}

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("_./:,+@%-", c));
}

static size_t name_length(const char *text)
{
	size_t len = 0;
	while (run_env_name_ok(text, len + 1))
		len++;
	return len;
}

/* What a piece stands in, and so where that ends. */
enum quoted {
	BARE,	 /* a blank: no quotes */
	QUOTED,	 /* `"` */
	INNER,	 /* `"` within a default: shells disagree about other backslashes there */
	WHOLE,	 /* the end of the text: a quote is one that has no meaning */
	DEFAULT, /* `}` */
};

static int take_quoted(const struct strings *env, const char **at, enum quoted kind,
		       struct buffer *ret, struct error **err);

/* `:-` and the rest of ${NAME:-...}: used where the variable is unset or empty. */
static int take_default(const struct strings *env, const char **at, const char *value,
			struct buffer *ret, struct error **err)
{
	CLEANUP_BUFFER struct buffer instead = { 0 };
	*at += 2;
	int r = take_quoted(env, at, DEFAULT, &instead, err);
	if (r != DONE)
		return r;
	if (value && *value)
		return buffer_puts(ret, value, err) < 0 ? -1 : DONE;
	return instead.len && buffer_append(ret, instead.data, instead.len, err) < 0 ? -1 : DONE;
}

/*
 * $NAME, ${NAME} or, within quotes, ${NAME:-...}, but not one in another: *at is at the dollar.
 */
static int take_variable(const struct strings *env, const char **at, enum quoted kind,
			 struct buffer *ret, struct error **err)
{
	bool braced = (*at)[1] == '{';
	const char *p = *at + 1 + braced;
	size_t len = name_length(p);
	if (!len || run_word_special(p, len))
		return TAKES_A_SHELL;
	CLEANUP_TEXT char *name = text_dup_len(p, len, err);
	if (!name)
		return -1;
	const char *value = run_env_get(env, name);
	*at = p + len;
	if (braced && (kind == QUOTED || kind == WHOLE) && !strncmp(*at, ":-", 2))
		return take_default(env, at, value, ret, err);
	if (braced && *(*at)++ != '}')
		return TAKES_A_SHELL;
	/* Outside of quotes it would be split and looked for as a pattern. */
	for (const char *v = value; kind == BARE && v && *v; v++)
		if (!is_plain(*v))
			return TAKES_A_SHELL;
	return value && buffer_puts(ret, value, err) < 0 ? -1 : DONE;
}

/* A backslash within double quotes, which takes the meaning of four characters only. */
static int take_backslash(const char **at, enum quoted kind, struct buffer *ret, struct error **err)
{
	char next = (*at)[1];
	bool escaped = next && strchr(kind == WHOLE ? "\\$`" : "\\\"$`", next);
	if (!escaped && (kind == INNER || kind == DEFAULT || next == '\n'))
		return TAKES_A_SHELL;
	*at += 1 + escaped;
	return buffer_append(ret, escaped ? &next : "\\", 1, err) < 0 ? -1 : DONE;
}

/* One piece of it: a variable, what a backslash says, or a character. */
static int take_piece(const struct strings *env, const char **at, enum quoted kind,
		      struct buffer *ret, struct error **err)
{
	switch (**at) {
	case '`':
		return TAKES_A_SHELL;
	case '$':
		return take_variable(env, at, kind, ret, err);
	case '\\':
		return take_backslash(at, kind, ret, err);
	case '"':
		if (kind != DEFAULT)
			break;
		++*at;
		return take_quoted(env, at, INNER, ret, err);
	case '\'':
	case '{':
		/* In a default they mean something to some; the quotes inside of it are safe. */
		if (kind == DEFAULT)
			return TAKES_A_SHELL;
		break;
	default:
		break;
	}
	return buffer_append(ret, (*at)++, 1, err) < 0 ? -1 : DONE;
}

/* Moves *at behind the end. */
static int take_quoted(const struct strings *env, const char **at, enum quoted kind,
		       struct buffer *ret, struct error **err)
{
	char end = '"';
	if (kind == WHOLE || kind == DEFAULT)
		end = kind == WHOLE ? '\0' : '}';
	while (**at != end) {
		if (!**at)
			return TAKES_A_SHELL;
		int r = take_piece(env, at, kind, ret, err);
		if (r != DONE)
			return r;
	}
	*at += kind != WHOLE;
	return DONE;
}

int run_word_quoted(const struct strings *env, const char *text, struct buffer *ret,
		    struct error **err)
{
	return buffer_puts(ret, "", err) < 0 ? -1 : take_quoted(env, &text, WHOLE, ret, err);
}

static int take_single(const char **at, struct buffer *ret, struct error **err)
{
	size_t len = strcspn(++*at, "'");
	if (!(*at)[len])
		return TAKES_A_SHELL;
	int r = buffer_append(ret, *at, len, err);
	*at += len + 1;
	return r < 0 ? -1 : DONE;
}

int run_word_take(const struct strings *env, const char **at, struct buffer *ret,
		  struct error **err)
{
	if (buffer_puts(ret, "", err) < 0)
		return -1;
	while (**at && **at != ' ' && **at != '\t') {
		int r = TAKES_A_SHELL;
		if (**at == '\'') {
			r = take_single(at, ret, err);
		} else if (**at == '"') {
			++*at;
			r = take_quoted(env, at, QUOTED, ret, err);
		} else if (**at == '$') {
			r = take_variable(env, at, BARE, ret, err);
		} else if (is_plain(**at)) {
			r = buffer_append(ret, (*at)++, 1, err) < 0 ? -1 : DONE;
		}
		if (r != DONE)
			return r;
	}
	*at += strspn(*at, " \t");
	return DONE;
}

int run_words_split(const struct strings *env, const char *text, struct strings *ret,
		    struct error **err)
{
	for (text += strspn(text, " \t"); *text;) {
		CLEANUP_BUFFER struct buffer word = { 0 };
		bool bare = *text == '$';
		int r = run_word_take(env, &text, &word, err);
		if (r != DONE)
			return r;
		/* A variable alone, unquoted and empty, is no word. */
		if ((word.len || !bare) && strings_add(ret, word.data ? word.data : "", err) < 0)
			return -1;
	}
	return DONE;
}
