/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server locks itself in.
 *
 * It reads bytes that an enemy may have written, with a key in its memory that nobody else has. So
 * it gives up, stage by stage, whatever a person who took it over could use: the eyes of other
 * processes on it, descriptors, the file system, capabilities, resources, system calls. It begins
 * in user, mount, network and IPC namespaces of its own, made by the fork (serve.c).
 *
 * No ids are mapped in its user namespace, and none need be: the mounts below ask for capabilities
 * alone. A process that may not be looked at may not write its own id maps either (/proc/self is
 * root's), so mapping would mean to open it for others for a while, keys and all.
 *
 * What each stage is for, if all others failed:
 *   memory        nobody of the same user reads it by ptrace or /proc; no core; with memfd_secret
 *                 not even root
 *   descriptors   nothing of the caller's is open: no terminal, no folder, no socket
 *   root          no path leads anywhere, so no file can be opened or run, and no socket found
 *   privileges    no capability in any namespace, and none to be had by exec
 *   limits        no file grows, no descriptor or process is made, and there is an end to memory
 *   calls         the kernel's own faults are out of reach but for the few calls that are needed
 *
 * Each fails closed: a stage that cannot be done ends the server, and with it the start.
 */
#include "serve/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

/* What all of the server's private memory may be: caches are bounded, this stops a runaway. */
#define MEMORY_MAX ((rlim_t)1 << 30)

/* What a thread that decrypts has of its own in guarded memory, generously: a cipher's context with
 * its key schedules. It makes that when it first needs it, which is too late to be hidden. */
#define THREAD_SECRETS ((size_t)4096)

/* Nobody looks into this process, and no signal moves it but SIGKILL, SIGSTOP and a fault's. */
int isolate_memory(unsigned threads, struct error **err)
{
	if (secret_heap_reserve(threads * THREAD_SECRETS, err) < 0)
		return -1;
	int r = secret_harden_process();
	if (r < 0)
		return error_errno(err, -r, "hide the memory of the image server");
	secret_keep_all();
	/*
	 * The mount outlives the command when a child of the payload does, so the server is in a
	 * session of its own: a hang-up or Ctrl-C is not for it. It ends when the mount goes. What
	 * is blocked here is so for the threads that come.
	 */
	sigset_t waiting;
	process_signals_but_faults(&waiting);
	if (setsid() < 0 || sigprocmask(SIG_SETMASK, &waiting, NULL) < 0)
		return error_errno(err, errno, "begin a session for the image server");
	(void)prctl(PR_SET_NAME, "coffer-image");
	return 0;
}

static int compare_fds(const void *a, const void *b)
{
	const int *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

/* Keeps these descriptors (negative ones are passed over), and /dev/null as the first three. */
int isolate_descriptors(const int *keep, size_t count, struct error **err)
{
	int sorted[8] = { 0 };
	size_t n = 0;
	for (size_t i = 0; i < count; i++) {
		if (keep[i] < 0)
			continue;
		/* The callers' descriptors come from open calls of a process with a standard error.
		 */
		if (keep[i] <= STDERR_FILENO || n == sizeof(sorted) / sizeof(*sorted))
			return error_set(err, ERROR_INTERNAL, "descriptor %d cannot be kept",
					 keep[i]);
		sorted[n++] = keep[i];
	}
	qsort(sorted, n, sizeof(*sorted), compare_fds);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return error_errno(err, errno, "open /dev/null");
	int last = SANITIZED ? STDOUT_FILENO : STDERR_FILENO;
	for (int fd = 0; fd <= last; fd++)
		if (dup2(null, fd) < 0)
			return error_errno(err, errno, "close the standard streams");
	/* By gaps between those that are kept: numbers that nobody knows of are closed with them.
	 */
	unsigned from = STDERR_FILENO + 1;
	for (size_t i = 0; i <= n; i++) {
		unsigned to = i < n ? (unsigned)sorted[i] : UINT_MAX;
		if (i < n && to < from) /* given twice */
			continue;
		if (to > from && close_range(from, i < n ? to - 1 : UINT_MAX, 0) < 0)
			return error_errno(err, errno, "close descriptors");
		from = to + 1;
	}
	return 0;
}

/* An empty, read-only file system, not attached to anything. */
static int empty_tree(void)
{
	static const char *const options[] = {
		"mode", "0555", "size", "4k", "nr_inodes", "1", NULL
	};
	static const struct mnt_filesystem fs = {
		.type = "tmpfs",
		.source = "none",
		.options = options,
		.attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
			      MOUNT_ATTR_NOEXEC,
	};
	struct mnt_refusal refusal;
	return mnt_new(&fs, &refusal);
}

/* The root becomes an empty directory; every other mount is let go of. */
int isolate_root(struct error **err)
{
	/* Else what happens here would happen in the namespace we came from. */
	int r = mnt_propagate(MS_PRIVATE);
	if (r < 0)
		return error_errno(err, -r, "part the mounts of the image server");
	CLEANUP_FD int tree = empty_tree();
	if (tree < 0)
		return error_errno(err, -tree, "make an empty root for the image server");
	/* On top of the old root: no directory need exist, and a path cannot mislead. */
	r = mnt_place(tree, AT_FDCWD, "/");
	if (r == 0)
		/* Where the kernel does not let go of the old root, leaving the new one takes a
		 * capability, which is dropped next. */
		r = mnt_change_root(tree, false);
	return r < 0 ? error_errno(err, -r, "change to the empty root") : 0;
}

/* No capability, nor a way to get one. Each thread has its own, so this precedes them. */
int isolate_privileges(struct error **err)
{
	int r = process_drop_capabilities(0);
	if (r < 0)
		return error_errno(err, -r, "drop all capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_errno(err, errno, "give up new privileges");
	return 0;
}

/* After the threads have been started, as it forbids more. */
int isolate_limits(struct error **err)
{
	static const struct confine_limit limits[] = {
		{ RLIMIT_CORE, 0 },
		{ RLIMIT_FSIZE, 0 },
		{ RLIMIT_NOFILE, 0 }, /* those that are open stay so */
		{ RLIMIT_NPROC, 0 },
		{ RLIMIT_MSGQUEUE, 0 },
#if !SANITIZED
		{ RLIMIT_DATA, MEMORY_MAX },
#endif
	};
	return confine_limits(limits, sizeof(limits) / sizeof(*limits), false, err);
}

enum rule {
	ALLOW,
	ALLOW_NOT_EXEC, /* unless the third argument has PROT_EXEC */
	REFUSE,		/* fails with EACCES instead of killing */
};

/*
 * Every system call that the locked-in server makes. All else kills the process. The list is made
 * from the notes beside the calls (server-calls says what they look like).
 */
static const struct {
	int call;
	enum rule rule;
} calls[] = {
#include "serve/server_calls.h"
#if SANITIZED
	/* The sanitizers: their own allocator and stacks; on a finding, what a report takes. */
	{ SCMP_SYS(sigaltstack), ALLOW },     { SCMP_SYS(rt_sigaction), ALLOW },
	{ SCMP_SYS(rt_sigreturn), ALLOW },    { SCMP_SYS(prctl), ALLOW },
	{ SCMP_SYS(getrlimit), ALLOW },	      { SCMP_SYS(prlimit64), ALLOW },
	{ SCMP_SYS(getrusage), ALLOW },	      { SCMP_SYS(nanosleep), ALLOW },
	{ SCMP_SYS(clock_nanosleep), ALLOW }, { SCMP_SYS(ioctl), ALLOW },
	{ SCMP_SYS(tgkill), ALLOW },	      { SCMP_SYS(newfstatat), ALLOW },
	{ SCMP_SYS(fstat), ALLOW },	      { SCMP_SYS(stat), REFUSE },
	{ SCMP_SYS(open), REFUSE },	      { SCMP_SYS(readlink), REFUSE },
	{ SCMP_SYS(readlinkat), REFUSE },     { SCMP_SYS(pipe), REFUSE },
	{ SCMP_SYS(pipe2), REFUSE },
#endif
};

static int rule_add(scmp_filter_ctx filter, int call, enum rule rule)
{
	switch (rule) {
	case ALLOW:
		return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0);
	case ALLOW_NOT_EXEC:
		return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1,
					SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	case REFUSE:
		return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), call, 0);
	}
	return -EINVAL;
}

/* For all threads at once: what they do once they run is all that they may do. */
int isolate_calls(const pid_t *own, size_t count, struct error **err)
{
	/* Killed, not refused: a call that is not on the list is a fault of ours or an enemy's. */
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (!filter)
		return error_no_memory(err);
	int r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	/* By the numbers of another architecture: not only the thread that calls. */
	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	/* A call that an architecture has not is passed over by libseccomp itself. */
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls) && r == 0; i++)
		r = rule_add(filter, calls[i].call, calls[i].rule);
	/* Of another process that would be a way to slow it down. */
	for (size_t i = 0; i < count && r == 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(sched_setaffinity), 1,
				     SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)own[i]));
	return confine_load(filter, r, "the image server", err);
}
