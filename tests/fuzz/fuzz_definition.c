/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A definition file: build arguments, headers, sections, what the shell is to get, the lines of
 * %files with their braces and wildcards (on an empty host), labels, apps.
 */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "tree/tree.h"

#define SOURCES_MAX 8

/* libFuzzer's own calls come here too. */
static bool expanding;

DIR *__real_opendir(const char *path);
DIR *__wrap_opendir(const char *path);
DIR *__wrap_opendir(const char *path)
{
	if (!expanding)
		return __real_opendir(path);
	errno = ENOENT;
	return NULL;
}

static void files(const struct definition_section *s, struct error **first)
{
	struct span rest = span_of(s->body.data, s->body.len), line;
	unsigned count = 0;
	while (span_line(&rest, &line) && count++ < SOURCES_MAX) {
		struct error *err CLEANUP_ERROR = NULL;
		char *source CLEANUP_TEXT = NULL, *destination CLEANUP_TEXT = NULL;
		struct strings paths CLEANUP_STRINGS = { 0 };
		if (definition_files_line(line, &source, &destination, &err) == 0 && source) {
			fuzz_saw(source, strlen(source));
			expanding = true;
			if (expand_source(-1, source, &paths, &err) == 0)
				fuzz_saw_number(paths.len);
			expanding = false;
		}
		fuzz_note(first, &err);
	}
}

static void app_files(const struct definition_section *s, struct error **first)
{
	struct span rest = span_of(s->body.data, s->body.len), line;
	while (span_line(&rest, &line)) {
		struct error *err CLEANUP_ERROR = NULL;
		char *source CLEANUP_TEXT = NULL, *destination CLEANUP_TEXT = NULL;
		if (apps_files_line(line, &source, &destination, &err) == 0 && source)
			fuzz_saw(destination, strlen(destination));
		fuzz_note(first, &err);
	}
}

/* What is put into %post for the apps. */
static void install_text(const struct definition *d, struct error **first)
{
	struct error *err CLEANUP_ERROR = NULL;
	struct buffer text CLEANUP_BUFFER = { 0 };
	if (apps_install_text(d, &text, &err) == 0)
		fuzz_saw(text.data, text.len);
	fuzz_note(first, &err);
}

static void section(const struct definition_section *s, struct error **first)
{
	struct error *err CLEANUP_ERROR = NULL;
	struct strings options CLEANUP_STRINGS = { 0 };
	struct buffer text CLEANUP_BUFFER = { 0 };
	struct labels labels = { 0 };
	fuzz_saw(s->name, strlen(s->name));
	if (definition_script_options(s, "script", &options, &err) == 0)
		fuzz_saw_number(options.len);
	fuzz_note(first, &err);
	if (definition_script_text(s, &text, &err) == 0)
		fuzz_saw(text.data, text.len);
	fuzz_note(first, &err);
	if (!strcmp(s->name, "files"))
		files(s, first);
	if (!strcmp(s->name, "appfiles"))
		app_files(s, first);
	if (!strcmp(s->name, "labels") &&
	    labels_read_lines(&labels, span_of(s->body.data, s->body.len), &err) == 0) {
		struct buffer json CLEANUP_BUFFER = { 0 };
		(void)labels_put_json(&labels, true, &json, &err);
	}
	labels_free(&labels);
	fuzz_note(first, &err);
}

static void stage(const struct definition *d, struct error **first)
{
	const char *agent = definition_header(d, "bootstrap");
	if (agent)
		fuzz_saw(agent, strlen(agent));
	for (size_t i = 0; i < d->section_count; i++) {
		struct span from = definition_files_stage(&d->sections[i]);
		section(&d->sections[i], first);
		if (from.len)
			fuzz_saw_number((size_t)(definition_find_stage(d, from) + 1));
	}
	install_text(d, first);
}

int fuzz_run(const uint8_t *data, size_t len, struct error **err)
{
	static const char given_text[] = "NAME=value\nOTHER={{ NAME }}\n";
	struct definition *d CLEANUP_DEFINITION = NULL;
	struct definition_arguments given = { 0 };
	struct error *first = NULL;
	int r = definition_arguments_add_file(&given, span_of(given_text, sizeof(given_text) - 1),
					      err);
	if (r == 0)
		r = definition_parse(data, len, &given, &d, err);
	definition_arguments_free(&given);
	if (r < 0)
		return -1;
	fuzz_saw(d->whole->data, d->whole->len);
	for (size_t i = 0; i < d->stages; i++)
		stage(definition_stage(d, i), &first);
	if (definition_check(d, err) == 0 && definition_check_files(d, err) == 0 &&
	    definition_check_scripts(d, err) == 0)
		fuzz_saw_number(d->stages);
	fuzz_note(&first, err);
	*err = first;
	return first ? -1 : 0;
}
