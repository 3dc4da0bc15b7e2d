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
static void warn_of_entrance(int dir, const char *path)
{
	struct stat st;
	if (fstat(dir, &st) == 0 && st.st_mode & 0011 && !(st.st_mode & S_ISVTX))
		log_verbose("Others may enter %s, where the container writes as root: chmod 0700 "
			    "keeps them from set-uid files that it makes",
			    path);
}

/* The tree at the descriptor, with the owners that those of the user namespace of pid mean by it.
 */
static int shift_tree(int dir, const char *path, pid_t pid, struct error **err)
{
	char name[64];
	snprintf(name, sizeof(name), "/proc/%d/ns/user", (int)pid);
	CLEANUP_FD int user = open(name, O_RDONLY | O_CLOEXEC);
	if (user < 0)
		return error_errno(err, errno, "open the user namespace of the container");
	CLEANUP_FD int tree = run_tree_clone(dir, "", err);
	if (tree < 0)
		return -1;
	int r = mnt_map_owners(tree, user, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	if (r == 0)
		return fd_steal(&tree);
	return error_errno(err, -r, "show the owners of %s as those of the container", path);
}

int run_shifted_sandbox(const struct run_plan *plan, pid_t pid, struct error **err)
{
	int tree = shift_tree(plan->image->directory, plan->image->path, pid, err);
	if (tree < 0)
		return error_hint(
			err,
			"not every file system can (idmapped mounts): make an image of it "
			"(coffer build x.sif %s), copy it to another, or run it as a user",
			plan->image->path);
	if (plan->writable)
		warn_of_entrance(plan->image->directory, plan->image->path);
	return tree;
}

int run_shifted_overlay(const struct run_overlay *o, pid_t pid, struct error **err)
{
	CLEANUP_FD int dir = open(o->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return error_errno(err, errno, "open %s", o->path);
	if (run_witness_check(&o->witness, dir, o->path, err) < 0)
		return -1;
	int tree = shift_tree(dir, o->path, pid, err);
	if (tree < 0)
		return error_hint(err, "not every file system can (idmapped mounts): move the "
				       "overlay to another, or run the container as a user");
	if (!o->read_only)
		warn_of_entrance(dir, o->path);
	return tree;
}
