/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cli/internal.h"
#include "os/os.h"
#include "serve/serve.h"

/*
 * Called by the name apptainer or singularity it is the same program: only the name in messages
 * changes, and what `--version` prints begins as scripts expect it.
 */

#ifdef __SANITIZE_ADDRESS__
/* LeakSanitizer traces the process at its end, which this one forbids; the unit tests look for
 * leaks. */
const char *__asan_default_options(void) __attribute__((visibility("default")));
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

/* A closed standard descriptor would be given to the next file opened, and messages written there.
 */
static int hold_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		/* The lowest free number is given out, and those below fd are taken. */
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return -1;
	}
	return 0;
}

/*
 * True when the file of this program lends its callers what they do not have: a set-user-id bit,
 * or capabilities. Nothing here is written to withstand a caller, who chooses paths, variables,
 * and descriptors.
 */
static bool lends_privileges(void)
{
	if (getuid() != geteuid() || getgid() != getegid())
		return true;
	/* Set for less than that, too: by a policy of SELinux or AppArmor, for example. */
	if (!getauxval(AT_SECURE) || geteuid() == 0)
		return false;
	return process_has_capabilities();
}

static void go_on(int number)
{
	(void)number;
}

/*
 * What grows a file over the limit of its size (ulimit -f) shall fail by an error that says so, and
 * not end by SIGXFSZ without a word. A handler and not SIG_IGN: exec takes it away, so that
 * payloads and the programs of a build find the signal as our caller had it.
 */
static void outlive_size_limit(void)
{
	struct sigaction now, action = { .sa_handler = go_on, .sa_flags = SA_RESTART };
	if (sigaction(SIGXFSZ, NULL, &now) == 0 && now.sa_handler == SIG_DFL)
		(void)sigaction(SIGXFSZ, &action, NULL);
}

static int refuse_privileges(const char *argv0)
{
	CLEANUP_ERROR struct error *err = NULL;
	error_set(&err, ERROR_POLICY, "%s must not be set-user-id, nor have capabilities",
		  argv0 ? argv0 : "coffer");
	error_hint(&err, "it needs neither: as root, chmod ug-s the file, and setcap -r");
	return report_error(err);
}

static int print_version(const char *program, struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	if (buffer_printf(&text, err, "%s version %s\n", dialect_calls_itself(program),
			  dialect_version(program)) < 0)
		return -1;
	return report_print(&text, err);
}

static int print_help(const struct command *command, const char *program, struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	if (help_command(command, program, &text, err) < 0)
		return -1;
	return report_print(&text, err);
}

/* Errors of words alone, before the command is begun. */
static int usage_or_fatal(const struct command *command, const char *program, bool flag,
			  struct error **err)
{
	if (error_kind(*err) != ERROR_USAGE)
		return -1;
	int status = report_usage(command, program, flag, *err);
	error_free(err);
	return status;
}

/* A value that is wrong: where the command's values are told. */
static int hint_of_usage(const struct command *command, const char *program, struct error **err)
{
	/* A group of commands is told of on one page. */
	const int word = (int)strcspn(command->name, " ");
	return error_kind(*err) == ERROR_USAGE
		       ? error_hint(err, "see `%s help %s` and the manual, coffer-%.*s(1)", program,
				    command->name, word, command->name)
		       : -1;
}

static int run_command(const struct command *command, const char *const *words,
		       const struct invocation *global, struct error **err)
{
	CLEANUP_INVOCATION struct invocation in = { 0 };
	if (parse_words(command, words, &in, err) < 0)
		return usage_or_fatal(command, global->program, true, err);
	in.program = global->program;
	in.config = global->config;
	if (command->group || invocation_option(&in, "help")->on)
		return print_help(command, in.program, err);
	if (parse_check_arguments(&in, err) < 0)
		return usage_or_fatal(command, in.program, false, err);
	if (settings_check_support(&in, err) < 0 || settings_apply_variables(&in, err) < 0)
		return hint_of_usage(command, in.program, err);
	int status = command->run(&in, err);
	if (status < 0 && command->usage_errors) {
		status = report_usage(command, in.program, false, *err);
		error_free(err);
	}
	return status < 0 ? hint_of_usage(command, in.program, err) : status;
}

static int run_program(const char *const *argv, struct error **err)
{
	CLEANUP_INVOCATION struct invocation global = { 0 };
	const char *program = dialect_program(argv[0]);
	help_set_columns(report_columns());
	size_t words;
	if (parse_words(&command_global, argv + (argv[0] != NULL), &global, err) < 0)
		return usage_or_fatal(&command_global, program, true, err);
	global.program = program;
	if (invocation_option(&global, "help")->on)
		return print_help(&command_global, program, err);
	if (invocation_option(&global, "version")->on)
		return print_version(program, err);
	if (!global.argument_count)
		return report_no_command(NULL, program, NULL, err);
	const struct command *command = table_find(global.arguments, &words);
	if (!command)
		return report_no_command(NULL, program, global.arguments[0], err);
	/* Before its options are looked at, of which coffer knows none. */
	const char *next = command->group ? global.arguments[words] : NULL;
	if (next && next[0] != '-')
		return report_no_command(command, program, next, err);
	if (settings_apply_global(&global, err) < 0)
		return -1;
	return run_command(command, global.arguments + words, &global, err);
}

int main(int argc, char **argv)
{
	CLEANUP_ERROR struct error *err = NULL;
	(void)argc;
	/* Of a program in a cell, which has nothing that the rest of this one needs. */
	if (serve_ext_is_helper(argv[0]))
		return serve_ext_help();
#ifdef COFFER_PORTABLE
	/* It is the linker of its own C library that has been executed: dist/portable/coffer.c. */
	(void)prctl(PR_SET_NAME, "coffer");
	account_take_files_alone();
#endif
	if (hold_standard_descriptors() < 0)
		return EXIT_FATAL;
	if (lends_privileges())
		return refuse_privileges(argv[0]);
	/* Where a caller has it ignored, children end without a status to wait for. */
	(void)signal(SIGCHLD, SIG_DFL);
	outlive_size_limit();
	int status = run_program((const char *const *)argv, &err);
	return err ? report_error(err) : status;
}
