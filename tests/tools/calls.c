/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes system calls that a filter may answer, and says how each ended, in one line: NAME and the
 * error's name or "done". None would do anything where nothing filters; the kernel's own answer is
 * another one (a descriptor that is not there) where that can be arranged. Linked statically, so
 * that it runs in any container.
 *
 *   calls terminal   what types on a terminal, by each entry of the kernel
 *   calls default    what the default filter answers
 *   calls NAME...    these of either list
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define HIGH 0x5a5a5a5a00000000ul

static long sti(void)
{
	return syscall(SYS_ioctl, -1, TIOCSTI, "x");
}

static long sti_high(void)
{
	return syscall(SYS_ioctl, -1, HIGH | TIOCSTI, "x");
}

static long linux_console(void)
{
	return syscall(SYS_ioctl, -1, TIOCLINUX, "x");
}

#if defined(__x86_64__)
static void no_entry(int sig)
{
	(void)sig;
	_exit(99);
}

/* ioctl is call 54 of the old entry, and 514 of x32. */
static long sti_of_32_bits(void)
{
	long r = 54;
	(void)signal(SIGSEGV, no_entry);
	__asm__ volatile("int $0x80" : "+a"(r) : "b"(-1L), "c"((long)TIOCSTI), "d"(0L) : "memory");
	errno = (int)-r;
	return r < 0 ? -1 : r;
}

static long sti_of_x32(void)
{
	return syscall(0x40000000 + 514, -1, TIOCSTI, "x");
}
#endif

static long keyctl(void)
{
	return syscall(SYS_keyctl, 0, 0, 0, 0, 0);
}

static long ring(void)
{
	return syscall(SYS_io_uring_setup, 1, NULL);
}

static long faults(void)
{
	return syscall(SYS_userfaultfd, 0);
}

static long program(void)
{
	return syscall(SYS_bpf, 0, NULL, 0);
}

static long counters(void)
{
	return syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0);
}

static long by_handle(void)
{
	return syscall(SYS_open_by_handle_at, -1, NULL, 0);
}

static long page_zero(void)
{
	return personality(MMAP_PAGE_ZERO);
}

static long crypto_socket(void)
{
	return socket(AF_ALG, SOCK_SEQPACKET, 0);
}

static const struct {
	const char *list, *name;
	long (*call)(void);
} calls[] = {
	{ "terminal", "tiocsti", sti },
	{ "terminal", "tiocsti-high", sti_high },
	{ "terminal", "tioclinux", linux_console },
#if defined(__x86_64__)
	{ "terminal", "tiocsti-32", sti_of_32_bits },
	{ "terminal", "tiocsti-x32", sti_of_x32 },
#endif
	{ "default", "keyctl", keyctl },
	{ "default", "io_uring_setup", ring },
	{ "default", "userfaultfd", faults },
	{ "default", "bpf", program },
	{ "default", "perf_event_open", counters },
	{ "default", "open_by_handle_at", by_handle },
	{ "default", "page-zero", page_zero },
	{ "default", "af_alg", crypto_socket },
};

/* In a process of its own: a filter may kill. */
static void make(size_t i)
{
	int status = 0;
	(void)fflush(stdout);
	pid_t pid = fork();
	if (pid == 0)
		_exit(calls[i].call() < 0 ? errno : 0);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		printf("%s not made\n", calls[i].name);
	else if (WIFSIGNALED(status))
		printf("%s killed by %d\n", calls[i].name, WTERMSIG(status));
	else if (WEXITSTATUS(status) == 99)
		printf("%s no entry\n", calls[i].name);
	else if (WEXITSTATUS(status))
		printf("%s %s\n", calls[i].name, strerrorname_np(WEXITSTATUS(status)));
	else
		printf("%s done\n", calls[i].name);
}

int main(int argc, char **argv)
{
	for (int a = 1; a < argc; a++)
		for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
			if (!strcmp(argv[a], calls[i].list) || !strcmp(argv[a], calls[i].name))
				make(i);
	return 0;
}
