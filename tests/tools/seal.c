/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seal and the kernel's mount without the rest, for tests that need no container:
 *
 *   seal create OUT            standard input becomes the payload of a LUKS2 image
 *   seal create-slow OUT       the same with the KDF of a chosen passphrase
 *   seal cat IMAGE             its payload on standard output
 *   seal mount FILE DIR CMD…   mounts an image file as --mount=kernel does, in a mount namespace
 *                              of its own, and becomes CMD
 *
 * The passphrase is in APPTAINER_ENCRYPTION_PASSPHRASE.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "mount/mount.h"
#include "seal/luks2/luks2.h"

#define PIECE_LEN (1 << 20)

static int passphrase(struct secret **ret, struct error **err)
{
	const char *text = getenv("APPTAINER_ENCRYPTION_PASSPHRASE");
	return text ? secret_copy(text, strlen(text), ret, err)
		    : error_set(err, ERROR_KEY_MISSING, "no passphrase");
}

static int create(const char *path, bool random, struct error **err)
{
	static char buf[PIECE_LEN];
	CLEANUP_SECRET struct secret *secret = NULL;
	CLEANUP_SINK struct sink *file = NULL, *seal = NULL;
	CLEANUP_FD int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct luks2_create_options options = { .random_passphrase = random };
	if (fd < 0)
		return error_errno(err, errno, "%s", path);
	if (passphrase(&secret, err) < 0 || sink_from_fd(fd, &file, err) < 0 ||
	    luks2_create(file, secret, &options, &seal, err) < 0)
		return -1;
	for (;;) {
		ssize_t n = fd_read(0, buf, sizeof(buf));
		if (n < 0)
			return error_errno(err, (int)-n, "read the payload");
		if (n == 0)
			break;
		if (sink_write(seal, buf, (size_t)n, seal->size, err) < 0)
			return -1;
	}
	int r = sink_finish(seal, err);
	sink_free(&seal); /* before the one below it */
	return r;
}

static int cat(const char *path, struct error **err)
{
	static char buf[PIECE_LEN];
	CLEANUP_SECRET struct secret *secret = NULL;
	struct source *file = NULL, *clear = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "%s", path);
	int r = -1;
	if (passphrase(&secret, err) < 0 || source_from_fd(fd, &file, err) < 0 ||
	    luks2_open(file, secret, &clear, err) < 0)
		goto out;
	for (uint64_t off = 0; off < clear->size;) {
		size_t n = clear->size - off < PIECE_LEN ? (size_t)(clear->size - off) : PIECE_LEN;
		if (source_read(clear, buf, n, off, err) < 0)
			goto out;
		int w = fd_write(1, buf, n);
		if (w < 0) {
			error_errno(err, -w, "write the payload");
			goto out;
		}
		off += n;
	}
	r = 0;
out:
	source_free(&clear);
	source_free(&file);
	return r;
}

static int mount_and_run(char **argv, struct error **err)
{
	CLEANUP_IMAGE struct image *img = NULL;
	CLEANUP_KEY struct key *key = NULL;
	CLEANUP_FD int fd = -1;
	struct key_request request = { .use = KEY_FOR_RUN, .use_environment = true };
	if (unshare(CLONE_NEWNS) < 0 || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return error_errno(err, errno, "make a mount namespace");
	if (key_choose(&request, &key, err) < 0 || image_open(argv[0], &img, err) < 0 ||
	    mount_kernel(img, key, &fd, err) < 0 || mount_kernel_attach(fd, argv[1], err) < 0)
		return -1;
	execvp(argv[2], argv + 2);
	return error_errno(err, errno, "%s", argv[2]);
}

int main(int argc, char **argv)
{
	CLEANUP_ERROR struct error *err = NULL;
	int r = -1;
	if (argc == 3 && !strncmp(argv[1], "create", 6))
		r = create(argv[2], !strcmp(argv[1], "create"), &err);
	else if (argc == 3 && !strcmp(argv[1], "cat"))
		r = cat(argv[2], &err);
	else if (argc > 4 && !strcmp(argv[1], "mount"))
		r = mount_and_run(argv + 2, &err);
	else
		error_set(&err, ERROR_USAGE, "see the head of seal.c");
	if (r < 0)
		fprintf(stderr, "seal: %s\n%s\n", error_message(err),
			error_hint_text(err) ? error_hint_text(err) : "");
	return r < 0;
}
