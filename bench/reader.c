/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a file inside a container and prints how many nanoseconds that took:
 *
 *   reader sequential FILE N       all of it, by N processes at once, each its own part
 *   reader random FILE LEN COUNT   COUNT pieces of LEN bytes, at multiples of LEN, always the same
 *   reader absent DIR COUNT        looks for COUNT names that are not there; of one, not of all
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PIECE ((size_t)131072)

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void read_piece(int fd, uint8_t *buf, size_t len, uint64_t off)
{
	if (pread(fd, buf, len, (off_t)off) != (ssize_t)len) {
		perror("reader");
		exit(1);
	}
}

/* Each opens the file anew, so that the kernel reads ahead for each. */
static int sequential(const char *path, uint64_t size, unsigned parts)
{
	static uint8_t buf[PIECE];
	uint64_t part = size / parts / PIECE * PIECE;
	int failed = 0;
	for (unsigned i = 0; i < parts; i++) {
		pid_t pid = fork();
		if (pid < 0)
			return 1;
		if (pid)
			continue;
		uint64_t off = i * part, end = i + 1 == parts ? size : off + part;
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		while (off < end) {
			size_t len = end - off < PIECE ? (size_t)(end - off) : PIECE;
			read_piece(fd, buf, len, off);
			off += len;
		}
		_exit(0);
	}
	for (unsigned i = 0; i < parts; i++) {
		int status;
		if (wait(&status) < 0 || status != 0)
			failed = 1;
	}
	return failed;
}

static int random_pieces(const char *path, uint64_t size, size_t len, unsigned count)
{
	uint8_t *buf = malloc(len);
	uint64_t state = UINT64_C(88172645463325252);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (!buf || fd < 0)
		return 1;
	for (unsigned i = 0; i < count; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		read_piece(fd, buf, len, state % (size / len) * len);
	}
	return 0;
}

static int absent(const char *dir, unsigned count)
{
	char path[256];
	for (unsigned i = 0; i < count; i++) {
		(void)snprintf(path, sizeof(path), "%s/absent-%u", dir, i);
		if (access(path, F_OK) == 0)
			return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct stat st;
	if (argc < 4 || stat(argv[2], &st) < 0)
		return 2;
	uint64_t size = (uint64_t)st.st_size, begin = now();
	unsigned each = 1;
	int failed = 1;
	if (!strcmp(argv[1], "sequential"))
		failed = sequential(argv[2], size, (unsigned)atoi(argv[3]));
	else if (!strcmp(argv[1], "random") && argc == 5)
		failed = random_pieces(argv[2], size, (size_t)atoi(argv[3]),
				       (unsigned)atoi(argv[4]));
	else if (!strcmp(argv[1], "absent")) {
		each = (unsigned)atoi(argv[3]);
		failed = absent(argv[2], each);
	}
	if (!failed && each)
		printf("%llu\n", (unsigned long long)((now() - begin) / each));
	return failed;
}
