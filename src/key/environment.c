/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The variables that may hold a key (encryption.md 2.1), by their names and by the older ones.
 *
 * Singularity knew them as SINGULARITY_ENCRYPTION_..., guides still name these, and Apptainer
 * passes them over. They count where none of the new ones is there: so what works with Apptainer
 * works in the same way here, with whatever is left of old names in a profile, and what would end
 * there for want of a key goes on here. One that is set to nothing counts by its new name alone, as
 * there.
 */
#include "key/internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *name, *old;
} variables[] = {
	[KEY_VARIABLE_PEM_PATH] = { "APPTAINER_ENCRYPTION_PEM_PATH",
				    "SINGULARITY_ENCRYPTION_PEM_PATH" },
	[KEY_VARIABLE_PEM_DATA] = { "APPTAINER_ENCRYPTION_PEM_DATA",
				    "SINGULARITY_ENCRYPTION_PEM_DATA" },
	[KEY_VARIABLE_PASSPHRASE] = { "APPTAINER_ENCRYPTION_PASSPHRASE",
				      "SINGULARITY_ENCRYPTION_PASSPHRASE" },
};
#define VARIABLES (sizeof(variables) / sizeof(variables[0]))

static bool any_new(void)
{
	for (size_t i = 0; i < VARIABLES; i++)
		if (getenv(variables[i].name))
			return true;
	return false;
}

static const char *old_value(enum key_variable which)
{
	const char *value = getenv(variables[which].old);
	return value && value[strspn(value, " \t\r\n")] ? value : NULL;
}

const char *key_variable(enum key_variable which, const char **ret_name)
{
	bool old = !any_new();
	if (ret_name)
		*ret_name = old ? variables[which].old : variables[which].name;
	return old ? old_value(which) : getenv(variables[which].name);
}

/* The words are those for the variables of options: runtime.md 17. */
void key_variable_note(enum key_variable which)
{
	const char *name = variables[which].name, *old = variables[which].old;
	const char *value = getenv(name), *other = old_value(which);
	if (other && !value)
		log_info("Environment variable %s is set, but %s is preferred", old, name);
	else if (other && strcmp(value, other) != 0)
		log_warning("%s and %s have different values, using the latter", old, name);
}

bool key_environment_set(void)
{
	for (size_t i = 0; i < VARIABLES; i++)
		if (getenv(variables[i].name) || old_value((enum key_variable)i))
			return true;
	return false;
}

/* In place: the kernel shows a process's first environment in /proc/PID/environ. A name may be
 * there twice, by a program's mistake. */
static void wipe_variable(const char *name)
{
	size_t len = strlen(name);
	for (char **e = environ; e && *e; e++) {
		if (!strncmp(*e, name, len) && (*e)[len] == '=')
			secret_wipe(*e + len + 1, strlen(*e + len + 1));
	}
	(void)unsetenv(name);
}

void key_environment_wipe(void)
{
	for (size_t i = 0; i < VARIABLES; i++) {
		wipe_variable(variables[i].name);
		wipe_variable(variables[i].old);
	}
}
