/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/internal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* ------------------------------------------------------------------ signals */

static sigset_t old_mask, held;
static bool holding;
static int signal_fd = -1;

int interrupt_hold(struct error **err)
{
	sigemptyset(&held);
	sigaddset(&held, SIGINT);
	sigaddset(&held, SIGTERM);
	sigaddset(&held, SIGHUP);
	signal_fd = signalfd(-1, &held, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signal_fd < 0 || sigprocmask(SIG_BLOCK, &held, &old_mask) < 0)
		return error_errno(err, errno, "hold signals");
	holding = true;
	return 0;
}

void interrupt_defer(void)
{
	fd_close(&signal_fd);
}

void interrupt_release(void)
{
	fd_close(&signal_fd);
	if (holding)
		(void)sigprocmask(SIG_SETMASK, &old_mask, NULL);
	holding = false;
}

void interrupt_pause(bool paused)
{
	if (signal_fd >= 0)
		(void)sigprocmask(SIG_SETMASK, paused ? &old_mask : &held, NULL);
}

static int interrupted(struct error **err)
{
	struct signalfd_siginfo info;
	if (signal_fd < 0 || read(signal_fd, &info, sizeof(info)) != sizeof(info))
		return 0;
	error_set(err, ERROR_COMMAND, "interrupted by %s",
		  info.ssi_signo == SIGINT    ? "SIGINT"
		  : info.ssi_signo == SIGTERM ? "SIGTERM"
					      : "SIGHUP");
	error_hint(err, "nothing was built; what was there before is as it was");
	return error_set_exit_status(err, 128 + (int)info.ssi_signo);
}

/* ------------------------------------------------------------------ messages */

int remote_send(int socket, enum message tag, int fd, struct error **err)
{
	int r = wire_send(socket, (char)tag, fd);
	return r < 0 ? error_errno(err, -r, "talk to the other process of the build") : 0;
}

int remote_send_text(int socket, enum message tag, const void *text, size_t len, struct error **err)
{
	CLEANUP_FD int fd = memfd_create("coffer-message", MFD_CLOEXEC);
	int r = fd < 0 ? -errno : fd_pwrite(fd, text, len, 0);
	if (r < 0)
		return error_errno(err, -r, "make a memory file");
	return remote_send(socket, tag, fd, err);
}

/* Waits for its end; that it was killed is an error. A status of 137 may be a section's own. */
static int wait_for(struct remote *r, struct error **err)
{
	int signal = 0, status = process_wait_signal(&r->process, &signal);
	if (status < 0)
		return error_errno(err, -status, "wait for a process of the build");
	if (signal != SIGKILL)
		return status;
	error_set(err, ERROR_MEMORY, "a process of the build was killed");
	workspace_explain_kill(r->build, err);
	return -1;
}

static int ended(struct remote *r, struct error **err)
{
	int status = wait_for(r, err);
	return status < 0 ? -1
			  : error_set(err, ERROR_INTERNAL,
				      "a process of the build ended with status %d", status);
}

int remote_receive(struct remote *r, bool end_is_done, enum message *ret_tag, int *ret_fd,
		   struct error **err)
{
	for (;;) {
		struct pollfd fds[2] = { { .fd = r->socket, .events = POLLIN },
					 { .fd = signal_fd, .events = POLLIN } };
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return error_errno(err, errno, "wait for a process of the build");
		if (interrupted(err) < 0)
			return -1;
		if (!fds[0].revents)
			continue;
		CLEANUP_WIRE_PACKET struct wire_packet p = WIRE_PACKET_NONE;
		int n = wire_receive(r->socket, &p);
		if (n == -EAGAIN)
			continue;
		if (n == -EBADMSG)
			return error_set(err, ERROR_INTERNAL, "a message got lost");
		if (n < 0)
			return error_errno(err, -n, "hear from a process of the build");
		if (n == 0 && end_is_done) {
			*ret_tag = MESSAGE_DONE;
			*ret_fd = -1;
			return 0;
		}
		if (n == 0)
			return ended(r, err);
		if (p.error) {
			*err = take_pointer(&p.error);
			return -1;
		}
		*ret_tag = (enum message)p.word;
		*ret_fd = fd_steal(&p.fd);
		return 0;
	}
}

/* ------------------------------------------------------------------ processes */

void remote_end(struct remote *r)
{
	process_kill(&r->process);
	fd_close(&r->socket);
}

int remote_start(const struct build *build, unsigned long long clone_flags, remote_work work,
		 void *context, struct remote *ret, struct error **err)
{
	int pair[2];
	if (wire_open(pair, err) < 0)
		return -1;
	CLEANUP_FD int ours = pair[0];
	CLEANUP_FD int theirs = pair[1];
	*ret = REMOTE_NONE;
	ret->build = build;
	int forked = process_fork(clone_flags, &ret->process);
	if (forked < 0)
		return error_errno(err, -forked, "start a process of the build");
	if (forked == 0) {
		CLEANUP_ERROR struct error *failed = NULL;
		fd_close(&ours);
		/* Else it cleans up, and signals wait. */
		if (signal_fd >= 0)
			interrupt_release();
		int status = work(context, theirs, &failed);
		if (status < 0)
			(void)wire_send_error(theirs, failed);
		_exit(status < 0 ? 255 : status);
	}
	ret->socket = fd_steal(&ours);
	return 0;
}

int remote_run(const struct build *build, remote_work work, void *context, struct error **err)
{
	CLEANUP_REMOTE struct remote r = REMOTE_NONE;
	enum message tag;
	int fd;
	if (remote_start(build, 0, work, context, &r, err) < 0 ||
	    remote_receive(&r, true, &tag, &fd, err) < 0)
		return -1;
	return wait_for(&r, err);
}
