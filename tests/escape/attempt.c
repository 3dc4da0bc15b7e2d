/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   attempt NAME=VALUE... [ATTEMPT...]   makes all attempts, or these: a line "NAME RESULT
 * EVIDENCE" each, the result one of refused, own, out attempt list                         the
 * names attempt who                          exit status 1 when it has an effective id or
 * capability that a set-uid file or one with capabilities would give attempt canary, attempt launch
 * the host's side: canary.c
 *
 * Linked statically, so that it runs in any container.
 */
#include "attempt.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char **facts;
static struct {
	enum result result;
	char evidence[160];
} report;

static const struct attempt *const groups[] = {
	mount_attempts,	 file_attempts,	  process_attempts, namespace_attempts, user_attempts,
	device_attempts, socket_attempts, kernel_attempts,  terminal_attempts
};
#define GROUPS (sizeof(groups) / sizeof(*groups))

const char *fact(const char *name)
{
	size_t len = strlen(name);
	for (char **f = facts; *f; f++)
		if (!strncmp(*f, name, len) && (*f)[len] == '=')
			return *f + len + 1;
	return "";
}

long fact_number(const char *name)
{
	return strtol(fact(name), NULL, 0);
}

void note(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(report.evidence, sizeof(report.evidence), format, args);
	va_end(args);
}

enum result refused(const char *call)
{
	note("%s: %s", call, strerror(errno));
	return REFUSED;
}

enum result by_right(long returned, const char *call)
{
	if (returned < 0 && (errno == EPERM || errno == EACCES || errno == ENOSYS))
		return refused(call);
	note("%s: %s", call, returned < 0 ? strerror(errno) : "done");
	return OUT;
}

bool has_token(const void *bytes, size_t len)
{
	static const char beginning[] = TOKEN;
	const char *at = bytes, *end = at + len;
	while ((at = memmem(at, (size_t)(end - at), beginning, sizeof(beginning) - 1))) {
		at += sizeof(beginning) - 1;
		if (end - at >= 16 && strspn(at, "0123456789abcdef") >= 16)
			return true;
	}
	return false;
}

enum result read_fd(int fd, const char *what)
{
	char text[4097];
	if (fd < 0)
		return refused(what);
	ssize_t n = read(fd, text, sizeof(text) - 1);
	if (n < 0) {
		enum result result = refused(what);
		close(fd);
		return result;
	}
	close(fd);
	text[n] = 0;
	bool found = has_token(text, (size_t)n);
	note("%s: %s", what, found ? "read" : "has nothing of the host's");
	return found ? OUT : REFUSED;
}

enum result read_path(const char *path)
{
	return read_fd(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), path);
}

enum result open_to_write(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return refused(path);
	close(fd);
	note("%s: open for writing", path);
	return OUT;
}

bool is_host_ns(const char *kind)
{
	char path[64], name[32];
	struct stat info;
	snprintf(path, sizeof(path), "/proc/self/ns/%s", kind);
	snprintf(name, sizeof(name), "ns_%s", kind);
	return stat(path, &info) == 0 && (long)info.st_ino == fact_number(name);
}

int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t n = write(fd, text, strlen(text));
	int problem = errno;
	close(fd);
	errno = problem;
	return n < 0 ? -1 : 0;
}

static sigjmp_buf no_entry;

static void on_segv(int number)
{
	siglongjmp(no_entry, number);
}

/*
 * The 32-bit entry, with its own numbers. Its pointers are of 32 bits; 0 will do. A kernel that is
 * built or started without it (ia32_emulation=0) answers with SIGSEGV: no call, ENOSYS.
 */
long call_32(long number, long a, long b, long c, long d)
{
	long returned;
	struct sigaction before, caught = { .sa_handler = on_segv };
	(void)sigaction(SIGSEGV, &caught, &before);
	if (sigsetjmp(no_entry, 1)) {
		(void)sigaction(SIGSEGV, &before, NULL);
		errno = ENOSYS;
		return -1;
	}
	__asm__ volatile("int $0x80"
			 : "=a"(returned)
			 : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d)
			 : "memory", "r8", "r9", "r10", "r11");
	(void)sigaction(SIGSEGV, &before, NULL);
	if (returned < 0 && returned > -4096) {
		errno = (int)-returned;
		return -1;
	}
	return returned;
}

void private_mounts(void)
{
	/* Where it is refused, what follows is tried in the namespace that we have. */
	(void)unshare(CLONE_NEWNS);
}

/* Whether a file of the image made us more than its caller is. */
static int who(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct sets[2] = { 0 };
	syscall(SYS_capget, &header, sets);
	return geteuid() != getuid() || getegid() != getgid() || sets[0].effective ||
	       sets[1].effective;
}

static void one(const struct attempt *attempt)
{
	int channel[2], status = 0;
	fflush(stdout);
	if (pipe2(channel, O_CLOEXEC) < 0)
		return;
	pid_t child = fork();
	if (child == 0) {
		/* SIGALRM ends what hangs. */
		signal(SIGALRM, SIG_DFL);
		alarm(8);
		memset(&report, 0, sizeof(report));
		report.result = attempt->make();
		(void)!write(channel[1], &report, sizeof(report));
		_exit(0);
	}
	close(channel[1]);
	ssize_t n = read(channel[0], &report, sizeof(report));
	close(channel[0]);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	static const char *const words[] = { "refused", "own", "out" };
	if (n == (ssize_t)sizeof(report))
		printf("%s %s %s\n", attempt->name, words[report.result], report.evidence);
	else if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGSYS || WTERMSIG(status) == SIGALRM))
		printf("%s refused signal %d\n", attempt->name, WTERMSIG(status));
	else
		printf("%s broken status %x\n", attempt->name, (unsigned int)status);
}

static bool wanted(const char *name, char **names)
{
	bool any = false;
	for (; *names; names++) {
		if (strchr(*names, '='))
			continue;
		if (!strcmp(*names, name))
			return true;
		any = true;
	}
	return !any;
}

int main(int argc, char **argv)
{
	facts = argv + 1;
	if (argc == 2 && !strcmp(argv[1], "who"))
		return who();
	if (argc > 1 && !strcmp(argv[1], "wait")) {
		prctl(PR_SET_NAME, "other");
		alarm(100);
		for (;;)
			pause();
	}
	if (argc > 1 && !strcmp(argv[1], "canary"))
		return canary(argv + 2);
	if (argc > 1 && !strcmp(argv[1], "launch"))
		return launch(argv + 2);
	bool list = argc == 2 && !strcmp(argv[1], "list");
	signal(SIGHUP, SIG_IGN);
	for (size_t i = 0; i < GROUPS; i++)
		for (const struct attempt *a = groups[i]; a->name; a++)
			if (list)
				puts(a->name);
			else if (wanted(a->name, argv + 1))
				one(a);
	return 0;
}
