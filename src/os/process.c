/* SPDX-License-Identifier: Apache-2.0 */
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int process_fork(unsigned long long clone_flags, struct process *ret)
{
	pid_t parent = getpid();
	int pid_fd = -1;
	struct clone_args args = {
		.flags = clone_flags | CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)&pid_fd,
		/* With CLONE_PARENT it is that of this process. */
		.exit_signal = clone_flags & CLONE_PARENT ? 0 : SIGCHLD,
	};
	long pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		/* Die with the parent; it may have died already, between the two calls. In a new
		 * pid namespace the parent is not to be seen and getppid says 0. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (!(clone_flags & (CLONE_NEWPID | CLONE_PARENT)) && getppid() != parent)
			_exit(255);
		return 0;
	}
	ret->pid = (pid_t)pid;
	ret->pid_fd = pid_fd;
	return 1;
}

int process_drop_capabilities(uint64_t keep)
{
	/* The bounding set first: dropping from it needs a capability. Past the last one: EINVAL.
	 */
	int cap = 0;
	while ((cap < 64 && keep >> cap & 1 && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0) ||
	       prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
		cap++;
	if (errno != EINVAL || !cap)
		return -errno;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -errno;
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct left[2] = { 0 };
	if (keep && syscall(SYS_capget, &header, left) < 0)
		return -errno;
	for (int i = 0; i < 2; i++) {
		uint32_t mask = (uint32_t)(keep >> 32 * i);
		left[i].effective &= mask;
		left[i].permitted &= mask;
		left[i].inheritable = 0;
	}
	return syscall(SYS_capset, &header, left) < 0 ? -errno : 0;
}

bool process_has_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct now[2] = { 0 };
	/* In doubt: yes. */
	if (syscall(SYS_capget, &header, now) < 0)
		return true;
	return now[0].effective || now[1].effective || now[0].permitted || now[1].permitted ||
	       now[0].inheritable || now[1].inheritable;
}

void process_signals_but_faults(sigset_t *ret)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
	sigfillset(ret);
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++)
		sigdelset(ret, faults[i]);
}

bool process_is_stopped(const struct process *p)
{
	siginfo_t info = { 0 };
	return p->pid > 0 &&
	       waitid(P_PID, (id_t)p->pid, &info, WSTOPPED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid != 0;
}

int process_wait(struct process *p)
{
	int signal;
	return process_wait_signal(p, &signal);
}

int process_wait_signal(struct process *p, int *ret_signal)
{
	int status;
	pid_t pid;
	if (p->pid <= 0)
		return -ECHILD;
	do
		pid = waitpid(p->pid, &status, 0);
	while (pid < 0 && errno == EINTR);
	int result = pid < 0		   ? -errno
		     : WIFSIGNALED(status) ? 128 + WTERMSIG(status)
					   : WEXITSTATUS(status);
	if (pid >= 0)
		*ret_signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	p->pid = 0;
	fd_close(&p->pid_fd);
	return result;
}

void process_kill(struct process *p)
{
	if (p->pid > 0) {
		(void)kill(p->pid, SIGKILL);
		(void)process_wait(p);
	}
	fd_close(&p->pid_fd);
}

static _Noreturn void spawn_child(const struct process_spawn *spawn, int out_fd, int status_fd)
{
	int in = spawn->in_fd >= 0 ? spawn->in_fd : open("/dev/null", O_RDONLY | O_CLOEXEC);
	bool ok = in >= 0 && dup2(in, STDIN_FILENO) >= 0;
	if (ok && out_fd >= 0)
		ok = dup2(out_fd, STDOUT_FILENO) >= 0;
	if (ok && spawn->err_fd >= 0)
		ok = dup2(spawn->err_fd, STDERR_FILENO) >= 0;
	if (ok && spawn->directory)
		ok = chdir(spawn->directory) == 0;
	if (ok) {
		char *const *argv = (char *const *)spawn->argv;
		if (spawn->envp)
			execvpe(argv[0], argv, (char *const *)spawn->envp);
		else
			execvp(argv[0], argv);
	}
	int errnum = errno;
	(void)fd_write(status_fd, &errnum, sizeof(errnum));
	_exit(255);
}

int process_run(const struct process_spawn *spawn, struct error **err)
{
	int status_pipe[2], out_pipe[2] = { -1, -1 };
	const char *name = spawn->argv[0];
	if (pipe2(status_pipe, O_CLOEXEC) < 0)
		return error_errno(err, errno, "start %s", name);
	CLEANUP_FD int status_read = status_pipe[0];
	CLEANUP_FD int status_write = status_pipe[1];
	if (spawn->out && pipe2(out_pipe, O_CLOEXEC) < 0)
		return error_errno(err, errno, "start %s", name);
	CLEANUP_FD int out_read = out_pipe[0];
	CLEANUP_FD int out_write = out_pipe[1];
	CLEANUP_PROCESS struct process child = PROCESS_NONE;
	int forked = process_fork(0, &child);
	if (forked < 0)
		return error_errno(err, -forked, "start %s", name);
	if (forked == 0)
		spawn_child(spawn, spawn->out ? out_write : spawn->out_fd, status_write);
	fd_close(&status_write);
	fd_close(&out_write);
	int errnum = 0;
	if (fd_read(status_read, &errnum, sizeof(errnum)) == sizeof(errnum))
		return error_errno(err, errnum, "start %s", name);
	if (spawn->out && fd_read_all(out_read, spawn->out_limit, name, spawn->out, err) < 0)
		return -1;
	int status = process_wait(&child);
	return status < 0 ? error_errno(err, -status, "wait for %s", name) : status;
}

bool process_in_first_user_namespace(void)
{
	/* PROC_USER_INIT_INO: the kernel's own number, the same since Linux 3.8. */
	struct stat st;
	return stat("/proc/self/ns/user", &st) == 0 && st.st_ino == 0xEFFFFFFDU;
}

int process_number(int pid_fd, pid_t *ret, struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pid_fd);
	if (fd_read_file(AT_FDCWD, path, 4096, &text, err) < 0)
		return -1;
	const char *at = text.data ? strstr(text.data, "\nPid:") : NULL;
	long number = at ? strtol(at + 5, NULL, 10) : -1;
	if (number <= 0)
		return error_set(err, ERROR_SYSTEM, "a process that was to be mapped has ended");
	*ret = (pid_t)number;
	return 0;
}

bool process_stat(pid_t pid, int field, uint64_t *ret, size_t count)
{
	CLEANUP_ERROR struct error *ignored = NULL;
	CLEANUP_BUFFER struct buffer text = { 0 };
	char path[32] = "/proc/self/stat";
	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (fd_read_file(AT_FDCWD, path, 4096, &text, &ignored) < 0 || !text.len)
		return false;
	/* The name of the program, field 2, may hold anything; no later field has a bracket. */
	char *at = strrchr(text.data, ')');
	for (int i = 2; at && i < field; i++)
		at = strchr(at + 1, ' ');
	for (size_t i = 0; at && i < count; i++)
		ret[i] = strtoull(at, &at, 10);
	return at != NULL;
}

/* How many pid namespaces know a process by a number: proc(5), NSpid. 0: nobody says. */
static size_t depth(const char *status)
{
	const char *at = strstr(status, "\nNSpid:");
	size_t count = 0;
	for (at = at ? at + 7 : ""; *at && *at != '\n'; at++)
		count += *at == '\t';
	return count;
}

bool process_is_beside(pid_t pid)
{
	static const char *const names[] = { "uid_map", "status" };
	struct buffer text[2][2] = { 0 };
	CLEANUP_ERROR struct error *ignored = NULL;
	bool same = true;
	for (size_t i = 0; same && i < 4; i++) {
		char path[64];
		snprintf(path, sizeof(path), "/proc/%d/%s", (int)(i % 2 ? pid : getpid()),
			 names[i / 2]);
		same = fd_read_file(AT_FDCWD, path, 65536, &text[i / 2][i % 2], &ignored) == 0 &&
		       text[i / 2][i % 2].len;
	}
	same = same && !strcmp(text[0][0].data, text[0][1].data) && depth(text[1][0].data) &&
	       depth(text[1][0].data) == depth(text[1][1].data);
	for (size_t i = 0; i < 4; i++)
		buffer_free(&text[i / 2][i % 2]);
	return same;
}

/* Linux 6.5; headers are older. */
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

bool process_peer_is_beside(int sock, pid_t *ret)
{
	struct ucred peer;
	CLEANUP_FD int held = -1;
	socklen_t len = sizeof(peer), held_len = sizeof(held);
	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 || peer.uid != geteuid())
		return false;
	/* It may be gone, and its number another's by now: so it is held while it is looked at. A
	 * kernel that has no such call leaves that open. */
	if (getsockopt(sock, SOL_SOCKET, SO_PEERPIDFD, &held, &held_len) < 0) {
		if (errno != ENOPROTOOPT)
			return false;
		held = -1;
	}
	struct pollfd ended = { .fd = held, .events = POLLIN };
	if (!process_is_beside(peer.pid) || (held >= 0 && poll(&ended, 1, 0) != 0))
		return false;
	*ret = peer.pid;
	return true;
}

/* Where one of the folders, with colons between them, has the program. Takes `folders` apart. */
static char *search(char *folders, const char *name, struct error **err)
{
	char *rest = folders;
	for (char *folder; rest && (folder = strsep(&rest, ":"));) {
		CLEANUP_TEXT char *file = path_join(*folder ? folder : ".", name, err);
		if (!file)
			return NULL;
		if (access(file, X_OK) == 0)
			return take_pointer(&file);
	}
	return NULL;
}

char *process_find_program(const char *name, struct error **err)
{
	const char *path = getenv("PATH");
	CLEANUP_TEXT char *all =
		text_printf(err, "%s:/usr/sbin:/sbin:/usr/bin:/bin", path ? path : "/usr/bin");
	return search(all, name, err);
}

char *process_in_path(const char *name, struct error **err)
{
	const char *path = getenv("PATH");
	CLEANUP_TEXT char *all = text_dup(path ? path : "/usr/bin:/bin", err);
	return search(all, name, err);
}
