/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's half: a mount for each image besides its own, below the session's folder, which
 * goes with the change of root. What overlays and binds take of it is kept by the kernel.
 */
#include "run/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int attach(const struct run_plan *plan, struct run_session *session, size_t i, int sock,
		  struct error **err)
{
	char name[RUN_EXTRA_NAME_LEN];
	CLEANUP_FD int fuse = -1;
	run_extra_name(i, name);
	if (mkdirat(session->dir, name, 0755) < 0 || fchdir(session->dir) < 0)
		return error_errno(err, errno, "make %s in the session directory", name);
	/* Whose files there are in an ext3 is for the kernel to check: they are not shown as the
	 * user's. */
	if (mount_attach(name, !plan->own_all, plan->extras[i].writable, &fuse, err) < 0 ||
	    run_channel_say(sock, RUN_WORD_FUSE, fuse, err) < 0)
		return -1;
	/* Held here, it would keep the mount waiting for a server that has died. */
	fd_close(&fuse);
	if (run_channel_expect(sock, RUN_WORD_GO, NULL, err) < 0)
		return -1;
	session->extras[i] = openat(session->dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return session->extras[i] < 0 ? error_errno(err, errno, "open the image's root") : 0;
}

int run_extras_attach(const struct run_plan *plan, struct run_session *session, int sock,
		      struct error **err)
{
	for (size_t i = 0; i < plan->extra_count; i++)
		if (attach(plan, session, i, sock, err) < 0)
			return error_wrap(err, "while mounting %s", plan->extras[i].image->path);
	return 0;
}

bool run_mount_is_directory(const struct run_session *session, const struct run_mount *m)
{
	struct stat st;
	if (m->kind != RUN_MOUNT_IMAGE)
		return m->directory;
	CLEANUP_FD int at = path_open_in_root(session->extras[m->extra], m->source, O_PATH, 0);
	/* Where it is not there, the mount will say so. */
	return at < 0 || fstat(at, &st) < 0 || S_ISDIR(st.st_mode);
}

int run_extra_open(const struct run_plan *plan, const struct run_session *session,
		   const struct run_mount *m, struct error **err)
{
	CLEANUP_FD int at = path_open_in_root(session->extras[m->extra], m->source, O_PATH, 0);
	if (at >= 0)
		return run_tree_clone(at, "", err);
	if (at != -ENOENT && at != -ENOTDIR)
		return error_errno(err, -at, "open %s in the image %s", m->source,
				   plan->extras[m->extra].image->path);
	return error_set(err, ERROR_NOT_FOUND,
			 "container creation failed: mount hook function failure: hook function "
			 "for tag prelayer returns error: %s doesn't exist in image %s",
			 m->source, plan->extras[m->extra].image->path);
}
