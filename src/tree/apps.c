/* SPDX-License-Identifier: Apache-2.0 */
#include "tree/apps.h"

#include <stdlib.h>
#include <string.h>

#include "tree/files.h"
#include "tree/metadata.h"

/*
 * An app is a folder /scif/apps/NAME with a bin, a lib and its own description in scif, and one
 * for its data, /scif/data/NAME. The image's environment names them all (APPS_ENVIRONMENT);
 * what is of one app alone is read when it is chosen (tree/scripts.c).
 */

#define APPS_ENVIRONMENT "/.singularity.d/env/94-appsbase.sh"

/* What a section of an app is written to, below its folder: the text as it is, or as a script. */
static const struct app_file {
	const char *section, *file;
	mode_t mode;
	bool script;
} app_files[] = {
	{ "appenv", "scif/env/90-environment.sh", 0755, false },
	{ "apprun", "scif/runscript", 0755, true },
	{ "appstart", "scif/startscript", 0755, true },
	{ "apptest", "scif/test", 0755, true },
	{ "apphelp", "scif/runscript.help", 0644, false },
};

/* The section of an app whose body is not empty, or NULL. */
static const struct definition_section *section_of(const struct definition *d, const char *section,
						   const char *app)
{
	for (size_t i = 0; i < d->section_count; i++) {
		const struct definition_section *s = &d->sections[i];
		if (s->app && !strcmp(s->app, app) && !strcmp(s->name, section) && s->body.len)
			return s;
	}
	return NULL;
}

/* Each app once, in the order in which they appear: start with *at at 0. NULL when there is none.
 */
static const char *next_app(const struct definition *d, size_t *at)
{
	while (*at < d->section_count) {
		const char *app = d->sections[(*at)++].app;
		bool known = !app;
		for (size_t i = 0; !known && i + 1 < *at; i++)
			known = d->sections[i].app && !strcmp(d->sections[i].app, app);
		if (!known)
			return app;
	}
	return NULL;
}

/* ------------------------------------------------------------------ words for the shell */

/* A path of an app, as a word: bare when it is plain, else in quotes. */
static int put_word(struct buffer *out, const char *before, const char *app, const char *after,
		    struct error **err)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789._+@%-";
	if (app[strspn(app, plain)] == '\0')
		return buffer_printf(out, err, "%s%s%s", before, app, after);
	if (buffer_printf(out, err, "'%s", before) < 0)
		return -1;
	for (const char *c = app; *c; c++)
		if ((*c == '\'' ? buffer_puts(out, "'\\''", err) : buffer_append(out, c, 1, err)) <
		    0)
			return -1;
	return buffer_printf(out, err, "%s'", after);
}

/* "export NAME=word"; with a name, NAME_app, in which each character that no variable has is _. */
static int put_export(struct buffer *out, const char *variable, bool of_all, const char *before,
		      const char *app, const char *after, struct error **err)
{
	if (buffer_printf(out, err, "export %s%s", variable, of_all ? "_" : "") < 0)
		return -1;
	for (const char *c = app; of_all && *c; c++) {
		bool word = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
			    (*c >= '0' && *c <= '9') || *c == '_';
		/* The bytes of a character of UTF-8 that follow its first. */
		if (((unsigned char)*c & 0xc0) == 0x80)
			continue;
		if (buffer_append(out, word ? c : "_", 1, err) < 0)
			return -1;
	}
	if (buffer_puts(out, "=", err) < 0 || put_word(out, before, app, after, err) < 0)
		return -1;
	return buffer_puts(out, "\n", err);
}

/* ------------------------------------------------------------------ the environment */

/* The variables of the app that is chosen. */
static int put_own_variables(struct buffer *out, const char *app, struct error **err)
{
	static const char *const variables[][3] = {
		{ "SCIF_APPNAME", "", "" },
		{ "SCIF_APPROOT", "/scif/apps/", "" },
		{ "SCIF_APPMETA", "/scif/apps/", "/scif" },
		{ "SCIF_APPDATA", "/scif/data/", "" },
		{ "SCIF_APPINPUT", "/scif/data/", "/input" },
		{ "SCIF_APPOUTPUT", "/scif/data/", "/output" },
	};
	if (buffer_puts(out,
			"#!/bin/sh\n"
			"# Where this app and its data are.\n"
			"export SCIF_DATA=/scif/data\n",
			err) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		if (put_export(out, variables[i][0], false, variables[i][1], app, variables[i][2],
			       err) < 0)
			return -1;
	return 0;
}

/* The variables by which the others know it; some only when there is such a file. */
static int put_common_variables(int root, struct buffer *out, const char *app, struct error **err)
{
	static const struct {
		const char *variable, *before, *after;
		bool if_there;
	} variables[] = {
		{ "SCIF_APPDATA", "/scif/data/", "", false },
		{ "SCIF_APPMETA", "/scif/apps/", "/scif", false },
		{ "SCIF_APPROOT", "/scif/apps/", "", false },
		{ "SCIF_APPBIN", "/scif/apps/", "/bin", false },
		{ "SCIF_APPLIB", "/scif/apps/", "/lib", false },
		{ "SCIF_APPENV", "/scif/apps/", "/scif/env/90-environment.sh", true },
		{ "SCIF_APPLABELS", "/scif/apps/", "/scif/labels.json", true },
		{ "SCIF_APPRUN", "/scif/apps/", "/scif/runscript", true },
		{ "SCIF_APPSTART", "/scif/apps/", "/scif/startscript", true },
	};
	if (buffer_printf(out, err, "# The app %s\n", app) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		CLEANUP_TEXT char *path =
			text_printf(err, "%s%s%s", variables[i].before, app, variables[i].after);
		if (!path)
			return -1;
		if ((!variables[i].if_there || tree_exists(root, path)) &&
		    put_export(out, variables[i].variable, true, variables[i].before, app,
			       variables[i].after, err) < 0)
			return -1;
	}
	return 0;
}

/* ------------------------------------------------------------------ one app */

static int make_folders(int root, const char *app, struct error **err)
{
	static const char *const folders[] = { "/scif/apps/%s/bin", "/scif/apps/%s/lib",
					       "/scif/apps/%s/scif/env", "/scif/data/%s/input",
					       "/scif/data/%s/output" };
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		const char *name = strchr(folders[i], '%');
		CLEANUP_TEXT char *path = text_printf(err, "%.*s%s%s", (int)(name - folders[i]),
						      folders[i], app, name + 2);
		if (!path || tree_make_directory(root, path, 0755, err) < 0)
			return -1;
	}
	return 0;
}

static int write_files(int root, const struct definition *d, const char *app, struct error **err)
{
	for (size_t i = 0; i < sizeof(app_files) / sizeof(app_files[0]); i++) {
		const struct app_file *f = &app_files[i];
		const struct definition_section *s = section_of(d, f->section, app);
		CLEANUP_BUFFER struct buffer text = { 0 };
		CLEANUP_TEXT char *path = text_printf(err, "/scif/apps/%s/%s", app, f->file);
		if (!path)
			return -1;
		if (!s)
			continue;
		if (buffer_puts(&text, f->script ? "#!/bin/sh\n\n" : "", err) < 0 ||
		    buffer_append(&text, s->body.data, s->body.len, err) < 0 ||
		    buffer_puts(&text, f->script ? "\n" : "", err) < 0 ||
		    tree_write(root, path, f->mode, text.data, text.len, err) < 0)
			return -1;
	}
	return 0;
}

static int write_labels(int root, const struct definition *d, const char *app, struct error **err)
{
	const struct definition_section *s = section_of(d, "applabels", app);
	CLEANUP_BUFFER struct buffer text = { 0 };
	CLEANUP_TEXT char *path = text_printf(err, "/scif/apps/%s/scif/labels.json", app);
	struct labels labels = { 0 };
	int result = path ? 0 : -1;
	if (result == 0 && s)
		result = labels_read_lines(&labels, span_of(s->body.data, s->body.len), err);
	if (result == 0)
		result = labels_set(&labels, "SCIF_APP_NAME", app, err);
	if (result == 0)
		result = labels_put_json(&labels, true, &text, err);
	labels_free(&labels);
	return result < 0 ? -1 : tree_write(root, path, 0644, text.data, text.len, err);
}

int apps_files_line(struct span line, char **ret_source, char **ret_destination, struct error **err)
{
	*ret_source = *ret_destination = NULL;
	line = span_trim(span_before(span_trim(line), '#'));
	struct span source = span_before(line, ' ');
	struct span destination = span_trim(span_of(line.text + source.len, line.len - source.len));
	if (!source.len)
		return 0;
	if (!destination.len)
		destination = source;
	CLEANUP_TEXT char *first = text_dup_len(source.text, source.len, err);
	char *second = first ? text_dup_len(destination.text, destination.len, err) : NULL;
	if (!second)
		return -1;
	*ret_source = take_pointer(&first);
	*ret_destination = second;
	return 0;
}

static int copy_files(int root, const struct definition *d, const char *app, struct error **err)
{
	const struct definition_section *s = section_of(d, "appfiles", app);
	struct span rest = s ? span_of(s->body.data, s->body.len) : span_of("", 0), line;
	while (span_line(&rest, &line)) {
		CLEANUP_TEXT char *source = NULL, *destination = NULL;
		if (apps_files_line(line, &source, &destination, err) < 0)
			return -1;
		if (!source)
			continue;
		CLEANUP_TEXT char *to = text_printf(err, "/scif/apps/%s/%s", app, destination);
		if (!to)
			return -1;
		if (files_copy_one(root, source, to, err) < 0)
			return error_wrap(err, "while copying %s to %s", source, to);
	}
	return 0;
}

int apps_write(int root, const struct definition *d, struct error **err)
{
	CLEANUP_BUFFER struct buffer common = { 0 };
	const char *app;
	for (size_t at = 0; (app = next_app(d, &at));) {
		CLEANUP_BUFFER struct buffer own = { 0 };
		CLEANUP_TEXT char *base =
			text_printf(err, "/scif/apps/%s/scif/env/01-base.sh", app);
		if (!base || make_folders(root, app, err) < 0 ||
		    put_own_variables(&own, app, err) < 0 ||
		    tree_write(root, base, 0755, own.data, own.len, err) < 0 ||
		    write_files(root, d, app, err) < 0 || write_labels(root, d, app, err) < 0 ||
		    copy_files(root, d, app, err) < 0 ||
		    put_common_variables(root, &common, app, err) < 0)
			return -1;
	}
	/* Those of the base stay known. */
	return common.len ? tree_append(root, APPS_ENVIRONMENT, 0755, common.data, common.len, err)
			  : 0;
}

int apps_install_text(const struct definition *d, struct buffer *ret, struct error **err)
{
	const char *app;
	for (size_t at = 0; (app = next_app(d, &at));) {
		const struct definition_section *s = section_of(d, "appinstall", app);
		if (buffer_puts(ret, "\ncd /\n. ", err) < 0 ||
		    put_word(ret, "/scif/apps/", app, "/scif/env/01-base.sh", err) < 0 ||
		    buffer_puts(ret, "\ncd ", err) < 0 ||
		    put_word(ret, "/scif/apps/", app, "", err) < 0 ||
		    buffer_puts(ret, "\n", err) < 0 ||
		    (s && buffer_append(ret, s->body.data, s->body.len, err) < 0) ||
		    buffer_puts(ret, "\ncd /\n", err) < 0)
			return -1;
	}
	return 0;
}
