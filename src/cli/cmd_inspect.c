/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image/image.h"
#include "json/json.h"
#include "tree/tree.h"

/*
 * What an image says about itself: runtime.md 16. A SIF repeats it outside the encrypted partition
 * (sif.md 8.3), so no key is needed.
 */

#define METADATA_MAX ((size_t)16 << 20)
#define METADATA_DEPTH_MAX 32

/* The parts, in the order of the JSON; text mode has an order of its own. */
enum part {
	PART_ENVIRONMENT,
	PART_LABELS,
	PART_RUNSCRIPT,
	PART_TEST,
	PART_HELPFILE,
	PART_DEFFILE,
	PART_STARTSCRIPT,
	PARTS,
};
static const char *const part_names[PARTS] = { "environment", "labels",	 "runscript",  "test",
					       "helpfile",    "deffile", "startscript" };
/* An app's, in JSON: it has no definition of its own. */
static const enum part app_order[] = { PART_ENVIRONMENT, PART_LABELS, PART_RUNSCRIPT,
				       PART_STARTSCRIPT, PART_TEST,   PART_HELPFILE };
static const enum part text_order[PARTS] = { PART_DEFFILE, PART_RUNSCRIPT, PART_STARTSCRIPT,
					     PART_TEST,	   PART_HELPFILE,  PART_ENVIRONMENT,
					     PART_LABELS };

struct wish {
	bool parts[PARTS];
	bool list_apps, all, json;
	const char *app;
	bool terminal; /* the text goes to one */
};

/* ------------------------------------------------------------------ getting it */

static int read_metadata(const char *path, struct buffer *ret, struct error **err)
{
	CLEANUP_IMAGE struct image *img = NULL;
	if (image_open(path, &img, err) < 0)
		return -1;
	if (img->kind == IMAGE_SANDBOX)
		return metadata_inspect(img->directory, ret, err);
	const struct sif_descriptor *d =
		img->sif ? sif_find(img->sif, SIF_JSON, "inspect-metadata.json") : NULL;
	if (d)
		return sif_object(img->file, d, METADATA_MAX, ret, err);
	error_set(err, ERROR_UNSUPPORTED, "%s carries no metadata that could be shown", img->path);
	return error_hint(err, "look into it: coffer exec %s ls /.singularity.d", img->path);
}

/* Vets a map of texts, or a text: what has another form is refused as a whole. */
static int check_part(const struct json_at *fields, enum part part, struct error **err)
{
	bool map = part == PART_ENVIRONMENT || part == PART_LABELS;
	struct json_at value, text;
	if (!json_find(fields, part_names[part], NULL))
		return 0;
	if (json_get(fields, part_names[part], map ? JSON_OBJECT : JSON_TEXT, &value, err) < 0)
		return -1;
	const void *cursor = NULL;
	const char *name;
	while (map && json_next(&value, &cursor, &name, &text))
		if (json_kind(&text) != JSON_TEXT)
			return json_damaged(&text, "", "is not a text", err);
	return 0;
}

static int check_fields(const struct json_at *fields, struct error **err)
{
	for (enum part part = 0; part < PARTS; part++)
		if (check_part(fields, part, err) < 0)
			return -1;
	return 0;
}

/* What was read of it, vetted. */
struct metadata {
	struct json *json;
	struct json_at attributes, apps;
	bool has_apps;
};

static void metadata_free(struct metadata *m)
{
	json_free(&m->json);
}
#define CLEANUP_METADATA __attribute__((cleanup(metadata_free)))

static int vet(struct metadata *m, struct error **err)
{
	const struct json_at root = json_root(m->json);
	struct json_at data, app;
	if (json_kind(&root) != JSON_OBJECT)
		return json_damaged(&root, "", "is not an object", err);
	if (json_get(&root, "data", JSON_OBJECT, &data, err) < 0 ||
	    json_get(&data, "attributes", JSON_OBJECT, &m->attributes, err) < 0 ||
	    check_fields(&m->attributes, err) < 0)
		return -1;
	m->has_apps = json_find(&m->attributes, "apps", NULL);
	if (m->has_apps && json_get(&m->attributes, "apps", JSON_OBJECT, &m->apps, err) < 0)
		return -1;
	const void *cursor = NULL;
	const char *name;
	while (m->has_apps && json_next(&m->apps, &cursor, &name, &app)) {
		if (json_kind(&app) != JSON_OBJECT)
			return json_damaged(&app, "", "is not an object", err);
		if (check_fields(&app, err) < 0)
			return -1;
	}
	return 0;
}

static int parse_metadata(const struct buffer *text, struct metadata *ret, struct error **err)
{
	/* As Go's decoder takes it: a byte that is no UTF-8, and a member that is there twice. */
	static const struct json_limits limits = {
		.what = "its metadata",
		.bytes = 3 * METADATA_MAX,
		.depth = METADATA_DEPTH_MAX,
		.values = METADATA_MAX,
		.last_counts = true,
	};
	CLEANUP_BUFFER struct buffer mended = { 0 };
	if (json_mend(text->data, text->len, &mended, err) < 0 ||
	    json_read(mended.data, mended.len, &limits, &ret->json, err) < 0)
		return -1;
	return vet(ret, err);
}

static int open_metadata(const char *path, struct metadata *ret, struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	if (read_metadata(path, &text, err) == 0 && parse_metadata(&text, ret, err) == 0)
		return 0;
	return dialect_frame(DIALECT_INSPECT, path, err);
}

static int sorted_keys(const struct json_at *map, struct strings *ret, struct error **err)
{
	const void *cursor = NULL;
	const char *key;
	struct json_at value;
	while (json_next(map, &cursor, &key, &value))
		if (strings_add(ret, key, err) < 0)
			return -1;
	if (ret->len)
		qsort(ret->items, ret->len, sizeof(*ret->items), strings_compare);
	return 0;
}

/* ------------------------------------------------------------------ as text */

/* report_print shows it as it may be shown; but what has to be on one line is known here alone. */
static int put_line(struct buffer *out, const struct wish *wish, const char *text, size_t len,
		    struct error **err)
{
	return wish->terminal ? screen_show(SCREEN_LINE, text, len, out, err)
			      : buffer_append(out, text, len, err);
}

static int put_value(struct buffer *out, const struct json_at *value, struct error **err)
{
	size_t len = 0;
	const char *text = json_text(value, &len);
	return buffer_append(out, text, len, err);
}

static int put_label(struct buffer *out, const struct wish *wish, const struct json_at *value,
		     struct error **err)
{
	size_t len = 0;
	const char *text = json_text(value, &len);
	return put_line(out, wish, text, len, err);
}

static int put_map(struct buffer *out, const struct wish *wish, enum part part,
		   const struct json_at *map, struct error **err)
{
	CLEANUP_STRINGS struct strings keys = { 0 };
	struct json_at value;
	if (sorted_keys(map, &keys, err) < 0)
		return -1;
	for (size_t i = 0; i < keys.len; i++) {
		bool labels = part == PART_LABELS;
		if (!json_find(map, keys.items[i], &value))
			continue;
		if (buffer_puts(out, labels ? "" : "=== ", err) < 0 ||
		    put_line(out, wish, keys.items[i], strlen(keys.items[i]), err) < 0 ||
		    buffer_puts(out, labels ? ": " : " ===\n", err) < 0 ||
		    (labels ? put_label(out, wish, &value, err) : put_value(out, &value, err)) <
			    0 ||
		    buffer_puts(out, labels ? "\n" : "\n\n", err) < 0)
			return -1;
	}
	return 0;
}

static int put_as_text(struct buffer *out, const struct wish *wish, const struct metadata *m,
		       struct error **err)
{
	struct json_at fields = m->attributes, value;
	CLEANUP_STRINGS struct strings names = { 0 };
	if (wish->list_apps && m->has_apps && sorted_keys(&m->apps, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.len; i++)
		if (put_line(out, wish, names.items[i], strlen(names.items[i]), err) < 0 ||
		    buffer_puts(out, "\n", err) < 0)
			return -1;
	if (wish->app && !(m->has_apps && json_find(&m->apps, wish->app, &fields)))
		return 0;
	for (int i = 0; i < PARTS; i++) {
		enum part part = text_order[i];
		if (!wish->parts[part] || !json_find(&fields, part_names[part], &value))
			continue;
		if (json_kind(&value) == JSON_OBJECT) {
			if (put_map(out, wish, part, &value, err) < 0)
				return -1;
		} else if (put_value(out, &value, err) < 0 || buffer_puts(out, "\n", err) < 0) {
			return -1;
		}
	}
	return 0;
}

/* ------------------------------------------------------------------ as JSON */

static int put_member(struct json_writer *w, const char *key, const struct json_at *value,
		      struct error **err)
{
	size_t len = 0;
	const char *text = json_text(value, &len);
	return json_put_text(w, key, text, len, err);
}

static int put_field(struct json_writer *w, enum part part, const struct json_at *fields,
		     struct error **err)
{
	struct json_at value, one;
	CLEANUP_STRINGS struct strings keys = { 0 };
	if (!json_find(fields, part_names[part], &value))
		return 0;
	if (json_kind(&value) == JSON_TEXT)
		return put_member(w, part_names[part], &value, err);
	if (sorted_keys(&value, &keys, err) < 0 || json_begin(w, part_names[part], err) < 0)
		return -1;
	for (size_t i = 0; i < keys.len; i++)
		if (json_find(&value, keys.items[i], &one) &&
		    put_member(w, keys.items[i], &one, err) < 0)
			return -1;
	return json_end(w, err);
}

static int put_image(struct json_writer *w, const struct wish *wish, const struct json_at *fields,
		     struct error **err)
{
	for (enum part part = 0; part < PARTS; part++)
		if ((wish->parts[part] || wish->all) && put_field(w, part, fields, err) < 0)
			return -1;
	return 0;
}

/* A list of the apps is, in JSON, all that is known of them. */
static int put_app(struct json_writer *w, const struct wish *wish, const struct json_at *fields,
		   struct error **err)
{
	bool whole = wish->all || wish->list_apps;
	for (size_t i = 0; i < sizeof(app_order) / sizeof(*app_order); i++)
		if ((whole || wish->parts[app_order[i]]) &&
		    put_field(w, app_order[i], fields, err) < 0)
			return -1;
	return 0;
}

static int put_apps(struct json_writer *w, const struct wish *wish, const struct json_at *apps,
		    struct error **err)
{
	CLEANUP_STRINGS struct strings names = { 0 };
	struct json_at app;
	bool each = wish->list_apps || wish->all;
	if (!each && !(wish->app && json_find(apps, wish->app, NULL)))
		return 0;
	if (sorted_keys(apps, &names, err) < 0 || json_begin(w, "apps", err) < 0)
		return -1;
	for (size_t i = 0; i < names.len; i++) {
		if ((!each && strcmp(names.items[i], wish->app) != 0) ||
		    !json_find(apps, names.items[i], &app))
			continue;
		if (json_begin(w, names.items[i], err) < 0 || put_app(w, wish, &app, err) < 0 ||
		    json_end(w, err) < 0)
			return -1;
	}
	return json_end(w, err);
}

static int put_as_json(struct buffer *out, const struct wish *wish, const struct metadata *m,
		       struct error **err)
{
	struct json_writer w = { .out = out, .lines = true };
	if (json_begin(&w, NULL, err) < 0 || json_begin(&w, "data", err) < 0 ||
	    json_begin(&w, "attributes", err) < 0)
		return -1;
	if (m->has_apps && put_apps(&w, wish, &m->apps, err) < 0)
		return -1;
	if (!wish->app && put_image(&w, wish, &m->attributes, err) < 0)
		return -1;
	for (int level = 0; level < 2; level++) {
		if (json_end(&w, err) < 0)
			return -1;
	}
	if (json_put_text(&w, "type", "container", strlen("container"), err) < 0 ||
	    json_end(&w, err) < 0)
		return -1;
	return buffer_puts(out, "\n", err);
}

/* ------------------------------------------------------------------ the commands */

static int run_inspect(const struct invocation *in, struct error **err)
{
	CLEANUP_METADATA struct metadata metadata = { 0 };
	CLEANUP_BUFFER struct buffer out = { 0 };
	struct wish wish = {
		.list_apps = invocation_option(in, "list-apps")->on,
		.all = invocation_option(in, "all")->on,
		.json = invocation_option(in, "json")->on || invocation_option(in, "all")->on,
		.terminal = isatty(STDOUT_FILENO),
	};
	bool any = wish.list_apps;
	for (int part = 0; part < PARTS; part++) {
		wish.parts[part] = invocation_option(in, part_names[part])->on;
		any |= wish.parts[part];
	}
	wish.parts[PART_LABELS] |= !any;
	if (!wish.all)
		wish.app = invocation_option(in, "app")->text;
	if (wish.app && !*wish.app)
		wish.app = NULL;
	if (open_metadata(in->arguments[0], &metadata, err) < 0)
		return -1;
	if ((wish.json ? put_as_json : put_as_text)(&out, &wish, &metadata, err) < 0)
		return -1;
	return report_print(&out, err);
}

static int run_run_help(const struct invocation *in, struct error **err)
{
	CLEANUP_METADATA struct metadata metadata = { 0 };
	CLEANUP_BUFFER struct buffer out = { 0 };
	struct wish wish = { .parts[PART_HELPFILE] = true, .terminal = isatty(STDOUT_FILENO) };
	wish.app = invocation_option(in, "app")->text;
	if (wish.app && !*wish.app)
		wish.app = NULL;
	if (access(in->arguments[0], F_OK) < 0)
		return error_errno(err, errno, "container not found: stat %s", in->arguments[0]);
	if (open_metadata(in->arguments[0], &metadata, err) < 0 ||
	    put_as_text(&out, &wish, &metadata, err) < 0)
		return -1;
	if (!out.len &&
	    buffer_puts(&out, "No help sections were defined for this image\n", err) < 0)
		return -1;
	return report_print(&out, err);
}

static const struct option inspect_options[] = {
	{ .name = "all", .kind = OPTION_SWITCH, .help = "show everything there is, as JSON" },
	{ .name = "app",
	  .kind = OPTION_TEXT,
	  .argument = "name",
	  .help = "show what belongs to this app" },
	{ .name = "deffile",
	  .letter = 'd',
	  .kind = OPTION_SWITCH,
	  .help = "show the definition that the image was built from" },
	{ .name = "environment",
	  .letter = 'e',
	  .kind = OPTION_SWITCH,
	  .help = "show the scripts that set the environment" },
	{ .name = "helpfile", .letter = 'H', .kind = OPTION_SWITCH, .help = "show the help text" },
	{ .name = "json", .letter = 'j', .kind = OPTION_SWITCH, .help = "print JSON" },
	{ .name = "labels",
	  .letter = 'l',
	  .kind = OPTION_SWITCH,
	  .help = "show the labels (the default)" },
	{ .name = "list-apps", .kind = OPTION_SWITCH, .help = "list the apps" },
	{ .name = "runscript", .letter = 'r', .kind = OPTION_SWITCH, .help = "show the runscript" },
	{ .name = "startscript",
	  .letter = 's',
	  .kind = OPTION_SWITCH,
	  .help = "show the startscript" },
	{ .name = "test", .letter = 't', .kind = OPTION_SWITCH, .help = "show the test script" },
	OPTION_HELP,
	{ 0 },
};

const struct command cli_inspect = {
	.name = "inspect",
	.summary = "Show what an image says about itself",
	.usage = "inspect [inspect options...] <image path>",
	.description =
		"Shows labels, scripts, help and definition of a SIF image or a sandbox. No\n"
		"key is needed, even for an encrypted image: these texts are not encrypted.\n",
	.examples = "$ %s inspect image.sif\n"
		    "$ %s inspect --deffile image.sif\n"
		    "$ %s inspect --all image.sif\n",
	.options = inspect_options,
	.min_arguments = 1,
	.max_arguments = 1,
	.run = run_inspect,
};

static const struct option run_help_options[] = {
	{ .name = "app",
	  .kind = OPTION_TEXT,
	  .argument = "name",
	  .help = "print the help of this app" },
	OPTION_HELP,
	{ 0 },
};

const struct command cli_run_help = {
	.name = "run-help",
	.summary = "Print an image's own help",
	.usage = "run-help <image path>",
	.description = "Prints the text of the %%help section that the image was built with.\n",
	.examples = "$ %s run-help image.sif\n",
	.options = run_help_options,
	.min_arguments = 1,
	.max_arguments = 1,
	.run = run_run_help,
};
