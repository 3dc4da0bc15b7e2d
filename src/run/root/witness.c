/* SPDX-License-Identifier: Apache-2.0 */
#include "run/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/*
 * What is looked at when a run is planned is what is mounted later, whoever renames folders or
 * puts links in between: unlocking an image takes seconds. A descriptor that was opened before the
 * clone is of no use, since the kernel copies mounts of the caller's own namespace only. So a
 * source is opened by its name once more, and must be the same object.
 */

/* Unlike stat this goes on to what an automounter has behind the name, as open_tree does. */
static int look(int dirfd, const char *path, int flags, struct run_witness *ret)
{
	struct statx st;
	*ret = (struct run_witness){ 0 };
	if (statx(dirfd, path, flags, STATX_TYPE | STATX_INO | STATX_BTIME, &st) < 0)
		return -errno;
	*ret = (struct run_witness){
		.device = makedev(st.stx_dev_major, st.stx_dev_minor),
		.inode = st.stx_ino,
		.directory = S_ISDIR(st.stx_mode),
	};
	/* Numbers of inodes are used again; where it is known, the birth tells them apart. */
	if (st.stx_mask & STATX_BTIME) {
		ret->born_s = st.stx_btime.tv_sec;
		ret->born_ns = st.stx_btime.tv_nsec;
	}
	return 0;
}

void run_witness_look(const char *path, struct run_witness *ret)
{
	(void)look(AT_FDCWD, path, 0, ret);
}

static bool same(const struct run_witness *a, const struct run_witness *b)
{
	return a->device == b->device && a->inode == b->inode && a->directory == b->directory &&
	       a->born_s == b->born_s && a->born_ns == b->born_ns;
}

int run_witness_check(const struct run_witness *w, int fd, const char *path, struct error **err)
{
	struct run_witness found;
	int r = look(fd, "", AT_EMPTY_PATH, &found);
	if (r < 0)
		return error_errno(err, -r, "look at %s", path);
	if (same(w, &found))
		return 0;
	error_set(err, ERROR_NOT_FOUND, "%s has changed since it was looked at", path);
	return error_hint(err, "run it again, if nobody is meant to change what lies on the way to "
			       "it");
}

int run_witness_clone(const struct run_witness *w, const char *path, struct error **err)
{
	CLEANUP_FD int tree = run_tree_clone(AT_FDCWD, path, err);
	if (tree < 0 || run_witness_check(w, tree, path, err) < 0)
		return -1;
	return fd_steal(&tree);
}
