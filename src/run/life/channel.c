/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wire between the command and the container's process: packets of one letter, with a
 * descriptor or without, and one that carries an error. SOCK_SEQPACKET keeps them apart. The
 * container's process is ours until it execs, and the socket is closed by then: no code of the
 * image ever has it.
 */
#include "run/internal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TEXT_LEN_MAX 16384

/* A packet of RUN_WORD_ERROR. */
struct failure {
	char word;
	int kind, exit_status;
	size_t message_len, hint_len;
	char text[2 * TEXT_LEN_MAX];
};

int run_channel_open(int ret[2], struct error **err)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret) < 0)
		return error_errno(err, errno, "make a socket");
	return 0;
}

int run_channel_say(int sock, enum run_word word, int fd, struct error **err)
{
	char tag = (char)word;
	int r;
	if (fd >= 0)
		r = fd_send(sock, fd, tag);
	else
		r = send(sock, &tag, 1, MSG_NOSIGNAL) < 0 ? -errno : 0;
	return r < 0 ? error_errno(err, -r, "talk to the container's process") : 0;
}

static size_t put_text(char *to, const char *text)
{
	size_t len = text ? strlen(text) : 0;
	if (len > TEXT_LEN_MAX)
		len = TEXT_LEN_MAX;
	/* NOLINTNEXTLINE(bugprone-not-null-terminated-result): the length goes along */
	memcpy(to, text ? text : "", len);
	return len;
}

/* In the child, with the last breath: whether it arrives or not, the child ends. */
void run_channel_fail(int sock, struct error *error)
{
	struct failure f = { .word = RUN_WORD_ERROR };
	f.kind = (int)error_kind(error);
	f.exit_status = error_exit_status(error);
	f.message_len = put_text(f.text, error_message(error));
	f.hint_len = put_text(f.text + f.message_len, error_hint_text(error));
	(void)send(sock, &f, offsetof(struct failure, text) + f.message_len + f.hint_len,
		   MSG_NOSIGNAL);
}

static int take_failure(const struct failure *f, size_t len, struct error **err)
{
	size_t head = offsetof(struct failure, text);
	if (len < head || f->message_len > TEXT_LEN_MAX || f->hint_len > TEXT_LEN_MAX ||
	    f->message_len + f->hint_len != len - head || f->kind < ERROR_USAGE ||
	    f->kind > ERROR_INTERNAL)
		return error_set(err, ERROR_INTERNAL,
				 "the container's process said something unknown");
	error_set(err, (enum error_kind)f->kind, "%.*s", (int)f->message_len, f->text);
	if (f->hint_len)
		error_hint(err, "%.*s", (int)f->hint_len, f->text + f->message_len);
	return error_set_exit_status(err, f->exit_status);
}

/* One packet, and the descriptor that came with it. Returns its length; 0 at the end; -errno. */
static ssize_t receive(int sock, struct failure *f, int *ret_fd)
{
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { .iov_base = f, .iov_len = sizeof(*f) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space),
	};
	ssize_t n;
	do
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? 0 : -errno;
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
	return n;
}

int run_channel_expect(int sock, enum run_word word, int *ret_fd, struct error **err)
{
	struct failure f;
	CLEANUP_FD int fd = -1;
	ssize_t n = receive(sock, &f, &fd);
	if (n < 0)
		return error_errno(err, (int)-n, "hear from the container's process");
	if (n == 0)
		return error_set(err, ERROR_SYSTEM,
				 "the container's process ended before it was ready");
	if (f.word == RUN_WORD_ERROR)
		return take_failure(&f, (size_t)n, err);
	if (f.word != (char)word || (ret_fd && fd < 0))
		return error_set(err, ERROR_INTERNAL,
				 "the container's process said something unknown");
	if (ret_fd)
		*ret_fd = fd_steal(&fd);
	return 0;
}

int run_channel_finish(int sock, int *ret_root, int *ret_terminal, struct error **err)
{
	struct failure f;
	CLEANUP_FD int fd = -1;
	ssize_t n = receive(sock, &f, &fd);
	if (n < 0)
		return error_errno(err, (int)-n, "hear from the container's process");
	if (n == 0)
		return 0;
	if (f.word != RUN_WORD_ROOT && f.word != RUN_WORD_TERMINAL)
		return take_failure(&f, (size_t)n, err);
	int *ret = f.word == RUN_WORD_ROOT ? ret_root : ret_terminal;
	fd_close(ret);
	*ret = fd_steal(&fd);
	return 1;
}
