/* SPDX-License-Identifier: Apache-2.0 */
#include "run/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Reaps whoever has ended. Returns the payload's status once it was it, else -1. */
static int reap(pid_t payload)
{
	int status, result = -1;
	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
		if (pid == payload)
			result = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	}
	return result;
}

/*
 * Where the kernel reads our command line from (proc(5): fields 48 and 49 of stat). It names files
 * of the host and is everybody's to read inside, where we stay as pid 1.
 */
static char *words;
static size_t words_len;

void run_init_find_words(void)
{
	CLEANUP_ERROR struct error *ignored = NULL;
	CLEANUP_BUFFER struct buffer text = { 0 };
	if (fd_read_file(AT_FDCWD, "/proc/self/stat", 4096, &text, &ignored) < 0 || !text.len)
		return;
	/* The name of the program, field 2, may hold anything; no later field has a bracket. */
	char *at = strrchr(text.data, ')');
	for (int field = 2; at && field < 48; field++)
		at = strchr(at + 1, ' ');
	uintptr_t start = at ? strtoul(at, &at, 10) : 0;
	uintptr_t end = at ? strtoul(at, &at, 10) : 0;
	if (start && start < end) {
		words = (char *)start; /* the kernel's own */
		words_len = end - start;
	}
}

/* What a terminal would say to the group, it says to the command alone in a session of its own. */
static void pass_on(const struct run_plan *plan, pid_t payload, int sig)
{
	bool all = plan->own_session &&
		   (sig == SIGINT || sig == SIGQUIT || sig == SIGTSTP || sig == SIGCONT);
	/* Nobody of its session could let the group go on: the kernel ignores SIGTSTP there. */
	if (plan->own_session && sig == SIGTSTP)
		sig = SIGSTOP;
	if (!all || kill(-payload, sig) < 0)
		(void)kill(payload, sig);
}

static _Noreturn void serve(const struct run_plan *plan, pid_t payload, const sigset_t *set)
{
	prctl(PR_SET_NAME, "appinit");
	if (words) {
		memset(words, 0, words_len);
		(void)snprintf(words, words_len, "appinit");
	}
	/* What the payload has open shall end with it: a pipe to the caller, for example. */
	(void)close_range(3, ~0U, 0);
	for (;;) {
		siginfo_t info;
		int sig = sigwaitinfo(set, &info);
		if (sig == SIGCHLD) {
			int status = reap(payload);
			/* The kernel ends whoever is left when pid 1 has gone. */
			if (status >= 0)
				_exit(status);
		} else if (sig > 0 && info.si_code != SI_KERNEL) {
			/* What the terminal sends, it sends to the payload, too. */
			pass_on(plan, payload, sig);
		}
	}
}

int run_init(const struct run_plan *plan, struct error **err)
{
	sigset_t all, before;
	sigfillset(&all);
	/* Pid 1 hears only what it waits for: blocked, a signal is kept for it. */
	sigprocmask(SIG_BLOCK, &all, &before);
	struct process payload = PROCESS_NONE;
	int r = process_fork(0, &payload);
	if (r < 0)
		return error_errno(err, -r, "start the container's first process");
	if (r > 0)
		serve(plan, payload.pid, &all);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return 0;
}
