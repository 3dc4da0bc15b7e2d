/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands/internal.h"

#include "cli/commands/registry/internal.h"
#include "cli/commands/request.h"
#include "cli/commands/run_options.h"
#include "instance/instance.h"

/* run, exec, shell and test: one road with four endings. */

/* In an instance of that name. */
static int join(const struct invocation *in, const char *name, enum run_action action,
		struct error **err)
{
	CLEANUP_RUN_REQUEST struct run_request r = { 0 };
	int status = 0;
	if (options_join(in, action, &r, err) < 0)
		return -1;
	return instance_join(name, &r.wish, &status, err) < 0 ? -1 : status;
}

static int start(const struct invocation *in, enum run_action action, struct error **err)
{
	CLEANUP_RUN_REQUEST struct run_request r = { 0 };
	const char *instance = instance_of_uri(in->arguments[0]);
	struct run_audit audit;
	int status = 0;
	if (instance)
		return join(in, instance, action, err);
	if (options_run(in, action, 1, &r, err) < 0 ||
	    run_audit_start(&r.config, r.image, r.key, action, &audit, err) < 0)
		return -1;
	int failed = run_container(r.image, &r.key, &r.wish, &status, err);
	run_audit_end(&audit, status, failed < 0 ? *err : NULL);
	return failed < 0 ? options_explain_key(&r, err) : status;
}

static int run_exec(const struct invocation *in, struct error **err)
{
	return start(in, RUN_EXEC, err);
}

static int run_run(const struct invocation *in, struct error **err)
{
	return start(in, RUN_RUN, err);
}

static int run_shell(const struct invocation *in, struct error **err)
{
	if (in->argument_count > 1)
		log_warning("Parameters to shell command are ignored");
	return start(in, RUN_SHELL, err);
}

static int run_test(const struct invocation *in, struct error **err)
{
	return start(in, RUN_TEST, err);
}

#define DESCRIPTION_IMAGE                                                                  \
	"The container is a SIF image, plain or encrypted, a bare squashfs image, or a\n"  \
	"sandbox (a folder). An encrypted one needs its key; the first of these counts:\n" \
	"--pem-path, --passphrase, and the variables APPTAINER_ENCRYPTION_PEM_PATH,\n"     \
	"APPTAINER_ENCRYPTION_PEM_DATA and APPTAINER_ENCRYPTION_PASSPHRASE.\n"             \
	"Options stand before the container: what follows it belongs to the command.\n"

static const struct option exec_options[] = { RUN_OPTIONS, OPTIONS_REGISTRY, OPTION_HELP, { 0 } };

const struct command cli_exec = {
	.name = "exec",
	.summary = "Run a command in a container",
	.usage = "exec [exec options...] <container> <command>",
	.description = DESCRIPTION_IMAGE,
	.examples = "$ %s exec image.sif cat /etc/os-release\n"
		    "$ %s exec --passphrase secret.sif ls /\n"
		    "$ %s exec --bind /data secret.sif ls /data\n",
	.options = exec_options,
	.min_arguments = 2,
	.max_arguments = -1,
	.image = true,
	.run = run_exec,
};

static const struct option run_options[] = {
	RUN_OPTIONS,
	OPTIONS_REGISTRY,
	INSTEAD_("runscript-timeout", OPTION_TEXT, "time", "RUNSCRIPT_TIMEOUT",
		 "leave it out: scripts of the image have no limit of time of their own; `timeout` "
		 "ends a command"),
	OPTION_HELP,
	{ 0 },
};

const struct command cli_run = {
	.name = "run",
	.summary = "Run the container's own command",
	.usage = "run [run options...] <container> [args...]",
	.description = "Runs the runscript that the container was built with.\n" DESCRIPTION_IMAGE,
	.examples = "$ %s run image.sif one two\n"
		    "$ %s run --pem-path=rsa_pri.pem secret.sif\n",
	.options = run_options,
	.min_arguments = 1,
	.max_arguments = -1,
	.image = true,
	.run = run_run,
};

static const struct option shell_options[] = {
	RUN_OPTIONS,
	OPTIONS_REGISTRY,
	TEXT_TO_("shell", 's', "path", "SHELL", struct run_wish, shell,
		 "the shell's path in the container"),
	OPTION_HELP,
	{ 0 },
};

const struct command cli_shell = {
	.name = "shell",
	.summary = "Start a shell in a container",
	.usage = "shell [shell options...] <container>",
	.description = DESCRIPTION_IMAGE,
	.examples = "$ %s shell --passphrase secret.sif\n",
	.options = shell_options,
	.min_arguments = 1,
	.max_arguments = -1,
	.image = true,
	.run = run_shell,
};

static const struct option test_options[] = { RUN_OPTIONS, OPTIONS_REGISTRY, OPTION_HELP, { 0 } };

const struct command cli_test = {
	.name = "test",
	.summary = "Run the container's own tests",
	.usage = "test [test options...] <container> [args...]",
	.description =
		"Runs the %%test section that the container was built with.\n" DESCRIPTION_IMAGE,
	.examples = "$ %s test image.sif\n",
	.options = test_options,
	.min_arguments = 1,
	.max_arguments = -1,
	.image = true,
	.run = run_test,
};
