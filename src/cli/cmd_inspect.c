/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"

#include <errno.h>
#include <json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image/image.h"
#include "tree/tree.h"

/*
 * What an image says about itself: runtime.md 16. A SIF repeats it outside the encrypted partition
 * (sif.md 8.3), so no key is needed.
 */

#define METADATA_MAX ((size_t)16 << 20)

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

static void put_json(struct json_object **o)
{
	json_object_put(*o);
}
#define CLEANUP_JSON __attribute__((cleanup(put_json)))

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

static int damaged(struct error **err)
{
	return error_set(err, ERROR_DAMAGED, "its metadata is no JSON of the known form");
}

/* Vets a map of texts, or a text: what has another form is refused as a whole. */
static int check_part(struct json_object *fields, enum part part, struct error **err)
{
	struct json_object *value;
	if (!json_object_object_get_ex(fields, part_names[part], &value))
		return 0;
	if (part != PART_ENVIRONMENT && part != PART_LABELS)
		return json_object_is_type(value, json_type_string) ? 0 : damaged(err);
	if (!json_object_is_type(value, json_type_object))
		return damaged(err);
	json_object_object_foreach(value, key, text)
	{
		(void)key;
		if (!json_object_is_type(text, json_type_string))
			return damaged(err);
	}
	return 0;
}

static int check_fields(struct json_object *fields, struct error **err)
{
	if (!json_object_is_type(fields, json_type_object))
		return damaged(err);
	for (int part = 0; part < PARTS; part++)
		if (check_part(fields, part, err) < 0)
			return -1;
	return 0;
}

static int parse_metadata(const struct buffer *text, struct json_object **ret, struct error **err)
{
	struct json_object *data, *attributes, *apps;
	struct json_tokener *tokener = json_tokener_new();
	if (!tokener)
		return error_set(err, ERROR_MEMORY, "out of memory");
	CLEANUP_JSON struct json_object *all =
		json_tokener_parse_ex(tokener, text->data ? text->data : "", (int)text->len);
	json_tokener_free(tokener);
	if (!json_object_is_type(all, json_type_object) ||
	    !json_object_object_get_ex(all, "data", &data) ||
	    !json_object_is_type(data, json_type_object) ||
	    !json_object_object_get_ex(data, "attributes", &attributes))
		return damaged(err);
	if (check_fields(attributes, err) < 0)
		return -1;
	if (json_object_object_get_ex(attributes, "apps", &apps)) {
		if (!json_object_is_type(apps, json_type_object))
			return damaged(err);
		json_object_object_foreach(apps, name, app)
		{
			(void)name;
			if (check_fields(app, err) < 0)
				return -1;
		}
	}
	*ret = json_object_get(attributes);
	return 0;
}

static int open_metadata(const char *path, struct json_object **ret, struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	if (read_metadata(path, &text, err) == 0 && parse_metadata(&text, ret, err) == 0)
		return 0;
	/* image/ begins with words of its own, those of the run commands. */
	static const char frame[] = "could not open image ";
	const char *words = error_message(*err), *hint = error_hint_text(*err);
	const char *cause = strncmp(words, frame, strlen(frame)) != 0 ? NULL : strstr(words, ": ");
	if (!cause)
		return error_wrap(err, "Failed to open image %s", path);
	struct error *before = *err;
	*err = NULL;
	error_set(err, error_kind(before), "Failed to open image %s%s", path, cause);
	if (hint)
		error_hint(err, "%s", hint);
	error_free(&before);
	return -1;
}

static int by_text(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;
	return strcmp(*x, *y);
}

static int sorted_keys(struct json_object *map, struct strings *ret, struct error **err)
{
	json_object_object_foreach(map, key, value)
	{
		(void)value;
		if (strings_add(ret, key, err) < 0)
			return -1;
	}
	if (ret->len)
		qsort(ret->items, ret->len, sizeof(*ret->items), by_text);
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

static int put_value(struct buffer *out, struct json_object *value, struct error **err)
{
	return buffer_append(out, json_object_get_string(value),
			     (size_t)json_object_get_string_len(value), err);
}

static int put_label(struct buffer *out, const struct wish *wish, struct json_object *value,
		     struct error **err)
{
	return put_line(out, wish, json_object_get_string(value),
			(size_t)json_object_get_string_len(value), err);
}

static int put_map(struct buffer *out, const struct wish *wish, enum part part,
		   struct json_object *map, struct error **err)
{
	CLEANUP_STRINGS struct strings keys = { 0 };
	if (sorted_keys(map, &keys, err) < 0)
		return -1;
	for (size_t i = 0; i < keys.len; i++) {
		struct json_object *value = json_object_object_get(map, keys.items[i]);
		bool labels = part == PART_LABELS;
		if (buffer_puts(out, labels ? "" : "=== ", err) < 0 ||
		    put_line(out, wish, keys.items[i], strlen(keys.items[i]), err) < 0 ||
		    buffer_puts(out, labels ? ": " : " ===\n", err) < 0 ||
		    (labels ? put_label(out, wish, value, err) : put_value(out, value, err)) < 0 ||
		    buffer_puts(out, labels ? "\n" : "\n\n", err) < 0)
			return -1;
	}
	return 0;
}

static int put_as_text(struct buffer *out, const struct wish *wish, struct json_object *attributes,
		       struct error **err)
{
	struct json_object *apps = json_object_object_get(attributes, "apps"), *value;
	CLEANUP_STRINGS struct strings names = { 0 };
	if (wish->list_apps && apps && sorted_keys(apps, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.len; i++)
		if (put_line(out, wish, names.items[i], strlen(names.items[i]), err) < 0 ||
		    buffer_puts(out, "\n", err) < 0)
			return -1;
	struct json_object *fields = attributes;
	if (wish->app)
		fields = apps ? json_object_object_get(apps, wish->app) : NULL;
	for (int i = 0; fields && i < PARTS; i++) {
		enum part part = text_order[i];
		if (!wish->parts[part] ||
		    !json_object_object_get_ex(fields, part_names[part], &value))
			continue;
		if (json_object_is_type(value, json_type_object)) {
			if (put_map(out, wish, part, value, err) < 0)
				return -1;
		} else if (put_value(out, value, err) < 0 || buffer_puts(out, "\n", err) < 0) {
			return -1;
		}
	}
	return 0;
}

/* ------------------------------------------------------------------ as JSON */

/* Writes nested objects with one tab a level; `empty` says whether the innermost has members. */
struct writer {
	struct buffer *out;
	int depth;
	bool empty;
};

static int json_key(struct writer *w, const char *key, struct error **err)
{
	if (buffer_puts(w->out, w->empty ? "\n" : ",\n", err) < 0)
		return -1;
	w->empty = false;
	for (int i = 0; i < w->depth; i++)
		if (buffer_puts(w->out, "\t", err) < 0)
			return -1;
	if (json_put_string(w->out, key, strlen(key), err) < 0)
		return -1;
	return buffer_puts(w->out, ": ", err);
}

static int json_open(struct writer *w, const char *key, struct error **err)
{
	if ((key && json_key(w, key, err) < 0) || buffer_puts(w->out, "{", err) < 0)
		return -1;
	w->depth++;
	w->empty = true;
	return 0;
}

static int json_close(struct writer *w, struct error **err)
{
	w->depth--;
	if (!w->empty && buffer_puts(w->out, "\n", err) < 0)
		return -1;
	for (int i = 0; !w->empty && i < w->depth; i++)
		if (buffer_puts(w->out, "\t", err) < 0)
			return -1;
	w->empty = false;
	return buffer_puts(w->out, "}", err);
}

static int json_text(struct writer *w, const char *key, struct json_object *value,
		     struct error **err)
{
	if (json_key(w, key, err) < 0)
		return -1;
	return json_put_string(w->out, json_object_get_string(value),
			       (size_t)json_object_get_string_len(value), err);
}

static int json_field(struct writer *w, enum part part, struct json_object *fields,
		      struct error **err)
{
	struct json_object *value;
	CLEANUP_STRINGS struct strings keys = { 0 };
	if (!json_object_object_get_ex(fields, part_names[part], &value))
		return 0;
	if (json_object_is_type(value, json_type_string))
		return json_text(w, part_names[part], value, err);
	if (sorted_keys(value, &keys, err) < 0 || json_open(w, part_names[part], err) < 0)
		return -1;
	for (size_t i = 0; i < keys.len; i++)
		if (json_text(w, keys.items[i], json_object_object_get(value, keys.items[i]), err) <
		    0)
			return -1;
	return json_close(w, err);
}

static int json_image(struct writer *w, const struct wish *wish, struct json_object *fields,
		      struct error **err)
{
	for (enum part part = 0; part < PARTS; part++)
		if ((wish->parts[part] || wish->all) && json_field(w, part, fields, err) < 0)
			return -1;
	return 0;
}

/* A list of the apps is, in JSON, all that is known of them. */
static int json_app(struct writer *w, const struct wish *wish, struct json_object *fields,
		    struct error **err)
{
	bool whole = wish->all || wish->list_apps;
	for (size_t i = 0; i < sizeof(app_order) / sizeof(*app_order); i++)
		if ((whole || wish->parts[app_order[i]]) &&
		    json_field(w, app_order[i], fields, err) < 0)
			return -1;
	return 0;
}

static int json_apps(struct writer *w, const struct wish *wish, struct json_object *apps,
		     struct error **err)
{
	CLEANUP_STRINGS struct strings names = { 0 };
	bool each = wish->list_apps || wish->all;
	if (!each && !(wish->app && json_object_object_get(apps, wish->app)))
		return 0;
	if (sorted_keys(apps, &names, err) < 0 || json_open(w, "apps", err) < 0)
		return -1;
	for (size_t i = 0; i < names.len; i++) {
		if (!each && strcmp(names.items[i], wish->app) != 0)
			continue;
		if (json_open(w, names.items[i], err) < 0 ||
		    json_app(w, wish, json_object_object_get(apps, names.items[i]), err) < 0 ||
		    json_close(w, err) < 0)
			return -1;
	}
	return json_close(w, err);
}

static int put_as_json(struct buffer *out, const struct wish *wish, struct json_object *attributes,
		       struct error **err)
{
	struct json_object *apps;
	struct writer w = { .out = out };
	if (json_open(&w, NULL, err) < 0 || json_open(&w, "data", err) < 0 ||
	    json_open(&w, "attributes", err) < 0)
		return -1;
	if (json_object_object_get_ex(attributes, "apps", &apps) &&
	    json_apps(&w, wish, apps, err) < 0)
		return -1;
	if (!wish->app && json_image(&w, wish, attributes, err) < 0)
		return -1;
	for (int level = 0; level < 2; level++) {
		if (json_close(&w, err) < 0)
			return -1;
	}
	if (json_key(&w, "type", err) < 0 || buffer_puts(out, "\"container\"", err) < 0 ||
	    json_close(&w, err) < 0)
		return -1;
	return buffer_puts(out, "\n", err);
}

/* ------------------------------------------------------------------ the commands */

static int run_inspect(const struct invocation *in, struct error **err)
{
	CLEANUP_JSON struct json_object *attributes = NULL;
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
	if (open_metadata(in->arguments[0], &attributes, err) < 0)
		return -1;
	if ((wish.json ? put_as_json : put_as_text)(&out, &wish, attributes, err) < 0)
		return -1;
	return report_print(&out, err);
}

static int run_run_help(const struct invocation *in, struct error **err)
{
	CLEANUP_JSON struct json_object *attributes = NULL;
	CLEANUP_BUFFER struct buffer out = { 0 };
	struct wish wish = { .parts[PART_HELPFILE] = true, .terminal = isatty(STDOUT_FILENO) };
	wish.app = invocation_option(in, "app")->text;
	if (wish.app && !*wish.app)
		wish.app = NULL;
	if (access(in->arguments[0], F_OK) < 0)
		return error_errno(err, errno, "container not found: stat %s", in->arguments[0]);
	if (open_metadata(in->arguments[0], &attributes, err) < 0 ||
	    put_as_text(&out, &wish, attributes, err) < 0)
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
