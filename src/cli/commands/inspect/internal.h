/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_CLI_COMMANDS_INSPECT_INTERNAL_H
#define COFFER_CLI_COMMANDS_INSPECT_INTERNAL_H

#include "base/base.h"
#include "json/json.h"

/*
 * What an image says about itself: runtime.md 16. inspect.c is the commands, metadata.c gets and
 * vets what there is, text.c and json.c write it down.
 */

/* The parts, in the order of the JSON; text mode has an order of its own. */
enum inspect_part {
	PART_ENVIRONMENT,
	PART_LABELS,
	PART_RUNSCRIPT,
	PART_TEST,
	PART_HELPFILE,
	PART_DEFFILE,
	PART_STARTSCRIPT,
	PARTS,
};
/* As the JSON names them, and the options too. */
extern const char *const inspect_part_names[PARTS];

/* What is to be shown. */
struct inspect_wish {
	bool parts[PARTS];
	bool list_apps, all, json;
	const char *app;
	bool terminal; /* the text goes to one */
};

/* What was read of an image, vetted: each part that is there has its form. */
struct inspect_metadata {
	struct json *json;
	struct json_at attributes, apps;
	bool has_apps;
	bool repeated; /* in the SIF; what was read of a tree is told otherwise: runtime.md 16 */
};
/* Frees what is in it. */
void inspect_metadata_free(struct inspect_metadata *m);
#define CLEANUP_METADATA __attribute__((cleanup(inspect_metadata_free)))

/* Reads what the image of this path says, and all that is wished for. No key is asked for. The
 * error is in Apptainer's frame.
 */
int inspect_open(const char *path, const struct inspect_wish *wish, struct inspect_metadata *ret,
		 struct error **err);
/* The names in an object, in byte order, appended. */
int inspect_sorted_keys(const struct json_at *map, struct strings *ret, struct error **err);

/*
 * Where the definition stands that is meant: a SIF has the image's for each of its apps too; in a
 * tree an app may have its own. False: nowhere.
 */
bool inspect_definition(const struct inspect_metadata *m, const char *app, struct json_at *ret);

/* Append what is wished for, as text or as JSON; nothing where there is nothing. */
int inspect_put_text(struct buffer *out, const struct inspect_wish *wish,
		     const struct inspect_metadata *m, struct error **err);
int inspect_put_json(struct buffer *out, const struct inspect_wish *wish,
		     const struct inspect_metadata *m, struct error **err);

#endif
