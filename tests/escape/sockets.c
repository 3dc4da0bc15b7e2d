/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets and System V and POSIX objects: who answers there sends the token. */
#include "attempt.h"
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static enum result talk(int fd, const void *address, socklen_t len)
{
	char bytes[64];
	if (fd < 0 || connect(fd, address, len) < 0)
		return refused("connect");
	ssize_t n = read(fd, bytes, sizeof(bytes));
	return n > 0 && has_token(bytes, (size_t)n) ? OUT : REFUSED;
}

static enum result unix_talk(const char *name, bool abstract)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = strnlen(name, sizeof(address.sun_path) - 2);
	memcpy(address.sun_path + abstract, name, len);
	return talk(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), &address,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + abstract + len));
}

static enum result abstract(void)
{
	return unix_talk(fact("abstract"), true);
}

/* Who listens is outside, in whatever process namespace we are: a handle of it comes with the
 * socket. */
static enum result abstract_peer(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = strlen(fact("abstract"));
	char bytes[64];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), process = -1;
	socklen_t size = sizeof(process);
	memcpy(address.sun_path + 1, fact("abstract"), len);
	if (connect(fd, (struct sockaddr *)&address,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len)) < 0)
		return refused("connect");
	if (getsockopt(fd, SOL_SOCKET, 77 /* SO_PEERPIDFD */, &process, &size) < 0)
		return refused("SO_PEERPIDFD");
	if (setns(process, CLONE_NEWNS) == 0)
		return OUT;
	int taken = (int)syscall(SYS_pidfd_getfd, process, fact_number("descriptor"), 0);
	if (taken < 0)
		return refused("pidfd_getfd");
	ssize_t n = pread(taken, bytes, sizeof(bytes), 0);
	return n > 0 && has_token(bytes, (size_t)n) ? OUT : REFUSED;
}

static enum result hidden_door(void)
{
	return unix_talk(fact("door"), false);
}

static enum result tmp_door(void)
{
	return unix_talk(fact("tmp_door"), false);
}

static enum result loopback(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons((unsigned short)fact_number("port")),
				       .sin_addr = { htonl(INADDR_LOOPBACK) } };
	return talk(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), &address, sizeof(address));
}

static enum result in_net(long returned, const char *call)
{
	if (returned < 0)
		return refused(call);
	return is_host_ns("net") ? OUT : OWN;
}

static enum result raw(void)
{
	return in_net(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP), "socket");
}

static enum result packet(void)
{
	return in_net(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), "socket");
}

/* Parts of the kernel that few look after; one leads to the machine below this one. */
static enum result families(void)
{
	static const int rare[] = { AF_ALG, AF_VSOCK, AF_TIPC, AF_PHONET };
	for (size_t i = 0; i < sizeof(rare) / sizeof(*rare); i++)
		if (socket(rare[i], SOCK_DGRAM | SOCK_CLOEXEC, 0) >= 0 ||
		    socket(rare[i], SOCK_SEQPACKET | SOCK_CLOEXEC, 0) >= 0) {
			note("socket: family %d", rare[i]);
			return OWN;
		}
	return refused("socket");
}

/* The same flags again. */
static enum result device_flags(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		return refused("SIOCGIFFLAGS");
	return in_net(ioctl(fd, SIOCSIFFLAGS, &request), "SIOCSIFFLAGS");
}

static enum result low_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(1) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return in_net(bind(fd, (struct sockaddr *)&address, sizeof(address)), "bind");
}

static enum result shared_memory(void)
{
	int id = shmget((key_t)fact_number("shm"), 0, 0);
	if (id < 0)
		return refused("shmget");
	const char *memory = shmat(id, NULL, SHM_RDONLY);
	if (memory == (void *)-1)
		return refused("shmat");
	return has_token(memory, 64) ? OUT : REFUSED;
}

static enum result message_queue(void)
{
	char name[64];
	snprintf(name, sizeof(name), "/%s", fact("abstract"));
	mqd_t queue = mq_open(name, O_RDONLY | O_CLOEXEC);
	return queue < 0 ? refused("mq_open") : OUT;
}

const struct attempt socket_attempts[] = {
	{ "socket-abstract", abstract },
	{ "socket-peer", abstract_peer },
	{ "socket-hidden", hidden_door },
	{ "socket-tmp", tmp_door },
	{ "socket-loopback", loopback },
	{ "socket-raw", raw },
	{ "socket-packet", packet },
	{ "socket-families", families },
	{ "socket-low-port", low_port },
	{ "network-device", device_flags },
	{ "shared-memory", shared_memory },
	{ "message-queue", message_queue },
	{ NULL, NULL },
};
