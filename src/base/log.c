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

/*
 * One line, in one write as long as it has not more than a pipe takes whole, so that lines of
 * several processes do not mix. Without an allocation: that memory ran out has to be said, too.
 */
struct line {
	char text[4096]; /* PIPE_BUF */
	size_t len;
};

static void line_flush(struct line *l)
{
	/* Nobody is left to tell when it fails. */
	(void)fd_write(STDERR_FILENO, l->text, l->len);
	l->len = 0;
}

static void line_add(struct line *l, const char *text, size_t len)
{
	if (len > sizeof(l->text) - l->len)
		line_flush(l);
	memcpy(l->text + l->len, text, len);
	l->len += len;
}

/* The label is ours; of the words, a part may be a stranger's. */
static void say(const char *label, const char *fmt, va_list ap)
{
	char *words = NULL, out[SCREEN_STEP_MAX];
	struct line l = { 0 };
	struct screen s = { .form = SCREEN_LINE };
	if (vasprintf(&words, fmt, ap) < 0)
		return;
	line_add(&l, label, strlen(label));
	for (const char *at = words; *at; at++)
		line_add(&l, out, screen_step(&s, (unsigned char)*at, out));
	line_add(&l, out, screen_end(&s, out));
	line_add(&l, "\n", 1);
	line_flush(&l);
	free(words);
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
	char label[32];
	if (level > shown_level)
		return;
	size_t i = 0;
	while (labels[i].level != level)
		i++;
	if (coloured && labels[i].colour)
		snprintf(label, sizeof(label), "\033[%dm%-8s\033[0m ", labels[i].colour,
			 labels[i].label);
	else
		snprintf(label, sizeof(label), "%-8s ", labels[i].label);
	va_list ap;
	va_start(ap, fmt);
	say(label, fmt, ap);
	va_end(ap);
}

void log_plain(const char *label, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	say(label, fmt, ap);
	va_end(ap);
}
