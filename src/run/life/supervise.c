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
 *   those that stop      blocked, too, but seen and not read: on_stop
 *   servers' pidfds      the end of one before the payload's is an error, and ends the container
 *   servers' words       the first error of each, for the person at the terminal
 *   the door             somebody wants to join an instance: entrance.c
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
/* A payload that ran for less has seldom read so much that its end would take longer than a fork.
 */
#define LONG_RUN_MS 100

struct watch {
	struct run_container *container;
	int signals;
	int stops;		/* is ready while a signal that stops waits */
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
}

static const int stop_signals[] = { SIGTSTP, SIGTTIN, SIGTTOU };

static void stop_set(sigset_t *ret)
{
	sigemptyset(ret);
	for (size_t i = 0; i < sizeof(stop_signals) / sizeof(*stop_signals); i++)
		sigaddset(ret, stop_signals[i]);
}

/* The signal that stops which waits for this process, or 0. */
static int waiting_stop(void)
{
	sigset_t waiting;
	if (sigpending(&waiting) == 0)
		for (size_t i = 0; i < sizeof(stop_signals) / sizeof(*stop_signals); i++)
			if (sigismember(&waiting, stop_signals[i]) == 1)
				return stop_signals[i];
	return 0;
}

/*
 * Stops the payload, and then this process, until somebody lets it go on.
 *
 * The signal waits all the while, and is let in at the end: so it is the kernel that stops us. A
 * SIGCONT that comes before that takes it away, and nobody is stopped; had it been read, and we
 * stopped ourselves, that SIGCONT would be lost and we would stand still for ever. Where no shell
 * could let us go on, our group being an orphan, the kernel stops nobody, either.
 *
 * Who has sent it cannot be told without reading it. A payload in our group that has got it from
 * the terminal is stopped by now, mostly; a second one that waits goes with the SIGCONT.
 */
static void on_stop(struct watch *w)
{
	const struct run_container *c = w->container;
	sigset_t one;
	int sig = waiting_stop();
	if (!sig)
		return;
	if (c->plan->own_session)
		run_relay_suspend(c->plan, &w->relay, &c->child);
	else if (!process_is_stopped(&c->child))
		(void)syscall(SYS_pidfd_send_signal, c->child.pid_fd, sig, NULL, 0);
	sigemptyset(&one);
	sigaddset(&one, sig);
	sigprocmask(SIG_UNBLOCK, &one, NULL);
	sigprocmask(SIG_BLOCK, &one, NULL);
	if (c->plan->own_session)
		run_relay_resume(c->plan, &c->child);
}

static int on_channel(struct watch *w, struct error **err)
{
	struct run_container *c = w->container;
	CLEANUP_FD int fd = -1;
	enum run_word word;
	int r = run_channel_finish(c->channel, &word, &fd, err);
	if (r < 0)
		return -1;
	if (r == 0) {
		fd_close(&c->channel);
		return run_has_started(c, err);
	}
	switch (word) {
	case RUN_WORD_ROOT:
		fd_close(&w->root);
		w->root = fd_steal(&fd);
		return 0;
	case RUN_WORD_TERMINAL:
		if (fd >= 0)
			run_relay_start(&w->relay, c->plan, fd_steal(&fd));
		return 0;
	case RUN_WORD_ENTRANCE:
		return run_entrance_add(&c->entrance, fd_steal(&fd), err);
	default:
		return error_set(err, ERROR_INTERNAL,
				 "the container's process said something unknown");
	}
}

/*
 * A server has ended: the payload would go on with what the kernel has cached. Before the root
 * has come, status 0 may mean that the container's process has failed and its mount is gone, which
 * the kernel may do a moment before that process's end is seen.
 */
static int on_server_end(const struct watch *w, struct run_server *s, struct error **err)
{
	int status = process_wait(&s->process);
	/* A mount that is bound somewhere goes with the container's namespace, while this process
	 * holds the image's own; and who has the right to it inside may unmount it. */
	if (status == 0 && s->image != w->container->plan->image->path)
		return 0;
	if (status == 0 && w->root < 0 &&
	    run_ends_within(w->container->child.pid_fd, SERVER_GRACE_MS))
		return 0;
	process_kill(&w->container->child);
	return run_server_failed(status, err);
}

/* Who waits for a request that it has taken cannot even be killed, until it is dead itself. */
static int on_server_stop(const struct watch *w, struct run_server *s, struct error **err)
{
	process_kill(&s->process);
	process_kill(&w->container->child);
	return serve_stopped(err);
}

/* What is waited for besides servers, each of which has two more. */
#define WATCHED 7

static int look_at_servers(const struct watch *w, const struct pollfd *p, struct error **err)
{
	struct run_container *c = w->container;
	for (size_t i = 0; i < c->server_count; i++)
		if (p[2 * i].revents && on_server_end(w, &c->servers[i], err) < 0)
			return -1;
	return 0;
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
	struct run_container *c = w->container;
	for (;;) {
		struct pollfd p[WATCHED + 2 * RUN_SERVERS_MAX] = {
			{ .fd = c->child.pid_fd, .events = POLLIN },
			{ .fd = c->channel, .events = POLLIN },
			{ .fd = w->signals, .events = POLLIN },
			{ .fd = w->stops, .events = POLLIN },
			{ .fd = run_door(c), .events = POLLIN },
			{ .fd = -1 },
			{ .fd = -1 },
		};
		int wait_ms = run_relay_prepare(&w->relay, p + 5);
		const struct run_server *stopped = run_servers_stopped(c);
		int n = poll(p, WATCHED + run_servers_watch(c, p + WATCHED),
			     stopped ? SERVE_STOPPED_MS : wait_ms);
		if (n < 0 && errno != EINTR)
			return error_errno(err, errno, "wait for the container");
		if (n == 0 && stopped && run_servers_stopped(c) == stopped)
			return on_server_stop(w, run_servers_stopped(c), err);
		if (p[1].revents && on_channel(w, err) < 0)
			return -1;
		if (p[3].revents)
			on_stop(w);
		if (p[2].revents)
			on_signal(w);
		run_servers_hear(c, p + WATCHED);
		if (p[4].revents)
			run_door_answer(c);
		run_relay_step(&w->relay, p + 5);
		if (p[0].revents)
			return 0;
		if (look_at_servers(w, p + WATCHED, err) < 0)
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
	sigset_t all, others, stop, before;
	process_signals_but_faults(&all);
	stop_set(&stop);
	others = all;
	for (size_t i = 0; i < sizeof(stop_signals) / sizeof(*stop_signals); i++)
		sigdelset(&others, stop_signals[i]);
	CLEANUP_FD int signals = signalfd(-1, &others, SFD_CLOEXEC | SFD_NONBLOCK);
	CLEANUP_FD int stops = signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals < 0 || stops < 0)
		return error_errno(err, errno, "watch for signals");
	sigprocmask(SIG_BLOCK, &all, &before);
	struct watch w = {
		.container = c,
		.signals = signals,
		.stops = stops,
		.root = -1,
		.relay = RUN_RELAY_NONE,
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
	/* They are users of the mount. */
	run_entrance_free(&c->entrance);
	let_go_of_root(&w.root, since, &last);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (r < 0)
		return -1;
	*ret_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	if (run_servers_part(c, err) < 0)
		return -1;
	/* It may be done by now; else pid 1 reaps it. */
	if (last > 0)
		(void)waitpid(last, NULL, WNOHANG);
	if (WIFSIGNALED(status) && !c->plan->wish->for_build && !c->plan->wish->stay)
		end_by_signal(WTERMSIG(status));
	return 0;
}
