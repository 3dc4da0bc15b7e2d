/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands/internal.h"
#include "cli/commands/registry/internal.h"
#include "cli/commands/request.h"
#include "cli/commands/run_options.h"
#include "instance/instance.h"

/* instance start and instance run: two endings of one road, as those of run, exec and shell. */

static int start(const struct invocation *in, enum run_action action, struct error **err)
{
	CLEANUP_RUN_REQUEST struct run_request r = { 0 };
	const char *name = in->arguments[1];
	struct run_audit audit;
	if (instance_check_name(name, err) < 0 || options_run(in, action, 2, &r, err) < 0 ||
	    run_audit_start(&r.config, r.image, r.key, action, &audit, err) < 0)
		return -1;
	const struct instance_wish wish = {
		.name = name,
		.pid_file = invocation_option(in, "pid-file")->text,
		.image = r.image,
		.key = &r.key,
		.wish = &r.wish,
		.audit = &audit,
	};
	if (instance_start(&wish, err) < 0)
		return options_explain_key(&r, err);
	log_info("instance started successfully");
	return 0;
}

static int run_start(const struct invocation *in, struct error **err)
{
	return start(in, RUN_START, err);
}

static int run_run(const struct invocation *in, struct error **err)
{
	return start(in, RUN_RUN, err);
}

#define OPTIONS_INSTANCE                                                                       \
	RUN_OPTIONS, OPTIONS_REGISTRY,                                                         \
		{ .name = "boot",                                                              \
		  .kind = OPTION_SWITCH,                                                       \
		  .variables = "BOOT",                                                         \
		  .support = OPTION_UNSUPPORTED,                                               \
		  .help = "not supported",                                                     \
		  .instead = "an instance has an init of coffer's own; have the start script " \
			     "start what it needs" },                                          \
		MISSING_("dmtcp-launch", 0, OPTION_TEXT, "name", "DMTCP_LAUNCH"),              \
		MISSING_("dmtcp-restart", 0, OPTION_TEXT, "name", "DMTCP_RESTART"),            \
		VALUE_("pid-file", 0, OPTION_TEXT, "file", "PID_FILE",                         \
		       "write the number of the instance's first process to this file")

#define DESCRIPTION_INSTANCE                                                              \
	"It runs in the background until `instance stop`, under a name by which others\n" \
	"join it: exec instance://NAME. The key of an encrypted container is needed\n"    \
	"now alone. What it prints goes to log files, which `instance list --logs`\n"     \
	"names. It always has a PID namespace and an init process.\n"

static const struct option start_options[] = { OPTIONS_INSTANCE, OPTION_HELP, { 0 } };

const struct command cli_instance_start = {
	.name = "instance start",
	.summary = "Start a container that goes on in the background",
	.usage = "instance start [start options...] <container> <name> [args...]",
	.description = "Starts an instance of a container, and in it the container's start "
		       "script.\n" DESCRIPTION_INSTANCE,
	.examples = "$ %s instance start --pem-path=rsa_pri.pem secret.sif web\n"
		    "$ %s exec instance://web ps\n"
		    "$ %s instance stop web\n",
	.options = start_options,
	.min_arguments = 2,
	.max_arguments = -1,
	.image = true,
	.run = run_start,
};

static const struct option run_options[] = {
	OPTIONS_INSTANCE,
	INSTEAD_("runscript-timeout", OPTION_TEXT, "time", "RUNSCRIPT_TIMEOUT",
		 "leave it out: scripts of the image have no limit of time of their own; `timeout` "
		 "ends a command"),
	OPTION_HELP,
	{ 0 },
};

const struct command cli_instance_run = {
	.name = "instance run",
	.summary = "The same, with the container's run script",
	.usage = "instance run [run options...] <container> <name> [args...]",
	.description = "Starts an instance of a container, and in it the container's run "
		       "script.\n" DESCRIPTION_INSTANCE,
	.examples = "$ %s instance run --passphrase secret.sif web 8080\n",
	.options = run_options,
	.min_arguments = 2,
	.max_arguments = -1,
	.image = true,
	.run = run_run,
};
