/* SPDX-License-Identifier: Apache-2.0 */
#include "definition/internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "definition/format.h"

/*
 * A file is cut into stages (at each line that begins with "bootstrap:"), a stage into a header
 * (header.c) and sections (sections.c), at each line whose first word begins with a percent sign.
 * Each stage is parsed twice: before its build arguments are put in, because %arguments holds their
 * defaults, and after.
 *
 * The grammar has no quoting and no escapes, and is Apptainer's to the letter (deffile.md 2): a
 * percent sign begins a section even in a here-document, a hash ends a header's value, and a stage
 * may begin in the midst of a script. Cutting copies nothing: a struct span is a piece of the text
 * that is cut. What a section says is not looked at here, since it runs as whoever builds
 * (builder/sections.c) and is trusted. The file as a whole is not, until it is parsed: what is made
 * of it is bounded, and what is not known is refused by its name.
 */

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
	free(d->unshown);
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
	if (definition_read_stage(d, text, err) < 0)
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
		result = definition_read_stage(
			d, span_of(d->text.data + begin, d->text.len - begin), err);
	return result;
}

/* Puts a new stage in the place of *d, which is before it then. The text goes on in the new one. */
static int add_stage(struct definition **d, struct error **err)
{
	struct definition *stage = calloc(1, sizeof(*stage));
	if (!stage)
		return error_no_memory(err);
	stage->before = *d;
	stage->stages = (*d)->stages;
	stage->text = (*d)->text;
	(*d)->text = (struct buffer){ 0 };
	*d = stage;
	return 0;
}

int definition_parse(const void *text, size_t len, struct definition_arguments *given,
		     struct definition **ret, struct error **err)
{
	static const char byte_order_mark[] = "\xef\xbb\xbf";
	struct span rest = span_of(text, len);
	/* An editor's, of which nobody knows that it is there. Apptainer takes it for a letter. */
	if (len >= 3 && !memcmp(text, byte_order_mark, 3))
		rest = span_of(rest.text + 3, len - 3);
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
		if (d->stages >= DEFINITION_STAGES_MAX)
			return error_set(err, ERROR_LIMIT, "more than %d stages",
					 DEFINITION_STAGES_MAX);
		if ((d->stages && add_stage(&d, err) < 0) || stage_read(d, raw, given, err) < 0)
			return -1;
		d->stages++;
	}
	if (!d->stages)
		return error_set(err, ERROR_DAMAGED, "no stages found in definition file");
	for (struct definition *stage = d; stage; stage = stage->before)
		stage->whole = &d->text;
	*ret = take_pointer(&d);
	return 0;
}

const struct definition *definition_stage(const struct definition *last, size_t number)
{
	while (last->before && last->stages > number + 1)
		last = last->before;
	return last;
}

bool definition_has_apps(const struct definition *d)
{
	for (size_t i = 0; i < d->section_count; i++)
		if (d->sections[i].app)
			return true;
	return false;
}

/* An app is a folder of that name: one that leads out of /scif/apps is none. */
static int check_apps(const struct definition *d, struct error **err)
{
	for (size_t i = 0; i < d->section_count; i++) {
		const char *app = d->sections[i].app;
		if (app && (strchr(app, '/') || !strcmp(app, ".") || !strcmp(app, "..")))
			return error_set(err, ERROR_DAMAGED,
					 "app section %s: %s cannot be the name of an app",
					 d->sections[i].name, app);
	}
	return 0;
}

int definition_check(const struct definition *last, struct error **err)
{
	const struct definition *d;
	for (d = last; d; d = d->before)
		if (!d->header_count)
			return error_set(err, ERROR_DAMAGED,
					 "multiple stages detected, all must have headers");
	for (d = last; d; d = d->before) {
		const char *agent = definition_header(d, "bootstrap");
		if (!agent || !*agent)
			return error_set(err, ERROR_DAMAGED, "no bootstrap specification found");
		if (check_apps(d, err) < 0)
			return -1;
	}
	return 0;
}

/* The second of exactly two words; else nothing. */
static struct span second_of_two(struct span text)
{
	struct span first, second, third;
	if (span_word(&text, &first) && span_word(&text, &second) && !span_word(&text, &third))
		return second;
	return span_of("", 0);
}

struct span definition_files_stage(const struct definition_section *s)
{
	return second_of_two(span_before(span_of(s->arguments, strlen(s->arguments)), '#'));
}

int definition_find_stage(const struct definition *stage, struct span name)
{
	int found = -1;
	/* From the last to the first, so that the first remains. */
	for (const struct definition *d = stage; d; d = d->before) {
		const char *own = definition_header(d, "stage");
		if (own && span_is(name, own))
			found = (int)d->stages - 1;
	}
	return found;
}

static int check_files_of(const struct definition *d, const struct definition *last,
			  struct error **err)
{
	for (size_t i = 0; i < d->section_count; i++) {
		struct span stage = definition_files_stage(&d->sections[i]);
		if (strcmp(d->sections[i].name, "files") != 0 || !stage.len ||
		    definition_find_stage(d, stage) >= 0)
			continue;
		bool later = definition_find_stage(last, stage) >= 0;
		error_set(err, ERROR_DAMAGED,
			  "unable to copy files from stage to container fs: stage %.*s %s",
			  (int)stage.len, stage.text,
			  later ? "comes later in the definition" : "was not found");
		return error_hint(err, "a line of %%files alone, without words after it, begins "
				       "what is copied from the host");
	}
	return 0;
}

int definition_check_files(const struct definition *last, struct error **err)
{
	for (const struct definition *d = last; d; d = d->before)
		if (check_files_of(d, last, err) < 0)
			return -1;
	return 0;
}

int definition_generate(const char *agent, const char *from, size_t shown, struct definition **ret,
			struct error **err)
{
	CLEANUP_DEFINITION struct definition *d = calloc(1, sizeof(*d));
	CLEANUP_BUFFER struct buffer first = { 0 }, second = { 0 };
	if (!d)
		return error_no_memory(err);
	if (buffer_puts(&first, agent, err) < 0 || buffer_append(&second, from, shown, err) < 0 ||
	    buffer_printf(&d->text, err, "bootstrap: %s\nfrom: %.*s\n\n", agent, (int)shown, from) <
		    0 ||
	    definition_put_header(d, span_of("bootstrap", 9), &first, err) < 0 ||
	    definition_put_header(d, span_of("from", 4), &second, err) < 0)
		return -1;
	d->unshown = text_dup(from + shown, err);
	if (!d->unshown)
		return -1;
	d->stages = 1;
	d->whole = &d->text;
	*ret = take_pointer(&d);
	return 0;
}

void definition_free(struct definition **d)
{
	for (struct definition *stage = take_pointer(d); stage;) {
		struct definition *before = stage->before;
		definition_clear(stage);
		free(stage);
		stage = before;
	}
}
