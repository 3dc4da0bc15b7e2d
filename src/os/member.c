/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that is a member of namespaces and nothing else. The maps of a user namespace are
 * written through a member's files below /proc, which belong to the user only while that process
 * may be looked into by him. So it is one with nothing to see: a fork whose memory is given back.
 */
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STACK_LEN ((size_t)128 << 10)
#define NAME_LEN 16

static unsigned long hexadecimal(const char **at)
{
	unsigned long n = 0;
	for (;; (*at)++) {
		char c = **at;
		if (c >= '0' && c <= '9')
			n = n * 16 + (unsigned long)(c - '0');
		else if (c >= 'a' && c <= 'f')
			n = n * 16 + (unsigned long)(c - 'a') + 10;
		else
			return n;
	}
}

/* /proc/self/maps, as it is read. */
struct maps {
	int fd;
	long at, len;
	char text[16384];
};

/* The next line, cut at what fits. */
static bool next_line(struct maps *m, char *line, size_t size)
{
	for (size_t len = 0;;) {
		if (m->at == m->len) {
			m->at = 0;
			m->len = syscall(SYS_read, m->fd, m->text, sizeof(m->text));
			if (m->len <= 0)
				return m->len = 0, false;
		}
		char c = m->text[m->at++];
		if (c == '\n') {
			line[len] = '\0';
			return true;
		}
		if (len + 1 < size)
			line[len++] = c;
	}
}

/*
 * "start-end perms offset device inode name": whether it is memory of this process alone, from no
 * file: stack, heap and what was allocated. Data of programs and libraries has addresses only, and
 * is needed to make calls.
 */
static bool is_own_memory(const char *line, unsigned long *start, unsigned long *end)
{
	*start = hexadecimal(&line);
	line += *line == '-';
	*end = hexadecimal(&line);
	if (line[0] != ' ' || strlen(line) < 6 || line[4] != 'p' || strstr(line, " [v"))
		return false;
	for (int blanks = 0; *line && blanks < 4; line++)
		blanks += *line == ' ';
	return line[0] == '0' && (line[1] == ' ' || line[1] == '\0');
}

/* Everything but two descriptors: the caller's lead to more than his memory. */
static void close_all_but(int a, int b)
{
	unsigned low = (unsigned)(a < b ? a : b), high = (unsigned)(a < b ? b : a);
	if (low > 0)
		(void)close_range(0, low - 1, 0);
	if (high > low + 1)
		(void)close_range(low + 1, high - 1, 0);
	(void)close_range(high + 1, ~0U, 0);
}

/*
 * Runs on a stack of its own. From the first page that is given back on, nothing may return to what
 * was called before, and the C library's own memory of its thread is zeros: syscall(2) alone still
 * works, as it looks at nothing and may write errno.
 */
static int live(void *context)
{
	int say = *(const int *)context;
	char line[512] = "", name[NAME_LEN] = "";
	unsigned long start, end, here = (unsigned long)(uintptr_t)line;
	/* The number by which this /proc knows it, whatever pid namespace that is of. */
	ssize_t len = readlink("/proc/self", name, sizeof(name) - 1);
	struct maps maps = { .fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC) };
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || len <= 0 || maps.fd < 0)
		_exit(1);
	close_all_but(say, maps.fd);
	while (next_line(&maps, line, sizeof(line))) {
		if (is_own_memory(line, &start, &end) && (here < start || here >= end) &&
		    syscall(SYS_madvise, start, end - start, MADV_DONTNEED) < 0)
			(void)syscall(SYS_exit_group, 1);
	}
	if (syscall(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_write, say, name, sizeof(name)) != sizeof(name))
		(void)syscall(SYS_exit_group, 1);
	(void)syscall(SYS_close_range, 0, ~0U, 0);
	for (;;)
		(void)syscall(SYS_ppoll, NULL, 0, NULL, NULL, 0);
}

int member_start(unsigned long long flags, struct process *ret, pid_t *ret_name, struct error **err)
{
	int pair[2];
	char name[NAME_LEN] = "";
	long page = sysconf(_SC_PAGESIZE);
	if (pipe2(pair, O_CLOEXEC) < 0)
		return error_errno(err, errno, "make a pipe");
	CLEANUP_FD int hear = pair[0];
	CLEANUP_FD int say = pair[1];
	/* Between two pages that nobody may use, so that it stays a mapping of its own. */
	size_t len = STACK_LEN + 2 * (size_t)page;
	char *stack = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (stack == MAP_FAILED)
		return error_errno(err, errno, "make a stack");
	int pid_fd = -1;
	pid_t pid = -1;
	int errnum = 0;
	if (mprotect(stack + page, STACK_LEN, PROT_READ | PROT_WRITE) == 0)
		pid = clone(live, stack + page + STACK_LEN, (int)flags | CLONE_PIDFD | SIGCHLD,
			    &say, &pid_fd);
	errnum = errno;
	(void)munmap(stack, len);
	if (pid < 0)
		return namespace_error(errnum, flags, err);
	*ret = (struct process){ .pid = pid, .pid_fd = pid_fd };
	fd_close(&say);
	ssize_t n = fd_read(hear, name, sizeof(name));
	if (n != (ssize_t)sizeof(name) || name[sizeof(name) - 1])
		return error_set(err, ERROR_SYSTEM,
				 "a process of the container's user namespace ended early: is "
				 "/proc mounted?");
	*ret_name = (pid_t)strtol(name, NULL, 10);
	return 0;
}
