/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A new file without objects. Apptainer cuts off what is there and writes over it; here the new
 * one is written beside it under a name of its own and takes the old one's place in one step, so
 * that an image whose name was given by mistake is not half gone when the disk is full. What was
 * written over stays written over in other ways: its mode stays, and who may not write the old file
 * does not get rid of it.
 */
#include "sif/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/crypto.h"

#define LINKS_MAX 40 /* as the kernel's */

/* What is there already: *ret_there and its state. */
static int look(const char *path, bool *ret_there, struct stat *st, struct error **err)
{
	CLEANUP_FD int fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	*ret_there = fd >= 0;
	if (fd < 0 && errno == ENOENT)
		return 0;
	/* ENXIO: a fifo that nobody reads. */
	bool is_fifo = fd < 0 && errno == ENXIO;
	if (!is_fifo && (fd < 0 || fstat(fd, st) < 0))
		return error_errno(err, errno, "open %s", path);
	if (is_fifo || !S_ISREG(st->st_mode)) {
		error_set(err, ERROR_UNSUPPORTED, "%s is not a regular file", path);
		return error_hint(err, "give a name that is free, or a file's");
	}
	return 0;
}

/* Where a path leads in the end, also where nothing is there yet: the kernel's open would make the
 * file at that place. It has followed the links before (look), with its own rules for them. */
static char *follow(const char *path, struct error **err)
{
	CLEANUP_TEXT char *at = text_dup(path, err);
	for (int links = 0; at && links < LINKS_MAX; links++) {
		char to[PATH_MAX];
		ssize_t len = readlink(at, to, sizeof(to));
		if (len < 0)
			return take_pointer(&at);
		if (len == sizeof(to))
			break;
		const char *name = path_base_name(at);
		char *next = text_printf(err, "%.*s%.*s", *to == '/' ? 0 : (int)(name - at), at,
					 (int)len, to);
		free(at);
		at = next;
	}
	if (at)
		error_errno(err, ELOOP, "open %s", path);
	return NULL;
}

static int write_empty(int fd, int64_t now, struct error **err)
{
	CLEANUP_SINK struct sink *file = NULL;
	struct sif_writer *w = NULL;
	struct sif_write_options options = { .time = now, .bare = true };
	if (sink_from_fd(fd, &file, err) < 0 || sif_write_begin(file, &options, &w, err) < 0)
		return -1;
	int r = sif_write_finish(w, err);
	sif_writer_free(&w);
	return r < 0 || sink_finish(file, err) < 0 ? -1 : 0;
}

/* The file at `own`, open as fd, made whole and put at path. */
static int make(int fd, const char *own, const char *path, const struct stat *old, int64_t now,
		struct error **err)
{
	if (write_empty(fd, now, err) < 0)
		return -1;
	if (old && ((geteuid() == 0 && fchown(fd, old->st_uid, old->st_gid) < 0) ||
		    fchmod(fd, old->st_mode & 07777) < 0))
		return error_errno(err, errno, "open %s", path);
	if (fsync(fd) < 0)
		return error_errno(err, errno, "write %s", path);
	/* Where nothing was, nothing is replaced: in a folder that others write to a link may have
	 * come to be since, which leads to a file of this user's. */
	int r = 0;
	if (!old)
		r = fd_rename_new(AT_FDCWD, own, AT_FDCWD, path);
	else if (rename(own, path) < 0)
		r = -errno;
	return r < 0 ? error_errno(err, -r, "create %s", path) : 0;
}

int sif_create(const char *path, mode_t mode, int64_t now, struct error **err)
{
	struct stat st;
	bool there;
	uint64_t number;
	if (look(path, &there, &st, err) < 0 || crypto_random(&number, sizeof(number), err) < 0)
		return -1;
	/* Behind a link it is the file that is replaced, or made, not the link. */
	CLEANUP_TEXT char *target = follow(path, err);
	if (!target)
		return -1;
	const char *name = path_base_name(target);
	CLEANUP_TEXT char *own = text_printf(err, "%.*s.%.200s.%016llx", (int)(name - target),
					     target, name, (unsigned long long)number);
	if (!own)
		return -1;
	CLEANUP_FD int fd = open(own, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return error_errno(err, errno, "open %s", path);
	if (make(fd, own, target, there ? &st : NULL, now, err) == 0)
		return 0;
	(void)unlink(own);
	return -1;
}
