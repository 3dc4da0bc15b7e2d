/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * A sandbox lies in the open. What is set-user-ID in an image is set-user-ID to whoever unpacks it,
 * a user or one of the subordinate ids, and whoever can enter the folder becomes that one; in a
 * container these bits have no effect. Root's sandboxes keep them, to be packed again; nobody else
 * may enter those.
 */

/* More than tree/ makes. */
#define DEPTH_MAX 4096

static int drop_below(int fd, size_t depth, size_t *count);

static int drop_entry(int fd, const char *name, size_t depth, size_t *count)
{
	struct stat st;
	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode)) {
		CLEANUP_FD int inner =
			openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		return inner < 0 ? -errno : drop_below(inner, depth + 1, count);
	}
	if (!S_ISREG(st.st_mode) || !(st.st_mode & (S_ISUID | S_ISGID)))
		return 0;
	if (fchmodat(fd, name, st.st_mode & 01777, 0) < 0)
		return -errno;
	++*count;
	return 0;
}

static int drop_below(int fd, size_t depth, size_t *count)
{
	if (depth > DEPTH_MAX)
		return -ELOOP;
	CLEANUP_FD int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = again < 0 ? NULL : fdopendir(again);
	if (!dir)
		return -errno;
	(void)fd_steal(&again);
	int result = 0;
	struct dirent *entry;
	while (result == 0 && (errno = 0, entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			result = drop_entry(fd, entry->d_name, depth, count);
	if (result == 0 && errno)
		result = -errno;
	(void)closedir(dir);
	return result;
}

int sandbox_close(const struct build *b, int root, struct error **err)
{
	size_t count = 0;
	struct rlimit files;
	/* Two a level; this process does nothing else any more. */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	int r = b->real_root ? 0 : drop_below(root, 0, &count);
	if (r < 0)
		return error_errno(err, -r, "take set-user-ID bits from the sandbox");
	if (count)
		log_warning("%zu %s set-user-ID or set-group-ID: not so in %s, where others could "
			    "become you by %s",
			    count, count == 1 ? "file is" : "files are", b->wish->target,
			    count == 1 ? "it" : "them");
	return fchmod(root, 0700) < 0 ? error_errno(err, errno, "close the sandbox to others") : 0;
}

int sandbox_open_root(int root, struct error **err)
{
	struct stat st;
	if (fstat(root, &st) < 0 || fchmod(root, (st.st_mode & 07777) | 0755) < 0)
		return error_errno(err, errno, "let others into the tree");
	return 0;
}
