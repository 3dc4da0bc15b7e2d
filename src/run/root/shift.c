/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's root with --userns or --fakeroot: a user namespace takes nothing from who is still
 * the machine's root in it, as uid 0 owns /proc/sys, /dev and most files whatever capabilities say.
 * So inside there are other ids alone (userns.c), and none that the caller has outside.
 */
#include "run/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

int run_shift(const struct run_plan *plan, struct run_session *session, struct error **err)
{
	session->sources = calloc(plan->mount_count + 1, sizeof(*session->sources));
	if (!session->sources)
		return error_no_memory(err);
	for (size_t i = 0; i < plan->mount_count; i++) {
		const struct run_mount *m = &plan->mounts[i];
		CLEANUP_ERROR struct error *later = NULL;
		session->sources[i] = !m->asked ? -1
				      : m->witnessed
					      ? run_witness_clone(&m->witness, m->source, &later)
					      : run_tree_clone(AT_FDCWD, m->source, &later);
	}
	/* The groups first: afterwards there is nobody who could. */
	if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return error_errno(err, errno, "become root of the user namespace");
	return 0;
}

/* A set-uid file that it makes is root's where others find it. */
static void warn_of_entrance(const struct run_plan *plan)
{
	struct stat st;
	if (plan->writable && fstat(plan->image->directory, &st) == 0 && st.st_mode & 0011 &&
	    !(st.st_mode & S_ISVTX))
		log_verbose("Others may enter %s, where the container writes as root: chmod 0700 "
			    "keeps them from set-uid files that it makes",
			    plan->image->path);
}

int run_shifted_sandbox(const struct run_plan *plan, pid_t pid, struct error **err)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	CLEANUP_FD int user = open(path, O_RDONLY | O_CLOEXEC);
	if (user < 0)
		return error_errno(err, errno, "open the user namespace of the container");
	CLEANUP_FD int tree = run_tree_clone(plan->image->directory, "", err);
	if (tree < 0)
		return -1;
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
		.userns_fd = (uint64_t)user,
	};
	if (mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) == 0) {
		warn_of_entrance(plan);
		return fd_steal(&tree);
	}
	error_errno(err, errno, "show the owners of %s as those of the container",
		    plan->image->path);
	return error_hint(err,
			  "not every file system can (idmapped mounts): make an image of it "
			  "(coffer build x.sif %s), copy it to another, or run it as a user",
			  plan->image->path);
}
