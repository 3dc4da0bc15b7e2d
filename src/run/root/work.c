/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folders below the one that --workdir names. That may be one where others can make folders, too,
 * /tmp for example: so no link is followed below it, and what is there already must be the caller's
 * own. Somebody else's would give the container's home away.
 */
#include "run/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Whether the folder is the caller's. In a user namespace the owners that it does not know all look
 * like nobody, and so like a caller who is that. The kernel tells them apart: without the time of
 * access only its owner opens a folder, or who has the rights over that one.
 */
static bool is_own(int folder)
{
	struct stat st;
	if (fstat(folder, &st) < 0 || st.st_uid != geteuid())
		return false;
	CLEANUP_FD int fd =
		openat(folder, ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC);
	return fd >= 0;
}

/* Steps into the folder `name` of *at, making it first where it is missing; path is for errors. */
static int step(int *at, const char *name, mode_t mode, const char *path, struct error **err)
{
	bool made = mkdirat(*at, name, 0700) == 0;
	if (!made && errno != EEXIST)
		return error_errno(err, errno,
				   "container creation failed: failed to create %s: mkdir", path);
	int flags = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | (made ? O_RDONLY : O_PATH);
	CLEANUP_FD int next = openat(*at, name, flags);
	/* Whatever the umask is. */
	if (next < 0 || (made && fchmod(next, mode) < 0)) {
		error_errno(err, errno, "container creation failed: open %s", path);
		return error_hint(err, "below --workdir there must be folders alone, no links");
	}
	if (!is_own(next)) {
		error_set(err, ERROR_POLICY,
			  "container creation failed: %s is there already, and not yours", path);
		return error_hint(err, "give a folder to --workdir where nobody else can make one");
	}
	(void)close(*at);
	*at = fd_steal(&next);
	return 0;
}

int run_work_open(const struct run_mount *m, struct error **err)
{
	CLEANUP_TEXT char *path = text_dup(m->source, err);
	if (!path)
		return -1;
	char *end = path + m->within;
	char kept = *end;
	*end = '\0';
	CLEANUP_FD int at = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return error_errno(err, errno, "open %s", path);
	if (run_witness_check(&m->witness, at, path, err) < 0)
		return -1;
	while (kept) {
		*end = kept;
		char *name = end + strspn(end, "/");
		if (!*name)
			break;
		end = name + strcspn(name, "/");
		kept = *end;
		*end = '\0';
		if (step(&at, name, m->mode, path, err) < 0)
			return -1;
	}
	return run_tree_clone(at, "", err);
}
