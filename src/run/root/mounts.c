/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's mounts, made from the list of the plan (runtime.md 6; run/plan/mounts.c makes the
 * list).
 *
 * Everything is done by descriptor. A source is cloned to a detached tree (open_tree), its options
 * are set while nobody can reach it (mount_setattr), and it is placed on an open target
 * (move_mount). So no path is looked up twice, no mount is ever to be seen with fewer options than
 * it shall have, and a name that is changed between two steps changes nothing. Targets are opened
 * below the container's root with RESOLVE_IN_ROOT: the image's links point where they like, and
 * stay inside.
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
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PASSWD_LIMIT ((size_t)16 << 20)

/* ---------------------------------------------------------------- single steps */

int run_tree_clone(int dirfd, const char *path, struct error **err)
{
	/* Recursive: in a user namespace the kernel refuses to uncover what a mount hides. */
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE;
	if (!*path)
		flags |= AT_EMPTY_PATH;
	int fd = open_tree(dirfd, path, flags);
	if (fd >= 0)
		return fd;
	int errnum = errno;
	error_errno(err, errnum, "bind %s", path);
	return errnum == ENOSPC ? namespace_hint("mnt", err) : -1;
}

/* On the whole of a detached tree: nobody sees it without them. */
int run_tree_attributes(int tree, uint64_t set, struct error **err)
{
	struct mount_attr attr = { .attr_set = set };
	if (set && mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0)
		return error_errno(err, errno, "set the options of a mount");
	return 0;
}

int run_tree_place(int tree, int target, struct error **err)
{
	if (move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return error_errno(err, errno, "mount");
	return 0;
}

int run_new_filesystem(const char *type, const char *const *options, uint64_t attributes,
		       struct error **err)
{
	CLEANUP_FD int fs = fsopen(type, FSOPEN_CLOEXEC);
	if (fs < 0)
		return error_errno(err, errno, "make a file system of type %s", type);
	/* Its name in the list of mounts. */
	if (fsconfig(fs, FSCONFIG_SET_STRING, "source", type, 0) < 0)
		return error_errno(err, errno, "name a %s", type);
	for (; *options; options += 2) {
		unsigned command = options[1] ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;
		if (fsconfig(fs, command, options[0], options[1], 0) < 0)
			return error_errno(err, errno, "option %s of a %s", options[0], type);
	}
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return error_errno(err, errno, "make a file system of type %s", type);
	int fd = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)attributes);
	if (fd >= 0)
		return fd;
	int errnum = errno;
	error_errno(err, errnum, "make a file system of type %s", type);
	/* A mount that is not attached yet has a mount namespace of its own, which is counted. */
	return errnum == ENOSPC ? namespace_hint("mnt", err) : -1;
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
	if (mount(NULL, "/", NULL, MS_REC | propagation, NULL) < 0)
		return error_errno(err, errno, "make the mounts private");
	/* Both before the root is covered: who is so, as if chrooted, gets no user namespace. */
	if ((run_plan_is_shifted(plan) && run_shift(plan, ret, err) < 0) ||
	    run_lock_prepare(plan, &ret->member, err) < 0)
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
	if (move_mount(dir, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return error_errno(err, errno, "place the session directory");
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
	if (fchdir(session->final) < 0)
		return error_errno(err, errno, "enter the container's root");
	/* With the same folder for both no place for the old root is needed: pivot_root(2). */
	if (syscall(SYS_pivot_root, ".", ".") == 0) {
		/* The old root now lies upon the new one, and the session directory upon that. */
		/* NOLINTNEXTLINE(misc-redundant-expression): two mounts, two calls */
		if (umount2(".", MNT_DETACH) < 0 || umount2(".", MNT_DETACH) < 0)
			return error_errno(err, errno, "detach the host's root");
	} else {
		/* An initial ramdisk or a chroot cannot be pivoted away. */
		if (errno != EINVAL || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0)
			return error_errno(err, errno, "change the root directory");
	}
	return chdir("/") < 0 ? error_errno(err, errno, "enter the container's root") : 0;
}

/* ---------------------------------------------------------------- sources */

static int session_place(const struct run_session *session, const char *name, mode_t mode,
			 struct error **err)
{
	if (mkdirat(session->dir, name, mode) < 0 && errno != EEXIST)
		return error_errno(err, errno, "make %s in the session directory", name);
	return run_tree_clone(session->dir, name, err);
}

/* A generated file in the session, given as a mount of its own. */
static int session_file(const struct run_session *session, const char *name, const char *text,
			size_t len, struct error **err)
{
	CLEANUP_FD int fd = openat(session->dir, name,
				   O_CREAT | O_TRUNC | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0644);
	int r = fd < 0 ? -errno : fd_write(fd, text, len);
	if (r < 0)
		return error_errno(err, -r, "write %s in the session directory", name);
	return run_tree_clone(session->dir, name, err);
}

static void no_account_file(const struct run_mount *m)
{
	log_warning("%s file doesn't exist in container, not updating", path_base_name(m->target));
}

/* Returns a tree, or -1; with *err NULL when the image has none. */
static int account_file(const struct run_plan *plan, const struct run_session *session,
			const struct run_mount *m, struct error **err)
{
	const char *word = m->kind == RUN_MOUNT_PASSWD ? "passwd" : "group";
	CLEANUP_FD int fd =
		path_open_in_root(session->final, m->target, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		no_account_file(m);
		return -1;
	}
	CLEANUP_BUFFER struct buffer old = { 0 };
	CLEANUP_BUFFER struct buffer text = { 0 };
	CLEANUP_ERROR struct error *failed = NULL;
	int r = fd_read_all(fd, PASSWD_LIMIT, m->target, &old, &failed);
	if (r == 0 && old.len && memchr(old.data, 0, old.len))
		r = error_set(&failed, ERROR_DAMAGED, "the image's %s file holds a NUL byte", word);
	const char *words = old.data ? old.data : "";
	if (r == 0)
		r = m->kind == RUN_MOUNT_PASSWD ? run_passwd_text(words, plan, &text, &failed)
						: run_group_text(words, plan, &text, &failed);
	if (r < 0) {
		log_warning("%s, not updating", error_message(failed));
		return -1;
	}
	return session_file(session, word, text.data ? text.data : "", text.len, err);
}

/* A new proc or sysfs, which shows this container's namespaces; else the host's. */
static int new_or_bound(const struct run_plan *plan, const struct run_mount *m, const char *type,
			struct error **err)
{
	static const char *const none[] = { NULL };
	CLEANUP_ERROR struct error *failed = NULL;
	uint64_t set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
	int tree = run_new_filesystem(type, none, set, &failed);
	if (tree >= 0)
		return tree;
	if (m->kind == RUN_MOUNT_SYSFS && plan->clone_flags & CLONE_NEWNET) {
		/* The host's would show the host's interfaces. */
		*err = take_pointer(&failed);
		return -1;
	}
	/* In a container whose own one is partly hidden the kernel refuses a new one. */
	log_verbose("%s: binding the host's", error_message(failed));
	return run_tree_clone(AT_FDCWD, m->source, err);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Whether the target has it already: the same folder of the host, or the same place as its twin. */
static bool is_there(const struct run_session *session, const struct run_mount *m, int target)
{
	struct stat here, there;
	if (fstat(target, &here) < 0)
		return false;
	if (m->kind == RUN_MOUNT_CWD)
		return fstat(session->cwd, &there) == 0 && same_file(&here, &there);
	CLEANUP_FD int twin = m->twin ? path_open_in_root(session->final, m->twin, O_PATH, 0) : -1;
	return twin >= 0 && fstat(twin, &there) == 0 && same_file(&here, &there);
}

/* Nobody has asked for it by name: whom the folders above keep out does not get it. */
static int clone_cwd(const struct run_plan *plan, const struct run_session *session,
		     const struct run_mount *m, struct error **err)
{
	struct stat here, there;
	if (run_plan_is_shifted(plan) &&
	    (stat(m->source, &there) < 0 || fstat(session->cwd, &here) < 0 ||
	     !same_file(&here, &there)))
		return error_set(err, ERROR_NOT_FOUND, "%s is not open to others", m->source);
	return run_tree_clone(session->cwd, "", err);
}

/* A detached tree of what a row of the list wants to have mounted. */
static int open_source(const struct run_plan *plan, const struct run_session *session,
		       const struct run_mount *m, struct error **err)
{
	switch (m->kind) {
	case RUN_MOUNT_SESSION:
		return session_place(session, m->source, m->mode, err);
	case RUN_MOUNT_TEXT:
		return session_file(session, path_base_name(m->target), m->source,
				    strlen(m->source), err);
	case RUN_MOUNT_PASSWD:
	case RUN_MOUNT_GROUP:
		return account_file(plan, session, m, err);
	case RUN_MOUNT_PROC:
		return new_or_bound(plan, m, "proc", err);
	case RUN_MOUNT_SYSFS:
		return new_or_bound(plan, m, "sysfs", err);
	case RUN_MOUNT_DEV:
		return session_place(session, "dev", 0755, err);
	case RUN_MOUNT_WORK:
		return run_work_open(m, err);
	case RUN_MOUNT_CWD:
		return clone_cwd(plan, session, m, err);
	case RUN_MOUNT_BIND:
		break;
	}
	return m->witnessed ? run_witness_clone(&m->witness, m->source, err)
			    : run_tree_clone(AT_FDCWD, m->source, err);
}

void run_sources_open(const struct run_plan *plan, struct run_session *session)
{
	bool some = session->sources;
	if (!some)
		session->sources = calloc(plan->mount_count, sizeof(*session->sources));
	for (size_t i = 0; session->sources && i < plan->mount_count; i++) {
		const struct run_mount *m = &plan->mounts[i];
		CLEANUP_ERROR struct error *later = NULL;
		/* What is not mounted then costs more than it gains: the kernel waits for all
		 * others when a clone is let go of. The current directory often is there already.
		 */
		bool of_image = m->kind == RUN_MOUNT_PASSWD || m->kind == RUN_MOUNT_GROUP;
		/* And nothing is made on the disk before the image is known to be open. */
		bool maybe = of_image || m->kind == RUN_MOUNT_CWD || m->kind == RUN_MOUNT_WORK;
		if (some && session->sources[i] >= 0)
			continue;
		session->sources[i] = maybe ? -1 : open_source(plan, session, m, &later);
	}
}

static void close_sources(const struct run_plan *plan, struct run_session *session)
{
	for (size_t i = 0; session->sources && i < plan->mount_count; i++)
		fd_close(&session->sources[i]);
	free(session->sources);
	session->sources = NULL;
}

/* The one that was opened ahead, if it was. */
static int take_source(const struct run_plan *plan, struct run_session *session,
		       const struct run_mount *m, struct error **err)
{
	int *ahead = session->sources ? &session->sources[m - plan->mounts] : NULL;
	return ahead && *ahead >= 0 ? fd_steal(ahead) : open_source(plan, session, m, err);
}

/* ---------------------------------------------------------------- the list */

/* There is no place for it: nothing, a warning or an error, as the row says. */
static int missing(const struct run_plan *plan, const struct run_mount *m, int errnum,
		   struct error **err)
{
	if (m->quiet)
		return 0;
	if (m->kind == RUN_MOUNT_PASSWD || m->kind == RUN_MOUNT_GROUP) {
		no_account_file(m);
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
	const char *source = m->kind == RUN_MOUNT_BIND ? m->source : path_base_name(m->target);
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
	CLEANUP_FD int tree = take_source(plan, session, m, err);
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
	    same_file(&here, &root)) {
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
	close_sources(plan, session);
	fd_close(&session->cwd);
	return r;
}
