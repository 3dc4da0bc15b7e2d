/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Other processes: one of the same user ("canary": pid, an address in its memory and a descriptor
 * that hold the token), the image's server, the command, and their namespaces.
 */
#include "attempt.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static pid_t neighbour(void)
{
	return (pid_t)fact_number("pid");
}

static void path_of(char *path, size_t size, pid_t pid, const char *name)
{
	snprintf(path, size, "/proc/%d/%s", (int)pid, name);
}

static bool is_canary(pid_t pid)
{
	char path[64], name[16] = "";
	path_of(path, sizeof(path), pid, "comm");
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, name, sizeof(name) - 1) < 0)
		return false;
	close(fd);
	return !strcmp(name, "canary\n");
}

static enum result see(void)
{
	if (!is_canary(neighbour()))
		return REFUSED;
	note("seen");
	return OUT;
}

static enum result see_environ(void)
{
	char path[64];
	path_of(path, sizeof(path), neighbour(), "environ");
	return read_path(path);
}

static enum result see_memory(void)
{
	char path[64], bytes[64];
	path_of(path, sizeof(path), neighbour(), "mem");
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || pread(fd, bytes, sizeof(bytes), fact_number("address")) < 0)
		return refused(path);
	return has_token(bytes, sizeof(bytes)) ? OUT : REFUSED;
}

static enum result vm_readv(void)
{
	char bytes[64];
	struct iovec here = { bytes, sizeof(bytes) },
		     there = { (void *)fact_number("address"), sizeof(bytes) };
	if (process_vm_readv(neighbour(), &here, 1, &there, 1, 0) < 0)
		return refused("process_vm_readv");
	return has_token(bytes, sizeof(bytes)) ? OUT : REFUSED;
}

static enum result trace(void)
{
	if (!is_canary(neighbour()))
		return REFUSED;
	if (ptrace(PTRACE_SEIZE, neighbour(), 0, 0) < 0)
		return refused("ptrace");
	return OUT;
}

static enum result take_descriptor(void)
{
	int process = (int)syscall(SYS_pidfd_open, neighbour(), 0);
	if (process < 0)
		return refused("pidfd_open");
	int fd = (int)syscall(SYS_pidfd_getfd, process, fact_number("descriptor"), 0);
	if (fd < 0)
		return refused("pidfd_getfd");
	char bytes[64];
	ssize_t n = pread(fd, bytes, sizeof(bytes), 0);
	return n > 0 && has_token(bytes, (size_t)n) ? OUT : REFUSED;
}

static enum result compare(void)
{
	if (syscall(SYS_kcmp, getpid(), neighbour(), KCMP_FILE, 0, 0) < 0)
		return refused("kcmp");
	return is_canary(neighbour()) ? OUT : REFUSED;
}

/* The host sees whether the signal came. */
static enum result kill_it(void)
{
	if (kill(neighbour(), SIGUSR1) < 0)
		return refused("kill");
	return is_canary(neighbour()) ? OUT : OWN;
}

static enum result limits(void)
{
	struct rlimit its;
	if (prlimit(neighbour(), RLIMIT_CORE, NULL, &its) < 0)
		return refused("prlimit");
	return (long)its.rlim_cur == fact_number("core") ? OUT : OWN;
}

/* Through each process that we see, from its folder in /proc. */
static enum result through_all(const char *link, const char *rest)
{
	char path[4352];
	DIR *proc = opendir("/proc");
	enum result result = REFUSED;
	for (struct dirent *e; proc && result == REFUSED && (e = readdir(proc));) {
		if (atoi(e->d_name) <= 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%s/%s%s", e->d_name, link, rest);
		result = read_path(path);
	}
	if (proc)
		closedir(proc);
	return result;
}

static enum result proc_root(void)
{
	return through_all("root", fact("secret"));
}

static enum result proc_cwd(void)
{
	char rest[4200];
	snprintf(rest, sizeof(rest), "/../../../../../../../..%s", fact("secret"));
	return through_all("cwd", rest);
}

static enum result proc_fd(void)
{
	char rest[32];
	snprintf(rest, sizeof(rest), "/%ld", fact_number("descriptor"));
	return through_all("fd", rest);
}

/* The program of a process that set the container up, as in CVE-2019-5736. */
static enum result proc_exe(void)
{
	char path[64], target[256];
	for (pid_t pid = 1; pid; pid = pid == 1 ? getppid() : 0) {
		path_of(path, sizeof(path), pid, "exe");
		ssize_t n = readlink(path, target, sizeof(target) - 1);
		if (n < 0) {
			refused(path);
			continue;
		}
		target[n] = 0;
		int fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0 && errno != ETXTBSY) {
			refused(path);
			continue;
		}
		/* Ours, of the image? */
		if (strcmp(target, "/bin/attempt")) {
			note("%s: may be written", target);
			return OUT;
		}
	}
	return REFUSED;
}

/* Whether anything of this process is open to us. */
static enum result look_into(pid_t pid)
{
	static const char *const names[] = { "environ", "mem", "maps", "auxv" };
	char path[64], byte;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		path_of(path, sizeof(path), pid, names[i]);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0) {
			refused(names[i]);
			continue;
		}
		if (i == 1 || read(fd, &byte, 1) > 0) {
			note("%s: open", names[i]);
			return OUT;
		}
		close(fd);
	}
	path_of(path, sizeof(path), pid, "fd/0");
	if (readlink(path, &byte, 1) > 0) {
		note("fd: open");
		return OUT;
	}
	if (ptrace(PTRACE_SEIZE, pid, 0, 0) == 0) {
		note("ptrace: done");
		return OUT;
	}
	return REFUSED;
}

/* Another container's payload, of the same user. */
static enum result other_container(void)
{
	pid_t pid = (pid_t)fact_number("other");
	char path[64], name[16] = "";
	path_of(path, sizeof(path), pid, "comm");
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		(void)!read(fd, name, sizeof(name) - 1);
	if (strcmp(name, "other\n")) {
		note("not seen");
		return REFUSED;
	}
	return look_into(pid);
}

/* A variable of the caller's, in the environment that came with us. */
static enum result variables(void)
{
	for (char **v = environ; *v; v++)
		if (has_token(*v, strlen(*v)))
			return OUT;
	return REFUSED;
}

/* All that can be read of a process: what the caller had is left on the stacks of its children. */
static bool memory_has_token(pid_t pid)
{
	static char bytes[1 << 20];
	char path[64], line[512];
	unsigned long from, to;
	bool found = false;
	path_of(path, sizeof(path), pid, "maps");
	FILE *maps = fopen(path, "re");
	path_of(path, sizeof(path), pid, "mem");
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	while (maps && fd >= 0 && !found && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx r", &from, &to) == 2 && !strstr(line, "[v"))
			for (; from < to && !found; from += sizeof(bytes) - 64) {
				size_t len = to - from < sizeof(bytes) ? to - from : sizeof(bytes);
				ssize_t n = pread(fd, bytes, len, (off_t)from);
				found = n > 0 && has_token(bytes, (size_t)n);
			}
	if (!maps || fd < 0)
		refused(path);
	if (maps)
		fclose(maps);
	return found;
}

static enum result init_memory(void)
{
	char path[64];
	/* Our parent's parent started us. Where they are programs of the image they have what we
	 * have. */
	for (pid_t pid = 1; pid; pid = pid == 1 ? (pid_t)fact_number("command") : 0) {
		path_of(path, sizeof(path), pid, "environ");
		if (read_path(path) == OUT || memory_has_token(pid))
			return OUT;
	}
	return REFUSED;
}

/* The process that serves this image, by its name and its parent, the command. */
static pid_t server(void)
{
	char path[64], text[256];
	DIR *proc = opendir("/proc");
	for (struct dirent *e; proc && (e = readdir(proc));) {
		int parent = 0;
		pid_t pid = atoi(e->d_name);
		if (pid <= 0)
			continue;
		path_of(path, sizeof(path), pid, "stat");
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
		if (fd >= 0)
			close(fd);
		text[n < 0 ? 0 : n] = 0;
		char *end = strrchr(text, ')');
		if (end && sscanf(end + 1, " %*c %d", &parent) == 1 &&
		    parent == fact_number("command") &&
		    (strstr(text, "(coffer-image)") || strstr(text, "(squashfuse")))
			return pid;
	}
	return 0;
}

static pid_t command(void)
{
	/* In a process namespace of our own our parent is none of the host's. */
	return is_host_ns("pid") ? getppid() == 1 ? 0 : (pid_t)fact_number("command") : 0;
}

static enum result server_look(void)
{
	pid_t pid = server();
	if (!pid) {
		note("not seen");
		return REFUSED;
	}
	return look_into(pid);
}

static enum result command_look(void)
{
	pid_t pid = command();
	if (!pid) {
		note("not seen");
		return REFUSED;
	}
	return look_into(pid);
}

/* Made last and by itself: it ends the container. */
static enum result server_kill(void)
{
	pid_t pid = server();
	if (!pid) {
		note("not seen");
		return REFUSED;
	}
	return kill(pid, SIGKILL) < 0 ? refused("kill") : OUT;
}

static enum result oom_score(void)
{
	if (write_text("/proc/self/oom_score_adj", "-1000") < 0)
		return refused("oom_score_adj");
	return OUT;
}

static enum result real_time(void)
{
	struct sched_param most = { .sched_priority = 1 };
	if (syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &most) < 0)
		return refused("sched_setscheduler");
	most.sched_priority = 0;
	syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &most);
	return OUT;
}

const struct attempt process_attempts[] = {
	{ "neighbour-see", see },	    { "neighbour-environ", see_environ },
	{ "neighbour-memory", see_memory }, { "neighbour-readv", vm_readv },
	{ "neighbour-ptrace", trace },	    { "neighbour-getfd", take_descriptor },
	{ "neighbour-kcmp", compare },	    { "neighbour-kill", kill_it },
	{ "neighbour-limits", limits },	    { "proc-root", proc_root },
	{ "proc-cwd", proc_cwd },	    { "proc-fd", proc_fd },
	{ "proc-exe", proc_exe },	    { "server-look", server_look },
	{ "command-look", command_look },   { "oom-score", oom_score },
	{ "real-time", real_time },	    { "container-look", other_container },
	{ "caller-variables", variables },  { "init-memory", init_memory },
	{ "server-kill", server_kill },	    { NULL, NULL },
};
