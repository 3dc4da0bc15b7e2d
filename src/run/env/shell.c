/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The image's shell that evaluates its environment scripts. They are written for Apptainer's own
 * interpreter, which takes bash's dialect: so it is the image's bash where there is one, and else
 * its /bin/sh. Whatever comes of it is the image's: the process has the rights of the payload, and
 * nothing that the payload does not get.
 */
#include "run/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define RESULT_LIMIT ((size_t)8 << 20)
#define NOT_STARTED "coffer-not-started "
#define STARTED "coffer-started\n"

static _Noreturn void become_shell(const struct run_plan *plan, const char *command,
				   const struct strings *variables, bool skip_bash, int result)
{
	/*
	 * Scripts are written for Apptainer's own interpreter, which takes bash's dialect: so the
	 * image's bash runs them where it has one. -p: no start-up file, no option of a variable's.
	 */
	static const char *const shells[] = { "/bin/bash", "/bin/sh" };
	const char *const argvs[2][5] = { { "bash", "-p", "-c", command, NULL },
					  { "sh", "-c", command, NULL } };
	char said[64];
	CLEANUP_ERROR struct error *unfiltered = NULL;
	if (run_filter_load(plan, &unfiltered) < 0)
		errno = EPERM; /* what nobody takes for an image without a shell */
	else if (result == RUN_RESULT_FD ? fcntl(result, F_SETFD, 0) == 0
					 : dup2(result, RUN_RESULT_FD) == RUN_RESULT_FD)
		for (int i = skip_bash; i < 2; i++)
			execve(shells[i], (char *const *)argvs[i], variables->items);
	/* Told apart from a script that ends with whatever status. */
	snprintf(said, sizeof(said), NOT_STARTED "%d", errno);
	(void)fd_write(result, said, strlen(said));
	_exit(127);
}

/* Runs it; *text is what it says of the environment. Returns its status or -1. */
static int ask(const struct run_plan *plan, const char *command, const struct strings *variables,
	       bool skip_bash, struct buffer *text, struct error **err)
{
	CLEANUP_FD int result = memfd_create("environment", MFD_CLOEXEC);
	if (result < 0)
		return error_errno(err, errno, "make room for the environment");
	CLEANUP_PROCESS struct process child = PROCESS_NONE;
	int r = process_fork(0, &child);
	if (r < 0)
		return error_errno(err, -r, "start the image's shell");
	if (r == 0)
		become_shell(plan, command, variables, skip_bash, result);
	int status = process_wait(&child);
	if (status < 0)
		return error_errno(err, -status, "wait for the image's shell");
	if (lseek(result, 0, SEEK_SET) < 0 ||
	    fd_read_all(result, RESULT_LIMIT, "the environment", text, err) < 0)
		return *err ? -1 : error_errno(err, errno, "read the environment");
	return status;
}

/* Whether the shell has begun; its mark is taken off the text. */
static bool take_mark(struct buffer *text)
{
	size_t len = strlen(STARTED);
	if (text->len < len || memcmp(text->data, STARTED, len) != 0)
		return false;
	text->len -= len;
	memmove(text->data, text->data + len, text->len + 1);
	return true;
}

int run_shell_ask(const struct run_plan *plan, const char *command, const struct strings *variables,
		  struct buffer *text, int *ret_errnum, struct error **err)
{
	*ret_errnum = 0;
	/* The first that it does is to say that it could be started: a script may end with 127. */
	CLEANUP_TEXT char *marked = text_printf(err, "echo %.*s >&%d; %s", (int)strlen(STARTED) - 1,
						STARTED, RUN_RESULT_FD, command);
	if (!marked)
		return -1;
	int status = ask(plan, marked, variables, false, text, err);
	/* A bash that lacks a library, for example; nothing has run yet. */
	if (status == 127 && !text->len)
		status = ask(plan, marked, variables, true, text, err);
	if (status >= 0 && !take_mark(text) && text->len &&
	    !strncmp(text->data, NOT_STARTED, strlen(NOT_STARTED)))
		*ret_errnum = (int)strtol(text->data + strlen(NOT_STARTED), NULL, 10);
	return status;
}
