/* SPDX-License-Identifier: Apache-2.0 */
#include "tree/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tree/format.h"

/* Trees that go, or that are mended. */

struct rlimit copy_raise_descriptors(void)
{
	struct rlimit old = { 0 }, new;
	(void)getrlimit(RLIMIT_NOFILE, &old);
	new = old;
	rlim_t want = 2 * TREE_DEPTH_MAX + 64;
	if (new.rlim_cur < want)
		new.rlim_cur = want < new.rlim_max ? want : new.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &new);
	return old;
}

static int remove_below(int fd, size_t depth)
{
	if (depth > TREE_DEPTH_MAX)
		return -ELOOP;
	(void)fchmod(fd, 0700);
	CLEANUP_FD int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = again < 0 ? NULL : fdopendir(again);
	if (!dir)
		return -errno;
	(void)fd_steal(&again);
	int result = 0;
	struct dirent *entry;
	while (result == 0 && (errno = 0, entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") ||
		    unlinkat(fd, entry->d_name, 0) == 0)
			continue;
		if (errno != EISDIR && errno != EPERM) {
			result = -errno;
			break;
		}
		CLEANUP_FD int path =
			openat(fd, entry->d_name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		char link[32];
		snprintf(link, sizeof(link), "/proc/self/fd/%d", path);
		/* Before it can be opened: it may have no permission for its owner. */
		if (path >= 0)
			(void)chmod(link, 0700);
		fd_close(&path); /* two descriptors a level are what there is room for */
		CLEANUP_FD int inner =
			openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		result = inner < 0 ? -errno : remove_below(inner, depth + 1);
		if (result == 0 && unlinkat(fd, entry->d_name, AT_REMOVEDIR) < 0)
			result = -errno;
	}
	if (result == 0 && errno)
		result = -errno;
	(void)closedir(dir);
	return result;
}

int copy_remove(int parent, const char *name, struct error **err)
{
	if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
		return 0;
	struct rlimit old = copy_raise_descriptors();
	CLEANUP_FD int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r = fd < 0 ? -errno : remove_below(fd, 0);
	if (r == 0 && unlinkat(parent, name, AT_REMOVEDIR) < 0)
		r = -errno;
	(void)setrlimit(RLIMIT_NOFILE, &old);
	return r < 0 ? error_errno(err, -r, "remove %s", name) : 0;
}

static int fix_below(int fd, size_t depth)
{
	if (depth > TREE_DEPTH_MAX)
		return -ELOOP;
	CLEANUP_FD int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = again < 0 ? NULL : fdopendir(again);
	if (!dir)
		return -errno;
	(void)fd_steal(&again);
	int result = 0;
	struct dirent *entry;
	while (result == 0 && (errno = 0, entry = readdir(dir))) {
		struct stat st;
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			result = -errno;
			break;
		}
		mode_t want = S_ISDIR(st.st_mode) ? 0700 : S_ISREG(st.st_mode) ? 0600 : 0;
		if ((st.st_mode & want) != want &&
		    fchmodat(fd, entry->d_name, (st.st_mode & 07777) | want, 0) < 0)
			result = -errno;
		if (result == 0 && S_ISDIR(st.st_mode)) {
			CLEANUP_FD int inner = openat(
				fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			result = inner < 0 ? -errno : fix_below(inner, depth + 1);
		}
		errno = 0;
	}
	if (result == 0 && errno)
		result = -errno;
	(void)closedir(dir);
	return result;
}

int copy_fix_permissions(int root, struct error **err)
{
	struct rlimit old = copy_raise_descriptors();
	int r = fix_below(root, 0);
	(void)setrlimit(RLIMIT_NOFILE, &old);
	return r < 0 ? error_errno(err, -r, "give permissions to the owner") : 0;
}
