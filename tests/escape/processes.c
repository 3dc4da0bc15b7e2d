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
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
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

static enum result enter(const char *kind, int flag)
{
	char path[64], name[32];
	pid_t pids[] = { 1, (pid_t)fact_number("command"), neighbour() };
	snprintf(name, sizeof(name), "ns_%s", kind);
	for (size_t i = 0; i < sizeof(pids) / sizeof(*pids); i++) {
		struct stat info;
		snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pids[i], kind);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || fstat(fd, &info) < 0 || (long)info.st_ino != fact_number(name)) {
			refused(path);
			continue;
		}
		if (setns(fd, flag) == 0) {
			note("%s: entered", path);
			return OUT;
		}
		refused("setns");
	}
	return REFUSED;
}

static enum result enter_mnt(void)
{
	return enter("mnt", CLONE_NEWNS);
}

static enum result enter_user(void)
{
	return enter("user", CLONE_NEWUSER);
}

static enum result enter_by_pidfd(void)
{
	int process = (int)syscall(SYS_pidfd_open, neighbour(), 0);
	if (process < 0 || !is_canary(neighbour()))
		return refused("pidfd_open");
	return setns(process, CLONE_NEWNS | CLONE_NEWUTS) < 0 ? refused("setns") : OUT;
}

static enum result ns_parent(void)
{
	int fd = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return refused("/proc/self/ns/user");
	int parent = ioctl(fd, NS_GET_PARENT);
	if (parent < 0)
		return refused("NS_GET_PARENT");
	return setns(parent, CLONE_NEWUSER) < 0 ? refused("setns") : OUT;
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
	{ "neighbour-see", see },
	{ "neighbour-environ", see_environ },
	{ "neighbour-memory", see_memory },
	{ "neighbour-readv", vm_readv },
	{ "neighbour-ptrace", trace },
	{ "neighbour-getfd", take_descriptor },
	{ "neighbour-kcmp", compare },
	{ "neighbour-kill", kill_it },
	{ "neighbour-limits", limits },
	{ "proc-root", proc_root },
	{ "proc-cwd", proc_cwd },
	{ "proc-fd", proc_fd },
	{ "proc-exe", proc_exe },
	{ "server-look", server_look },
	{ "command-look", command_look },
	{ "setns-mnt", enter_mnt },
	{ "setns-user", enter_user },
	{ "setns-pidfd", enter_by_pidfd },
	{ "ns-parent", ns_parent },
	{ "oom-score", oom_score },
	{ "real-time", real_time },
	{ "server-kill", server_kill },
	{ NULL, NULL },
};
