/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one wire between processes of coffer.
 *
 * A socket of packets (SOCK_SEQPACKET), so that neither end has to know where one ends. A word is
 * one byte. An error is, in little endian:
 *
 *   byte    WIRE_ERROR
 *   4       kind (enum error_kind)
 *   4       place (enum error_place)
 *   4       exit status, 0 to 255 (0: the usual one)
 *   4       of the message, the length of what was put in front of the fact, ": " included
 *   4       length of the message
 *           the message, then the hint, without NULs; no hint is an empty one
 *
 * The errno of an error does not travel: its words are in the message.
 *
 * Who sends may have been taken over by what he reads or runs. So the reader takes nothing on
 * trust: lengths are checked against what came, numbers against what there is, and of descriptors
 * that come unasked none stays open.
 */
#include "os/os.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define STATUS_MAX 255
#define HEADER_LEN 21
_Static_assert(WIRE_PACKET_MAX - 2 * WIRE_TEXT_MAX == HEADER_LEN, "a header and two texts");
/* What error_wrap puts between context and words. */
#define JOINT ": "
#define JOINT_LEN (sizeof(JOINT) - 1)

/* The kernel takes room for two descriptors on 64 bits all the same (CMSG_SPACE aligns). */
union control {
	char space[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

int wire_open(int ret[2], struct error **err)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret) < 0)
		return error_errno(err, errno, "make a socket");
	return 0;
}

static int send_packet(int sock, const void *data, size_t len, int fd)
{
	union control control = { 0 };
	/* Read only, here. */
	struct iovec iov = { .iov_base = (void *)data, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	if (fd >= 0) {
		msg.msg_control = control.space;
		msg.msg_controllen = sizeof(control.space);
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	ssize_t n;
	do
		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

int wire_send(int sock, char word, int fd)
{
	return send_packet(sock, &word, 1, fd);
}

static size_t put_text(uint8_t *to, const char *text)
{
	size_t len = text ? strnlen(text, WIRE_TEXT_MAX) : 0;
	/* NOLINTNEXTLINE(bugprone-not-null-terminated-result): the length goes along */
	memcpy(to, text ? text : "", len);
	return len;
}

size_t wire_pack_error(const struct error *e, uint8_t to[WIRE_PACKET_MAX])
{
	uint8_t *text = to + HEADER_LEN;
	size_t len = put_text(text, error_message(e));
	size_t context = (size_t)(error_fact(e) - error_message(e));
	*to = WIRE_ERROR;
	bytes_put_le(to + 1, (uint64_t)error_kind(e), 4);
	bytes_put_le(to + 5, (uint64_t)error_place(e), 4);
	bytes_put_le(to + 9, (uint64_t)error_exit_status(e), 4);
	/* Of words that are cut before their fact begins, all are the fact. */
	bytes_put_le(to + 13, context < len ? context : 0, 4);
	bytes_put_le(to + 17, len, 4);
	len += put_text(text + len, error_hint_text(e));
	return HEADER_LEN + len;
}

int wire_send_error(int sock, const struct error *e)
{
	uint8_t packet[WIRE_PACKET_MAX];
	return send_packet(sock, packet, wire_pack_error(e, packet), -1);
}

void wire_packet_free(struct wire_packet *p)
{
	fd_close(&p->fd);
	error_free(&p->error);
}

/* Whether that may be what was put in front of a fact. */
static bool is_context(const char *message, size_t len, size_t context, enum error_place place)
{
	if (!context)
		return true;
	return place != PLACE_NONE && context >= JOINT_LEN && context < len &&
	       memcmp(message + context - JOINT_LEN, JOINT, JOINT_LEN) == 0;
}

/* Made as it was made where it comes from: the fact, its place, and then the context. */
static int unpack_error(struct bytes *b, struct error **ret)
{
	uint32_t kind = bytes_le32(b), place = bytes_le32(b), status = bytes_le32(b);
	uint32_t context = bytes_le32(b), message_len = bytes_le32(b);
	const char *message = bytes_take(b, message_len);
	size_t hint_len = bytes_left(b);
	const char *hint = bytes_take(b, hint_len);
	if (!bytes_ok(b) || kind < ERROR_USAGE || kind > ERROR_INTERNAL || place > PLACE_LAST ||
	    status > STATUS_MAX || message_len > WIRE_TEXT_MAX || hint_len > WIRE_TEXT_MAX ||
	    memchr(message, '\0', message_len) || memchr(hint, '\0', hint_len) ||
	    !is_context(message, message_len, context, (enum error_place)place))
		return -EBADMSG;
	error_set(ret, (enum error_kind)kind, "%.*s", (int)(message_len - context),
		  message + context);
	if (place)
		error_at(ret, (enum error_place)place);
	if (context)
		error_wrap(ret, "%.*s", (int)(context - JOINT_LEN), message);
	if (hint_len)
		error_hint(ret, "%.*s", (int)hint_len, hint);
	if (status)
		error_set_exit_status(ret, (int)status);
	return 0;
}

int wire_unpack(const void *data, size_t len, struct wire_packet *ret)
{
	struct bytes b = bytes_of(data, len);
	char word = (char)bytes_u8(&b);
	int r = word == WIRE_ERROR		  ? unpack_error(&b, &ret->error)
		: !bytes_ok(&b) || bytes_left(&b) ? -EBADMSG
						  : 0;
	if (r == 0)
		ret->word = word;
	return r;
}

/* The descriptors that came with a packet: one goes to *ret; of several, none. */
static int take_descriptors(struct msghdr *msg, int *ret)
{
	int count = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = 0; CMSG_LEN(at + sizeof(int)) <= c->cmsg_len; at += sizeof(int)) {
			int fd = -1;
			memcpy(&fd, CMSG_DATA(c) + at, sizeof(int));
			fd_close(ret);
			*ret = fd;
			count++;
		}
	}
	if (count <= 1 && !(msg->msg_flags & (MSG_CTRUNC | MSG_TRUNC)))
		return 0;
	fd_close(ret);
	return -EBADMSG;
}

int wire_receive(int sock, struct wire_packet *ret)
{
	uint8_t packet[WIRE_PACKET_MAX];
	union control control = { 0 };
	struct iovec iov = { .iov_base = packet, .iov_len = sizeof(packet) };
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
	CLEANUP_FD int fd = -1;
	int r = take_descriptors(&msg, &fd);
	if (r < 0 || n == 0)
		return r;
	r = wire_unpack(packet, (size_t)n, ret);
	if (r < 0)
		return r;
	ret->fd = fd_steal(&fd);
	return 1;
}
