/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another program in a container that runs: an instance.
 *
 *     command                        process that enters              the program's
 *     facts and namespaces
 *     of the keeper (entrance.c)
 *     fork                  ------>  the caller's descriptors
 *                                    the namespaces, the root
 *                           <--- J   clone, as a child of the
 *                                    command's                ----->  waits
 *                           G ---------------------------------->     terminal, privileges, opaque,
 *     watch                          ends                             filter, exec
 *
 * Of a pid namespace only a child becomes a member, so there are two forks, and the second one is
 * the command's own child (CLONE_PARENT): it waits for it, passes signals on and carries its
 * terminal as it does for a new container, and it is killed with it.
 *
 * Whoever is in the container is hostile, and there already while its next program comes in.
 * Neither process can be looked into: the command is not dumpable and they are copies of it, owned,
 * for the kernel, by the user namespace of the host, so root of the container gets at nothing of
 * theirs; exec alone makes an ordinary process of it. They have no descriptor of the host's by then
 * but the caller's own, as far as these are handed on at all; not one that leads to the program of
 * coffer itself. Of the container's files nothing is read before the privileges are gone but its
 * terminals, which have to be in a devpts.
 */
#include "run/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

/* ---------------------------------------------------------------- entering */

static const struct {
	const char *own;
	int kind;
} kinds[] = {
	{ "/proc/self/ns/user", CLONE_NEWUSER }, { "/proc/self/ns/pid", CLONE_NEWPID },
	{ "/proc/self/ns/ipc", CLONE_NEWIPC },	 { "/proc/self/ns/uts", CLONE_NEWUTS },
	{ "/proc/self/ns/net", CLONE_NEWNET },	 { "/proc/self/ns/mnt", CLONE_NEWNS },
};

/* The kernel refuses to enter the user namespace that one is in. */
static bool is_in(int fd, int kind)
{
	struct stat a, b;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].kind == kind)
			return stat(kinds[i].own, &a) == 0 && fstat(fd, &b) == 0 &&
			       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
	return false;
}

static int enter(const struct run_plan *plan, int *fd, struct error **err)
{
	int kind = ioctl(*fd, NS_GET_NSTYPE);
	if (kind < 0)
		return error_errno(err, errno, "look at the instance's namespaces");
	if (!is_in(*fd, kind) && setns(*fd, kind) < 0)
		return error_errno(err, errno, "enter the instance's namespaces");
	fd_close(fd);
	/* Not of the namespace's root, who may have no number in the inner one. */
	if (kind != CLONE_NEWUSER || !plan->user_namespace)
		return 0;
	if (run_plan_is_shifted(plan)) {
		if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
			return error_errno(err, errno, "become root of the instance");
	} else if (plan->map == USERNS_ROOT_SUBIDS && setgroups(0, NULL) < 0) {
		return error_errno(err, errno, "leave the host's groups");
	}
	return 0;
}

/* All of them, and then the root. What is open besides is closed while /proc shows it. */
static int enter_all(const struct run_plan *plan, struct run_entrance *e, int sock,
		     struct error **err)
{
	CLEANUP_FD int root = fd_steal(&e->fds[e->count - 1]);
	CLEANUP_FD int mounts = fd_steal(&e->fds[e->count - 2]);
	for (size_t i = 0; i + 2 < e->count; i++)
		if (enter(plan, &e->fds[i], err) < 0)
			return -1;
	const int keep[3] = { sock, mounts, root };
	if (run_descriptors_close(plan, keep, err) < 0 ||
	    (plan->contain && run_keyring_leave(err) < 0))
		return -1;
	int r = setns(mounts, CLONE_NEWNS);
	fd_close(&mounts);
	if (r < 0 || fchdir(root) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return error_errno(err, errno, "enter the instance's root");
	return 0;
}

/* ---------------------------------------------------------------- the program's process */

/* A terminal of the container's own devpts, where it has one: it has a name there. */
static int open_terminal(const struct run_plan *plan, struct run_session *session,
			 struct error **err)
{
	struct statfs fs;
	if (plan->terminal < 0)
		return 0;
	CLEANUP_FD int pts = open("/dev/pts", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (pts < 0 || fstatfs(pts, &fs) < 0 || fs.f_type != DEVPTS_SUPER_MAGIC)
		return 0;
	return run_terminal_open(plan, session, pts, err);
}

static _Noreturn void become_payload(const struct run_plan *plan, int sock)
{
	struct error *error = NULL;
	struct run_session session = { .master = -1, .slave = -1 };
	mode_t mask = umask(0);
	(void)umask(mask);
	if (run_channel_expect(sock, RUN_WORD_GO, NULL, &error) == 0 &&
	    open_terminal(plan, &session, &error) == 0)
		(void)run_child_settle(plan, &session, mask, sock, &error);
	run_child_become(plan, sock, error);
}

static int enter_and_fork(const struct run_plan *plan, struct run_entrance *e, int sock,
			  struct error **err)
{
	struct process payload = PROCESS_NONE;
	if (enter_all(plan, e, sock, err) < 0)
		return -1;
	int r = process_fork(CLONE_PARENT, &payload);
	if (r < 0)
		return error_errno(err, -r, "start a process in the instance");
	if (r == 0)
		become_payload(plan, sock);
	r = run_channel_say(sock, RUN_WORD_JOINED, payload.pid_fd, err);
	if (r < 0)
		(void)syscall(SYS_pidfd_send_signal, payload.pid_fd, SIGKILL, NULL, 0);
	return r;
}

static _Noreturn void run_entering(const struct run_plan *plan, struct run_entrance *e, int sock)
{
	struct error *error = NULL;
	if (enter_and_fork(plan, e, sock, &error) < 0)
		(void)wire_send_error(sock, error);
	_exit(error ? 255 : 0);
}

/* ---------------------------------------------------------------- the command */

/* What the keeper says: all, or it is none. */
static int hear_entrance(int door, struct run_entrance *e, struct error **err)
{
	const size_t all = sizeof(e->fds) / sizeof(e->fds[0]);
	if (run_channel_expect(door, RUN_WORD_FACTS, &e->facts, err) < 0)
		return -1;
	while (e->count < all) {
		int fd = -1;
		if (run_channel_expect(door, RUN_WORD_ENTRANCE, &fd, err) < 0 ||
		    run_entrance_add(e, fd, err) < 0)
			return -1;
	}
	return 0;
}

static int prepare(const struct run_wish *wish, struct run_facts *facts, struct run_plan *plan,
		   struct error **err)
{
	bool allow_setuid = facts->wish.allow_setuid;
	facts->wish = *wish;
	facts->wish.allow_setuid = allow_setuid;
	plan->wish = &facts->wish;
	plan->config = wish->config;
	plan->uid = getuid();
	plan->gid = getgid();
	run_terminal_choose(plan);
	if (run_descriptors_choose(plan, err) < 0 || run_choose_directory(plan, err) < 0)
		return -1;
	const struct run_env_source source = {
		.host = (const char *const *)environ,
		.wish = plan->wish,
		.image = plan->image->path,
		.home = plan->home,
		.instance = facts->name,
		.binds = &plan->binds,
	};
	return run_env_prepare(&source, &plan->env, err);
}

/* The one in between ends by itself, once there is the other in its place, or with an error. */
static int fork_into(struct run_container *c, struct run_entrance *e, struct error **err)
{
	int pair[2];
	CLEANUP_PROCESS struct process between = PROCESS_NONE;
	if (wire_open(pair, err) < 0)
		return -1;
	c->channel = pair[0];
	CLEANUP_FD int theirs = pair[1];
	int r = process_fork(0, &between);
	if (r < 0)
		return error_errno(err, -r, "start a process");
	if (r == 0) {
		fd_close(&c->channel);
		run_entering(c->plan, e, theirs);
	}
	fd_close(&theirs);
	if (run_channel_expect(c->channel, RUN_WORD_JOINED, &c->child.pid_fd, err) < 0 ||
	    process_number(c->child.pid_fd, &c->child.pid, err) < 0)
		return -1;
	(void)process_wait(&between);
	return run_channel_say(c->channel, RUN_WORD_GO, -1, err);
}

int run_join(int door, const struct run_wish *wish, int *ret_status, struct error **err)
{
	__attribute__((cleanup(run_facts_free))) struct run_facts facts = { 0 };
	CLEANUP_RUN_PLAN struct run_plan plan = { 0 };
	CLEANUP_RUN_ENTRANCE struct run_entrance entrance = RUN_ENTRANCE_NONE;
	CLEANUP_RUN_CONTAINER struct run_container container = RUN_CONTAINER_NONE;
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return error_errno(err, errno, "keep the instance from looking into coffer");
	if (run_fill_descriptors(err) < 0 || hear_entrance(door, &entrance, err) < 0 ||
	    run_facts_read(entrance.facts, &facts, &plan, err) < 0 ||
	    prepare(wish, &facts, &plan, err) < 0)
		return -1;
	struct run_audit audit;
	if (run_audit_start(plan.config, plan.image, NULL, wish->action, &audit, err) < 0)
		return -1;
	container.plan = &plan;
	int r = fork_into(&container, &entrance, err);
	run_entrance_free(&entrance);
	if (r == 0)
		r = run_supervise(&container, ret_status, err);
	run_audit_end(&audit, *ret_status, r < 0 ? *err : NULL);
	return r;
}
