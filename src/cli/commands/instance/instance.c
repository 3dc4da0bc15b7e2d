/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "cli/commands/internal.h"
#include "cli/commands/run_options.h"
#include "instance/instance.h"
#include "json/json.h"

/* instance: the group, and what is done with those that run: runtime.md 15. */

const struct command cli_instance = {
	.name = "instance",
	.summary = "Containers that go on in the background",
	.usage = "instance <subcommand>",
	.description =
		"An instance is a container with a name, which goes on when the command that\n"
		"has started it ends. run, exec and shell join it as instance://NAME.\n",
	.options = options_help_only,
	.max_arguments = -1,
	.group = true,
};

#define OPTION_USER \
	VALUE_("user", 'u', OPTION_TEXT, "name", "USER", "root only: the instances of this user")

/* Those that the pattern (NULL: all) and --user name. doing: "list" */
static int find(const struct invocation *in, const char *pattern, const char *doing,
		struct instances *ret, struct error **err)
{
	const char *user = invocation_option(in, "user")->text;
	if (user && geteuid() != 0) {
		error_set(err, ERROR_POLICY, "Only root user can %s user's instances", doing);
		return error_hint(err, "leave --user out: your own are meant then");
	}
	return instance_list(user && *user ? user : NULL, pattern, ret, err);
}

/* ------------------------------------------------------------------ list */

/* Columns of a table, as Go's tabwriter lays them out: four blanks behind the longest. */
static int put_table(struct buffer *text, const char *const *cells, size_t rows, size_t columns,
		     struct error **err)
{
	for (size_t r = 0; r < rows; r++) {
		for (size_t c = 0; c + 1 < columns; c++) {
			size_t width = 0;
			for (size_t k = 0; k < rows; k++) {
				size_t len = strlen(cells[k * columns + c]);
				width = len > width ? len : width;
			}
			if (buffer_printf(text, err, "%-*s", (int)width + 4,
					  cells[r * columns + c]) < 0)
				return -1;
		}
		if (buffer_printf(text, err, "%s\n", cells[r * columns + columns - 1]) < 0)
			return -1;
	}
	return 0;
}

/* One list of texts for all cells: the first row is the head. */
static int put_cells(const struct instances *all, bool logs, struct strings *cells,
		     struct error **err)
{
	static const char *const heads[2][4] = { { "INSTANCE NAME", "PID", "IP", "IMAGE" },
						 { "INSTANCE NAME", "PID", "LOGS", NULL } };
	for (size_t i = 0; i < 4 && heads[logs][i]; i++)
		if (strings_add(cells, heads[logs][i], err) < 0)
			return -1;
	for (size_t i = 0; i < all->len; i++) {
		const struct instance *one = &all->items[i];
		if (strings_add(cells, one->name, err) < 0 ||
		    strings_addf(cells, err, "%d", (int)one->init) < 0 ||
		    strings_add(cells, logs ? one->err : "", err) < 0 ||
		    (!logs && strings_add(cells, one->image, err) < 0))
			return -1;
		for (size_t blank = 0; logs && blank < 2; blank++)
			if (strings_add(cells, "", err) < 0)
				return -1;
		if (logs && strings_add(cells, one->out, err) < 0)
			return -1;
	}
	return 0;
}

static int put_member(struct buffer *text, const char *name, const char *value, const char *end,
		      struct error **err)
{
	return buffer_printf(text, err, "\t\t\t\"%s\": ", name) < 0 ||
			       json_put_string(text, value, strlen(value), err) < 0
		       ? -1
		       : buffer_puts(text, end, err);
}

static int put_json(const struct instances *all, struct buffer *text, struct error **err)
{
	if (buffer_puts(text, all->len ? "{\n\t\"instances\": [\n" : "{\n\t\"instances\": []\n}\n",
			err) < 0)
		return -1;
	for (size_t i = 0; i < all->len; i++) {
		const struct instance *one = &all->items[i];
		if (buffer_puts(text, "\t\t{\n", err) < 0 ||
		    put_member(text, "instance", one->name, ",\n", err) < 0 ||
		    buffer_printf(text, err, "\t\t\t\"pid\": %d,\n", (int)one->init) < 0 ||
		    put_member(text, "img", one->image, ",\n", err) < 0 ||
		    put_member(text, "ip", "", ",\n", err) < 0 ||
		    put_member(text, "logErrPath", one->err, ",\n", err) < 0 ||
		    put_member(text, "logOutPath", one->out, "\n", err) < 0 ||
		    buffer_puts(text, i + 1 < all->len ? "\t\t},\n" : "\t\t}\n\t]\n}\n", err) < 0)
			return -1;
	}
	return 0;
}

static int run_list(const struct invocation *in, struct error **err)
{
	CLEANUP_INSTANCES struct instances all = { 0 };
	CLEANUP_STRINGS struct strings cells = { 0 };
	CLEANUP_BUFFER struct buffer text = { 0 };
	bool logs = invocation_on(in, "logs"), json = invocation_on(in, "json");
	const size_t columns = logs ? 3 : 4;
	if (logs && json) {
		error_set(err, ERROR_USAGE, "more than one flags have been set");
		return error_hint(err, "--json tells of the logs, too: leave --logs out");
	}
	if (find(in, in->arguments[0], "list", &all, err) < 0)
		return -1;
	if (json)
		return put_json(&all, &text, err) < 0 ? -1 : report_print(&text, err);
	if (put_cells(&all, logs, &cells, err) < 0 ||
	    put_table(&text, (const char *const *)cells.items, cells.len / columns, columns, err) <
		    0)
		return -1;
	return report_print(&text, err);
}

static const struct option list_options[] = {
	SWITCH_("all", 'a', "ALL", "all of them: no pattern does the same"),
	SWITCH_("json", 'j', "JSON", "as JSON"),
	SWITCH_("logs", 'l', "LOGS", "the log files in place of addresses and images"),
	OPTION_USER,
	OPTION_HELP,
	{ 0 },
};

const struct command cli_instance_list = {
	.name = "instance list",
	.summary = "List the instances that run",
	.usage = "instance list [list options...] [<pattern>]",
	.description =
		"Lists the instances of the user on this machine whose names match a pattern\n"
		"of the shell's.\n",
	.examples = "$ %s instance list\n"
		    "$ %s instance list --json 'web*'\n",
	.options = list_options,
	.max_arguments = 1,
	.run = run_list,
};

/* ------------------------------------------------------------------ stop */

/* "SIGTERM", "term" or "15"; -1: none. */
static int signal_number(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);
	if (end != text && !*end)
		return n > 0 && n < NSIG ? (int)n : -1;
	if (!strncasecmp(text, "SIG", 3))
		text += 3;
	for (int i = 1; i < NSIG; i++) {
		const char *name = sigabbrev_np(i);
		if (name && !strcasecmp(name, text))
			return i;
	}
	return -1;
}

static int choose_signal(const struct invocation *in, int *ret, struct error **err)
{
	const char *text = invocation_option(in, "signal")->text;
	*ret = invocation_on(in, "force") ? SIGKILL : SIGINT;
	if (invocation_on(in, "force") || !text || !*text)
		return 0;
	*ret = signal_number(text);
	if (*ret > 0)
		return 0;
	error_set(err, ERROR_USAGE, "failed to convert stop signal: %s is no signal", text);
	return error_hint(err, "give its name or number: --signal TERM");
}

static int run_stop(const struct invocation *in, struct error **err)
{
	CLEANUP_INSTANCES struct instances all = { 0 };
	const struct option_value *timeout = invocation_option(in, "timeout");
	const char *pattern = invocation_on(in, "all") ? NULL : in->arguments[0];
	long seconds = timeout->set ? timeout->number : 10;
	int sig, status = 0;
	if (!invocation_on(in, "all") && !pattern)
		return error_set(err, ERROR_USAGE, "invalid command");
	if (choose_signal(in, &sig, err) < 0 || find(in, pattern, "stop", &all, err) < 0)
		return -1;
	if (!all.len)
		return error_set(err, ERROR_NOT_FOUND, "no instance found");
	for (size_t i = 0; i < all.len; i++) {
		CLEANUP_ERROR struct error *failed = NULL;
		if (instance_stop(&all.items[i], sig, seconds, &failed) == 0)
			continue;
		status = report_error(failed);
	}
	return status;
}

static const struct option stop_options[] = {
	SWITCH_("all", 'a', "ALL", "stop all of them"),
	SWITCH_("force", 'F', "FORCE", "kill them at once"),
	VALUE_("signal", 's', OPTION_TEXT, "signal", "SIGNAL",
	       "send this signal, by name or number, in place of SIGINT"),
	VALUE_("timeout", 't', OPTION_INT, "seconds", NULL,
	       "kill what has not ended after so many seconds: 10"),
	OPTION_USER,
	OPTION_HELP,
	{ 0 },
};

const struct command cli_instance_stop = {
	.name = "instance stop",
	.summary = "End instances",
	.usage = "instance stop [stop options...] [<pattern>]",
	.description =
		"Sends the group of the first process a signal, and waits until all that is in\n"
		"the instance has ended. What does not end is killed.\n",
	.examples = "$ %s instance stop web\n"
		    "$ %s instance stop --signal TERM --timeout 30 'web*'\n",
	.options = stop_options,
	.max_arguments = 1,
	.usage_errors = true,
	.run = run_stop,
};
