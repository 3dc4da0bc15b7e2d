/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files for images, always the same ones: small ones, a thousand a directory.
 *
 *   generate DIR COUNT
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t state = UINT64_C(88172645463325252);

static uint64_t next_number(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* Words out of 512, and a seventh noise. */
static void fill(uint8_t *to, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint64_t n = next_number();
		uint64_t word = n % 7 ? (n >> 8 & 511) * UINT64_C(0x9e3779b97f4a7c15) : n >> 8;
		for (unsigned left = 2 + (n >> 20) % 7; left && i < len; left--, word >>= 8)
			to[i++] = (uint8_t)word;
		if (i < len)
			to[i] = (uint8_t)(n >> 40 & 15);
	}
}

static int fail(const char *what)
{
	fprintf(stderr, "generate: %s: %s\n", what, strerror(errno));
	return 1;
}

static int many_files(const char *path, unsigned long count)
{
	uint8_t buf[1024];
	char name[64];
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return fail(path);
	for (unsigned long i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "d%03lu", i / 1000);
		if (i % 1000 == 0 && mkdirat(dir, name, 0755) < 0)
			return fail(name);
		snprintf(name, sizeof(name), "d%03lu/file-%lu", i / 1000, i);
		size_t len = 100 + next_number() % 400;
		fill(buf, len);
		int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd < 0 || write(fd, buf, len) != (ssize_t)len || close(fd) < 0)
			return fail(name);
	}
	return 0;
}

int main(int argc, char **argv)
{
	return argc == 3 ? many_files(argv[1], strtoul(argv[2], NULL, 10)) : 2;
}
