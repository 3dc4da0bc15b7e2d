/* SPDX-License-Identifier: Apache-2.0 */
#include "definition/internal.h"

#include <string.h>

/* What sections mean: the options of their scripts, the lines of %files: deffile.md 2 and 6. */

int definition_script_options(const struct definition_section *s, const char *script,
			      struct strings *ret, struct error **err)
{
	struct span rest = span_before(span_of(s->arguments, strlen(s->arguments)), '#');
	CLEANUP_BUFFER struct buffer command = { 0 };
	bool gathering = false, any = false;
	struct span word;
	while (span_word(&rest, &word)) {
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

int definition_check_scripts(const struct definition *last, struct error **err)
{
	static const char *const sections[] = { "pre", "setup", "post" };
	for (const struct definition *d = last; d; d = d->before) {
		for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
			const struct definition_section *s = definition_section(d, sections[i]);
			CLEANUP_STRINGS struct strings options = { 0 };
			if (!s || definition_script_options(s, "", &options, err) == 0)
				continue;
			if (error_kind(*err) == ERROR_DAMAGED)
				error_hint(err, "-c wants the program that runs the script: "
						"%%post -c /bin/bash");
			return -1;
		}
	}
	return 0;
}

/* One piece of a %files line: quoted, or a run without blanks; {{ X }} counts as one run. */
static bool take_piece(struct span *rest, struct span *ret)
{
	struct span s = *rest;
	while (s.len && span_blank(s.text[0]))
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
		for (len = 0; len < s.len && !span_blank(s.text[len]); len++) {
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
