/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_BASE_SCREEN_H
#define COFFER_BASE_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

/*
 * What stands between a stranger's bytes and a terminal or a log. An image chooses its names,
 * labels, scripts and much of what is said of it in errors; a terminal obeys bytes (title, colours,
 * keys that type themselves), and who reads a log believes lines. There is one filter, this one,
 * and it works byte by byte: its state goes on where one piece of a text ends and the next one
 * begins, so that it does not matter where a text is cut.
 *
 * Printable UTF-8 passes, and tabs. Everything else is shown by its number: a byte as \x1b (a
 * control, or no UTF-8: a C1 control alone is none), a character as \u{202e} (C1 controls, what
 * turns the direction of writing, separators of lines, and what is invisible).
 */
enum screen_form {
	SCREEN_TEXT, /* of many lines: \n passes */
	SCREEN_LINE, /* one line, whatever is in it: \n is shown as \n in two characters */
};

/* All zeros at the beginning. */
struct screen {
	enum screen_form form;
	unsigned char held[4]; /* the beginning of a character */
	unsigned held_len;
};

/* The most that comes of one byte: three that were held and itself, each as \xNN. */
#define SCREEN_STEP_MAX 16

/* Takes one byte; writes what may be shown by now to `out` and returns how much that is. */
size_t screen_step(struct screen *s, unsigned char byte, char out[SCREEN_STEP_MAX]);
/* At the end of the text: what was held is no character. */
size_t screen_end(struct screen *s, char out[SCREEN_STEP_MAX]);

/* A piece of the text, appended to *ret. screen_finish shows what was held. */
int screen_put(struct screen *s, const char *text, size_t len, struct buffer *ret,
	       struct error **err);
int screen_finish(struct screen *s, struct buffer *ret, struct error **err);
/* A whole text in that form. */
int screen_show(enum screen_form form, const char *text, size_t len, struct buffer *ret,
		struct error **err);

#endif
