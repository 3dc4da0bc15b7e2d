/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define COLUMNS_LEAST 40

/* What a person can do about an error whose maker did not know better. */
static const char *usual_hint(enum error_kind kind)
{
	switch (kind) {
	case ERROR_USAGE:
		return "see `coffer help` and the manual, coffer(1)";
	case ERROR_IO:
		return "check that the disk has room and that the file can be read and written";
	case ERROR_NOT_FOUND:
		return "check the name";
	case ERROR_EXISTS:
		return "choose another name, or move what is there away";
	case ERROR_SYSTEM:
		return "check the permissions, and what this system allows its users";
	case ERROR_MEMORY:
		return "free some memory or raise the limits (ulimit -a), then try again";
	case ERROR_DAMAGED:
		return "the file is damaged or was tampered with: get a fresh copy of it";
	case ERROR_UNSUPPORTED:
		return "the manual, coffer(1), tells what coffer can do";
	case ERROR_LIMIT:
		return "coffer allows nobody more, for its own safety; if this is not unusual, "
		       "please report that the limit is too low";
	case ERROR_KEY_MISSING:
		return "give the key: --passphrase, --pem-path=FILE, or one of the "
		       "APPTAINER_ENCRYPTION_ variables";
	case ERROR_KEY_INVALID:
		return "give a passphrase that is not empty, or the half of an RSA key that is "
		       "needed: the public one to build, the private one to run";
	case ERROR_KEY_WRONG:
		return "check that this is the key that the image was built with";
	case ERROR_POLICY:
		return "ask the administrator of this machine";
	case ERROR_COMMAND:
		return "what it printed above tells why";
	case ERROR_INTERNAL:
		return "this is a fault in coffer: please report it with the output of `coffer -d`";
	}
	return NULL;
}

/* Not an INFO line: it belongs to the line above, also with --quiet. */
static void say_hint(const char *hint)
{
	if (hint)
		log_plain("         ", "%s", hint);
}

int report_error(const struct error *e)
{
	const char *hint = error_hint_text(e);
	if (!hint)
		hint = usual_hint(error_kind(e));
	log_say(LOG_FATAL, "%s", error_message(e));
	say_hint(hint);
	int status = error_exit_status(e);
	return status ? status : EXIT_FATAL;
}

int report_usage(const struct command *command, const char *program, bool flag,
		 const struct error *e)
{
	struct error *err = NULL;
	CLEANUP_BUFFER struct buffer text = { 0 };
	bool global = command == &command_global;
	const char *hint = error_hint_text(e);
	log_plain("Error for command ", "\"%s\": %s", global ? program : command_word(command),
		  error_message(e));
	/* Whoever mistyped one option does not look for it in the list of all. */
	if (flag && dialect_is_own(program)) {
		log_plain("         ", "%s%s`%s %s%s--help` lists the options", hint ? hint : "",
			  hint ? " " : "", program, command->name, global ? "" : " ");
		return EXIT_USAGE;
	}
	if (!flag)
		say_hint(hint);
	dprintf(STDERR_FILENO, "\n");
	/* The status says it already: text that cannot be shown changes nothing. */
	if (help_usage_error(command, program, flag, &text, &err) < 0 ||
	    report_print(&text, &err) < 0)
		error_free(&err);
	return EXIT_USAGE;
}

int report_no_command(const struct command *group, const char *program, const char *word,
		      struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	const char *of = group ? group->name : "", *blank = group ? " " : "";
	const struct command *near = word ? table_near(group, word) : NULL;
	const struct command_missing *missing = word ? table_missing(group, word) : NULL;
	if (missing) {
		dprintf(STDERR_FILENO, "Error: \"%s %s%s%s\" is not supported by coffer\n", program,
			of, blank, word);
		if (missing->instead)
			say_hint(missing->instead);
		dprintf(STDERR_FILENO, "\n");
	} else if (word)
		dprintf(STDERR_FILENO, "Error: unknown command \"%s\" for \"%s%s%s\"\n\n", word,
			program, blank, of);
	if (near && !missing)
		dprintf(STDERR_FILENO, "Did you mean this?\n\t%s\n\n", command_word(near));
	if (help_main_usage(group, program, &text, err) < 0 || report_print(&text, err) < 0)
		return -1;
	return EXIT_USAGE;
}

static int write_out(const struct buffer *text, struct error **err)
{
	int r = text->len ? fd_write(STDOUT_FILENO, text->data, text->len) : 0;
	return r < 0 ? error_errno(err, -r, "write to standard output") : 0;
}

int report_piece(struct screen *screen, const struct buffer *text, struct error **err)
{
	CLEANUP_BUFFER struct buffer shown = { 0 };
	/* What a pipe or a file gets is data, and stays as it is. */
	if (!isatty(STDOUT_FILENO))
		return write_out(text, err);
	if (screen_put(screen, text->data, text->len, &shown, err) < 0)
		return -1;
	return write_out(&shown, err);
}

int report_end(struct screen *screen, struct error **err)
{
	CLEANUP_BUFFER struct buffer shown = { 0 };
	return screen_finish(screen, &shown, err) < 0 ? -1 : write_out(&shown, err);
}

int report_columns(void)
{
	struct winsize size;
	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_col)
		return HELP_COLUMNS;
	return size.ws_col < COLUMNS_LEAST ? COLUMNS_LEAST : size.ws_col;
}

int report_print(const struct buffer *text, struct error **err)
{
	struct screen screen = { .form = SCREEN_TEXT };
	return report_piece(&screen, text, err) < 0 ? -1 : report_end(&screen, err);
}
