/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/words/internal.h"

#include <stdlib.h>
#include <string.h>

/* What a command asks of the options that it was given. */

const struct option_value *invocation_option(const struct invocation *in, const char *name)
{
	for (size_t i = 0; in->command->options[i].name; i++)
		if (!strcmp(in->command->options[i].name, name))
			return &in->values[i];
	abort();
}

void invocation_fill(const struct invocation *in, void *wish)
{
	const struct option *o = in->command->options;
	for (size_t i = 0; o[i].name; i++) {
		void *member = (char *)wish + o[i].into;
		if (!o[i].into)
			continue;
		switch (o[i].kind) {
		case OPTION_SWITCH:
			*(bool *)member = in->values[i].on;
			break;
		case OPTION_TEXT:
			*(const char **)member = in->values[i].text;
			break;
		case OPTION_ARRAY:
		case OPTION_LIST:
		case OPTION_MAP:
			*(struct strings *)member = in->values[i].list;
			break;
		case OPTION_INT:
		case OPTION_INT32:
		case OPTION_UINT32:
			abort(); /* no wish has such a member */
		}
	}
}
