/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/words/internal.h"

#include <string.h>

#include "config.h"

/*
 * What scripts written for Apptainer see and coffer would not say so of itself: by which name it
 * answers as which version, and the words around an error, by the step and the kind of it
 * (cli-messages 5.2 and 5.3, runtime.md 16). The floors below say facts; none of them knows by
 * which name the program was called.
 */

static const struct name {
	const char *program;
	/* What --version says. Apptainer calls itself so by either of its names: who reads
	 * "singularity version 1.4.5" takes it for a Singularity of long ago, and stops. */
	const char *calls_itself;
	const char *version;
	/* Apptainer asks once, and scripts that drive its prompt know no second one. */
	bool asks_twice;
} names[] = {
	/* The first one stands for every other name. */
	{ "coffer", "coffer", COFFER_VERSION, true },
	{ "apptainer", "apptainer", APPTAINER_VERSION, false },
	{ "singularity", "apptainer", APPTAINER_VERSION, false },
};

static const struct name *find_name(const char *program)
{
	for (size_t i = 1; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(program, names[i].program))
			return &names[i];
	return names;
}

const char *dialect_program(const char *argv0)
{
	return find_name(path_base_name(argv0 ? argv0 : ""))->program;
}

const char *dialect_version(const char *program)
{
	return find_name(program)->version;
}

const char *dialect_calls_itself(const char *program)
{
	return find_name(program)->calls_itself;
}

bool dialect_is_own(const char *program)
{
	return find_name(program) == names;
}

bool dialect_asks_twice(const char *program)
{
	return find_name(program)->asks_twice;
}

/* The first line of help, where scripts that know Apptainer's look for it. */
const char *dialect_summary(const char *program, const char *command, const char *own)
{
	static const char *const words[][2] = {
		{ "help", "Help about any command" },
		{ "version", "Show the version for Apptainer" },
	};
	for (size_t i = 0; !dialect_is_own(program) && i < sizeof(words) / sizeof(*words); i++)
		if (!strcmp(words[i][0], command))
			return words[i][1];
	return own;
}

#define KIND(kind) (1U << (kind))
#define KEY_KINDS (KIND(ERROR_KEY_MISSING) | KIND(ERROR_KEY_INVALID) | KIND(ERROR_KEY_WRONG))
#define ANY_KIND (~0U)

/* PLACE_NONE stands for any place; the first row that fits counts. */
static const struct frame {
	enum dialect_action action;
	enum error_place place;
	unsigned kinds;
	const char *words; /* NULL: it needs none */
	bool names_image;  /* the image's name follows the words */
	bool fact_alone;   /* what was said round the fact is left out */
} frames[] = {
	{ DIALECT_OPEN, PLACE_OPENING, KIND(ERROR_POLICY), NULL, false, false },
	{ DIALECT_OPEN, PLACE_NONE, ANY_KIND, "While checking container encryption", false, false },
	/* Unsealing names the image itself. */
	{ DIALECT_DECRYPT, PLACE_UNSEALING, KEY_KINDS,
	  "While checking container encryption: cannot decrypt", false, false },
	{ DIALECT_DECRYPT, PLACE_NONE, KEY_KINDS,
	  "While checking container encryption: cannot decrypt", true, false },
	{ DIALECT_INSPECT, PLACE_OPENING, ANY_KIND, "Failed to open image", true, true },
	{ DIALECT_INSPECT, PLACE_NONE, ANY_KIND, "Failed to open image", true, false },
};

static const struct frame *find_frame(enum dialect_action action, const struct error *e)
{
	for (size_t i = 0; i < sizeof(frames) / sizeof(*frames); i++) {
		const struct frame *f = &frames[i];
		if (f->action == action && (f->kinds & KIND(error_kind(e))) &&
		    (f->place == PLACE_NONE || f->place == error_place(e)))
			return f;
	}
	return NULL;
}

bool dialect_is_of_key(const struct error *e)
{
	return KEY_KINDS & KIND(error_kind(e));
}

int dialect_frame(enum dialect_action action, const char *image, struct error **err)
{
	const struct frame *f = find_frame(action, *err);
	if (!f || !f->words)
		return -1;
	if (f->fact_alone)
		error_keep_fact(err);
	return f->names_image ? error_wrap(err, "%s %s", f->words, image)
			      : error_wrap(err, "%s", f->words);
}
