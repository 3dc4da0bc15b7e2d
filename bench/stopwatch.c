/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a command takes, in nanoseconds, without the shell and the change of user round it:
 *
 *   stopwatch [-j N] COMMAND...    until N of them, started at once, have ended (1)
 *   stopwatch -1 COMMAND...        until its first byte of output, which is then thrown away
 *
 * The command's output goes nowhere. Prints nothing and fails when one of them fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static pid_t start(char **argv, int out)
{
	posix_spawn_file_actions_t actions;
	pid_t pid;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out, 1);
	int r = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (r == 0)
		return pid;
	fprintf(stderr, "stopwatch: %s: %s\n", argv[0], strerror(r));
	exit(127);
}

int main(int argc, char **argv)
{
	int count = 1, first_byte = 0, pair[2] = { -1, -1 }, failed = 0, c;
	char buf[65536];
	while ((c = getopt(argc, argv, "+1j:")) != -1) {
		if (c == '1')
			first_byte = 1;
		else if (c == 'j')
			count = atoi(optarg);
		else
			return 2;
	}
	if (optind == argc || count < 1)
		return 2;
	if (first_byte && pipe2(pair, O_CLOEXEC) < 0)
		return 1;
	int out = first_byte ? pair[1] : open("/dev/null", O_WRONLY | O_CLOEXEC);
	uint64_t begin = now(), end = 0;
	for (int i = 0; i < count; i++)
		start(argv + optind, out);
	if (first_byte) {
		close(pair[1]);
		failed = read(pair[0], buf, 1) != 1;
		end = now();
		while (read(pair[0], buf, sizeof(buf)) > 0)
			;
	}
	for (int i = 0; i < count; i++) {
		int status;
		if (wait(&status) < 0 || status != 0)
			failed = 1;
	}
	if (!first_byte)
		end = now();
	if (!failed)
		printf("%llu\n", (unsigned long long)(end - begin));
	return failed;
}
