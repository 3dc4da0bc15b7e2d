/* SPDX-License-Identifier: Apache-2.0 */
#include "run/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <termios.h>
#include <unistd.h>

/*
 * The container's side of a terminal of its own (relay.c has the command's). Who has a terminal
 * open, or as the controlling one, can read what is typed, and on many kernels type himself, into
 * the caller's shell. With --contain the payload is in a session of its own, and gets a terminal
 * of the container's devpts in place of the caller's.
 */

static bool has_controlling_terminal(void)
{
	CLEANUP_FD int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
	return fd >= 0;
}

/* By the terminal itself: a file may have its name or be /dev/tty, whose numbers are others. */
static bool same_terminal(int a, int b)
{
	unsigned first, second;
	return ioctl(a, TIOCGDEV, &first) == 0 && ioctl(b, TIOCGDEV, &second) == 0 &&
	       first == second;
}

void run_terminal_choose(struct run_plan *plan)
{
	plan->terminal = -1;
	if (!plan->contain || plan->wish->for_build)
		return;
	/* The one that controls us before one that was named for the payload. */
	bool ours = false;
	for (int fd = 2; fd >= 0; fd--) {
		bool controls = isatty(fd) && tcgetsid(fd) == getsid(0);
		if (controls || (!ours && isatty(fd)))
			plan->terminal = fd;
		ours |= controls;
	}
	plan->own_session = plan->terminal >= 0 || has_controlling_terminal();
}

int run_terminal_open(const struct run_plan *plan, struct run_session *session, int pts,
		      struct error **err)
{
	int unlocked = 0;
	struct termios modes;
	struct winsize size;
	CLEANUP_FD int master = openat(pts, "ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlocked) < 0)
		return error_errno(err, errno, "make a terminal for the container");
	CLEANUP_FD int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return error_errno(err, errno, "open the container's terminal");
	/* One that is no good for this (it may have hung up) leaves the kernel's own settings. */
	if (tcgetattr(plan->terminal, &modes) == 0)
		(void)tcsetattr(slave, TCSANOW, &modes);
	if (ioctl(plan->terminal, TIOCGWINSZ, &size) == 0)
		(void)ioctl(slave, TIOCSWINSZ, &size);
	session->master = fd_steal(&master);
	session->slave = fd_steal(&slave);
	return 0;
}

/* Where the container has no devpts: one that nobody sees. */
static int open_hidden(const struct run_plan *plan, struct run_session *session, struct error **err)
{
	static const char *const options[] = { "mode", "0620", "ptmxmode", "0666", NULL };
	uint64_t set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
	CLEANUP_FD int pts = run_new_filesystem("devpts", options, set, err);
	return pts < 0 ? -1 : run_terminal_open(plan, session, pts, err);
}

/*
 * The end that was opened before the mounts were locked (lock.c) belongs to a mount that has no
 * name any more; who asks for the terminal's name looks at the link below /proc/self/fd.
 */
static void open_by_name(struct run_session *session)
{
	unsigned number;
	char path[32];
	struct stat a, b;
	if (ioctl(session->master, TIOCGPTN, &number) < 0)
		return;
	snprintf(path, sizeof(path), "/dev/pts/%u", number);
	CLEANUP_FD int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &a) < 0 || fstat(session->slave, &b) < 0 || a.st_dev != b.st_dev ||
	    a.st_ino != b.st_ino)
		return;
	fd_close(&session->slave);
	session->slave = fd_steal(&fd);
}

static int leave_session(struct error **err)
{
	if (getsid(0) != getpid() && setsid() < 0)
		return error_errno(err, errno, "leave the caller's session");
	return 0;
}

int run_terminal_replace(const struct run_plan *plan, struct run_session *session, int sock,
			 struct error **err)
{
	if (!plan->own_session)
		return 0;
	if (plan->terminal >= 0) {
		if ((session->master < 0 && open_hidden(plan, session, err) < 0) ||
		    run_channel_say(sock, RUN_WORD_TERMINAL, session->master, err) < 0)
			return -1;
		open_by_name(session);
		fd_close(&session->master);
		bool same[3];
		for (int fd = 0; fd < 3; fd++)
			same[fd] = fd == plan->terminal || same_terminal(fd, plan->terminal);
		for (int fd = 0; fd < 3; fd++) {
			if (same[fd] && dup2(session->slave, fd) < 0)
				return error_errno(err, errno, "replace the terminal");
		}
		fd_close(&session->slave);
	}
	return leave_session(err);
}

int run_terminal_take(const struct run_plan *plan, struct error **err)
{
	if (!plan->own_session)
		return 0;
	/* Also behind a pid 1 of ours, which shall not be the one whom a hang-up is told. */
	if (leave_session(err) < 0)
		return -1;
	if (plan->terminal >= 0 && ioctl(plan->terminal, TIOCSCTTY, 0) < 0)
		return error_errno(err, errno, "take the container's terminal");
	return 0;
}
