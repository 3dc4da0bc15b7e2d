/* SPDX-License-Identifier: Apache-2.0 */
#include "tree/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/os.h"
#include "tree/format.h"

/* Trees that go, or whose modes are mended. */

/* ------------------------------------------------------------------ removing */

static int remove_entry(void *context, const struct walk_at *at, struct error **err)
{
	(void)context;
	if (unlinkat(at->folder, at->name, 0) == 0 || errno == ENOENT)
		return WALK_ON;
	int errnum = errno;
	/* Before it can be opened: it may have no permission for its owner. */
	CLEANUP_FD int fd =
		openat(at->folder, at->name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char link[32];
	if (fd < 0 || (errnum != EISDIR && errnum != EPERM))
		return error_errno(err, errnum, "remove %s", at->path);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	(void)chmod(link, 0700);
	return WALK_ENTER;
}

static int remove_folder(void *context, const struct walk_at *at, int fd, const struct stat *st,
			 struct error **err)
{
	(void)context, (void)fd, (void)st;
	return unlinkat(at->folder, at->name, AT_REMOVEDIR) < 0
		       ? error_errno(err, errno, "remove %s", at->path)
		       : WALK_ON;
}

int copy_remove(int parent, const char *name, struct error **err)
{
	static const struct walk_visitor remover = {
		.entry = remove_entry,
		.leave = remove_folder,
		.of = "",
		.depth_max = TREE_DEPTH_MAX,
	};
	return walk_entry(parent, name, &remover, NULL, err);
}

/* ------------------------------------------------------------------ modes */

/* What is to be of a mode, and how many had another. */
struct mending {
	mode_t (*mode)(mode_t mode);
	size_t count;
};

static int mend_entry(void *context, const struct walk_at *at, struct error **err)
{
	struct mending *m = context;
	struct stat st;
	if (fstatat(at->folder, at->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, errno, "look at %s", at->path);
	mode_t want = S_ISLNK(st.st_mode) ? st.st_mode : m->mode(st.st_mode);
	if (want != st.st_mode) {
		if (fchmodat(at->folder, at->name, want & 07777, 0) < 0)
			return error_errno(err, errno, "change the mode of %s", at->path);
		m->count++;
	}
	return S_ISDIR(st.st_mode) ? WALK_ENTER : WALK_ON;
}

static int mend(int root, mode_t (*mode)(mode_t mode), size_t *ret_count, struct error **err)
{
	static const struct walk_visitor mender = {
		.entry = mend_entry,
		.of = "",
		.depth_max = TREE_DEPTH_MAX,
	};
	struct mending m = { .mode = mode };
	int r = walk_tree(root, &mender, &m, err);
	if (r == 0 && ret_count)
		*ret_count = m.count;
	return r;
}

static mode_t usable(mode_t mode)
{
	return mode | (S_ISDIR(mode) ? 0700 : S_ISREG(mode) ? 0600 : 0);
}

int copy_fix_permissions(int root, struct error **err)
{
	return mend(root, usable, NULL, err) < 0 ? error_wrap(err, "give permissions to the owner")
						 : 0;
}

static mode_t without_ids(mode_t mode)
{
	return S_ISREG(mode) ? mode & ~(mode_t)(S_ISUID | S_ISGID) : mode;
}

int copy_drop_set_ids(int root, size_t *ret_count, struct error **err)
{
	return mend(root, without_ids, ret_count, err) < 0
		       ? error_wrap(err, "take set-user-ID bits from the sandbox")
		       : 0;
}
