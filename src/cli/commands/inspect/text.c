/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands/inspect/internal.h"

#include <string.h>

static const enum inspect_part text_order[PARTS] = { PART_DEFFILE, PART_RUNSCRIPT, PART_STARTSCRIPT,
						     PART_TEST,	   PART_HELPFILE,  PART_ENVIRONMENT,
						     PART_LABELS };

/* report_print shows it as it may be shown; but what has to be on one line is known here alone. */
static int put_line(struct buffer *out, const struct inspect_wish *wish, const char *text,
		    size_t len, struct error **err)
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

static int put_label(struct buffer *out, const struct inspect_wish *wish,
		     const struct json_at *value, struct error **err)
{
	size_t len = 0;
	const char *text = json_text(value, &len);
	return put_line(out, wish, text, len, err);
}

static int put_map(struct buffer *out, const struct inspect_wish *wish, enum inspect_part part,
		   const struct json_at *map, struct error **err)
{
	CLEANUP_STRINGS struct strings keys = { 0 };
	struct json_at value;
	if (inspect_sorted_keys(map, &keys, err) < 0)
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

static int put_part(struct buffer *out, const struct inspect_wish *wish, enum inspect_part part,
		    const struct json_at *fields, struct error **err)
{
	struct json_at value;
	if (!json_find(fields, inspect_part_names[part], &value))
		return 0;
	if (json_kind(&value) == JSON_OBJECT)
		return put_map(out, wish, part, &value, err);
	return put_value(out, &value, err) < 0 ? -1 : buffer_puts(out, "\n", err);
}

static int put_names(struct buffer *out, const struct inspect_wish *wish,
		     const struct inspect_metadata *m, struct error **err)
{
	CLEANUP_STRINGS struct strings names = { 0 };
	if (wish->list_apps && m->has_apps && inspect_sorted_keys(&m->apps, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.len; i++)
		if (put_line(out, wish, names.items[i], strlen(names.items[i]), err) < 0 ||
		    buffer_puts(out, "\n", err) < 0)
			return -1;
	return 0;
}

int inspect_put_text(struct buffer *out, const struct inspect_wish *wish,
		     const struct inspect_metadata *m, struct error **err)
{
	struct json_at fields = m->attributes, definition;
	bool there = !wish->app || (m->has_apps && json_find(&m->apps, wish->app, &fields));
	/* Who lists the apps of a SIF and names one gets all of that one. */
	bool whole = wish->app && wish->list_apps && m->repeated;
	if (put_names(out, wish, m, err) < 0)
		return -1;
	for (int i = 0; i < PARTS; i++) {
		enum inspect_part part = text_order[i];
		bool found = there;
		if (!wish->parts[part] && (!whole || part == PART_DEFFILE))
			continue;
		if (part == PART_DEFFILE)
			found = inspect_definition(m, wish->app, &definition);
		if (found && put_part(out, wish, part, part == PART_DEFFILE ? &definition : &fields,
				      err) < 0)
			return -1;
	}
	return 0;
}
