/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server process: a few threads, each taking one request after another from /dev/fuse.
 *
 * The order of its life is the point of it. Threads must exist before the system call filter (to
 * start one takes calls that it forbids), and capabilities must be gone before the threads (each
 * thread has its own); so the threads are started in between and wait at a gate until everything
 * is locked. libfuse's own loop with threads is not used: it ends them by cancelling, for which
 * glibc loads a library.
 *
 *   fork into namespaces of its own   the kernel gives capabilities over them, which the next needs
 *   hide the memory, move the keys    before anybody could look, after the last fork (secret.h)
 *   close descriptors, empty root     while there are capabilities for it
 *   drop capabilities, no new ones    each thread has its own: before the threads
 *   start threads, at the gate        they make here the calls that only a thread's start makes
 *   limits, the filter of calls       for all threads at once; from here on nothing can be undone
 *   say "ready", open the gate        the command lets the container go on
 *
 * It is forked and never exec'd: its key comes with the memory, while a program that is started can
 * be looked into until it has hidden itself.
 *
 * It ends when the mount goes, whoever is left: the kernel answers ENODEV to all threads then. It
 * does not end with the command, because a process that the payload has left behind may still use
 * the mount. What it says to the command it says over the wire: "ready", or why not, and later the
 * first error that a reader met. The command must not trust that more than an image: a server
 * that was taken over may write into it whatever it likes.
 */
#include "serve/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define THREADS_MIN 2

/* Enough for the decompressors; a sanitizer's frames are several times larger. */
#define STACK_SIZE ((size_t)1 << 20)

struct server {
	struct image_tree *tree; /* this process's copy */
	struct fuse_session *session;
	struct ops ops;
	int says; /* to the command */
	struct spread spread;
	pthread_t threads[THREADS_MAX];
	unsigned thread_count; /* besides the first one, which is number 0 */

	/* the gate */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned waiting;
	bool open;
};

/* ------------------------------------------------------------------ what the child says */

/* The words besides an error: it is ready; the second one: and not all memory for keys is locked.
 */
#define WORD_READY 'R'
#define WORD_UNLOCKED 'U'

/* By write alone, which the filter lets through: on a socket of packets it makes one packet. */
void serve_say(int fd, const struct error *err)
{
	uint8_t packet[WIRE_PACKET_MAX];
	(void)fd_write(fd, packet, wire_pack_error(err, packet));
}

bool serve_hear(int says, char text[SERVE_TEXT_LEN])
{
	CLEANUP_WIRE_PACKET struct wire_packet p = WIRE_PACKET_NONE;
	/* Not waited for: the server may be a hostile one. */
	int flags = fcntl(says, F_GETFL);
	if (flags < 0 || fcntl(says, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    wire_receive(says, &p) <= 0 || !p.error)
		return false;
	snprintf(text, SERVE_TEXT_LEN, "%s", error_message(p.error));
	return true;
}

int serve_stopped(struct error **err)
{
	error_set(err, ERROR_SYSTEM,
		  "the process that serves the image was stopped: the container was ended");
	return error_hint(err, "send SIGSTOP to the command, or to all of its processes, instead");
}

/*
 * Twice, as the time goes on while this process itself is stopped: who suspends a whole job lets
 * one process go on before the other.
 */
static int await_word(int fd, const struct process *server, struct error **err)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int n, stopped = 0;
	while ((n = poll(&p, 1, SERVE_STOPPED_MS / 2)) <= 0) {
		if (n < 0 && errno != EINTR)
			return error_errno(err, errno, "wait for the image server");
		stopped = process_is_stopped(server) ? stopped + 1 : 0;
		if (stopped == 2)
			return serve_stopped(err);
	}
	return 0;
}

static int hear_ready(int fd, struct error **err)
{
	CLEANUP_WIRE_PACKET struct wire_packet p = WIRE_PACKET_NONE;
	int r = wire_receive(fd, &p);
	if (r < 0)
		return error_errno(err, -r, "hear from the image server");
	if (p.error) {
		*err = take_pointer(&p.error);
		return -1;
	}
	if (r == 0 || (p.word != WORD_READY && p.word != WORD_UNLOCKED))
		return error_set(err, ERROR_SYSTEM, "the image server died while it started");
	if (p.word == WORD_UNLOCKED)
		secret_note_unlocked();
	return 0;
}

/* ------------------------------------------------------------------ the loop */

/*
 * When the mount goes, every thread that waits or will wait for a request is told so (ENODEV).
 * A thread that fails for another reason leaves the work to the others.
 */
static void loop(struct server *s, unsigned thread)
{
	struct fuse_buf buf = { .mem = NULL };
	while (!fuse_session_exited(s->session)) {
		/* The request, and what ops.c answers.
		 * server-calls: read writev */
		spread_wait(&s->spread, thread);
		int n = fuse_session_receive_buf(s->session, &buf);
		(void)spread_got(&s->spread, thread);
		if (n == -EINTR || n == -EAGAIN)
			continue;
		if (n <= 0)
			break;
		fuse_session_process_buf(s->session, &buf);
	}
	free(buf.mem);
	ops_thread_end();
}

static void *thread_main(void *argument)
{
	struct server *s = argument;
	pthread_mutex_lock(&s->lock);
	unsigned thread = ++s->waiting;
	spread_begin(&s->spread, thread);
	pthread_cond_broadcast(&s->changed);
	/* Locks and conditions here, in libfuse and OpenSSL; after a SIGCONT the kernel itself
	 * goes on with a wait. Locks of OpenSSL spin.
	 * server-calls: futex restart_syscall sched_yield */
	while (!s->open)
		pthread_cond_wait(&s->changed, &s->lock);
	pthread_mutex_unlock(&s->lock);
	loop(s, thread);
	/* When a thread ends, glibc blocks signals and gives its stack back.
	 * server-calls: exit rt_sigprocmask madvise munmap */
	return NULL;
}

/* Returns when all are at the gate: then they have made the calls that a thread's start makes. */
static int start_threads(struct server *s, unsigned count, struct error **err)
{
	pthread_attr_t attr;
	int r = pthread_attr_init(&attr);
	if (r == 0)
		r = pthread_attr_setstacksize(&attr, STACK_SIZE);
	while (r == 0 && s->thread_count + 1 < count) {
		r = pthread_create(&s->threads[s->thread_count], &attr, thread_main, s);
		if (r == 0)
			s->thread_count++;
	}
	if (r != 0)
		return error_errno(err, r, "start the threads of the image server");
	pthread_attr_destroy(&attr);
	pthread_mutex_lock(&s->lock);
	while (s->waiting < s->thread_count)
		pthread_cond_wait(&s->changed, &s->lock);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static void open_gate(struct server *s)
{
	pthread_mutex_lock(&s->lock);
	s->open = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

/* Those that may run at once; two at least, so that one reads ahead while one answers. */
static unsigned count_threads(unsigned wanted)
{
	cpu_set_t cpus;
	unsigned n = wanted;
	if (!n && sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
		n = (unsigned)CPU_COUNT(&cpus);
	if (!wanted && n < THREADS_MIN)
		n = THREADS_MIN;
	return n < 1 ? 1 : n > THREADS_MAX ? THREADS_MAX : n;
}

/* ------------------------------------------------------------------ the server's life */

/* libfuse gets the descriptor of a mount that is made already, and mounts nothing itself. */
static int session_new(struct server *s, int fuse_fd, struct error **err)
{
	char name[] = "coffer", path[32];
	char *argv[] = { name, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	s->session = fuse_session_new(&args, &ops_table, sizeof(ops_table), &s->ops);
	fuse_opt_free_args(&args);
	if (!s->session)
		return error_set(err, ERROR_MEMORY, "libfuse cannot make a session");
	s->ops.session = s->session;
	snprintf(path, sizeof(path), "/dev/fd/%d", fuse_fd);
	if (fuse_session_mount(s->session, path) != 0)
		return error_set(err, ERROR_SYSTEM, "libfuse does not take the mount's descriptor");
	return 0;
}

/* libfuse complains about requests that were interrupted by the end of the mount: to nobody. */
static void no_log(enum fuse_log_level level, const char *fmt, va_list ap)
{
	(void)level;
	(void)fmt;
	(void)ap;
}

static int filter_calls(const struct server *s, struct error **err)
{
	pid_t own[THREADS_MAX];
	for (unsigned i = 0; i <= s->thread_count; i++)
		own[i] = s->spread.threads[i].id;
	return isolate_calls(own, s->thread_count + 1, err);
}

static int prepare(struct server *s, int fuse_fd, const struct serve_options *options,
		   struct error **err)
{
	/* All that it will ever have open. */
	const int keep[] = { fuse_fd, options->image_fd, s->says };
	/* One heap for all threads: each of its own would keep what it once used. malloc asks how
	 * many CPUs there are and for random numbers when it begins; when it gives memory back it
	 * wants to know the overcommit mode, and takes no for an answer.
	 * server-calls: brk mmap:not-exec munmap mremap mprotect:not-exec madvise
	 * server-calls: sched_getaffinity getrandom openat:refuse */
	(void)mallopt(M_ARENA_MAX, 1);
	fuse_set_log_func(no_log);
	spread_short_slices();
	unsigned threads = count_threads(options->threads);
	if (isolate_memory(threads, err) < 0 ||
	    isolate_descriptors(keep, sizeof(keep) / sizeof(*keep), err) < 0 ||
	    isolate_root(err) < 0 || isolate_privileges(err) < 0)
		return -1;
	ops_init(&s->ops, s->tree->squash, options, threads, s->says);
	spread_begin(&s->spread, 0);
	if (session_new(s, fuse_fd, err) < 0 || start_threads(s, threads, err) < 0)
		return -1;
	/* From here on the server lives as long as the mount, not as long as the command. A command
	 * that has just died is found out by the write of "ready". */
	if (isolate_limits(err) < 0)
		return -1;
	if (prctl(PR_SET_PDEATHSIG, 0) < 0)
		return error_errno(err, errno, "part from the command");
	return filter_calls(s, err);
}

static _Noreturn void server_main(struct server *s, int fuse_fd,
				  const struct serve_options *options)
{
	CLEANUP_ERROR struct error *err = NULL;
	if (prepare(s, fuse_fd, options, &err) < 0) {
		serve_say(s->says, err);
		image_tree_free(&s->tree);
		_exit(255);
	}
	const char ready = secret_any_unlocked() ? WORD_UNLOCKED : WORD_READY;
	/* Only a command that is there to hear it lets anybody use the mount. */
	bool heard = fd_write(s->says, &ready, sizeof(ready)) == 0;
	if (heard) {
		open_gate(s);
		loop(s, 0);
		for (unsigned i = 0; i < s->thread_count; i++)
			pthread_join(s->threads[i], NULL);
		fuse_session_destroy(s->session);
		ops_done(&s->ops);
	}
	image_tree_free(&s->tree);
	/* Not exit: what libraries want to do at exit is not for a locked-in process.
	 * server-calls: exit_group */
	_exit(heard ? 0 : 255);
}

/* The child is the server, in namespaces of its own; it dies with the command until it is ready. */
int serve_fork(unsigned long long more, struct process *ret, struct error **err)
{
	/* A socket or a message queue is nothing that the filter lets it make: sites that have none
	 * of these namespaces lose no more than a second wall. */
	static const struct {
		unsigned long long flags;
		const char *lacks;
	} ways[] = {
		{ CLONE_NEWNET | CLONE_NEWIPC, NULL },
		{ CLONE_NEWIPC, "network namespace of its own (user.max_net_namespaces)" },
		{ CLONE_NEWNET, "IPC namespace of its own (user.max_ipc_namespaces)" },
		{ 0, "network and IPC namespace of its own (user.max_net_namespaces, "
		     "user.max_ipc_namespaces)" },
	};
	int r = -EINVAL;
	for (size_t i = 0; r < 0 && i < sizeof(ways) / sizeof(*ways); i++) {
		r = process_fork(CLONE_NEWUSER | CLONE_NEWNS | more | ways[i].flags, ret);
		/* Root can do without a user namespace where the site has none. */
		if (r < 0 && geteuid() == 0)
			r = process_fork(CLONE_NEWNS | more | ways[i].flags, ret);
		if (r > 0 && ways[i].lacks)
			log_verbose("The image server has no %s", ways[i].lacks);
	}
	if (r >= 0)
		return r;
	error_errno(err, -r, "start the image server in namespaces of its own");
	const char *kind = namespace_refused(CLONE_NEWUSER | CLONE_NEWNS | more);
	if (kind && strcmp(kind, "user") != 0)
		return namespace_hint(kind, err);
	return error_hint(err, "allow user namespaces, as root: sysctl user.max_user_namespaces "
			       "(and kernel.unprivileged_userns_clone=1, where it exists)");
}

int serve_start(struct image_tree *tree, int fuse_fd, const struct serve_options *options,
		struct process *ret, int *ret_says, struct error **err)
{
	int pair[2];
	if (wire_open(pair, err) < 0)
		return error_wrap(err, "start the image server");
	CLEANUP_FD int ours = pair[0];
	CLEANUP_FD int theirs = pair[1];
	CLEANUP_PROCESS struct process server = PROCESS_NONE;
	int r = serve_fork(0, &server, err);
	if (r < 0)
		return -1;
	if (r == 0) {
		struct server s = {
			.tree = tree,
			.says = theirs,
			.lock = PTHREAD_MUTEX_INITIALIZER,
			.changed = PTHREAD_COND_INITIALIZER,
		};
		server_main(&s, fuse_fd, options);
	}
	/* Else its end would never come when the server dies. */
	fd_close(&theirs);
	if (await_word(ours, &server, err) < 0 || hear_ready(ours, err) < 0)
		return -1;
	*ret = server;
	server = PROCESS_NONE;
	*ret_says = fd_steal(&ours);
	return 0;
}
