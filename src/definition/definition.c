/* SPDX-License-Identifier: Apache-2.0 */
#include "definition/definition.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "definition/format.h"

/*
 * A file is cut into stages (at each line that begins with "bootstrap:"), a stage into a header
 * and sections (at each line whose first word begins with a percent sign). Each stage is parsed
 * twice: before its build arguments are put in, because %arguments holds their defaults, and
 * after. Coffer builds one stage; more are recognised so that they can be refused by name.
 */

/*
 * The grammar has no quoting and no escapes, and is Apptainer's to the letter (deffile.md 2): a
 * percent sign begins a section even in a here-document, a hash ends a header's value, and a stage
 * may begin in the midst of a script. Cutting copies nothing: a struct span is a piece of the text
 * that is cut. What a section says is not looked at here, since it runs as whoever builds
 * (builder/sections.c) and is trusted. The file as a whole is not, until it is parsed: what is made
 * of it is bounded, and what is not known is refused by its name.
 */
static const char *const header_keys[] = {
	"bootstrap", "from",	"includecmd", "mirrorurl",   "updateurl", "osversion",
	"include",   "library", "registry",   "namespace",   "stage",	  "product",
	"user",	     "regcode", "productpgp", "registerurl", "modules",	  "fingerprints",
	"confurl",   "setopt",	"target",     "frontend",    "filename",  "buildargs",
};
static const char *const section_names[] = { "help",	    "setup",	   "files",    "labels",
					     "environment", "pre",	   "post",     "runscript",
					     "test",	    "startscript", "arguments" };
static const char *const app_section_names[] = {
	"appinstall", "applabels", "appfiles", "appenv", "apptest", "apphelp", "apprun", "appstart"
};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ASCII alone: the locale must not change what a definition means. */
static bool blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

struct span span_trim(struct span s)
{
	while (s.len && blank(s.text[0])) {
		s.text++;
		s.len--;
	}
	while (s.len && blank(s.text[s.len - 1]))
		s.len--;
	return s;
}

struct span span_before(struct span s, char c)
{
	const char *at = s.len ? memchr(s.text, c, s.len) : NULL;
	return at ? span_of(s.text, (size_t)(at - s.text)) : s;
}

bool span_is(struct span s, const char *text)
{
	return strlen(text) == s.len && (!s.len || !memcmp(s.text, text, s.len));
}

bool span_line(struct span *rest, struct span *ret)
{
	if (!rest->len)
		return false;
	*ret = span_before(*rest, '\n');
	size_t used = ret->len < rest->len ? ret->len + 1 : ret->len;
	*rest = span_of(rest->text + used, rest->len - used);
	if (ret->len && ret->text[ret->len - 1] == '\r')
		ret->len--;
	return true;
}

static char *span_dup(struct span s, struct error **err)
{
	return text_dup_len(s.len ? s.text : "", s.len, err);
}

static char *span_dup_lower(struct span s, struct error **err)
{
	char *copy = span_dup(s, err);
	for (char *c = copy; c && *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c | 0x20);
	return copy;
}

static bool in_list(const char *const *list, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(list[i], name))
			return true;
	return false;
}

/* ------------------------------------------------------------------ the header */

static bool header_key_known(const char *key)
{
	if (in_list(header_keys, COUNT(header_keys), key))
		return true;
	/* otherurlN, with at least one digit. */
	return !strncmp(key, "otherurl", 8) && key[8] && !key[8 + strspn(key + 8, "0123456789")];
}

static int header_put(struct definition *d, struct span key_span, struct buffer *value,
		      struct error **err)
{
	CLEANUP_TEXT char *key = span_dup_lower(span_trim(key_span), err);
	if (!key)
		return -1;
	if (!header_key_known(key))
		return error_set(err, ERROR_DAMAGED,
				 "failed to parse deffile header: invalid header keyword found: %s",
				 key);
	CLEANUP_TEXT char *text = buffer_steal(value, err);
	if (!text)
		return -1;
	for (size_t i = 0; i < d->header_count; i++) {
		if (strcmp(d->header[i].key, key) != 0)
			continue;
		free(d->header[i].value);
		d->header[i].value = take_pointer(&text);
		return 0;
	}
	if (d->header_count >= DEFINITION_HEADERS_MAX)
		return error_set(err, ERROR_LIMIT, "more than %d header lines",
				 DEFINITION_HEADERS_MAX);
	struct definition_pair *grown =
		array_grow(d->header, d->header_count, &d->header_cap, sizeof(*d->header), err);
	if (!grown)
		return -1;
	d->header = grown;
	d->header[d->header_count++] = (struct definition_pair){ .key = key, .value = text };
	key = text = NULL;
	return 0;
}

/* Takes the backslash at the end of a value off; false when there is none. */
static bool take_continuation(struct buffer *value)
{
	if (!value->len || value->data[value->len - 1] != '\\')
		return false;
	value->data[--value->len] = '\0';
	/* backslash, n, backslash: a real end of line (the values of Setopt have them). */
	if (value->len >= 2 && !memcmp(value->data + value->len - 2, "\\n", 2)) {
		value->data[value->len - 2] = '\n';
		value->data[--value->len] = '\0';
	}
	return true;
}

static int header_parse(struct definition *d, struct span text, struct error **err)
{
	CLEANUP_BUFFER struct buffer value = { 0 };
	struct span line, key = { 0 };
	bool going_on = false;
	while (span_line(&text, &line)) {
		line = span_trim(span_before(line, '#'));
		if (!line.len) {
			/* The original crashes here after a continuation; its words end with it. */
			if (going_on && header_put(d, key, &value, err) < 0)
				return -1;
			going_on = false;
			continue;
		}
		if (!going_on) {
			key = span_before(line, ':');
			if (key.len == line.len)
				return error_set(
					err, ERROR_DAMAGED,
					"failed to parse deffile header: header key %.*s had "
					"no val",
					(int)line.len, line.text);
			line = span_trim(span_of(key.text + key.len + 1, line.len - key.len - 1));
		}
		if (buffer_append(&value, line.text, line.len, err) < 0)
			return -1;
		going_on = take_continuation(&value);
		if (going_on && !value.len)
			going_on = false;
		else if (!going_on && header_put(d, key, &value, err) < 0)
			return -1;
		if (!going_on)
			buffer_free(&value);
	}
	return going_on ? header_put(d, key, &value, err) : 0;
}

/* ------------------------------------------------------------------ sections */

/* The name alone, in lower case: the raw line without its signs, up to the first space. */
static char *section_name(struct span line, struct error **err)
{
	while (line.len && line.text[0] == '%') {
		line.text++;
		line.len--;
	}
	return span_dup_lower(span_before(line, ' '), err);
}

static bool is_section_line(struct span line)
{
	struct span word = span_trim(line);
	return word.len && word.text[0] == '%';
}

static struct definition_section *find_section(struct definition *d, const char *name,
					       const char *app, const char *arguments)
{
	for (size_t i = 0; i < d->section_count; i++) {
		struct definition_section *s = &d->sections[i];
		if (strcmp(s->name, name) != 0 || (app != NULL) != (s->app != NULL) ||
		    (app && strcmp(s->app, app) != 0))
			continue;
		/* %files of different origins stay apart. */
		if (!strcmp(name, "files") && strcmp(s->arguments, arguments) != 0)
			continue;
		return s;
	}
	return NULL;
}

static struct definition_section *add_section(struct definition *d, char *name, char *app,
					      char *arguments, struct error **err)
{
	struct definition_section *grown = NULL;
	if (d->section_count >= DEFINITION_SECTIONS_MAX)
		error_set(err, ERROR_LIMIT, "more than %d sections", DEFINITION_SECTIONS_MAX);
	else
		grown = array_grow(d->sections, d->section_count, &d->section_cap,
				   sizeof(*d->sections), err);
	if (!grown) {
		free(name);
		free(app);
		free(arguments);
		return NULL;
	}
	d->sections = grown;
	struct definition_section *s = &d->sections[d->section_count++];
	*s = (struct definition_section){ .name = name, .app = app, .arguments = arguments };
	return s;
}

/* Finds or makes the section that a line opens. *ret is NULL when its name is not one. */
static int open_section(struct definition *d, struct span line, struct strings *invalid,
			struct definition_section **ret, struct error **err)
{
	CLEANUP_TEXT char *name = section_name(line, err);
	if (!name)
		return -1;
	struct span rest = span_before(line, ' ');
	rest = rest.len < line.len ? span_of(rest.text + rest.len + 1, line.len - rest.len - 1)
				   : span_of("", 0);
	CLEANUP_TEXT char *arguments = span_dup(rest, err);
	CLEANUP_TEXT char *app = NULL;
	if (!arguments)
		return -1;
	*ret = NULL;
	if (in_list(app_section_names, COUNT(app_section_names), name)) {
		struct span word = span_before(rest, ' ');
		if (!word.len)
			return error_set(err, ERROR_DAMAGED,
					 "app section %s: could not be split into section name and "
					 "app name",
					 name);
		app = span_dup(word, err);
		if (!app)
			return -1;
	} else if (!in_list(section_names, COUNT(section_names), name)) {
		return strings_add(invalid, name, err);
	}
	struct definition_section *s = find_section(d, name, app, arguments);
	if (!s) {
		s = add_section(d, name, app, arguments, err);
		name = app = arguments = NULL;
	} else if (*arguments) {
		free(s->arguments);
		s->arguments = take_pointer(&arguments);
	}
	*ret = s;
	return s ? 0 : -1;
}

static int refuse_invalid(const struct strings *invalid, struct error **err)
{
	CLEANUP_BUFFER struct buffer names = { 0 };
	for (size_t i = 0; i < invalid->len; i++)
		if (buffer_printf(&names, err, "%s%s", i ? ", " : "", invalid->items[i]) < 0)
			return -1;
	return error_set(err, ERROR_DAMAGED, "invalid section(s) specified: %s",
			 names.len ? names.data : "");
}

/* Header and sections of one stage. */
static int stage_parse(struct definition *d, struct span text, struct error **err)
{
	CLEANUP_STRINGS struct strings invalid = { 0 };
	struct definition_section *section = NULL;
	struct span line, at = text;
	bool in_header = true;
	while (span_line(&at, &line)) {
		if (is_section_line(line)) {
			if (in_header &&
			    header_parse(d, span_of(text.text, (size_t)(line.text - text.text)),
					 err) < 0)
				return -1;
			in_header = false;
			if (open_section(d, line, &invalid, &section, err) < 0)
				return -1;
		} else if (section &&
			   (buffer_append(&section->body, line.text, line.len, err) < 0 ||
			    buffer_puts(&section->body, "\n", err) < 0)) {
			return -1;
		}
	}
	if (in_header && header_parse(d, text, err) < 0)
		return -1;
	return invalid.len ? refuse_invalid(&invalid, err) : 0;
}

/* ------------------------------------------------------------------ stages */

static void definition_clear(struct definition *d)
{
	for (size_t i = 0; i < d->header_count; i++) {
		free(d->header[i].key);
		free(d->header[i].value);
	}
	for (size_t i = 0; i < d->section_count; i++) {
		struct definition_section *s = &d->sections[i];
		free(s->name);
		free(s->app);
		free(s->arguments);
		buffer_free(&s->body);
	}
	free(d->header);
	free(d->sections);
	buffer_free(&d->text);
	*d = (struct definition){ 0 };
}

/* The length of the stage at the beginning of text: up to the next line that begins one. */
static size_t stage_len(struct span text)
{
	struct span rest = text, line;
	while (span_line(&rest, &line)) {
		size_t off = (size_t)(line.text - text.text);
		if (off && line.len >= 10 && !strncasecmp(line.text, "bootstrap:", 10))
			return off;
	}
	return text.len;
}

static bool says_nothing(struct span text)
{
	struct span line;
	while (span_line(&text, &line)) {
		line = span_trim(line);
		if (line.len && line.text[0] != '#')
			return false;
	}
	return true;
}

/* The %arguments of a stage, as it was before replacement. */
static int stage_defaults(struct span text, struct definition_arguments *ret, struct error **err)
{
	CLEANUP_DEFINITION struct definition *d = calloc(1, sizeof(*d));
	if (!d)
		return error_no_memory(err);
	if (stage_parse(d, text, err) < 0)
		return -1;
	const struct definition_section *s = definition_section(d, "arguments");
	struct span rest = s ? span_of(s->body.data, s->body.len) : span_of("", 0), line;
	while (span_line(&rest, &line)) {
		line = span_trim(line);
		if (!line.len || line.text[0] == '#')
			continue;
		CLEANUP_ERROR struct error *bad = NULL;
		if (definition_arguments_add(ret, line, &bad) < 0)
			log_warning("Skipping \"%.*s\" in 'arguments' section: %s", (int)line.len,
				    line.text, error_message(bad));
	}
	return 0;
}

static int stage_read(struct definition *d, struct span raw, struct definition_arguments *given,
		      struct error **err)
{
	struct definition_arguments defaults = { 0 };
	size_t begin = d->text.len;
	int result = stage_defaults(raw, &defaults, err);
	if (result == 0)
		result = definition_substitute(raw, given, &defaults, &d->text, err);
	definition_arguments_free(&defaults);
	if (result == 0)
		result = stage_parse(d, span_of(d->text.data + begin, d->text.len - begin), err);
	return result;
}

int definition_parse(const void *text, size_t len, struct definition_arguments *given,
		     struct definition **ret, struct error **err)
{
	struct span rest = span_of(text, len);
	if (len > DEFINITION_BYTES_MAX)
		return error_set(err, ERROR_LIMIT, "larger than %zu bytes", DEFINITION_BYTES_MAX);
	if (len && memchr(text, 0, len))
		return error_set(err, ERROR_DAMAGED, "a NUL byte in it: this is no text");
	CLEANUP_DEFINITION struct definition *d = calloc(1, sizeof(*d));
	if (!d)
		return error_no_memory(err);
	while (rest.len) {
		struct span raw = span_of(rest.text, stage_len(rest));
		rest = span_of(rest.text + raw.len, rest.len - raw.len);
		if (says_nothing(raw))
			continue;
		/* Each stage has its own header and sections; those of the last one are kept. */
		struct definition before = *d;
		*d = (struct definition){ .text = before.text,
					  .stages = before.stages + 1,
					  .headers_missing = before.headers_missing,
					  .agents_missing = before.agents_missing };
		before.text = (struct buffer){ 0 };
		definition_clear(&before);
		if (d->stages > DEFINITION_STAGES_MAX)
			return error_set(err, ERROR_LIMIT, "more than %d stages",
					 DEFINITION_STAGES_MAX);
		if (stage_read(d, raw, given, err) < 0)
			return -1;
		const char *agent = definition_header(d, "bootstrap");
		d->headers_missing = d->headers_missing || !d->header_count;
		d->agents_missing = d->agents_missing || !agent || !*agent;
	}
	if (!d->stages)
		return error_set(err, ERROR_DAMAGED, "no stages found in definition file");
	*ret = take_pointer(&d);
	return 0;
}

int definition_check(const struct definition *d, struct error **err)
{
	if (d->headers_missing)
		return error_set(err, ERROR_DAMAGED,
				 "multiple stages detected, all must have headers");
	if (d->agents_missing)
		return error_set(err, ERROR_DAMAGED, "no bootstrap specification found");
	if (d->stages > 1)
		return error_set(err, ERROR_UNSUPPORTED,
				 "definitions of several stages are not supported by coffer yet");
	for (size_t i = 0; i < d->section_count; i++)
		if (d->sections[i].app)
			return error_set(err, ERROR_UNSUPPORTED,
					 "app sections (%%%s) are not supported by coffer yet",
					 d->sections[i].name);
	return 0;
}

/* The second of exactly two words; else nothing. */
static struct span second_of_two(struct span text)
{
	struct span words[2];
	size_t count = 0;
	while ((text = span_trim(text)).len) {
		size_t len = 0;
		while (len < text.len && !blank(text.text[len]))
			len++;
		if (count == 2)
			return span_of("", 0);
		words[count++] = span_of(text.text, len);
		text = span_of(text.text + len, text.len - len);
	}
	return count == 2 ? words[1] : span_of("", 0);
}

int definition_check_files(const struct definition *d, struct error **err)
{
	const char *own = definition_header(d, "stage");
	for (size_t i = 0; i < d->section_count; i++) {
		const char *arguments = d->sections[i].arguments;
		struct span stage =
			second_of_two(span_before(span_of(arguments, strlen(arguments)), '#'));
		if (strcmp(d->sections[i].name, "files") != 0 || !stage.len)
			continue;
		if (own && span_is(stage, own)) {
			error_set(err, ERROR_UNSUPPORTED,
				  "unable to copy files from stage to container fs: copying from "
				  "the stage itself is not supported by coffer yet");
			return error_hint(err, "copy them with cp in %%post");
		}
		error_set(err, ERROR_DAMAGED,
			  "unable to copy files from stage to container fs: stage %.*s was not "
			  "found",
			  (int)stage.len, stage.text);
		return error_hint(err, "a line of %%files alone, without words after it, begins "
				       "what is copied from the host");
	}
	return 0;
}

int definition_generate(const char *agent, const char *from, struct definition **ret,
			struct error **err)
{
	CLEANUP_DEFINITION struct definition *d = calloc(1, sizeof(*d));
	CLEANUP_BUFFER struct buffer first = { 0 }, second = { 0 };
	if (!d)
		return error_no_memory(err);
	if (buffer_puts(&first, agent, err) < 0 || buffer_puts(&second, from, err) < 0 ||
	    buffer_printf(&d->text, err, "bootstrap: %s\nfrom: %s\n\n", agent, from) < 0 ||
	    header_put(d, span_of("bootstrap", 9), &first, err) < 0 ||
	    header_put(d, span_of("from", 4), &second, err) < 0)
		return -1;
	*ret = take_pointer(&d);
	return 0;
}

void definition_free(struct definition **d)
{
	if (!*d)
		return;
	definition_clear(*d);
	free(*d);
	*d = NULL;
}

const char *definition_header(const struct definition *d, const char *key)
{
	for (size_t i = 0; i < d->header_count; i++)
		if (!strcmp(d->header[i].key, key))
			return d->header[i].value;
	return NULL;
}

const struct definition_section *definition_section(const struct definition *d, const char *name)
{
	for (size_t i = 0; i < d->section_count; i++)
		if (!strcmp(d->sections[i].name, name) && d->sections[i].body.len)
			return &d->sections[i];
	return NULL;
}

/* ------------------------------------------------------------------ what sections mean */

int definition_script_options(const struct definition_section *s, const char *script,
			      struct strings *ret, struct error **err)
{
	struct span rest = span_before(span_of(s->arguments, strlen(s->arguments)), '#');
	CLEANUP_BUFFER struct buffer command = { 0 };
	bool gathering = false, any = false;
	while ((rest = span_trim(rest)).len) {
		size_t len = 0;
		while (len < rest.len && !blank(rest.text[len]))
			len++;
		struct span word = span_of(rest.text, len);
		rest = span_of(rest.text + len, rest.len - len);
		if (gathering) {
			/* After -c all words and the script are one argument. */
			any = true;
			if (buffer_append(&command, word.text, word.len, err) < 0 ||
			    buffer_puts(&command, " ", err) < 0)
				return -1;
			continue;
		}
		gathering = span_is(word, "-c");
		if (strings_take(ret, span_dup(word, err), err) < 0)
			return -1;
	}
	if (gathering && !any)
		return error_set(err, ERROR_DAMAGED,
				 "while processing section %%%s arguments: bad %s section '-c' "
				 "parameter: missing arguments",
				 s->name, s->name);
	if (buffer_puts(&command, script, err) < 0)
		return -1;
	return strings_take(ret, buffer_steal(&command, err), err);
}

/* One piece of a %files line: quoted, or a run without blanks; {{ X }} counts as one run. */
static bool take_piece(struct span *rest, struct span *ret)
{
	struct span s = *rest;
	while (s.len && blank(s.text[0]))
		s = span_of(s.text + 1, s.len - 1);
	if (!s.len)
		return false;
	size_t len = 0;
	bool template_end = true;
	if (s.text[0] == '"' || s.text[0] == '\'') {
		const char *end = memchr(s.text + 1, s.text[0], s.len - 1);
		len = end ? (size_t)(end - s.text) + 1 : 1;
	}
	if (len < 2) {
		for (len = 0; len < s.len && !blank(s.text[len]); len++) {
			if (len && (s.text[len] == '"' || s.text[len] == '\''))
				break;
			if (s.len - len < 2 || memcmp(s.text + len, "{{", 2) != 0)
				continue;
			const char *end =
				template_end ? memmem(s.text + len, s.len - len, "}}", 2) : NULL;
			template_end = end != NULL; /* looked for once in vain is enough */
			if (end)
				len = (size_t)(end - s.text) + 1;
		}
	}
	*ret = span_of(s.text, len);
	*rest = span_of(s.text + len, s.len - len);
	return true;
}

static struct span without_quotes(struct span s)
{
	while (s.len && s.text[0] == '"')
		s = span_of(s.text + 1, s.len - 1);
	while (s.len && s.text[s.len - 1] == '"')
		s.len--;
	return s;
}

int definition_files_line(struct span line, char **ret_source, char **ret_destination,
			  struct error **err)
{
	struct span source, destination = span_of("", 0);
	*ret_source = *ret_destination = NULL;
	line = span_trim(line);
	if (!line.len || line.text[0] == '#' || !take_piece(&line, &source))
		return 0;
	(void)take_piece(&line, &destination);
	CLEANUP_TEXT char *first = span_dup(without_quotes(source), err);
	CLEANUP_TEXT char *second = first ? span_dup(without_quotes(destination), err) : NULL;
	if (!second)
		return -1;
	*ret_source = first;
	*ret_destination = second;
	first = second = NULL;
	return 0;
}

int definition_script_text(const struct definition_section *s, struct buffer *ret,
			   struct error **err)
{
	struct span body = span_of(s->body.data, s->body.len), rest = body;
	struct span first = span_of("#!/bin/sh", 9), trimmed = span_trim(body);
	if (trimmed.len >= 2 && !memcmp(trimmed.text, "#!", 2)) {
		/* The first line, even when it is an empty one before the real "#!". */
		(void)span_line(&rest, &first);
		first = span_trim(first);
		body = rest;
	}
	struct span options = span_before(span_of(s->arguments, strlen(s->arguments)), '#');
	if (buffer_append(ret, first.text, first.len, err) < 0)
		return -1;
	if (options.len && (buffer_puts(ret, " ", err) < 0 ||
			    buffer_append(ret, options.text, options.len, err) < 0))
		return -1;
	if (buffer_puts(ret, "\n\n", err) < 0 || buffer_append(ret, body.text, body.len, err) < 0)
		return -1;
	return buffer_puts(ret, "\n", err);
}
