/* SPDX-License-Identifier: Apache-2.0 */
/* What an image says about itself (image/metadata.c), vetted. */
#include "cli/commands/inspect/internal.h"

#include <stdlib.h>

#include "cli/internal.h"
#include "image/image.h"
#include "tree/tree.h"

#define METADATA_MAX ((size_t)16 << 20)
#define METADATA_DEPTH_MAX 32

const char *const inspect_part_names[PARTS] = { "environment", "labels",  "runscript",	"test",
						"helpfile",    "deffile", "startscript" };

static int read_metadata(const char *path, const struct inspect_wish *wish, struct buffer *ret,
			 bool *ret_repeated, struct error **err)
{
	CLEANUP_IMAGE struct image *img = NULL;
	if (image_open(path, &img, err) < 0)
		return -1;
	const struct metadata_asked asked = { .labels = wish->parts[PART_LABELS],
					      .all = wish->all,
					      .app = wish->app };
	return image_metadata(img, &asked, ret, ret_repeated, err);
}

/* Vets a map of texts, or a text: what has another form is refused as a whole. */
static int check_part(const struct json_at *fields, enum inspect_part part, struct error **err)
{
	bool map = part == PART_ENVIRONMENT || part == PART_LABELS;
	struct json_at value, text;
	if (!json_find(fields, inspect_part_names[part], NULL))
		return 0;
	if (json_get(fields, inspect_part_names[part], map ? JSON_OBJECT : JSON_TEXT, &value, err) <
	    0)
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
	for (enum inspect_part part = 0; part < PARTS; part++)
		if (check_part(fields, part, err) < 0)
			return -1;
	return 0;
}

void inspect_metadata_free(struct inspect_metadata *m)
{
	json_free(&m->json);
}

static int vet(struct inspect_metadata *m, struct error **err)
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

static int parse_metadata(const struct buffer *text, struct inspect_metadata *ret,
			  struct error **err)
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

int inspect_open(const char *path, const struct inspect_wish *wish, struct inspect_metadata *ret,
		 struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	if (read_metadata(path, wish, &text, &ret->repeated, err) == 0 &&
	    parse_metadata(&text, ret, err) == 0)
		return 0;
	return dialect_frame(DIALECT_INSPECT, path, err);
}

int inspect_sorted_keys(const struct json_at *map, struct strings *ret, struct error **err)
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

bool inspect_definition(const struct inspect_metadata *m, const char *app, struct json_at *ret)
{
	*ret = m->attributes;
	return !app || m->repeated || (m->has_apps && json_find(&m->apps, app, ret));
}
