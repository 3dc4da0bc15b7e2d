/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands/inspect/internal.h"

#include <string.h>

/* An app's, in JSON: it has no definition of its own. */
static const enum inspect_part app_order[] = { PART_ENVIRONMENT, PART_LABELS, PART_RUNSCRIPT,
					       PART_STARTSCRIPT, PART_TEST,   PART_HELPFILE };

static int put_member(struct json_writer *w, const char *key, const struct json_at *value,
		      struct error **err)
{
	size_t len = 0;
	const char *text = json_text(value, &len);
	return json_put_text(w, key, text, len, err);
}

static int put_field(struct json_writer *w, enum inspect_part part, const struct json_at *fields,
		     struct error **err)
{
	struct json_at value, one;
	CLEANUP_STRINGS struct strings keys = { 0 };
	if (!json_find(fields, inspect_part_names[part], &value))
		return 0;
	if (json_kind(&value) == JSON_TEXT)
		return put_member(w, inspect_part_names[part], &value, err);
	if (inspect_sorted_keys(&value, &keys, err) < 0 ||
	    json_begin(w, inspect_part_names[part], err) < 0)
		return -1;
	for (size_t i = 0; i < keys.len; i++)
		if (json_find(&value, keys.items[i], &one) &&
		    put_member(w, keys.items[i], &one, err) < 0)
			return -1;
	return json_end(w, err);
}

static int put_image(struct json_writer *w, const struct inspect_wish *wish,
		     const struct json_at *fields, struct error **err)
{
	for (enum inspect_part part = 0; part < PARTS; part++)
		if ((wish->parts[part] || wish->all) && put_field(w, part, fields, err) < 0)
			return -1;
	return 0;
}

/*
 * Of each app: all of it where all is asked for, and of a SIF where the apps are listed; or what is
 * asked for, of the one that is named.
 */
static int put_app(struct json_writer *w, const struct inspect_wish *wish, bool whole,
		   const char *name, const struct json_at *fields, struct error **err)
{
	bool named = wish->app && !strcmp(name, wish->app);
	for (size_t i = 0; i < sizeof(app_order) / sizeof(*app_order); i++)
		if ((whole || (named && wish->parts[app_order[i]])) &&
		    put_field(w, app_order[i], fields, err) < 0)
			return -1;
	return 0;
}

/* Whether the app that is named is spoken of at all: a SIF's definition is not its own. */
static bool names_app(const struct inspect_wish *wish, const struct inspect_metadata *m)
{
	bool asked = !m->repeated;
	for (size_t i = 0; i < sizeof(app_order) / sizeof(*app_order); i++)
		asked |= wish->parts[app_order[i]];
	return wish->app && asked && json_find(&m->apps, wish->app, NULL);
}

static int put_apps(struct json_writer *w, const struct inspect_wish *wish,
		    const struct inspect_metadata *m, struct error **err)
{
	CLEANUP_STRINGS struct strings names = { 0 };
	struct json_at app;
	bool each = wish->list_apps || wish->all;
	bool whole = wish->all || (wish->list_apps && m->repeated);
	if (!m->has_apps || (!each && !names_app(wish, m)))
		return 0;
	if (inspect_sorted_keys(&m->apps, &names, err) < 0 || json_begin(w, "apps", err) < 0)
		return -1;
	for (size_t i = 0; i < names.len; i++) {
		const char *name = names.items[i];
		if ((!each && strcmp(name, wish->app) != 0) || !json_find(&m->apps, name, &app))
			continue;
		if (json_begin(w, name, err) < 0 || put_app(w, wish, whole, name, &app, err) < 0 ||
		    json_end(w, err) < 0)
			return -1;
	}
	return json_end(w, err);
}

/* What does not stand among the apps. */
static int put_rest(struct json_writer *w, const struct inspect_wish *wish,
		    const struct inspect_metadata *m, struct error **err)
{
	struct json_at definition;
	if (!wish->app)
		return put_image(w, wish, &m->attributes, err);
	if (!wish->parts[PART_DEFFILE] || !inspect_definition(m, wish->app, &definition))
		return 0;
	return put_field(w, PART_DEFFILE, &definition, err);
}

int inspect_put_json(struct buffer *out, const struct inspect_wish *wish,
		     const struct inspect_metadata *m, struct error **err)
{
	struct json_writer w = { .out = out, .lines = true };
	if (json_begin(&w, NULL, err) < 0 || json_begin(&w, "data", err) < 0 ||
	    json_begin(&w, "attributes", err) < 0)
		return -1;
	if (put_apps(&w, wish, m, err) < 0 || put_rest(&w, wish, m, err) < 0)
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
