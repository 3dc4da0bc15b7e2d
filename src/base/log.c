/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int shown_level = LOG_INFO;
static bool coloured;

void log_set_level(int level)
{
	shown_level = level;
}

int log_get_level(void)
{
	return shown_level;
}

void log_set_colour(bool on)
{
	coloured = on;
}

void log_say(enum log_level level, const char *fmt, ...)
{
	static const struct {
		enum log_level level;
		const char *label;
		int colour;
	} labels[] = {
		{ LOG_FATAL, "FATAL:", 31 },	 { LOG_ERROR, "ERROR:", 31 },
		{ LOG_WARNING, "WARNING:", 33 }, { LOG_INFO, "INFO:", 34 },
		{ LOG_VERBOSE, "VERBOSE:", 0 },	 { LOG_DEBUG, "DEBUG:", 0 },
	};
	if (level > shown_level)
		return;
	size_t i = 0;
	while (labels[i].level != level)
		i++;
	va_list ap;
	va_start(ap, fmt);
	char *text = NULL;
	int len = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (len < 0)
		return;
	text_defuse(text, strlen(text));
	/* One write a line, so that lines of several processes do not mix. */
	if (coloured && labels[i].colour)
		dprintf(STDERR_FILENO, "\033[%dm%-8s\033[0m %s\n", labels[i].colour,
			labels[i].label, text);
	else
		dprintf(STDERR_FILENO, "%-8s %s\n", labels[i].label, text);
	free(text);
}
