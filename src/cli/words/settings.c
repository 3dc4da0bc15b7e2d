/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/words/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h"

#include "config.h"

static bool blank(const char *text)
{
	return !text || !text[strspn(text, " \t\r\n")];
}

/* A variable's whole name. Each option's are asked for at each start: without an allocation. */
struct full_name {
	char text[64];
};

static struct full_name full_name(const char *prefix, const char *name, size_t len)
{
	struct full_name full = { "" };
	size_t head = strlen(prefix);
	/* What would not fit is no name of ours: all are in the options' tables. */
	if (head + len >= sizeof(full.text))
		return full;
	memcpy(full.text, prefix, head);
	memcpy(full.text + head, name, len);
	return full;
}

/*
 * The value of a variable by its name without prefix, or NULL; empty and blank ones do not count.
 * Notes what runtime.md 17 says about the old prefix.
 */
static const char *variable(const char *name, size_t len)
{
	struct full_name ours = full_name("APPTAINER_", name, len);
	struct full_name old = full_name("SINGULARITY_", name, len);
	const char *value = getenv(ours.text), *old_value = getenv(old.text);
	if (blank(old_value))
		return blank(value) ? NULL : value;
	if (blank(value)) {
		log_info("Environment variable %s is set, but %s is preferred", old.text,
			 ours.text);
		return old_value;
	}
	if (strcmp(value, old_value) != 0)
		log_warning("%s and %s have different values, using the latter", old.text,
			    ours.text);
	return value;
}

static int from_variable(const struct option *o, const char *name, size_t len,
			 struct option_value *value, struct error **err)
{
	struct option_value probe = { 0 };
	const char *text = variable(name, len);
	if (!text)
		return 0;
	if (o->support == OPTION_UNSUPPORTED) {
		/* A switch that is off asks for nothing. */
		if (o->kind == OPTION_SWITCH && parse_value(o, text, &probe, err) == 0 && !probe.on)
			return 0;
		if (*err)
			return error_wrap(err, "unable to set flag %s to value %s", o->name, text);
		error_set(err, ERROR_UNSUPPORTED,
			  "--%s, asked for by %s, is not supported by coffer", o->name,
			  full_name(blank(getenv(full_name("APPTAINER_", name, len).text))
					    ? "SINGULARITY_"
					    : "APPTAINER_",
				    name, len)
				  .text);
		return error_hint(err, "unset the variable to go on without it");
	}
	if (value->set && !o->add_variables)
		return 0;
	if (parse_value(o, text, value, err) < 0)
		return error_wrap(err, "unable to set flag %s to value %s", o->name, text);
	return 0;
}

static int from_variables(struct invocation *in, struct error **err)
{
	for (size_t i = 0; in->command->options[i].name; i++) {
		const struct option *o = &in->command->options[i];
		if (!o->variables || o->support == OPTION_NO_EFFECT)
			continue;
		const char *at = o->variables;
		while (*at) {
			size_t len = strcspn(at, " ");
			if (from_variable(o, at, len, &in->values[i], err) < 0)
				return -1;
			at += len;
			at += strspn(at, " ");
		}
	}
	return 0;
}

int settings_apply_variables(struct invocation *in, struct error **err)
{
	if (from_variables(in, err) == 0)
		return 0;
	return error_kind(*err) == ERROR_USAGE
		       ? error_wrap(err, "While parsing environment variables: while updating "
					 "flags from environment")
		       : -1;
}

int settings_apply_global(struct invocation *in, struct error **err)
{
	const char *level = getenv("APPTAINER_MESSAGELEVEL");
	char *end;
	if (!blank(level)) {
		long n = strtol(level, &end, 10);
		if (!*end && n >= LOG_ERROR && n <= LOG_DEBUG)
			log_set_level((int)n);
	}
	if (from_variables(in, err) < 0)
		return error_wrap(err, "While parsing global environment variables: while "
				       "updating flags from environment");
	static const struct {
		const char *name;
		int level;
	} levels[] = { { "debug", LOG_DEBUG },
		       { "verbose", LOG_VERBOSE },
		       { "quiet", LOG_WARNING + 1 },
		       { "silent", LOG_ERROR } };
	for (size_t i = 0; i < sizeof(levels) / sizeof(*levels); i++) {
		if (!invocation_option(in, levels[i].name)->on)
			continue;
		log_set_level(levels[i].level);
		break;
	}
	/* NO_COLOR: no-color.org. */
	const char *no_colour = getenv("NO_COLOR");
	log_set_colour(isatty(STDERR_FILENO) && !invocation_option(in, "nocolor")->on &&
		       !(no_colour && *no_colour));
	/* Programs that a build starts, this one among them, shall be as quiet. */
	CLEANUP_TEXT char *number = text_printf(err, "%d", log_get_level());
	if (!number || setenv("APPTAINER_MESSAGELEVEL", number, 1) < 0)
		return *err ? -1 : error_no_memory(err);
	const struct option_value *config = invocation_option(in, "config");
	in->config = config->set ? config->text : NULL;
	/* The usual file may be missing; one that was asked for may not. */
	if (config->set && access(in->config, F_OK) < 0)
		return error_errno(
			err, errno,
			"While initializing: couldn't parse configuration file %s: open %s",
			in->config, in->config);
	return 0;
}

int settings_read_config(const struct invocation *in, struct config *ret, struct error **err)
{
	if (config_default(ret, err) < 0)
		return -1;
	return config_read(ret, COFFER_CONFIG_FILE, in->config, err);
}

int settings_check_support(const struct invocation *in, struct error **err)
{
	for (size_t i = 0; in->command->options[i].name; i++) {
		const struct option *o = &in->command->options[i];
		const struct option_value *v = &in->values[i];
		if (!v->set)
			continue;
		if (o->deprecated)
			log_warning("Flag --%s has been deprecated, %s", o->name, o->deprecated);
		if (o->support != OPTION_UNSUPPORTED || (o->kind == OPTION_SWITCH && !v->on))
			continue;
		error_set(err, ERROR_UNSUPPORTED, "--%s is not supported by coffer", o->name);
		if (o->instead)
			return error_hint(err, "%s", o->instead);
		return error_hint(err, "leave it out; `%s %s --help` lists what there is",
				  in->program, in->command->name);
	}
	return 0;
}
