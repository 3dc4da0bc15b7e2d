/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_BASE_FD_H
#define COFFER_BASE_FD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/error.h"

/* Closes *fd when it is not negative, keeps errno, and sets it to -1. */
void fd_close(int *fd);
#define CLEANUP_FD __attribute__((cleanup(fd_close)))

/* Hands a descriptor over: returns it and leaves -1 behind. */
static inline int fd_steal(int *fd)
{
	int f = *fd;
	*fd = -1;
	return f;
}

/*
 * Reads exactly len bytes at off, going on after short reads and signals. Returns the number of
 * bytes, less than len at the end of the file only, or -errno.
 */
ssize_t fd_pread(int fd, void *buf, size_t len, uint64_t off);
/* Writes all of it. Returns 0 or -errno. */
int fd_pwrite(int fd, const void *buf, size_t len, uint64_t off);
/* The same at the descriptor's position. */
ssize_t fd_read(int fd, void *buf, size_t len);
int fd_write(int fd, const void *buf, size_t len);

/*
 * Appends what the descriptor has from its position on, at most limit bytes (more is
 * ERROR_LIMIT). `name` is for the message.
 */
int fd_read_all(int fd, size_t limit, const char *name, struct buffer *ret, struct error **err);
/* The same for a file by its path below dirfd (AT_FDCWD for a plain path). */
int fd_read_file(int dirfd, const char *path, size_t limit, struct buffer *ret, struct error **err);

/*
 * *uid and *gid are the owners of an open file (fd is the file, or for one that cannot be opened
 * the folder that it is in). Owners without a number in this process's user namespace become root.
 * The kernel shows these as 65534; where the namespace has that number too, its owner keeps it.
 */
void fd_unmapped_to_root(int fd, uid_t *uid, gid_t *gid);

/* What to do where a file system did not let root of a namespace set an owner that this namespace
 * has: a hint for the error. Returns -1. */
int fd_hint_owner(struct error **err);

/*
 * Renames, below two folders, to a name that is free: 0, or -errno, which is -EEXIST where
 * something has it. Also where the file system has no such rename, as NFS: by a link then, or where
 * it has none of these either by a look beforehand, between which and the rename something may
 * come.
 */
int fd_rename_new(int from, const char *name, int to, const char *target);

#endif
