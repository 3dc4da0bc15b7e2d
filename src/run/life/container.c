/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's life, in two processes (internal.h has what each of them holds).
 *
 *     command                                      container's process
 *     prepare the plan (plan.c)
 *     clone                           ------>      frees its copy of the key
 *     write the id maps               <--- R
 *                                     M --->       session, private mounts
 *     unseal the image                <--- F       /dev/fuse opened and mounted: its descriptor
 *     fork the server
 *     the server is ready             G --->       mount points, mounts, change of root
 *     keep the root                   <--- /       descriptor of the new root
 *     watch                                        drop privileges, become opaque, exec
 *                                     <close>      by exec: it has succeeded
 *
 * R, M, F, G and so on are the words of channel.c. Each side waits for the other's word and for the
 * end of the channel, so that neither outlives the other: the container's process has asked to be
 * killed when the command dies, and an error in it arrives as a word, with kind, hint and exit
 * status.
 *
 * Why this order. The child is cloned before the key is used, so it never has more than the user's
 * key, which it frees at once. /dev/fuse must be opened in the user namespace in which it is
 * mounted, so the child does that. The server must be forked from the command, which has the
 * unsealed tree, and before a thread is started. And the child may not look into the mount before
 * the server answers: whoever does waits, unkillable if the server never comes.
 *
 * While the payload runs the command holds no key. It passes signals on, hears what the server has
 * to say, and ends the container when the server dies: the payload would otherwise go on with
 * whatever the kernel happens to have cached.
 */
#include "run/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* How much later than its mount a container that failed early may be seen to end: on a machine with
 * thirty runnable processes a second was not enough. */
#define SERVER_GRACE_MS 20000
#define SERVER_REAP_MS 200
/* A payload that ran for less has seldom read so much that its end would take longer than a fork.
 */
#define LONG_RUN_MS 100

/* ---------------------------------------------------------------- the container's process */

static int enter_user_namespace(const struct run_plan *plan, int sock, struct error **err)
{
	/*
	 * The command is not dumpable, so this copy of it is not, and stays so: what it has of the
	 * caller's is for nobody to look at. But then /proc/PID/uid_map is root's, so a user's maps
	 * are written through another member, which has nothing. Root of the machine may write
	 * those of any process.
	 */
	CLEANUP_PROCESS struct process member = PROCESS_NONE;
	pid_t name;
	if (!run_plan_is_shifted(plan) && run_member_start(0, &member, &name, err) < 0)
		return -1;
	if (run_channel_say(sock, RUN_WORD_READY, member.pid_fd, err) < 0 ||
	    run_channel_expect(sock, RUN_WORD_MAPPED, NULL, err) < 0)
		return -1;
	/* The caller's other groups have no number in here. */
	if (!run_plan_is_shifted(plan) && plan->map == RUN_MAP_ROOT_SUBIDS &&
	    setgroups(0, NULL) < 0)
		return error_errno(err, errno, "leave the host's groups");
	return 0;
}

/*
 * From here on programs of the image run: nothing of this process is theirs to see, neither its
 * memory with the host's variables nor the channel to the command. exec takes it back.
 */
static int become_opaque(int sock, struct error **err)
{
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return error_errno(err, errno, "keep the container from looking into coffer");
	/* Credentials have changed, and that takes the wish to die with the command away. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return error_errno(err, errno, "ask for the end with the command");
	/* It may have died meanwhile; its end of the channel is gone then. */
	struct pollfd p = { .fd = sock };
	if (poll(&p, 1, 0) != 0)
		return error_set(err, ERROR_SYSTEM, "the command is gone");
	return 0;
}

/* rootfs is that of the session directory, which is the current one. */
static int attach_kernel_mount(int sock, struct error **err)
{
	CLEANUP_FD int mount_fd = -1;
	if (run_channel_say(sock, RUN_WORD_PLACE, -1, err) < 0 ||
	    run_channel_expect(sock, RUN_WORD_MOUNT, &mount_fd, err) < 0)
		return -1;
	return mount_kernel_attach(mount_fd, "rootfs", err);
}

/*
 * One listing of the image's root tells the kernel all its names; it would else ask for each that
 * the mounts need. As much as fits: a root may be made to have any number of them.
 */
static void look_round(int root)
{
	char entries[8192];
	CLEANUP_FD int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && getdents64(fd, entries, sizeof(entries)) < 0)
		log_debug("list the image's root: %s", strerror(errno));
}

static int attach_fuse(const struct run_plan *plan, struct run_session *session, int sock,
		       struct error **err)
{
	CLEANUP_FD int fuse = -1;
	if (mount_attach("rootfs", !plan->own_all, &fuse, err) < 0 ||
	    run_channel_say(sock, RUN_WORD_FUSE, fuse, err) < 0)
		return -1;
	/* Held here, it would keep the mount waiting for a server that has died. */
	fd_close(&fuse);
	/* The command unlocks the image meanwhile, which takes longer. */
	run_sources_open(plan, session);
	return run_channel_expect(sock, RUN_WORD_GO, NULL, err);
}

static int sandbox_tree(const struct run_plan *plan, int sock, struct error **err)
{
	int tree = -1;
	if (!run_plan_is_shifted(plan))
		return run_tree_clone(AT_FDCWD, plan->image->path, err);
	return run_channel_say(sock, RUN_WORD_PLACE, -1, err) < 0 ||
			       run_channel_expect(sock, RUN_WORD_MOUNT, &tree, err) < 0
		       ? -1
		       : tree;
}

/* The one place where the image's tree gets its mount. */
static int attach_image(const struct run_plan *plan, struct run_session *session, int sock,
			struct error **err)
{
	if (plan->image->kind == IMAGE_SANDBOX) {
		struct stat a, b;
		CLEANUP_FD int tree = sandbox_tree(plan, sock, err);
		CLEANUP_FD int place = openat(session->dir, "rootfs", O_PATH | O_CLOEXEC);
		if (tree < 0)
			return -1;
		if (place < 0 || fstat(tree, &a) < 0 || fstat(plan->image->directory, &b) < 0)
			return error_errno(err, errno, "look at %s", plan->image->path);
		if (a.st_dev != b.st_dev || a.st_ino != b.st_ino)
			return error_set(err, ERROR_NOT_FOUND, "%s has changed", plan->image->path);
		bool others = !plan->user_namespace || plan->map == RUN_MAP_ROOT_SUBIDS;
		if (plan->writable && others && !plan->wish->for_build && !(a.st_mode & S_IXOTH))
			log_info("Only its owner can enter %s, so users other than root cannot do "
				 "anything inside; chmod 755 it to change that",
				 plan->image->path);
		fd_close(&plan->image->directory);
		uint64_t set = MOUNT_ATTR_NODEV | run_plan_nosuid(plan) |
			       (plan->writable ? 0 : MOUNT_ATTR_RDONLY);
		if (run_tree_attributes(tree, set, err) < 0 || run_tree_place(tree, place, err) < 0)
			return -1;
	} else {
		if (fchdir(session->dir) < 0)
			return error_errno(err, errno, "enter the session directory");
		if ((plan->kernel_mount ? attach_kernel_mount(sock, err)
					: attach_fuse(plan, session, sock, err)) < 0)
			return -1;
	}
	session->root = openat(session->dir, "rootfs", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (session->root < 0)
		return error_errno(err, errno, "open the image's root");
	if (run_plan_is_served(plan))
		look_round(session->root);
	return 0;
}

/* With the minimal /dev, the caller's terminal is known inside as its console only. */
static void reopen_terminal(const struct run_plan *plan)
{
	if (!plan->minimal_dev || plan->own_session)
		return;
	CLEANUP_FD int console = open("/dev/console", O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct stat a, b;
	if (console < 0 || !isatty(console) || fstat(console, &a) < 0)
		return;
	for (int fd = 0; fd < 3; fd++) {
		if (fstat(fd, &b) == 0 && S_ISCHR(b.st_mode) && a.st_rdev == b.st_rdev)
			(void)dup2(console, fd);
	}
}

static int enter_directory(const struct run_plan *plan, struct error **err)
{
	if (chdir(plan->start) == 0)
		return 0;
	CLEANUP_TEXT char *why = run_errno_words(errno, err);
	if (!why)
		return -1;
	if (plan->start_asked)
		return error_set(err, ERROR_NOT_FOUND,
				 "failed to set working directory: chdir %s: %s", plan->start, why);
	const char *instead = chdir(plan->home) == 0 ? plan->home : "/";
	log_warning("Error changing the container working directory. Using '%s' instead: chdir %s: "
		    "%s",
		    instead, plan->start, why);
	return 0;
}

static int set_up(const struct run_plan *plan, int sock, struct error **err)
{
	struct run_session session;
	if (plan->user_namespace && enter_user_namespace(plan, sock, err) < 0)
		return -1;
	if (run_descriptors_close(plan, sock, plan->image->directory, err) < 0)
		return -1;
	/* Before the filter that may refuse this call, and while it is still ours. */
	if (plan->contain && run_keyring_leave(err) < 0)
		return -1;
	run_init_find_words();
	/* Modes of what is made from here on are meant as they are written. */
	mode_t mask = umask(0);
	if (run_session_open(plan, &session, err) < 0 || run_network_start(plan, err) < 0 ||
	    attach_image(plan, &session, sock, err) < 0 ||
	    run_layer_make(plan, &session, err) < 0 || run_mounts_make(plan, &session, err) < 0)
		return -1;
	if (plan->wish->hostname && plan->clone_flags & CLONE_NEWUTS &&
	    sethostname(plan->wish->hostname, strlen(plan->wish->hostname)) < 0)
		return error_errno(err, errno, "set the host name");
	if (run_root_change(&session, err) < 0 ||
	    (run_plan_is_served(plan) &&
	     run_channel_say(sock, RUN_WORD_ROOT, session.final, err) < 0))
		return -1;
	fd_close(&session.dir);
	fd_close(&session.root);
	fd_close(&session.final);
	if (run_lock_enter(plan, &session.member, err) < 0 ||
	    run_terminal_replace(plan, &session, sock, err) < 0)
		return -1;
	reopen_terminal(plan);
	(void)umask(plan->wish->no_umask ? 022 : mask);
	if (run_drop_privileges(plan, err) < 0 || become_opaque(sock, err) < 0)
		return -1;
	return enter_directory(plan, err);
}

_Noreturn void run_child(const struct run_plan *plan, int sock)
{
	struct error *error = NULL;
	if (set_up(plan, sock, &error) == 0 && (!plan->init || run_init(plan, &error) == 0) &&
	    run_terminal_take(plan, &error) == 0)
		(void)run_payload(plan, &error);
	/* With the last breath: whether it arrives or not, this process ends. */
	(void)wire_send_error(sock, error);
	_exit(255);
}

/* ---------------------------------------------------------------- the command */

_Static_assert(CONFIG_IMAGE_CACHE_DEFAULT_MIB == SQUASH_CACHE_DEFAULT >> 20,
	       "config/ does not know squash/");

/* The key's last use: from here on it is in the tree, and with the fork in the server alone. */
static int serve_image(const struct run_plan *plan, struct key **key, int sock,
		       struct process *server, int *says, struct error **err)
{
	CLEANUP_IMAGE_TREE struct image_tree *tree = NULL;
	CLEANUP_FD int fuse = -1;
	const struct squash_options cache = {
		.cache_bytes = (size_t)plan->config->image_cache_mib << 20,
	};
	int r = image_unseal(plan->image, key ? *key : NULL, &cache, &tree, err);
	if (key)
		key_free(key);
	if (r < 0 || run_channel_expect(sock, RUN_WORD_FUSE, &fuse, err) < 0)
		return -1;
	struct serve_options options = {
		.own_all = plan->own_all,
		.uid = plan->inside_uid,
		.gid = plan->inside_gid,
		.image_fd = plan->image->fd,
	};
	if (serve_start(tree, fuse, &options, server, says, err) < 0)
		return -1;
	secret_report_unlocked();
	log_verbose("Process %d serves the image", (int)server->pid);
	return run_channel_say(sock, RUN_WORD_GO, -1, err);
}

/*
 * Loop device, mapping and mount end with the last descriptor of the mount: from here on that is
 * the container's, or nobody's when it has died meanwhile.
 */
static int give_kernel_mount(const struct run_plan *plan, struct key **key, int sock,
			     struct error **err)
{
	CLEANUP_FD int mount_fd = -1;
	int r = mount_kernel(plan->image, key ? *key : NULL, &mount_fd, err);
	if (key)
		key_free(key);
	if (r < 0 || run_channel_expect(sock, RUN_WORD_PLACE, NULL, err) < 0)
		return -1;
	return run_channel_say(sock, RUN_WORD_MOUNT, mount_fd, err);
}

static int give_shifted_sandbox(const struct run_plan *plan, pid_t pid, int sock,
				struct error **err)
{
	CLEANUP_FD int tree = run_shifted_sandbox(plan, pid, err);
	if (tree < 0 || run_channel_expect(sock, RUN_WORD_PLACE, NULL, err) < 0)
		return -1;
	return run_channel_say(sock, RUN_WORD_MOUNT, tree, err);
}

/* Through the member that the container's process has sent, or, as the machine's root, itself. */
static int map_ids(const struct run_plan *plan, pid_t pid, int sock, struct error **err)
{
	CLEANUP_FD int member = -1;
	bool sent = !run_plan_is_shifted(plan);
	if (run_channel_expect(sock, RUN_WORD_READY, sent ? &member : NULL, err) < 0 ||
	    (sent && process_number(member, &pid, err) < 0) ||
	    run_write_id_maps(pid, plan->map, err) < 0)
		return -1;
	return run_channel_say(sock, RUN_WORD_MAPPED, -1, err);
}

/* What the container's process cannot do itself: its id maps, its mount, its image in clear. */
static int set_up_from_outside(const struct run_plan *plan, struct key **key, pid_t pid, int sock,
			       struct process *server, int *says, struct error **err)
{
	if (plan->user_namespace && map_ids(plan, pid, sock, err) < 0)
		return -1;
	if (plan->kernel_mount)
		return give_kernel_mount(plan, key, sock, err);
	if (plan->image->kind != IMAGE_SANDBOX)
		return serve_image(plan, key, sock, server, says, err);
	if (key)
		key_free(key);
	return run_plan_is_shifted(plan) ? give_shifted_sandbox(plan, pid, sock, err) : 0;
}

struct watch {
	struct process *child, *server;
	int signals;
	int sock; /* -1 once the payload runs */
	int says; /* -1: nothing to hear from the server any more */
	int root; /* owned: the container's, which keeps its mount; or -1 */
	const struct run_plan *plan;
	struct run_relay relay; /* of the container's own terminal, if it has one */
};

/*
 * What the terminal sends it sends to the payload, too, which shares our group; but of its end it
 * tells the leader of the session alone, as long as that lives. The kernel sends others in its own
 * name, such as those of timers, which outlive an exec: they are for the payload.
 */
static bool payload_has_it(int sig, const struct signalfd_siginfo *info)
{
	if (info->ssi_code != SI_KERNEL)
		return false;
	switch (sig) {
	case SIGHUP:
		return getsid(0) != getpid();
	case SIGINT:
	case SIGQUIT:
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU:
	case SIGCONT:
	case SIGWINCH:
		return true;
	default:
		return false;
	}
}

static void on_signal(struct watch *w)
{
	struct signalfd_siginfo info;
	if (read(w->signals, &info, sizeof(info)) != sizeof(info))
		return;
	int sig = (int)info.ssi_signo;
	if (sig == SIGCHLD)
		return;
	if (run_relay_signal(w->plan, &w->relay, w->child, sig, info.ssi_code == SI_KERNEL))
		return;
	if (!payload_has_it(sig, &info))
		(void)syscall(SYS_pidfd_send_signal, w->child->pid_fd, sig, NULL, 0);
	if (sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU)
		(void)raise(SIGSTOP);
}

/* The server's first error, for the person: the payload has only got an errno. */
static void on_word(struct watch *w)
{
	char text[SERVE_TEXT_LEN];
	if (serve_hear(w->says, text))
		log_warning("Some of %s cannot be read: %s", w->plan->image->path, text);
	w->says = -1;
}

static int on_channel(struct watch *w, struct error **err)
{
	int terminal = -1;
	int r = run_channel_finish(w->sock, &w->root, &terminal, err);
	if (terminal >= 0)
		run_relay_start(&w->relay, w->plan, terminal);
	if (r == 0)
		w->sock = -1;
	return r < 0 ? -1 : 0;
}

static bool ends_within(int pid_fd, int milliseconds)
{
	struct pollfd p = { .fd = pid_fd, .events = POLLIN };
	return poll(&p, 1, milliseconds) > 0;
}

static int server_failed(int status, struct error **err)
{
	if (status > 128)
		error_set(err, ERROR_SYSTEM,
			  "the process that serves the image was killed by signal %d: the "
			  "container was ended",
			  status - 128);
	else
		error_set(err, ERROR_SYSTEM,
			  "the process that serves the image ended (status %d): the container was "
			  "ended",
			  status);
	return error_hint(err, "look for a memory limit or an out-of-memory kill, then run it "
			       "again");
}

/*
 * The server has ended: the payload would go on with what the kernel has cached. Before the root
 * has come, status 0 may mean that the container's process has failed and its mount is gone, which
 * the kernel may do a moment before that process's end is seen.
 */
static int on_server_end(const struct watch *w, struct error **err)
{
	int status = process_wait(w->server);
	if (status == 0 && w->root < 0 && ends_within(w->child->pid_fd, SERVER_GRACE_MS))
		return 0;
	process_kill(w->child);
	return server_failed(status, err);
}

/* Who waits for a request that it has taken cannot even be killed, until it is dead itself. */
static int on_server_stop(const struct watch *w, struct error **err)
{
	process_kill(w->server);
	process_kill(w->child);
	return serve_stopped(err);
}

/*
 * Returns 0 when the payload has ended, or -1 with *err.
 *
 * Who suspends a whole job (a batch system does) stops the server a moment before or after the
 * command, and lets it go on likewise: only a server that stays stopped while nothing else happens
 * is given up. A SIGCONT for the command is something.
 */
static int watch_until_end(struct watch *w, struct error **err)
{
	for (;;) {
		struct pollfd p[] = {
			{ .fd = w->child->pid_fd, .events = POLLIN },
			{ .fd = w->sock, .events = POLLIN },
			{ .fd = w->signals, .events = POLLIN },
			{ .fd = w->server->pid > 0 ? w->server->pid_fd : -1, .events = POLLIN },
			{ .fd = w->says, .events = POLLIN },
			{ .fd = -1 },
			{ .fd = -1 },
		};
		int wait_ms = run_relay_prepare(&w->relay, p + 5);
		bool stopped = process_is_stopped(w->server);
		int n = poll(p, 7, stopped ? SERVE_STOPPED_MS : wait_ms);
		if (n < 0 && errno != EINTR)
			return error_errno(err, errno, "wait for the container");
		if (n == 0 && stopped && process_is_stopped(w->server))
			return on_server_stop(w, err);
		if (p[1].revents && on_channel(w, err) < 0)
			return -1;
		if (p[2].revents)
			on_signal(w);
		if (p[4].revents)
			on_word(w);
		run_relay_step(&w->relay, p + 5);
		if (p[0].revents)
			return 0;
		if (p[3].revents && on_server_end(w, err) < 0)
			return -1;
	}
}

static int collect(struct process *child, int *ret_status, struct error **err)
{
	int status;
	pid_t pid;
	do
		pid = waitpid(child->pid, &status, 0);
	while (pid < 0 && errno == EINTR);
	if (pid < 0)
		return error_errno(err, errno, "wait for the container");
	child->pid = 0;
	fd_close(&child->pid_fd);
	*ret_status = status;
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/*
 * With its last user a mount goes, and that one waits while the kernel takes down what it has
 * cached of it: a quarter of a second for a gigabyte that was read. So after a longer run the last
 * one is a child, which does nothing but die and is not waited for: *ret_last is its pid. After a
 * short run, or where there can be no child, this process is the last one.
 */
static void let_go_of_root(int *root, int64_t since_ms, pid_t *ret_last)
{
	struct process last = PROCESS_NONE;
	if (*root >= 0 && now_ms() - since_ms >= LONG_RUN_MS && process_fork(0, &last) == 0)
		for (;;)
			(void)pause();
	fd_close(root);
	if (last.pid > 0)
		(void)kill(last.pid, SIGKILL);
	fd_close(&last.pid_fd);
	*ret_last = last.pid;
}

/* Ends as the payload did, so that the caller's shell sees the same (runtime.md 18). */
static void end_by_signal(int sig)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, sig);
	(void)signal(sig, SIG_DFL);
	(void)raise(sig);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static int watch_container(const struct run_plan *plan, struct process *child,
			   struct process *server, int sock, int says, int *ret_status,
			   struct error **err)
{
	sigset_t all, before;
	process_signals_but_faults(&all);
	CLEANUP_FD int signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals < 0)
		return error_errno(err, errno, "watch for signals");
	sigprocmask(SIG_BLOCK, &all, &before);
	struct watch w = { .child = child,
			   .server = server,
			   .signals = signals,
			   .sock = sock,
			   .says = says,
			   .root = -1,
			   .plan = plan,
			   .relay = RUN_RELAY_NONE };
	int64_t since = now_ms();
	int status = 0;
	pid_t last;
	int r = watch_until_end(&w, err);
	/* What was said at the very end has come by now. */
	while (r == 0 && w.sock >= 0)
		r = on_channel(&w, err);
	if (r == 0)
		r = collect(child, &status, err);
	run_relay_finish(&w.relay, signals);
	let_go_of_root(&w.root, since, &last);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (r < 0)
		return -1;
	*ret_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	/* A payload that ends with its server has met errors, whatever status it has. */
	if (server->pid > 0 && ends_within(server->pid_fd, SERVER_REAP_MS)) {
		int end = process_wait(server);
		if (end != 0)
			return server_failed(end, err);
	}
	/* A child that the payload left behind keeps its mount; the server goes with it. */
	server->pid = 0;
	fd_close(&server->pid_fd);
	/* It may be done by now; else pid 1 reaps it. */
	if (last > 0)
		(void)waitpid(last, NULL, WNOHANG);
	if (WIFSIGNALED(status) && !plan->wish->for_build)
		end_by_signal(WTERMSIG(status));
	return 0;
}

/* The descriptors 0 to 2 exist, so that no file of ours becomes one of them. */
static int fill_standard_descriptors(struct error **err)
{
	for (int fd = 0; fd < 3; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		if (open("/dev/null", O_RDWR) != fd)
			return error_set(err, ERROR_SYSTEM, "cannot open /dev/null");
	}
	return 0;
}

static void say_what_is_run(const struct run_plan *plan)
{
	static const char *const kinds[] = {
		[IMAGE_SANDBOX] = "a folder",
		[IMAGE_SQUASHFS] = "a squashfs file",
		[IMAGE_SIF] = "a SIF image, not encrypted",
		[IMAGE_LUKS2] = "a SIF image, encrypted by LUKS2",
		[IMAGE_GOCRYPTFS] = "a SIF image, encrypted by gocryptfs",
	};
	log_verbose("%s is %s", plan->image->path, kinds[plan->image->kind]);
	log_verbose("Namespaces: mount%s%s%s%s%s%s", plan->user_namespace ? ", user" : "",
		    plan->clone_flags & CLONE_NEWPID ? ", pid" : "",
		    plan->clone_flags & CLONE_NEWIPC ? ", ipc" : "",
		    plan->clone_flags & CLONE_NEWUTS ? ", uts" : "",
		    plan->clone_flags & CLONE_NEWNET ? ", net" : "",
		    plan->fake_root ? "; root inside" : "");
}

int run_container(struct image *image, struct key **key, const struct run_wish *wish,
		  int *ret_status, struct error **err)
{
	CLEANUP_RUN_PLAN struct run_plan plan = { 0 };
	CLEANUP_PROCESS struct process server = PROCESS_NONE;
	CLEANUP_PROCESS struct process child = PROCESS_NONE;
	int pair[2];
	if (fill_standard_descriptors(err) < 0 || run_plan_prepare(image, wish, &plan, err) < 0 ||
	    wire_open(pair, err) < 0)
		return -1;
	CLEANUP_FD int ours = pair[0];
	CLEANUP_FD int theirs = pair[1];
	CLEANUP_FD int says = -1;
	say_what_is_run(&plan);
	const unsigned long long flags = run_lock_outer_flags(&plan);
	int r = process_fork(flags, &child);
	if (r < 0)
		return run_namespaces_refused(-r, flags, err);
	if (r == 0) {
		if (key)
			key_free(key);
		fd_close(&ours);
		/* The path is all that is needed from here on, and a sandbox's identity. */
		fd_close(&image->fd);
		run_child(&plan, theirs);
	}
	fd_close(&theirs);
	if (set_up_from_outside(&plan, key, child.pid, ours, &server, &says, err) < 0)
		return -1;
	return watch_container(&plan, &child, &server, ours, says, ret_status, err);
}
