/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_OS_PROCESS_H
#define COFFER_OS_PROCESS_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/base.h"

/*
 * A child process that somebody owns: freed means killed and reaped, so that no way out of a
 * function leaves one behind.
 */
struct process {
	pid_t pid;  /* 0: none, or already reaped */
	int pid_fd; /* -1: none */
};
#define PROCESS_NONE ((struct process){ .pid = 0, .pid_fd = -1 })

/* Kills with SIGKILL, reaps, closes. */
void process_kill(struct process *p);
/*
 * By which number this machine's /proc knows the process of a pidfd that somebody has sent:
 * proc(5), /proc/PID/fdinfo. An error when it has ended, or is of a pid namespace that cannot be
 * seen.
 */
int process_number(int pid_fd, pid_t *ret, struct error **err);
/*
 * Whether the process of that number is in the user and pid namespaces of this one, as far as /proc
 * tells without a look into it: by what its ids and its number mean. In doubt: no.
 */
bool process_is_beside(pid_t pid);
/*
 * Whether who is at the other end of a socket is a process of this user, beside this one in that
 * sense, by who has connected it, or listens at it; *ret is its number then. In doubt: no.
 */
bool process_peer_is_beside(int sock, pid_t *ret);
#define CLEANUP_PROCESS __attribute__((cleanup(process_kill)))

/*
 * Forks with clone3 and the given CLONE_NEW... flags. In the child it returns 0; in the parent 1
 * with *ret filled; or -errno. The child gets SIGKILL when the parent thread dies. With
 * CLONE_PARENT that is this process's own parent, which is not asked whether it lives still.
 */
int process_fork(unsigned long long clone_flags, struct process *ret);

/*
 * Gives up every capability of this thread but those of `keep` (bit N: capability N), and the ways
 * back to one but that of exec by root: bounding set, ambient, permitted. Returns 0 or -errno.
 */
int process_drop_capabilities(uint64_t keep);
/* Whether this is the machine's user namespace, where numbers of users mean what they say. */
bool process_in_first_user_namespace(void);
/* Whether this thread has a capability that it could use now. */
bool process_has_capabilities(void);

/*
 * Every signal that a process may wait with: all but those by which a fault of its own kills it.
 * Blocked, these would wait for ever when they are sent, as a debugger or an abort does.
 */
void process_signals_but_faults(sigset_t *ret);

/* Whether it is stopped (SIGSTOP) at this moment. False for none. */
bool process_is_stopped(const struct process *p);

/* Waits for its end and reaps it. Returns the exit status, 128 + the signal, or -errno. */
int process_wait(struct process *p);
/* The same; *ret_signal is the signal that ended it, 0 when it was none. */
int process_wait_signal(struct process *p, int *ret_signal);

/*
 * Numbers of /proc/PID/stat (proc(5)), from `field` on, which is 3 at least; pid 0: this process.
 * False where there are none, as of a process that is gone.
 */
bool process_stat(pid_t pid, int field, uint64_t *ret, size_t count);

/*
 * How a program is started. All of it is borrowed. argv[0] is looked up in PATH when it has no
 * slash.
 */
struct process_spawn {
	const char *const *argv;
	const char *const *envp; /* NULL: this process's environment */
	const char *directory;	 /* NULL: where we are */
	int in_fd;		 /* -1: /dev/null */
	int out_fd;		 /* -1: inherited */
	int err_fd;		 /* -1: inherited */
	struct buffer *out; /* not NULL: standard output is gathered here (at most out_limit) */
	size_t out_limit;
};
#define PROCESS_SPAWN ((struct process_spawn){ .in_fd = -1, .out_fd = -1, .err_fd = -1 })

/*
 * Runs the program to its end. Returns its status (128 + signal when killed), or -1 with *err set
 * when it could not be started (ERROR_NOT_FOUND when it is not there).
 */
int process_run(const struct process_spawn *spawn, struct error **err);

/*
 * The path of a program by PATH and the folders of the administrator; the text is the caller's.
 * NULL where it is not there, and with *err set where there is no memory.
 */
char *process_find_program(const char *name, struct error **err);
/* The same by PATH alone: what execvp(3) would start. */
char *process_in_path(const char *name, struct error **err);

#endif
