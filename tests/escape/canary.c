/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's side of the attempts, as the user who starts the container.
 *
 *   attempt canary NAME SECRET DOOR TMPDOOR   (the token in the environment's CANARY) has sockets,
 *     shared memory, a terminal and a descriptor, prints its facts and "ready", then a line "seen
 *     ATTEMPT" for each attempt that reached it. Ends with its standard input.
 *   attempt launch FOLDER DESCRIPTOR COMMAND...   with a session keyring that has the token as a
 * key, and the folder open at that descriptor.
 */
#include "attempt.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define OR_END(x)                   \
	do {                        \
		if (!(x)) {         \
			perror(#x); \
			exit(1);    \
		}                   \
	} while (0)

static char token[64];

static void signalled(int number)
{
	(void)number;
	(void)!write(1, "seen neighbour-kill\n", 20);
}

static int listening(const char *name, bool abstract)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = strnlen(name, sizeof(address.sun_path) - 2);
	memcpy(address.sun_path + abstract, name, len);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	OR_END(bind(fd, (struct sockaddr *)&address,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + abstract + len)) == 0);
	OR_END(listen(fd, 16) == 0);
	if (!abstract)
		OR_END(chmod(name, 0777) == 0);
	return fd;
}

static int listening_tcp(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	OR_END(bind(fd, (struct sockaddr *)&address, len) == 0 && listen(fd, 16) == 0);
	OR_END(getsockname(fd, (struct sockaddr *)&address, &len) == 0);
	printf("port=%d\n", ntohs(address.sin_port));
	return fd;
}

static int shared(const char *name)
{
	key_t key = (key_t)(getpid() + 0x0c0f0000);
	int id = shmget(key, 4096, IPC_CREAT | IPC_EXCL | 0600);
	OR_END(id >= 0);
	char *memory = shmat(id, NULL, 0);
	OR_END(memory != (void *)-1);
	strcpy(memory, token);
	printf("shm=%d\n", (int)key);
	char queue[80];
	snprintf(queue, sizeof(queue), "/%s", name);
	OR_END(mq_open(queue, O_CREAT | O_RDWR, 0600, NULL) >= 0);
	return id;
}

/* A terminal that is the controlling one of a child. */
static int other_terminal(pid_t *ret_child)
{
	int leader = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	OR_END(leader >= 0 && grantpt(leader) == 0 && unlockpt(leader) == 0);
	struct stat info;
	OR_END(stat(ptsname(leader), &info) == 0);
	printf("terminal=%s\nterminal_device=%lu\n", ptsname(leader), (unsigned long)info.st_dev);
	fflush(stdout);
	*ret_child = fork();
	if (*ret_child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGHUP, SIG_IGN);
		setsid();
		int fd = open(ptsname(leader), O_RDWR);
		OR_END(fd >= 0);
		for (;;)
			pause();
	}
	return leader;
}

int canary(char **words)
{
	const char *name = words[0];
	OR_END(getenv("CANARY") && strlen(getenv("CANARY")) < sizeof(token));
	strcpy(token, getenv("CANARY"));
	prctl(PR_SET_NAME, "canary");
	/* Another user's: what the ids changed made unreadable is to be readable again. */
	prctl(PR_SET_DUMPABLE, 1);
	struct rlimit core = { 12345, RLIM_INFINITY };
	OR_END(setrlimit(RLIMIT_CORE, &core) == 0);
	struct sigaction action = { .sa_handler = signalled, .sa_flags = SA_RESTART };
	sigaction(SIGUSR1, &action, NULL);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	int secret = open(words[1], O_RDONLY);
	OR_END(secret >= 0 && dup2(secret, 77) == 77);
	printf("pid=%d\ncore=12345\ndescriptor=77\naddress=%p\nabstract=%s\n", (int)getpid(),
	       (void *)token, name);
	union {
		struct file_handle head;
		unsigned char bytes[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} handle = { .head.handle_bytes = MAX_HANDLE_SZ };
	int mount_id = 0;
	OR_END(name_to_handle_at(AT_FDCWD, words[1], &handle.head, &mount_id, 0) == 0);
	printf("handle_type=%d\nhandle=", handle.head.handle_type);
	for (size_t i = 0; i < handle.head.handle_bytes; i++)
		printf("%02x", handle.bytes[sizeof(struct file_handle) + i]);
	puts("");
	pid_t child = -1;
	int shm = shared(name);
	struct pollfd fds[] = { { .fd = 0, .events = POLLIN },
				{ .fd = listening(name, true), .events = POLLIN },
				{ .fd = listening(words[2], false), .events = POLLIN },
				{ .fd = listening(words[3], false), .events = POLLIN },
				{ .fd = listening_tcp(), .events = POLLIN },
				{ .fd = other_terminal(&child), .events = POLLIN } };
	puts("ready");
	fflush(stdout);
	char bytes[256];
	for (;;) {
		if (poll(fds, 6, -1) < 0)
			continue;
		if (fds[0].revents)
			break;
		for (size_t i = 1; i < 5; i++)
			if (fds[i].revents) {
				int fd = accept(fds[i].fd, NULL, NULL);
				(void)!write(fd, token, strlen(token));
				close(fd);
			}
		if (fds[5].revents & POLLIN && read(fds[5].fd, bytes, sizeof(bytes)) > 0)
			(void)!write(1, "seen terminal-write\n", 20);
		else if (fds[5].revents)
			fds[5].events = 0, fds[5].fd = -1;
	}
	shmctl(shm, IPC_RMID, NULL);
	snprintf(bytes, sizeof(bytes), "/%s", name);
	mq_unlink(bytes);
	if (child > 0)
		kill(child, SIGKILL);
	return 0;
}

int launch(char **words)
{
	const char *secret = getenv("CANARY");
	OR_END(secret);
	OR_END(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) >= 0);
	OR_END(syscall(SYS_add_key, "user", "coffer-canary", secret, strlen(secret),
		       KEY_SPEC_SESSION_KEYRING) >= 0);
	unsetenv("CANARY");
	OR_END(setenv("ESCAPE_VARIABLE", secret, 1) == 0);
	int folder = open(words[0], O_RDONLY | O_DIRECTORY);
	OR_END(folder >= 0 && dup2(folder, atoi(words[1])) >= 0);
	close(folder);
	execvp(words[2], words + 2);
	perror(words[2]);
	return 127;
}
