/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/words/internal.h"

#include <stdlib.h>
#include <string.h>

/*
 * Options as Go's pflag reads them (runtime.md 1), because scripts rely on its rules and people on
 * its words: --x=v, --x v, -x v, -xv, -x=v, switches in a group (-ce), switches with =false.
 */

int parse_bool(const char *text)
{
	static const char *const words[2][6] = { { "0", "f", "F", "FALSE", "false", "False" },
						 { "1", "t", "T", "TRUE", "true", "True" } };
	for (int value = 0; value < 2; value++)
		for (int i = 0; i < 6; i++)
			if (!strcmp(text, words[value][i]))
				return value;
	return -1;
}

char *parse_quote(const char *text, struct error **err)
{
	CLEANUP_BUFFER struct buffer b = { 0 };
	int r = buffer_puts(&b, "\"", err);
	for (; r == 0 && *text; text++) {
		unsigned char c = (unsigned char)*text;
		if (c == '"' || c == '\\')
			r = buffer_printf(&b, err, "\\%c", c);
		else if (c == '\n')
			r = buffer_puts(&b, "\\n", err);
		else if (c == '\t')
			r = buffer_puts(&b, "\\t", err);
		else if (c < 0x20 || c == 0x7f)
			r = buffer_printf(&b, err, "\\x%02x", c);
		else
			r = buffer_append(&b, &c, 1, err);
	}
	if (r < 0 || buffer_puts(&b, "\"", err) < 0)
		return NULL;
	return buffer_steal(&b, err);
}

static int csv_error(struct error **err, size_t column, const char *what)
{
	return error_set(err, ERROR_USAGE, "parse error on line 1, column %zu: %s", column, what);
}

/* A field that begins with a quote; *at is behind it afterwards. */
static int csv_quoted(const char *text, size_t *at, struct buffer *field, struct error **err)
{
	static const char what[] = "extraneous or missing \" in quoted-field";
	size_t i = *at + 1;
	for (;; i++) {
		if (!text[i])
			return csv_error(err, i + 1, what);
		if (text[i] == '"' && text[i + 1] == '"')
			i++;
		else if (text[i] == '"')
			break;
		if (buffer_append(field, text + i, 1, err) < 0)
			return -1;
	}
	if (text[i + 1] && text[i + 1] != ',' && text[i + 1] != '\n' &&
	    strncmp(text + i + 1, "\r\n", 2) != 0)
		return csv_error(err, i + 1, what);
	*at = i + 1;
	return 0;
}

int parse_csv(const char *text, struct strings *ret, struct error **err)
{
	size_t at = 0;
	if (!*text)
		return 0;
	for (;;) {
		CLEANUP_BUFFER struct buffer field = { 0 };
		if (text[at] == '"') {
			if (csv_quoted(text, &at, &field, err) < 0)
				return -1;
		} else {
			size_t len = strcspn(text + at, ",\n");
			const char *quote = memchr(text + at, '"', len);
			if (quote)
				return csv_error(err, (size_t)(quote - text) + 1,
						 "bare \" in non-quoted field");
			if (buffer_append(&field, text + at, len, err) < 0)
				return -1;
			at += len;
		}
		if (strings_add(ret, field.data ? field.data : "", err) < 0)
			return -1;
		/* Only the first line counts: what follows it is not looked at (runtime.md 17). */
		if (text[at] != ',')
			return 0;
		at++;
	}
}

static int map_put(struct strings *list, const char *pair, struct error **err)
{
	const char *equals = strchr(pair, '=');
	if (!equals)
		return error_set(err, ERROR_USAGE, "%s must be formatted as key=value", pair);
	size_t name_len = (size_t)(equals - pair) + 1;
	for (size_t i = 0; i < list->len; i++) {
		if (strncmp(list->items[i], pair, name_len) != 0)
			continue;
		char *copy = text_dup(pair, err);
		if (!copy)
			return -1;
		free(list->items[i]);
		list->items[i] = copy;
		return 0;
	}
	return strings_add(list, pair, err);
}

static int map_value(const char *text, struct strings *list, struct error **err)
{
	const char *first = strchr(text, '=');
	CLEANUP_STRINGS struct strings pairs = { 0 };
	/* A value with a single = is one pair, commas and all. */
	if (!first || !strchr(first + 1, '=')) {
		size_t len = strlen(text);
		while (len && text[len - 1] == '"')
			len--;
		while (len && *text == '"')
			text++, len--;
		CLEANUP_TEXT char *pair = text_dup_len(text, len, err);
		return pair ? map_put(list, pair, err) : -1;
	}
	if (parse_csv(text, &pairs, err) < 0)
		return -1;
	for (size_t i = 0; i < pairs.len; i++)
		if (map_put(list, pairs.items[i], err) < 0)
			return -1;
	return 0;
}

int parse_value(const struct option *option, const char *text, struct option_value *value,
		struct error **err)
{
	int on;
	switch (option->kind) {
	case OPTION_SWITCH:
		on = parse_bool(text);
		if (on < 0) {
			CLEANUP_TEXT char *quoted = parse_quote(text, err);
			return quoted ? error_set(err, ERROR_USAGE,
						  "strconv.ParseBool: parsing %s: invalid syntax",
						  quoted)
				      : -1;
		}
		value->on = on;
		break;
	case OPTION_TEXT:
		value->text = text;
		break;
	case OPTION_INT:
	case OPTION_INT32:
	case OPTION_UINT32:
		if (parse_integer(option->kind, text, &value->number, err) < 0)
			return -1;
		break;
	case OPTION_ARRAY:
		if (strings_add(&value->list, text, err) < 0)
			return -1;
		break;
	case OPTION_LIST:
		if (parse_csv(text, &value->list, err) < 0)
			return -1;
		break;
	case OPTION_MAP:
		if (map_value(text, &value->list, err) < 0)
			return -1;
		break;
	}
	value->set = true;
	return 0;
}

static int set_from_word(const struct option *o, const char *text, struct option_value *value,
			 struct error **err)
{
	if (o->no_value_ever && parse_bool(text) < 0) {
		error_set(err, ERROR_KEY_INVALID,
			  "--%s takes no value: a secret on the command line can be seen by every "
			  "user of this machine",
			  o->name);
		return error_hint(err,
				  "give --%s alone and type the secret when asked, or use "
				  "APPTAINER_ENCRYPTION_PASSPHRASE or a key file (--pem-path)",
				  o->name);
	}
	CLEANUP_TEXT char *quoted = parse_quote(text, err);
	if (!quoted)
		return -1;
	if (parse_value(o, text, value, err) == 0)
		return 0;
	if (o->letter)
		return error_wrap(err, "invalid argument %s for \"-%c, --%s\" flag", quoted,
				  o->letter, o->name);
	return error_wrap(err, "invalid argument %s for \"--%s\" flag", quoted, o->name);
}

/* One command line being read. */
struct parser {
	const struct command *command;
	const char *const *words; /* the next one */
	struct option_value *values;
	const char **arguments;
	size_t argument_count;
};

static const struct option *by_name(const struct parser *p, const char *name, size_t len,
				    struct option_value **ret_value)
{
	for (const struct option *o = p->command->options; o->name; o++) {
		if (strlen(o->name) == len && !memcmp(o->name, name, len)) {
			*ret_value = &p->values[o - p->command->options];
			return o;
		}
	}
	return NULL;
}

static const struct option *by_letter(const struct parser *p, char letter,
				      struct option_value **ret_value)
{
	for (const struct option *o = p->command->options; o->name; o++) {
		if (letter && o->letter == letter) {
			*ret_value = &p->values[o - p->command->options];
			return o;
		}
	}
	return NULL;
}

static int parse_long(struct parser *p, const char *word, struct error **err)
{
	const char *name = word + 2;
	struct option_value *value;
	if (*name == '-' || *name == '=')
		return error_set(err, ERROR_USAGE, "bad flag syntax: %s", word);
	size_t len = strcspn(name, "=");
	const struct option *o = by_name(p, name, len, &value);
	/* --passphrase:secret and the like: the word itself may hold the secret. */
	static const char passphrase[] = "passphrase";
	if (!o && !strncmp(name, passphrase, strlen(passphrase)) &&
	    by_name(p, passphrase, strlen(passphrase), &value))
		return set_from_word(by_name(p, passphrase, strlen(passphrase), &value), "", value,
				     err);
	if (!o) {
		const struct option *near = option_near(p->command, name, len);
		error_set(err, ERROR_USAGE, "unknown flag: --%.*s", (int)len, name);
		return near ? error_hint(err, "did you mean --%s?", near->name) : -1;
	}
	if (name[len] == '=')
		return set_from_word(o, name + len + 1, value, err);
	if (o->kind == OPTION_SWITCH)
		return set_from_word(o, "true", value, err);
	if (!*p->words)
		return error_set(err, ERROR_USAGE, "flag needs an argument: %s", word);
	return set_from_word(o, *p->words++, value, err);
}

static int parse_letters(struct parser *p, const char *letters, struct error **err)
{
	while (*letters) {
		struct option_value *value;
		const struct option *o = by_letter(p, *letters, &value);
		if (!o)
			return error_set(err, ERROR_USAGE, "unknown shorthand flag: '%c' in -%s",
					 *letters, letters);
		if (letters[1] == '=' && letters[2])
			return set_from_word(o, letters + 2, value, err);
		if (o->kind != OPTION_SWITCH) {
			if (letters[1])
				return set_from_word(o, letters + 1, value, err);
			if (!*p->words)
				return error_set(err, ERROR_USAGE,
						 "flag needs an argument: '%c' in -%s", *letters,
						 letters);
			return set_from_word(o, *p->words++, value, err);
		}
		if (set_from_word(o, "true", value, err) < 0)
			return -1;
		letters++;
	}
	return 0;
}

static int parse_all(struct parser *p, struct error **err)
{
	while (*p->words) {
		const char *word = *p->words++;
		if (word[0] != '-' || !word[1]) {
			p->arguments[p->argument_count++] = word;
			if (p->command->intermixed)
				continue;
			break;
		}
		if (!strcmp(word, "--"))
			break;
		if ((word[1] == '-' ? parse_long(p, word, err) : parse_letters(p, word + 1, err)) <
		    0)
			return -1;
	}
	while (*p->words)
		p->arguments[p->argument_count++] = *p->words++;
	return 0;
}

int parse_words(const struct command *command, const char *const *words, struct invocation *ret,
		struct error **err)
{
	size_t options = 0, count = 0;
	while (command->options[options].name)
		options++;
	while (words[count])
		count++;
	struct invocation in = { .command = command };
	const char **arguments = calloc(count + 1, sizeof(*arguments));
	in.arguments = arguments;
	in.values = calloc(options + 1, sizeof(*in.values));
	if (!in.arguments || !in.values) {
		invocation_free(&in);
		return error_no_memory(err);
	}
	struct parser p = {
		.command = command, .words = words, .values = in.values, .arguments = arguments
	};
	if (parse_all(&p, err) < 0) {
		invocation_free(&in);
		return -1;
	}
	in.argument_count = p.argument_count;
	*ret = in;
	return 0;
}

void invocation_free(struct invocation *in)
{
	for (size_t i = 0; in->values && in->command->options[i].name; i++)
		strings_free(&in->values[i].list);
	free(in->values);
	free((void *)in->arguments);
	*in = (struct invocation){ 0 };
}

int parse_check_arguments(const struct invocation *in, struct error **err)
{
	const struct command *c = in->command;
	int n = (int)in->argument_count;
	if (c->min_arguments == c->max_arguments && n != c->min_arguments)
		return error_set(err, ERROR_USAGE, "accepts %d arg(s), received %d",
				 c->min_arguments, n);
	if (n < c->min_arguments)
		return error_set(err, ERROR_USAGE, "requires at least %d arg(s), only received %d",
				 c->min_arguments, n);
	if (c->max_arguments >= 0 && n > c->max_arguments)
		return error_set(err, ERROR_USAGE, "accepts at most %d arg(s), received %d",
				 c->max_arguments, n);
	return 0;
}
