/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command while the payload runs: the end of the left column of container.c. One loop waits for
 * whatever may happen, and poll is its only place to wait:
 *
 *   the child's pidfd    the payload has ended: so does the loop
 *   the channel          an error from before the payload, the container's root, the master of its
 *                        terminal; closed by the exec, which is the sign that all went well
 *   the signals          blocked and read as data, so that none can come between two steps; passed
 *                        on to the payload unless it has got them from the terminal itself
 *   the server's pidfd   its end before the payload's is an error, and ends the container
 *   the server's words   its first error, for the person at the terminal
 *   two terminals        the caller's and the container's own: relay.c
 */
#include "run/internal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* How much later than its mount a container that failed early may be seen to end: on a machine with
 * thirty runnable processes a second was not enough. */
#define SERVER_GRACE_MS 20000
#define SERVER_REAP_MS 200
/* A payload that ran for less has seldom read so much that its end would take longer than a fork.
 */
#define LONG_RUN_MS 100

struct watch {
	struct run_container *container;
	int signals;
	int root;		/* owned: the container's, which keeps its mount; or -1 */
	struct run_relay relay; /* of the container's own terminal, if it has one */
};

/*
 * What the terminal sends it sends to the payload, too, which shares our group; but of its end it
 * tells the leader of the session alone, as long as that lives. The kernel sends others in its own
 * name, such as those of timers, which outlive an exec: they are for the payload.
 */
static bool payload_has_it(int sig, const struct signalfd_siginfo *info)
{
	if (info->ssi_code != SI_KERNEL)
		return false;
	switch (sig) {
	case SIGHUP:
		return getsid(0) != getpid();
	case SIGINT:
	case SIGQUIT:
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU:
	case SIGCONT:
	case SIGWINCH:
		return true;
	default:
		return false;
	}
}

static void on_signal(struct watch *w)
{
	struct signalfd_siginfo info;
	if (read(w->signals, &info, sizeof(info)) != sizeof(info))
		return;
	int sig = (int)info.ssi_signo;
	if (sig == SIGCHLD)
		return;
	if (run_relay_signal(w->container->plan, &w->relay, &w->container->child, sig,
			     info.ssi_code == SI_KERNEL))
		return;
	if (!payload_has_it(sig, &info))
		(void)syscall(SYS_pidfd_send_signal, w->container->child.pid_fd, sig, NULL, 0);
	if (sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU)
		(void)raise(SIGSTOP);
}

/* The server's first error, for the person: the payload has only got an errno. */
static void on_word(struct watch *w)
{
	char text[SERVE_TEXT_LEN];
	if (serve_hear(w->container->says, text))
		log_warning("Some of %s cannot be read: %s", w->container->plan->image->path, text);
	fd_close(&w->container->says);
}

static int on_channel(struct watch *w, struct error **err)
{
	int terminal = -1;
	int r = run_channel_finish(w->container->channel, &w->root, &terminal, err);
	if (terminal >= 0)
		run_relay_start(&w->relay, w->container->plan, terminal);
	if (r == 0)
		fd_close(&w->container->channel);
	return r < 0 ? -1 : 0;
}

static bool ends_within(int pid_fd, int milliseconds)
{
	struct pollfd p = { .fd = pid_fd, .events = POLLIN };
	return poll(&p, 1, milliseconds) > 0;
}

static int server_failed(int status, struct error **err)
{
	if (status > 128)
		error_set(err, ERROR_SYSTEM,
			  "the process that serves the image was killed by signal %d: the "
			  "container was ended",
			  status - 128);
	else
		error_set(err, ERROR_SYSTEM,
			  "the process that serves the image ended (status %d): the container was "
			  "ended",
			  status);
	return error_hint(err, "look for a memory limit or an out-of-memory kill, then run it "
			       "again");
}

/*
 * The server has ended: the payload would go on with what the kernel has cached. Before the root
 * has come, status 0 may mean that the container's process has failed and its mount is gone, which
 * the kernel may do a moment before that process's end is seen.
 */
static int on_server_end(const struct watch *w, struct error **err)
{
	int status = process_wait(&w->container->server);
	if (status == 0 && w->root < 0 && ends_within(w->container->child.pid_fd, SERVER_GRACE_MS))
		return 0;
	process_kill(&w->container->child);
	return server_failed(status, err);
}

/* Who waits for a request that it has taken cannot even be killed, until it is dead itself. */
static int on_server_stop(const struct watch *w, struct error **err)
{
	process_kill(&w->container->server);
	process_kill(&w->container->child);
	return serve_stopped(err);
}

/*
 * Returns 0 when the payload has ended, or -1 with *err.
 *
 * Who suspends a whole job (a batch system does) stops the server a moment before or after the
 * command, and lets it go on likewise: only a server that stays stopped while nothing else happens
 * is given up. A SIGCONT for the command is something.
 */
static int watch_until_end(struct watch *w, struct error **err)
{
	for (;;) {
		struct pollfd p[] = {
			{ .fd = w->container->child.pid_fd, .events = POLLIN },
			{ .fd = w->container->channel, .events = POLLIN },
			{ .fd = w->signals, .events = POLLIN },
			{ .fd = w->container->server.pid > 0 ? w->container->server.pid_fd : -1,
			  .events = POLLIN },
			{ .fd = w->container->says, .events = POLLIN },
			{ .fd = -1 },
			{ .fd = -1 },
		};
		int wait_ms = run_relay_prepare(&w->relay, p + 5);
		bool stopped = process_is_stopped(&w->container->server);
		int n = poll(p, 7, stopped ? SERVE_STOPPED_MS : wait_ms);
		if (n < 0 && errno != EINTR)
			return error_errno(err, errno, "wait for the container");
		if (n == 0 && stopped && process_is_stopped(&w->container->server))
			return on_server_stop(w, err);
		if (p[1].revents && on_channel(w, err) < 0)
			return -1;
		if (p[2].revents)
			on_signal(w);
		if (p[4].revents)
			on_word(w);
		run_relay_step(&w->relay, p + 5);
		if (p[0].revents)
			return 0;
		if (p[3].revents && on_server_end(w, err) < 0)
			return -1;
	}
}

static int collect(struct process *child, int *ret_status, struct error **err)
{
	int status;
	pid_t pid;
	do
		pid = waitpid(child->pid, &status, 0);
	while (pid < 0 && errno == EINTR);
	if (pid < 0)
		return error_errno(err, errno, "wait for the container");
	child->pid = 0;
	fd_close(&child->pid_fd);
	*ret_status = status;
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/*
 * With its last user a mount goes, and that one waits while the kernel takes down what it has
 * cached of it: a quarter of a second for a gigabyte that was read. So after a longer run the last
 * one is a child, which does nothing but die and is not waited for: *ret_last is its pid. After a
 * short run, or where there can be no child, this process is the last one.
 */
static void let_go_of_root(int *root, int64_t since_ms, pid_t *ret_last)
{
	struct process last = PROCESS_NONE;
	if (*root >= 0 && now_ms() - since_ms >= LONG_RUN_MS && process_fork(0, &last) == 0)
		for (;;)
			(void)pause();
	fd_close(root);
	if (last.pid > 0)
		(void)kill(last.pid, SIGKILL);
	fd_close(&last.pid_fd);
	*ret_last = last.pid;
}

/* Ends as the payload did, so that the caller's shell sees the same (runtime.md 18). */
static void end_by_signal(int sig)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, sig);
	(void)signal(sig, SIG_DFL);
	(void)raise(sig);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

int run_supervise(struct run_container *c, int *ret_status, struct error **err)
{
	sigset_t all, before;
	process_signals_but_faults(&all);
	CLEANUP_FD int signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals < 0)
		return error_errno(err, errno, "watch for signals");
	sigprocmask(SIG_BLOCK, &all, &before);
	struct watch w = {
		.container = c, .signals = signals, .root = -1, .relay = RUN_RELAY_NONE
	};
	int64_t since = now_ms();
	int status = 0;
	pid_t last;
	int r = watch_until_end(&w, err);
	/* What was said at the very end has come by now. */
	while (r == 0 && c->channel >= 0)
		r = on_channel(&w, err);
	if (r == 0)
		r = collect(&c->child, &status, err);
	run_relay_finish(&w.relay, signals);
	let_go_of_root(&w.root, since, &last);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (r < 0)
		return -1;
	*ret_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	/* A payload that ends with its server has met errors, whatever status it has. */
	if (c->server.pid > 0 && ends_within(c->server.pid_fd, SERVER_REAP_MS)) {
		int end = process_wait(&c->server);
		if (end != 0)
			return server_failed(end, err);
	}
	/* A child that the payload left behind keeps its mount; the server goes with it. */
	c->server.pid = 0;
	fd_close(&c->server.pid_fd);
	/* It may be done by now; else pid 1 reaps it. */
	if (last > 0)
		(void)waitpid(last, NULL, WNOHANG);
	if (WIFSIGNALED(status) && !c->plan->wish->for_build)
		end_by_signal(WTERMSIG(status));
	return 0;
}
