/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands/internal.h"

#include <string.h>

#include "config/config.h"
#include "run/run.h"

#include "config.h"

/* config: what an administrator wants to know of coffer.conf. */

const struct command cli_config = {
	.name = "config",
	.summary = "Check the site's configuration",
	.usage = "config <subcommand>",
	.description = "Checks coffer.conf, the file in which the administrator says what %s\n"
		       "allows on this machine.\n",
	.options = options_help_only,
	.max_arguments = -1,
	.group = true,
};

static void report(void *context, const struct error *fault)
{
	(void)context;
	log_say(LOG_ERROR, "%s", error_message(fault));
}

static int run_check(const struct invocation *in, struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	CLEANUP_CONFIG struct config config = { 0 }, read = { 0 };
	const char *path = in->argument_count ? in->arguments[0]
			   : in->config	      ? in->config
					      : COFFER_CONFIG_FILE;
	int faults = config_default(&read, err);
	if (faults == 0)
		faults = config_check(&read, path, report, NULL, err);
	if (faults < 0)
		return -1;
	struct error *fault CLEANUP_ERROR = NULL;
	if (run_policy_profile(&read, &fault) < 0) {
		report(NULL, fault);
		faults++;
	}
	/* All else that a run would stumble over: owner, mode, what would loosen the site's. */
	if (!faults && !in->argument_count && settings_read_config(in, &config, err) < 0)
		return -1;
	if (!faults && buffer_printf(&text, err, "%s: OK\n", path) < 0)
		return -1;
	return faults ? 1 : report_print(&text, err);
}

const struct command cli_config_check = {
	.name = "config check",
	.summary = "Check a configuration file",
	.usage = "config check [file]",
	.description =
		"Reads the file, or the site's own, as a run would, and says OK, or what is\n"
		"wrong with each line: names that are no directive, values that are none of\n"
		"its own, and what %s cannot obey. While the site's own file has a\n"
		"fault nothing is run or built. So it is with the profile of system calls\n"
		"that it may name. Its owner and mode are checked for the\n"
		"site's own file and that of --config; a file that is named here may be a\n"
		"draft. The exit status is 0 when all is well and 1 when a line is at\n"
		"fault.\n",
	.examples = "$ %s config check\n"
		    "$ %s config check draft.conf\n",
	.options = options_help_only,
	.max_arguments = 1,
	.run = run_check,
};

/* For the check that compares the manual and the sample with the code. */
static int run_table(const struct invocation *in, struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	(void)in;
	if (config_print_directives(&text, err) < 0)
		return -1;
	return report_print(&text, err);
}

const struct command cli_directive_table = {
	.name = "directive-table",
	.summary = "Print the table of directives",
	.usage = "directive-table",
	.description = "One line a directive of coffer.conf: name, effect, default.\n",
	.options = options_help_only,
	.hidden = true,
	.run = run_table,
};
