/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An instance is started by two processes of ours:
 *
 *     command                              keeper
 *     the key, the open image
 *     opens the logs
 *     fork                       ------>   leaves the session, and what the caller has open
 *     frees the key                        locks the state, listens at the door
 *                                          run_container: as any, until its first program runs
 *                                <--- Y    the state is written
 *     shows what was logged                watches, lets others in
 *     ends                                 ends with the container, and removes the state
 *
 * The keeper is what the command is for any other container (run/life/supervise.c), so all that
 * holds for that holds here: the key is gone before the payload runs, and a keeper that is killed
 * takes the container with it. Where the command is gone before the first program runs, nobody has
 * been told of the instance, and it ends.
 */
#include "instance/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "secret/secret.h"

#define WORD_STARTED 'Y'
#define LOGS "logs"
/* What is shown of a log, at most. */
#define SHOWN_MAX ((size_t)64 << 10)

struct keeper {
	const struct instance_wish *wish;
	struct instance state;
	int place, lock, sock; /* owned */
	int logs[2];	       /* owned: of output and errors */
};

static void keeper_free(struct keeper *k)
{
	instance_free(&k->state);
	fd_close(&k->logs[0]);
	fd_close(&k->logs[1]);
	fd_close(&k->sock);
	fd_close(&k->lock);
	fd_close(&k->place);
}

/* ---------------------------------------------------------------- the logs */

static int open_log(int folder, const char *name, const char *suffix, struct error **err)
{
	CLEANUP_TEXT char *file = instance_file(name, suffix, err);
	if (!file)
		return -1;
	CLEANUP_FD int fd =
		openat(folder, file,
		       O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0 || fchmod(fd, 0600) < 0)
		return error_errno(err, errno, "open the log %s", file);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERROR_EXISTS, "the log %s is no file", file);
	return fd_steal(&fd);
}

static int open_logs(struct keeper *k, const char *path, struct error **err)
{
	struct stat st;
	const char *name = k->wish->name;
	if (mkdirat(k->place, LOGS, 0700) < 0 && errno != EEXIST)
		return error_errno(err, errno, "make the folder for logs in %s", path);
	CLEANUP_FD int folder =
		openat(k->place, LOGS, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (folder < 0 || fstat(folder, &st) < 0)
		return error_errno(err, errno, "open the folder for logs in %s", path);
	k->logs[0] = open_log(folder, name, ".out", err);
	k->logs[1] = k->logs[0] < 0 ? -1 : open_log(folder, name, ".err", err);
	if (k->logs[1] < 0)
		return -1;
	k->state.out = text_printf(err, "%s/" LOGS "/%s.out", path, name);
	k->state.err = k->state.out ? text_printf(err, "%s/" LOGS "/%s.err", path, name) : NULL;
	return k->state.err ? 0 : -1;
}

/* What has come since: the words of the start, which the image's may be among. */
static void show_log(int fd, off_t since)
{
	CLEANUP_ERROR struct error *ignored = NULL;
	CLEANUP_BUFFER struct buffer text = { 0 }, shown = { 0 };
	struct screen screen = { .form = SCREEN_TEXT };
	char *room = buffer_reserve(&text, SHOWN_MAX, &ignored);
	ssize_t n = room ? fd_pread(fd, room, SHOWN_MAX, (uint64_t)since) : -1;
	if (n > 0 && screen_put(&screen, room, (size_t)n, &shown, &ignored) == 0 &&
	    screen_finish(&screen, &shown, &ignored) == 0)
		(void)fd_write(STDERR_FILENO, shown.data, shown.len);
}

/* ---------------------------------------------------------------- the keeper */

static int write_pid_file(const char *path, pid_t pid, struct error **err)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d\n", (int)pid);
	CLEANUP_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int r = fd < 0 ? -errno : fd_write(fd, text, (size_t)len);
	return r < 0 ? error_errno(err, -r, "write the pid file %s", path) : 0;
}

static int started(void *context, pid_t init, struct error **err)
{
	struct keeper *k = context;
	k->state.init = init;
	k->state.born = instance_born(init);
	if ((k->wish->pid_file && write_pid_file(k->wish->pid_file, init, err) < 0) ||
	    instance_state_write(k->lock, &k->state, err) < 0)
		return -1;
	int r = wire_send(k->sock, WORD_STARTED, -1);
	fd_close(&k->sock);
	/* No folder of the caller's is held. */
	if (r < 0 || chdir("/") < 0)
		return error_set(err, ERROR_SYSTEM, "the command that starts the instance is gone");
	return 0;
}

/*
 * Who is started in the background of a script has SIGINT and SIGQUIT ignored, and a shell that
 * finds them so never hears them: `instance stop` would wait in vain. What the caller has blocked,
 * too.
 */
static void hear_all_signals(void)
{
	sigset_t none;
	sigemptyset(&none);
	for (int sig = 1; sig < NSIG; sig++) {
		struct sigaction now;
		if (sigaction(sig, NULL, &now) == 0 && now.sa_handler == SIG_IGN)
			(void)signal(sig, SIG_DFL);
	}
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int leave_caller(struct keeper *k, struct error **err)
{
	CLEANUP_FD int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	/* It lives on when its parent ends. */
	if (prctl(PR_SET_PDEATHSIG, 0) < 0 || setsid() < 0 || null < 0 ||
	    dup2(null, STDIN_FILENO) < 0 || dup2(k->logs[0], STDOUT_FILENO) < 0 ||
	    dup2(k->logs[1], STDERR_FILENO) < 0)
		return error_errno(err, errno, "leave the caller's session");
	fd_close(&k->logs[0]);
	fd_close(&k->logs[1]);
	hear_all_signals();
	(void)prctl(PR_SET_NAME, "coffer-keeper");
	secret_lock_all();
	return run_leave_descriptors(k->wish->wish, err);
}

static void forget(struct keeper *k)
{
	static const char *const suffixes[] = { INSTANCE_DOOR, INSTANCE_STATE };
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		CLEANUP_ERROR struct error *ignored = NULL;
		CLEANUP_TEXT char *file = instance_file(k->wish->name, suffixes[i], &ignored);
		if (file)
			(void)unlinkat(k->place, file, 0);
	}
}

static int keep(struct keeper *k, struct error **err)
{
	const struct instance_wish *w = k->wish;
	int status = 0;
	k->lock = instance_state_make(k->place, w->name, err);
	if (k->lock < 0)
		return -1;
	CLEANUP_FD int door = instance_door(k->place, w->name, true, err);
	const struct run_stay stay = {
		.name = w->name, .door = door, .started = started, .context = k
	};
	struct run_wish wish = *w->wish;
	wish.stay = &stay;
	int r = door < 0 ? -1 : run_container(w->image, w->key, &wish, &status, err);
	run_audit_end(w->audit, status, r < 0 ? *err : NULL);
	/* While the lock is held nobody else's can be here. */
	forget(k);
	return r;
}

static _Noreturn void run_keeper(struct keeper *k)
{
	struct error *error = NULL;
	if (leave_caller(k, &error) == 0)
		(void)keep(k, &error);
	/* To the command, or, where that has ended well, to the log. */
	if (error && (k->sock < 0 || wire_send_error(k->sock, error) < 0))
		log_say(LOG_ERROR, "%s", error_message(error));
	_exit(error ? 255 : 0);
}

/* ---------------------------------------------------------------- the command */

static int prepare(struct keeper *k, const char *path, struct error **err)
{
	k->state.name = text_dup(k->wish->name, err);
	k->state.image = k->state.name ? text_dup(k->wish->image->path, err) : NULL;
	return k->state.image ? open_logs(k, path, err) : -1;
}

static int await(int sock, struct error **err)
{
	CLEANUP_WIRE_PACKET struct wire_packet p = WIRE_PACKET_NONE;
	int r = wire_receive(sock, &p);
	if (r > 0 && p.error) {
		*err = take_pointer(&p.error);
		return -1;
	}
	if (r > 0 && p.word == WORD_STARTED)
		return 0;
	return error_set(err, ERROR_SYSTEM, "the instance's keeper ended before it was ready");
}

int instance_start(const struct instance_wish *w, struct error **err)
{
	__attribute__((cleanup(keeper_free))) struct keeper k = {
		.wish = w, .place = -1, .lock = -1, .sock = -1, .logs = { -1, -1 }
	};
	CLEANUP_PROCESS struct process child = PROCESS_NONE;
	CLEANUP_TEXT char *path = NULL;
	struct stat before;
	int pair[2];
	k.place = instance_open_place(NULL, &path, err);
	if (k.place < 0 || prepare(&k, path, err) < 0)
		return -1;
	if (fstat(k.logs[1], &before) < 0)
		return error_errno(err, errno, "look at the log %s", k.state.err);
	log_verbose("you will find instance output here: %s", k.state.out);
	log_verbose("you will find instance error here: %s", k.state.err);
	if (wire_open(pair, err) < 0)
		return -1;
	CLEANUP_FD int ours = pair[0];
	k.sock = pair[1];
	int r = process_fork(0, &child);
	if (r < 0)
		return error_errno(err, -r, "start the instance's keeper");
	if (r == 0) {
		fd_close(&ours);
		run_keeper(&k);
	}
	fd_close(&k.sock);
	if (w->key)
		key_free(w->key);
	r = await(ours, err);
	show_log(k.logs[1], before.st_size);
	if (r < 0)
		return -1;
	/* From now on it is nobody's child. */
	child.pid = 0;
	fd_close(&child.pid_fd);
	return 0;
}
