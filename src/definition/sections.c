/* SPDX-License-Identifier: Apache-2.0 */
#include "definition/internal.h"

#include <stdlib.h>
#include <string.h>

#include "definition/format.h"

/* A stage, cut into its header and its sections: deffile.md 2. */

static const char *const section_names[] = { "help",	    "setup",	   "files",    "labels",
					     "environment", "pre",	   "post",     "runscript",
					     "test",	    "startscript", "arguments" };
static const char *const app_section_names[] = {
	"appinstall", "applabels", "appfiles", "appenv", "apptest", "apphelp", "apprun", "appstart"
};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool in_list(const char *const *list, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(list[i], name))
			return true;
	return false;
}

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

int definition_read_stage(struct definition *d, struct span text, struct error **err)
{
	CLEANUP_STRINGS struct strings invalid = { 0 };
	struct definition_section *section = NULL;
	struct span line, at = text;
	bool in_header = true;
	while (span_line(&at, &line)) {
		if (is_section_line(line)) {
			if (in_header &&
			    definition_read_header(
				    d, span_of(text.text, (size_t)(line.text - text.text)), err) <
				    0)
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
	if (in_header && definition_read_header(d, text, err) < 0)
		return -1;
	return invalid.len ? refuse_invalid(&invalid, err) : 0;
}

const struct definition_section *definition_section(const struct definition *d, const char *name)
{
	for (size_t i = 0; i < d->section_count; i++)
		if (!strcmp(d->sections[i].name, name) && d->sections[i].body.len)
			return &d->sections[i];
	return NULL;
}
