/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_RUN_ROOT_ROOT_H
#define COFFER_RUN_ROOT_ROOT_H

#include <sys/stat.h>

#include "run/plan/plan.h"

/* The door of root/: the container's root, made from the list of mounts. */

/* ------------------------------------------------- mounts.c, sources.c, layer.c, dev.c */

struct run_session {
	int dir;	       /* the session's tmpfs */
	int root;	       /* the image's tree */
	int final;	       /* what becomes / */
	int cwd;	       /* the caller's working folder, until all is mounted */
	uint64_t device;       /* st_dev of the session */
	int master, slave;     /* owned: the container's own terminal, or -1 */
	struct process member; /* owned, of lock.c */
	/* owned: the trees of the plan's overlays, where the command has opened them; or -1 */
	int overlays[RUN_OVERLAYS_MAX];
	int extras[RUN_EXTRAS_MAX]; /* owned: the roots of the plan's images besides its own; or -1
				     */
	int *sources; /* owned: trees opened ahead, one for each mount of the plan, or -1; or NULL
		       */
};
/* A private mount namespace's tree and the session directory with its places. */
int run_session_open(const struct run_plan *plan, struct run_session *ret, struct error **err);
/* A detached clone of what is at path. Returns the descriptor or -1 with *err. */
int run_tree_clone(int dirfd, const char *path, struct error **err);
int run_tree_attributes(int tree, uint64_t set, struct error **err);
int run_tree_place(int tree, int target, struct error **err);
int run_new_filesystem(const char *type, const char *const *options, uint64_t attributes,
		       struct error **err);
/*
 * Where target lies inside the tree `root` once its links are followed as a root of its own would,
 * written to *ret (empty at first): what is missing is appended as it is. keep_last: the last name
 * is not looked at, and counts as missing; no_links: a link is an error. Returns 1 when it exists,
 * 0 when not, or -errno (among them -ENOTDIR: something on the way is no directory), without memory
 * with *err as well.
 */
int run_walk(int root, const char *target, bool keep_last, bool no_links, struct buffer *ret,
	     struct error **err);
int run_layer_make(const struct run_plan *plan, struct run_session *session, struct error **err);
/*
 * Opens what is bound and is the root itself: before the session directory is placed over "/", as a
 * clone of it would have that on top.
 */
int run_sources_open_root(const struct run_plan *plan, struct run_session *session,
			  struct error **err);

/*
 * Opens what the mounts need and the image has no part in, for run_mounts_make: while one waits for
 * the image. What fails is tried again, and its error said, by that one, which closes them all.
 */
void run_sources_open(const struct run_plan *plan, struct run_session *session);
/* What a row wants to have mounted, opened ahead or now; -1 without *err: the image has none. */
int run_source_take(const struct run_plan *plan, struct run_session *session,
		    const struct run_mount *m, struct error **err);
void run_sources_close(const struct run_plan *plan, struct run_session *session);
/* A warning: the image has no such file of accounts. */
void run_no_account_file(const struct run_mount *m);
static inline bool run_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}
int run_mounts_make(const struct run_plan *plan, struct run_session *session, struct error **err);
/* Whether that is one of the devices that every minimal /dev has. */
bool run_dev_has(const char *path);
int run_dev_make(const struct run_plan *plan, struct run_session *session, struct error **err);
int run_root_change(struct run_session *session, struct error **err);

/*
 * target.c: the place of a row inside the container's root, links and all. What is missing is made
 * in the session's memory, and, for a row that is needed, in what an earlier row has mounted there.
 * Returns a descriptor or -errno.
 */
int run_target_open(const struct run_plan *plan, const struct run_session *session,
		    const struct run_mount *m);
/*
 * work.c: a clone of a folder below --workdir, made where it is missing. Never with USERNS_SHIFTED,
 * where all owners are the same nobody; the plan has no such row then.
 */
int run_work_open(const struct run_mount *m, struct error **err);

/* ---------------------------------------------------------------- overlay.c */

/*
 * Mounts the plan's overlays below the session's directory. To *ret_lower (empty at first) the
 * names of those that are read are added, the uppermost first, each with a colon behind it; to
 * *ret_upper the name of the one that is written to, with a slash behind it: the folders upper and
 * work are there then.
 */
int run_overlays_place(const struct run_plan *plan, struct run_session *session,
		       struct buffer *ret_lower, struct buffer *ret_upper, struct error **err);

/* ---------------------------------------------------------------- witness.c */

void run_witness_look(const char *path, struct run_witness *ret);
/* What fd is of must be that object still; then run_tree_clone of what is at path, which must. */
int run_witness_check(const struct run_witness *w, int fd, const char *path, struct error **err);
int run_witness_clone(const struct run_witness *w, const char *path, struct error **err);

/* ---------------------------------------------------------------- shift.c: USERNS_SHIFTED */

static inline bool run_plan_is_shifted(const struct run_plan *plan)
{
	return plan->user_namespace && plan->map == USERNS_SHIFTED;
}
/*
 * The container's process, which is the machine's root still, opens what was asked for by name, for
 * run_mounts_make, and becomes the container's root, who may see no more than a stranger.
 */
int run_shift(const struct run_plan *plan, struct run_session *session, struct error **err);
/*
 * The command: a sandbox's tree, not attached yet, whose owners are shown as those of the user
 * namespace of `pid`: root's files as its root's, and the other way. Returns it or -1 with *err.
 */
int run_shifted_sandbox(const struct run_plan *plan, pid_t pid, struct error **err);
/* The same for a folder of --overlay. */
int run_shifted_overlay(const struct run_overlay *o, pid_t pid, struct error **err);

#endif
