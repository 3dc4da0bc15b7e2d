/* SPDX-License-Identifier: Apache-2.0 */
/* The terminal that the command was started in, and another one of the same user. */
#include "attempt.h"
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The terminal that the command was started in. Its shell reads what is typed afterwards. */
static int terminal(void)
{
	return open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
}

static enum result type(long (*call)(int, unsigned long, const char *), const char *line)
{
	int fds[] = { 0, terminal() };
	bool done = false;
	for (size_t i = 0; i < 2; i++)
		for (const char *c = line; *c; c++)
			if (call(fds[i], 0x5412 /* TIOCSTI */, c) == 0)
				done = true;
	if (!done)
		return refused("TIOCSTI");
	/* The host sees whether it was its own terminal. */
	return OWN;
}

static long type_64(int fd, unsigned long request, const char *c)
{
	return syscall(SYS_ioctl, fd, request, c);
}

/* The kernel takes the lower half of the request alone. */
static long type_high(int fd, unsigned long request, const char *c)
{
	return syscall(SYS_ioctl, fd, request | 0x100000000UL, c);
}

static long type_x32(int fd, unsigned long request, const char *c)
{
	return syscall(0x40000000 + 514, fd, request, c);
}

static char low[1]; /* below 4 GiB: the program has a fixed address */
static long type_32(int fd, unsigned long request, const char *c)
{
	low[0] = *c;
	return call_32(54, fd, (long)request, (long)(uintptr_t)low, 0);
}

static enum result tiocsti(void)
{
	return type(type_64, "tiocsti\n");
}

static enum result tiocsti_high(void)
{
	return type(type_high, "tiocsti-high\n");
}

static enum result tiocsti_x32(void)
{
	return type(type_x32, "tiocsti-x32\n");
}

static enum result tiocsti_32(void)
{
	return type(type_32, "tiocsti-32\n");
}

static enum result tioclinux(void)
{
	static const char *const paths[] = { "/dev/tty0", "/dev/tty1", "/dev/console", "/dev/tty" };
	/* Which console is in front: needs no right, but a console. */
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		char byte = 12;
		int fd = open(paths[i], O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		if (fd >= 0 && ioctl(fd, 0x541C, &byte) >= 0)
			return OUT;
		refused(fd < 0 ? paths[i] : "TIOCLINUX");
	}
	return REFUSED;
}

/* Of the same name, but of another instance of devpts: ours. */
static bool is_own(int fd)
{
	struct stat info;
	return fstat(fd, &info) == 0 && (long)info.st_dev != fact_number("terminal_device");
}

/* The terminal of another session, taken from it. */
static enum result steal(void)
{
	int fd = open(fact("terminal"), O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return refused(fact("terminal"));
	int status = 0;
	pid_t child = fork();
	if (child == 0) {
		setsid();
		_exit(ioctl(fd, TIOCSCTTY, 1) < 0 ? 1 : 0);
	}
	waitpid(child, &status, 0);
	return status != 0 ? REFUSED : is_own(fd) ? OWN : OUT;
}

/* The host sees what comes. */
static enum result other_terminal(void)
{
	int fd = open(fact("terminal"), O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return refused(fact("terminal"));
	return write(fd, "written\n", 8) < 0 ? refused("write") : OWN;
}

const struct attempt terminal_attempts[] = {
	{ "terminal-write", other_terminal }, { "tiocsti", tiocsti },
	{ "tiocsti-high", tiocsti_high },     { "tiocsti-x32", tiocsti_x32 },
	{ "tiocsti-32", tiocsti_32 },	      { "tioclinux", tioclinux },
	{ "terminal-steal", steal },	      { NULL, NULL },
};
