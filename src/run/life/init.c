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

/* What pid 1 knows of its children. */
struct family {
	pid_t payload;
	int status;   /* the payload's, once it has ended; else -1 */
	bool alone;   /* nobody is left */
	bool leaving; /* of an instance: it shall end with the last of them */
};

/* Reaps whoever has ended. */
static void reap(struct family *f)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == f->payload)
			f->status =
				WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	}
	f->alone = pid < 0 && errno == ECHILD;
}

/*
 * Where the kernel reads our command line from (proc(5): fields 48 and 49 of stat). It names files
 * of the host and is everybody's to read inside, where we stay as pid 1.
 */
static char *words;
static size_t words_len;

void run_init_find_words(void)
{
	uint64_t at[2];
	if (!process_stat(0, 48, at, 2))
		return;
	uintptr_t start = at[0], end = at[1];
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

/*
 * A signal for an instance: for the group of the first program, and where that is gone for all.
 * Those that mean the end end it, when nobody is left; so does any that `instance stop` has sent.
 */
static void pass_to_all(struct family *f, const siginfo_t *info)
{
	int sig = info->si_signo;
	bool other = sig == SIGCONT || sig == SIGWINCH || sig == SIGURG || sig == SIGTSTP ||
		     sig == SIGUSR1 || sig == SIGUSR2;
	f->leaving |= !other || (info->si_code == SI_QUEUE && info->si_int == RUN_STOP);
	if (kill(-f->payload, sig) < 0 && errno == ESRCH)
		(void)kill(-1, sig);
	reap(f);
}

/* Whether it is time to go, and with which status. */
static bool has_ended(const struct run_plan *plan, const struct family *f)
{
	return plan->wish->stay ? f->leaving && f->alone : f->status >= 0;
}

static _Noreturn void serve(const struct run_plan *plan, pid_t payload, const sigset_t *set)
{
	struct family f = { .payload = payload, .status = -1 };
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
		if (sig == SIGCHLD)
			reap(&f);
		else if (sig > 0 && plan->wish->stay)
			pass_to_all(&f, &info);
		else if (sig > 0 && info.si_code != SI_KERNEL)
			/* What the terminal sends, it sends to the payload, too. */
			pass_on(plan, payload, sig);
		/* The kernel ends whoever is left when pid 1 has gone. */
		if (has_ended(plan, &f))
			_exit(plan->wish->stay ? 0 : f.status);
	}
}

int run_init(const struct run_plan *plan, const sigset_t *mask, struct error **err)
{
	sigset_t all;
	sigfillset(&all);
	struct process payload = PROCESS_NONE;
	int r = process_fork(0, &payload);
	if (r < 0)
		return error_errno(err, -r, "start the container's first process");
	if (r > 0)
		serve(plan, payload.pid, &all);
	sigprocmask(SIG_SETMASK, mask, NULL);
	/* A group of its own, which a signal is sent to as one. */
	if (plan->wish->stay)
		(void)setsid();
	return 0;
}
