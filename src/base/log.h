/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_BASE_LOG_H
#define COFFER_BASE_LOG_H

#include <stdbool.h>

/*
 * Messages to the person, on standard error: "INFO:    text". Labels, numbers and form are
 * Apptainer's (cli-messages, section 1), so that scripts keep working. FATAL and ERROR lines are
 * written by cli/ from an error object; other folders say only what is said here.
 * Never give these a secret or a text that may hold one. Words may be an image's: each call makes
 * one line, whatever is in them, and nothing that steers a terminal (base/screen.h).
 */
enum log_level {
	LOG_FATAL = -4,
	LOG_ERROR = -3,
	LOG_WARNING = -2,
	LOG_INFO = 1,
	LOG_VERBOSE = 4,
	LOG_DEBUG = 5,
};

/* What is shown: this level and the more severe ones. The default is LOG_INFO. */
void log_set_level(int level);
int log_get_level(void);
/* Whether labels are coloured; the default is no. */
void log_set_colour(bool on);

/* Writes the line where its level is shown. Words in printf style, without a newline. */
void log_say(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A line that begins with `label` as it is given (up to 64 bytes, ours), at every level. */
void log_plain(const char *label, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#define log_info(...) log_say(LOG_INFO, __VA_ARGS__)
#define log_warning(...) log_say(LOG_WARNING, __VA_ARGS__)
#define log_verbose(...) log_say(LOG_VERBOSE, __VA_ARGS__)
#define log_debug(...) log_say(LOG_DEBUG, __VA_ARGS__)

#endif
