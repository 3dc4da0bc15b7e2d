/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the command and the container's process say to each other, over a wire (os/wire.h). The
 * container's process is ours until it execs, and the socket is closed by then: no code of the
 * image ever has it.
 */
#include "run/internal.h"

#include <errno.h>

#define UNKNOWN "the container's process said something unknown"

int run_channel_say(int sock, enum run_word word, int fd, struct error **err)
{
	int r = wire_send(sock, (char)word, fd);
	return r < 0 ? error_errno(err, -r, "talk to the container's process") : 0;
}

/* One packet that brings no error. Returns 1; 0 at the end; or -1 with *err. */
static int hear(int sock, struct wire_packet *ret, struct error **err)
{
	int r = wire_receive(sock, ret);
	if (r == -EBADMSG)
		return error_set(err, ERROR_INTERNAL, UNKNOWN);
	if (r < 0)
		return error_errno(err, -r, "hear from the container's process");
	if (r == 0 || !ret->error)
		return r;
	*err = take_pointer(&ret->error);
	return -1;
}

int run_channel_expect(int sock, enum run_word word, int *ret_fd, struct error **err)
{
	CLEANUP_WIRE_PACKET struct wire_packet p = WIRE_PACKET_NONE;
	int r = hear(sock, &p, err);
	if (r < 0)
		return -1;
	if (r == 0)
		return error_set(err, ERROR_SYSTEM,
				 "the container's process ended before it was ready");
	if (p.word != (char)word || (ret_fd && p.fd < 0))
		return error_set(err, ERROR_INTERNAL, UNKNOWN);
	if (ret_fd)
		*ret_fd = fd_steal(&p.fd);
	return 0;
}

int run_channel_finish(int sock, enum run_word *ret_word, int *ret_fd, struct error **err)
{
	CLEANUP_WIRE_PACKET struct wire_packet p = WIRE_PACKET_NONE;
	int r = hear(sock, &p, err);
	if (r <= 0)
		return r;
	*ret_word = (enum run_word)p.word;
	*ret_fd = fd_steal(&p.fd);
	return 1;
}
