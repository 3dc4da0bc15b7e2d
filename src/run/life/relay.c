/* SPDX-License-Identifier: Apache-2.0 */
#include "run/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * The command's side of a container's own terminal: carries bytes between it and the caller's.
 *
 * With standard input and output both a terminal, the caller's is raw all the time, so that the
 * inner one alone has line editing, echo and job control. Otherwise there may be others at it: in
 * `exec ... | less` the reader, in `ssh ... | exec ...` one who asks for a password. Then it stays
 * as it is, whole lines are taken from it as long as nobody has changed its modes, and the inner
 * one neither edits nor echoes them (EXTPROC, termios(3)); only when the payload itself asks for
 * single keys or no echo it becomes raw.
 */

/* How often it is looked whether the modes, or who is in the foreground, have changed. */
#define LOOK_MS 100
/* More than a terminal holds. Whoever is left behind in a container may write for ever. */
#define LAST_MAX ((size_t)128 << 10)

static bool in_foreground(const struct run_relay *r)
{
	pid_t group = tcgetpgrp(r->outer);
	/* Where it is not the one that controls us nobody is stopped for using it. */
	return group == getpgrp() || (group < 0 && errno == ENOTTY);
}

/* Whether another group of the session has it. Where it is gone nobody has. */
static bool in_background(const struct run_relay *r)
{
	pid_t group = tcgetpgrp(r->outer);
	return group >= 0 && group != getpgrp();
}

static int open_outer(int terminal)
{
	int flags = O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC;
	char path[32] = "/proc/self/fd/0";
	/* An open file of our own: who shares the caller's would notice O_NONBLOCK. */
	path[strlen(path) - 1] = (char)('0' + terminal);
	int fd = open(path, flags);
	if (fd < 0 && tcgetsid(terminal) == getsid(0))
		fd = open("/dev/tty", flags); /* another user's, after su */
	return fd < 0 ? fcntl(terminal, F_DUPFD_CLOEXEC, 3) : fd;
}

static void copy_size(const struct run_relay *r)
{
	struct winsize size;
	if (r->master >= 0 && ioctl(r->outer, TIOCGWINSZ, &size) == 0)
		(void)ioctl(r->master, TIOCSWINSZ, &size);
}

/* The inner terminal's line editing and echo: left to the outer one, or its own. */
static void set_lines(struct run_relay *r, bool outside)
{
	struct termios inner;
	if (!r->shared || r->ended || tcgetattr(r->master, &inner) < 0)
		return;
	tcflag_t now = outside ? inner.c_lflag | EXTPROC : inner.c_lflag & ~(tcflag_t)EXTPROC;
	if (now == inner.c_lflag)
		return;
	inner.c_lflag = now;
	(void)tcsetattr(r->master, TCSANOW, &inner);
}

static void make_raw(struct run_relay *r)
{
	struct termios raw = r->before;
	cfmakeraw(&raw);
	if (tcsetattr(r->outer, TCSANOW, &raw) == 0)
		r->raw = true;
}

static void restore(struct run_relay *r)
{
	/* In the background it is somebody else's, who has put it as he wants it. */
	if (r->raw && in_foreground(r))
		(void)tcsetattr(r->outer, TCSADRAIN, &r->before);
	r->raw = false;
}

static bool line_mode(const struct termios *t)
{
	return (t->c_lflag & (ICANON | ECHO)) == (ICANON | ECHO);
}

/* Raw or not, as things are now. */
static void settle(struct run_relay *r)
{
	struct termios inner, outer;
	r->front = in_foreground(r);
	bool keys = !r->shared || (tcgetattr(r->master, &inner) == 0 && !line_mode(&inner));
	if (r->raw && (!keys || !r->front)) {
		restore(r);
		set_lines(r, true);
	}
	r->listening = r->front && r->raw;
	if (r->raw || !r->front || tcgetattr(r->outer, &outer) < 0)
		return;
	bool theirs = r->shared && !line_mode(&outer);
	if (keys && !theirs) {
		r->before = outer;
		make_raw(r);
		set_lines(r, false);
		copy_size(r);
	}
	r->listening = !theirs;
}

void run_relay_start(struct run_relay *r, const struct run_plan *plan, int master)
{
	*r = (struct run_relay){ .outer = open_outer(plan->terminal), .master = master };
	r->shared = !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO);
	(void)fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK);
	set_lines(r, true);
	copy_size(r);
}

/* The caller's terminal is gone, and so is the container's: the kernel tells its session. */
static void hang_up(struct run_relay *r)
{
	fd_close(&r->outer);
	fd_close(&r->master);
	r->raw = false;
}

int run_relay_prepare(struct run_relay *r, struct pollfd p[2])
{
	p[0] = p[1] = (struct pollfd){ .fd = -1 };
	if (r->master < 0)
		return -1;
	settle(r);
	if (!r->in.len && r->listening)
		p[0].events |= POLLIN;
	if (r->out.len)
		p[0].events |= POLLOUT;
	if (!r->out.len)
		p[1].events |= POLLIN;
	if (r->in.len)
		p[1].events |= POLLOUT;
	p[0].fd = p[0].events ? r->outer : -1;
	p[1].fd = p[1].events && !(r->quiet && p[1].events == POLLIN) ? r->master : -1;
	/* Nobody has the inner one open just now: that may change, and poll would not wait. */
	return r->shared || !r->front || r->quiet ? LOOK_MS : -1;
}

/* Returns false when the other end is gone. */
static bool send_some(int fd, struct run_relay_buffer *b)
{
	ssize_t n = write(fd, b->data + b->off, b->len);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	b->off += (size_t)n;
	b->len -= (size_t)n;
	return true;
}

static ssize_t take_some(int fd, struct run_relay_buffer *b)
{
	ssize_t n = read(fd, b->data, sizeof(b->data));
	b->off = 0;
	b->len = n > 0 ? (size_t)n : 0;
	return n < 0 && (errno == EAGAIN || errno == EINTR) ? 1 : n;
}

/* What is typed. A line's end of file is nothing to read; that of a raw terminal a hang-up. */
static void take_input(struct run_relay *r)
{
	struct termios inner;
	ssize_t n = take_some(r->outer, &r->in);
	if (n > 0)
		return;
	if (n < 0 || r->raw || tcgetattr(r->master, &inner) < 0) {
		/* EIO: in the background by now, where settle() is next, or gone. */
		if (n == 0 || !in_background(r))
			hang_up(r);
		return;
	}
	/* From here on the inner terminal must know what a line is: it is told where they end. */
	set_lines(r, false);
	r->ended = true;
	r->in.data[0] = (char)inner.c_cc[VEOF];
	r->in.len = 1;
}

void run_relay_step(struct run_relay *r, const struct pollfd p[2])
{
	r->quiet = false;
	if (r->master >= 0 && p[1].revents & POLLOUT && !send_some(r->master, &r->in))
		r->in.len = 0;
	if (r->master >= 0 && p[0].revents & POLLOUT && !send_some(r->outer, &r->out))
		hang_up(r);
	if (r->master >= 0 && p[0].revents & POLLIN)
		take_input(r);
	else if (r->master >= 0 && p[0].revents & (POLLHUP | POLLERR))
		hang_up(r);
	if (r->master >= 0 && p[1].revents & (POLLIN | POLLHUP) && !r->out.len)
		r->quiet = take_some(r->master, &r->out) < 0;
}

/* A person may stop the output, and end all of it. */
static bool wait_for_outer(const struct run_relay *r, int signals)
{
	struct pollfd p[] = { { .fd = r->outer, .events = POLLOUT },
			      { .fd = signals, .events = POLLIN } };
	struct signalfd_siginfo info;
	if (poll(p, 2, -1) < 0)
		return errno == EINTR;
	if (p[1].revents && read(signals, &info, sizeof(info)) == sizeof(info) &&
	    (info.ssi_signo == SIGINT || info.ssi_signo == SIGTERM || info.ssi_signo == SIGHUP ||
	     info.ssi_signo == SIGQUIT))
		return false;
	return true;
}

void run_relay_finish(struct run_relay *r, int signals)
{
	bool more = r->master >= 0;
	size_t left = LAST_MAX;
	while (more) {
		left -= r->out.len < left ? r->out.len : left;
		while (more && r->out.len)
			more = wait_for_outer(r, signals) && send_some(r->outer, &r->out);
		more = more && left;
		/* What the payload has written is there: the kernel sees to it in poll. */
		struct pollfd p = { .fd = r->master, .events = POLLIN };
		more = more && poll(&p, 1, 0) > 0 && take_some(r->master, &r->out) > 0 &&
		       r->out.len;
	}
	if (r->outer >= 0)
		restore(r);
	fd_close(&r->outer);
	fd_close(&r->master);
}

/* ---------------------------------------------------------------- signals */

/* To all that the payload's own session has in its first group; pid 1 of ours does it inside. */
static void to_session(const struct run_plan *plan, const struct process *child, int sig)
{
	if (!plan->init && kill(-child->pid, sig) == 0)
		return;
	(void)syscall(SYS_pidfd_send_signal, child->pid_fd, sig, NULL, 0);
}

/* The payload's group has nobody who could let it go on: the kernel would ignore SIGTSTP there. */
void run_relay_suspend(const struct run_plan *plan, struct run_relay *r,
		       const struct process *child)
{
	if (r->outer >= 0)
		restore(r);
	to_session(plan, child, plan->init ? SIGTSTP : SIGSTOP);
}

void run_relay_resume(const struct run_plan *plan, const struct process *child)
{
	to_session(plan, child, SIGCONT);
}

bool run_relay_signal(const struct run_plan *plan, struct run_relay *r, const struct process *child,
		      int sig, bool of_kernel)
{
	if (!plan->own_session)
		return false;
	switch (sig) {
	case SIGWINCH:
		copy_size(r);
		return true;
	case SIGCONT:
		/* The shell that stopped us has put its own modes back. */
		if (r->raw && in_foreground(r))
			make_raw(r);
		copy_size(r);
		to_session(plan, child, SIGCONT);
		return true;
	case SIGINT:
	case SIGQUIT:
		if (!of_kernel)
			return false;
		if (r->master < 0 || ioctl(r->master, TIOCSIG, sig) < 0)
			to_session(plan, child, sig);
		return true;
	case SIGHUP:
		to_session(plan, child, sig);
		return true;
	default:
		return false;
	}
}
