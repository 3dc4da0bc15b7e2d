/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's mounts, made from the list of the plan (runtime.md 6; run/plan/mounts.c makes the
 * list).
 *
 * Everything is done by descriptor. A source is cloned to a detached tree, its options are set
 * while nobody can reach it, and it is placed on an open target (os/mount.h). So no path is looked
 * up twice, no mount is ever to be seen with fewer options than it shall have, and a name that is
 * changed between two steps changes nothing. Targets are opened below the container's root with
 * RESOLVE_IN_ROOT: the image's links point where they like, and stay inside.
 *
 * Clones are recursive. In a user namespace the kernel insists: a bind that left out what is
 * mounted below would uncover what lies beneath, and those mounts may be there to hide it.
 *
 * The session is a tmpfs that no name leads to. What is made for one container lies there: places
 * for mounts, generated files, an empty home. It goes with the mount namespace, whoever ends first.
 *
 * What cannot be mounted is an error when it was asked for, and else a warning (missing,
 * make_mounts): the defaults are many, and an image may lack the place for any.
 */
#include "run/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---------------------------------------------------------------- single steps */

int run_tree_clone(int dirfd, const char *path, struct error **err)
{
	int fd = mnt_clone(dirfd, path, 0);
	if (fd >= 0)
		return fd;
	error_errno(err, -fd, "bind %s", path);
	return fd == -ENOSPC ? namespace_hint("mnt", err) : -1;
}

/* On the whole of a detached tree: nobody sees it without them. */
int run_tree_attributes(int tree, uint64_t set, struct error **err)
{
	int r = set ? mnt_set_all(tree, set) : 0;
	return r < 0 ? error_errno(err, -r, "set the options of a mount") : 0;
}

int run_tree_place(int tree, int target, struct error **err)
{
	int r = mnt_place(tree, target, "");
	return r < 0 ? error_errno(err, -r, "mount") : 0;
}

int run_new_filesystem(const char *type, const char *const *options, uint64_t attributes,
		       struct error **err)
{
	const struct mnt_filesystem fs = {
		.type = type, .source = type, .options = options, .attributes = attributes
	};
	struct mnt_refusal refusal;
	int fd = mnt_new(&fs, &refusal);
	if (fd >= 0)
		return fd;
	if (refusal.option)
		return error_errno(err, -fd, "option %s of a %s", refusal.option, type);
	error_errno(err, -fd, "make a file system of type %s", type);
	/* A mount that is not attached yet has a mount namespace of its own, which is counted. */
	return fd == -ENOSPC && refusal.step == MNT_STEP_MOUNT ? namespace_hint("mnt", err) : -1;
}

/* ---------------------------------------------------------------- the session */

static int open_tmpfs(const struct run_plan *plan, struct error **err)
{
	char size[32];
	snprintf(size, sizeof(size), "%lluM", (unsigned long long)plan->config->sessiondir_max_mib);
	const char *options[] = { "mode", "0755", "size", size, NULL };
	/* Root's is not limited (runtime.md 6.1). */
	if (plan->uid == 0)
		options[2] = NULL;
	return run_new_filesystem("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, err);
}

int run_session_open(const struct run_plan *plan, struct run_session *ret, struct error **err)
{
	unsigned long propagation = plan->config->mount_slave ? MS_SLAVE : MS_PRIVATE;
	*ret = (struct run_session){
		.dir = -1, .root = -1, .final = -1, .cwd = -1, .master = -1, .slave = -1
	};
	ret->member = PROCESS_NONE;
	for (size_t i = 0; i < RUN_OVERLAYS_MAX; i++)
		ret->overlays[i] = -1;
	for (size_t i = 0; i < RUN_EXTRAS_MAX; i++)
		ret->extras[i] = -1;
	int r = mnt_propagate(propagation);
	if (r < 0)
		return error_errno(err, -r, "make the mounts private");
	/* Both before the root is covered: who is so, as if chrooted, gets no user namespace. */
	if ((run_plan_is_shifted(plan) && run_shift(plan, ret, err) < 0) ||
	    run_lock_prepare(plan, &ret->member, err) < 0 ||
	    run_sources_open_root(plan, ret, err) < 0)
		return -1;
	CLEANUP_FD int dir = open_tmpfs(plan, err);
	if (dir < 0)
		return -1;
	/* By no name: the kernel has taken the working folder along into the new namespace. */
	CLEANUP_FD int cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	/*
	 * Mounts can only be placed in a tree that is attached. "/" is the one directory that
	 * always exists and that nobody needs to reach through it: whose root directory is there
	 * already stays below the new mount.
	 */
	r = mnt_place(dir, AT_FDCWD, "/");
	if (r < 0)
		return error_errno(err, -r, "place the session directory");
	struct stat st;
	if (mkdirat(dir, "rootfs", 0755) < 0 || fstat(dir, &st) < 0)
		return error_errno(err, errno, "make the session directory");
	ret->device = st.st_dev;
	ret->dir = fd_steal(&dir);
	ret->cwd = fd_steal(&cwd);
	return 0;
}

int run_root_change(struct run_session *session, struct error **err)
{
	/* Within the session, which is mounted over "/". */
	int r = mnt_change_root(session->final, true);
	return r < 0 ? error_errno(err, -r, "enter the container's root") : 0;
}

/* ---------------------------------------------------------------- the list */

/* Whether the target has it already: the same folder of the host, or the same place as its twin. */
static bool is_there(const struct run_session *session, const struct run_mount *m, int target)
{
	struct stat here, there;
	if (fstat(target, &here) < 0)
		return false;
	if (m->kind == RUN_MOUNT_CWD)
		return fstat(session->cwd, &there) == 0 && run_same_file(&here, &there);
	CLEANUP_FD int twin = m->twin ? path_open_in_root(session->final, m->twin, O_PATH, 0) : -1;
	return twin >= 0 && fstat(twin, &there) == 0 && run_same_file(&here, &there);
}

/* There is no place for it: nothing, a warning or an error, as the row says. */
static int missing(const struct run_plan *plan, const struct run_mount *m, int errnum,
		   struct error **err)
{
	if (m->quiet)
		return 0;
	if (m->kind == RUN_MOUNT_PASSWD || m->kind == RUN_MOUNT_GROUP) {
		run_no_account_file(m);
		return 0;
	}
	if (!m->needed) {
		log_warning("Skipping mount %s [%s]: %s doesn't exist in container",
			    *m->source && m->kind != RUN_MOUNT_TEXT ? m->source : m->target,
			    m->phase, m->target);
		return 0;
	}
	/* A build's section writes into its tree too, and nobody has asked for that. */
	bool asked = plan->writable && !plan->wish->for_build;
	if (asked)
		log_warning("By using --writable, coffer can't create %s destination "
			    "automatically without overlay or underlay",
			    m->target);
	if (errnum == ENOENT)
		error_set(err, ERROR_NOT_FOUND,
			  "container creation failed: destination %s doesn't exist in container",
			  m->target);
	else
		error_errno(err, errnum, "container creation failed: destination %s", m->target);
	if (plan->wish->for_build)
		return error_hint(err, "choose a place that the base has, or make it in %%setup");
	if (errnum == EROFS || errnum == EACCES || errnum == EPERM)
		return error_hint(err, "make it first in the folder that is mounted there, which "
				       "the container cannot, or choose another place for it");
	return error_hint(err, asked ? "make it in the image first, or leave --writable out"
				     : "choose another place for it");
}

/* The kernel says EINVAL of a file that shall cover a folder, as of much else. */
static int check_kinds(const struct run_mount *m, int tree, int target, struct error **err)
{
	struct stat from, to;
	if (fstat(tree, &from) < 0 || fstat(target, &to) < 0)
		return error_errno(err, errno, "look at %s", m->target);
	if (S_ISDIR(from.st_mode) == S_ISDIR(to.st_mode))
		return 0;
	bool named = m->kind == RUN_MOUNT_BIND || m->kind == RUN_MOUNT_IMAGE;
	const char *source = named ? m->source : path_base_name(m->target);
	error_errno(err, ENOTDIR,
		    "container creation failed: mount hook function failure: mount %s->%s error: "
		    "while mounting %s: could not mount %s",
		    source, m->target, source, source);
	return error_hint(err,
			  S_ISDIR(from.st_mode)
				  ? "%s is a folder, and %s a file in the container: bind it "
				    "to another place"
				  : "%s is a file, and %s a folder in the container: bind it "
				    "to a place in that folder",
			  source, m->target);
}

/* Options, then the place. */
static int place_tree(const struct run_plan *plan, const struct run_mount *m, int tree, int target,
		      struct error **err)
{
	uint64_t set = MOUNT_ATTR_NOSUID;
	if (m->restricted)
		set |= MOUNT_ATTR_NODEV;
	if (m->read_only)
		set |= MOUNT_ATTR_RDONLY;
	/* What was asked for must hold; for the rest the host's mounts may be what they are. */
	CLEANUP_ERROR struct error *refused = NULL;
	if (run_tree_attributes(tree, set, &refused) < 0) {
		if (m->read_only || !plan->user_namespace) {
			*err = take_pointer(&refused);
			return -1;
		}
		log_verbose("%s: %s", m->target, error_message(refused));
	}
	return run_tree_place(tree, target, err);
}

static int mount_at(const struct run_plan *plan, struct run_session *session,
		    const struct run_mount *m, int target, struct error **err)
{
	CLEANUP_FD int tree = run_source_take(plan, session, m, err);
	if (tree < 0 && m->kind == RUN_MOUNT_IMAGE)
		return -1;
	if (tree < 0)
		return *err ? error_wrap(err, "while mounting %s", m->target) : 0;
	if (check_kinds(m, tree, target, err) < 0)
		return -1;
	if (place_tree(plan, m, tree, target, err) < 0 ||
	    (m->kind == RUN_MOUNT_DEV && run_dev_make(plan, session, err) < 0))
		return error_wrap(err, "while mounting %s", m->target);
	return 0;
}

static int mount_one(const struct run_plan *plan, struct run_session *session,
		     const struct run_mount *m, struct error **err)
{
	CLEANUP_FD int target = run_target_open(plan, session, m);
	if (target < 0)
		return missing(plan, m, -target, err);
	if ((m->kind == RUN_MOUNT_CWD || m->twin) && is_there(session, m, target))
		return 0;
	/* Mounted over the root, it would be seen by nobody, and what is made in it by all. */
	struct stat here, root;
	if (fstat(target, &here) == 0 && fstat(session->final, &root) == 0 &&
	    run_same_file(&here, &root)) {
		error_set(err, ERROR_DAMAGED, "%s leads to the container's root", m->target);
		return error_hint(err,
				  "the image has a link there: mend it, or leave the mount out "
				  "(--no-mount)");
	}
	return mount_at(plan, session, m, target, err);
}

static int make_mounts(const struct run_plan *plan, struct run_session *session, struct error **err)
{
	for (size_t i = 0; i < plan->mount_count; i++) {
		const struct run_mount *m = &plan->mounts[i];
		CLEANUP_ERROR struct error *failed = NULL;
		log_debug("Mounting %s (%s)", m->target, m->phase);
		if (mount_one(plan, session, m, &failed) == 0)
			continue;
		if (m->quiet) {
			log_verbose("%s: %s", m->target, error_message(failed));
			continue;
		}
		/* Without what --workdir holds the container would write into the image's. */
		bool needed = m->needed || m->kind == RUN_MOUNT_WORK;
		if (!needed && error_kind(failed) != ERROR_MEMORY) {
			log_warning("Skipping mount %s [%s]: %s", m->target, m->phase,
				    error_message(failed));
			continue;
		}
		*err = take_pointer(&failed);
		return -1;
	}
	return 0;
}

int run_mounts_make(const struct run_plan *plan, struct run_session *session, struct error **err)
{
	int r = make_mounts(plan, session, err);
	/* Folders of the host: what runs next must not find them open. */
	run_sources_close(plan, session);
	for (size_t i = 0; i < plan->extra_count; i++)
		fd_close(&session->extras[i]);
	fd_close(&session->cwd);
	return r;
}
