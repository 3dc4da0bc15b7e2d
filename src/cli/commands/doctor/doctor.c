/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands/internal.h"

#include <string.h>

#include "cli/commands/doctor/internal.h"
#include "json/json.h"

/* doctor: what this machine allows, and what to do about what it does not. */

static const char *const state_names[] = {
	[DOCTOR_OK] = "ok",
	[DOCTOR_LESS] = "less",
	[DOCTOR_BAD] = "bad",
};

static int look(struct doctor *d, const char *image, struct error **err)
{
	static int (*const parts[])(struct doctor *, struct error **) = {
		doctor_namespaces, doctor_fuse,	   doctor_ids,		doctor_calls,
		doctor_memory,	   doctor_folders, doctor_surroundings, doctor_programs,
	};
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		if (parts[i](d, err) < 0)
			return -1;
	}
	return image ? doctor_image(d, image, err) : 0;
}

static int put_line(struct buffer *text, const char *label, const char *words, struct error **err)
{
	return words ? buffer_printf(text, err, "        %s%s\n", label, words) : 0;
}

static int put_text(const struct doctor *d, struct buffer *text, struct error **err)
{
	for (size_t i = 0; i < d->count; i++) {
		const struct doctor_finding *f = &d->findings[i];
		if (buffer_printf(text, err, "%-4s  %s: %s\n", state_names[f->state], f->name,
				  f->found) < 0 ||
		    put_line(text, "", f->cost.cost, err) < 0 ||
		    put_line(text, "you: ", f->cost.user, err) < 0 ||
		    put_line(text, "root: ", f->cost.administrator, err) < 0)
			return -1;
	}
	return 0;
}

static int put_member(struct json_writer *w, const char *key, const char *words, struct error **err)
{
	return words ? json_put_text(w, key, words, strlen(words), err) : 0;
}

static int put_json(const struct doctor *d, struct buffer *text, struct error **err)
{
	struct json_writer w = { .out = text, .lines = true };
	if (json_begin(&w, NULL, err) < 0)
		return -1;
	for (size_t i = 0; i < d->count; i++) {
		const struct doctor_finding *f = &d->findings[i];
		if (json_begin(&w, f->name, err) < 0 ||
		    put_member(&w, "state", state_names[f->state], err) < 0 ||
		    put_member(&w, "found", f->found, err) < 0 ||
		    put_member(&w, "cost", f->cost.cost, err) < 0 ||
		    put_member(&w, "user", f->cost.user, err) < 0 ||
		    put_member(&w, "administrator", f->cost.administrator, err) < 0 ||
		    json_end(&w, err) < 0)
			return -1;
	}
	return json_end(&w, err) < 0 ? -1 : buffer_puts(text, "\n", err);
}

static int run_doctor(const struct invocation *in, struct error **err)
{
	CLEANUP_DOCTOR struct doctor d = { 0 };
	CLEANUP_BUFFER struct buffer text = { 0 };
	bool json = invocation_option(in, "json")->on;
	if (look(&d, in->argument_count ? in->arguments[0] : NULL, err) < 0 ||
	    (json ? put_json(&d, &text, err) : put_text(&d, &text, err)) < 0 ||
	    report_print(&text, err) < 0)
		return -1;
	return doctor_worst(&d) == DOCTOR_BAD ? 1 : 0;
}

static const struct option doctor_options[] = {
	{ .name = "json", .letter = 'j', .kind = OPTION_SWITCH, .help = "for programs, as JSON" },
	OPTION_HELP,
	{ 0 },
};

const struct command cli_doctor = {
	.name = "doctor",
	.summary = "Tell what this machine allows, and what to do about the rest",
	.usage = "doctor [doctor options...] [image path]",
	.description = "Tries what %s needs of this machine, as a run would, and tells of\n"
		       "each thing what was found; of what is missing also what that costs,\n"
		       "and what you (you:) or the machine's root (root:) can do. With an\n"
		       "image also what can be told of it without its key. The exit status\n"
		       "is 1 when no image can be run (bad), else 0, also where some things\n"
		       "cannot be had (less).\n",
	.examples = "$ %s doctor\n"
		    "$ %s doctor --json secret.sif\n",
	.options = doctor_options,
	.max_arguments = 1,
	.image = true,
	.run = run_doctor,
};
