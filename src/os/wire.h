/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_OS_WIRE_H
#define COFFER_OS_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "base/base.h"

/*
 * What two processes of coffer say to each other: packets over a socket, each a word (one letter,
 * which means what the two have agreed upon) with a descriptor or without one, or an error object.
 */

/* The word of a packet that brings an error; nobody else's letter. */
#define WIRE_ERROR '!'
/* What of an error's message goes over, and of its hint: the rest is cut off. */
#define WIRE_TEXT_MAX 16384
/* The longest packet. */
#define WIRE_PACKET_MAX (21 + 2 * WIRE_TEXT_MAX)

/* Both ends, close-on-exec and the caller's. */
int wire_open(int ret[2], struct error **err);

/*
 * Sends a word, and a copy of the descriptor unless it is -1. Returns 0 or -errno; -EPIPE, without
 * a signal, when the other end is gone.
 */
int wire_send(int sock, char word, int fd);
/* Sends kind, place, words, which of them are the fact, hint and exit status. The same. */
int wire_send_error(int sock, const struct error *e);

struct wire_packet {
	char word;
	int fd;		     /* owned; -1: none came */
	struct error *error; /* owned; with WIRE_ERROR, and not otherwise */
};
#define WIRE_PACKET_NONE ((struct wire_packet){ .fd = -1 })
void wire_packet_free(struct wire_packet *p);
#define CLEANUP_WIRE_PACKET __attribute__((cleanup(wire_packet_free)))

/*
 * Waits for one packet, into one that is WIRE_PACKET_NONE. Returns 1; 0 when the other end is gone;
 * or -errno: -EBADMSG for what is no packet. A descriptor that came is close-on-exec; more than one
 * are closed, and it is no packet.
 */
int wire_receive(int sock, struct wire_packet *ret);

/*
 * The bytes of a packet without a descriptor, and their reader, which the two above use. The reader
 * returns 0 or -EBADMSG, whatever the bytes are.
 */
size_t wire_pack_error(const struct error *e, uint8_t to[WIRE_PACKET_MAX]);
int wire_unpack(const void *data, size_t len, struct wire_packet *ret);

#endif
