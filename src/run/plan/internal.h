/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_RUN_PLAN_INTERNAL_H
#define COFFER_RUN_PLAN_INTERNAL_H

#include "run/internal.h"

/*
 * The steps of run_plan_prepare. Each completes members of the plan, which owns them, and may use
 * what those before it have decided: 0, or -1 with *err.
 */

/* identity.c: ids, whether there is a user namespace, its map; then what NSS knows of the user. */
int run_choose_users(struct run_plan *plan, struct error **err);
int run_look_up_user(struct run_plan *plan, struct error **err);

/* namespaces.c: whether the kernel mounts the image; the other namespaces, the network's last. */
int run_choose_kernel_mount(struct run_plan *plan, struct error **err);
int run_choose_namespaces(struct run_plan *plan, struct error **err);

/* home.c: the home inside, *ret_source (the caller frees it) outside; where the payload begins. */
int run_choose_home(struct run_plan *plan, char **ret_source, struct error **err);

/* work.c: the folder of --workdir, where --contain or --scratch has a use for it. */
int run_choose_work(struct run_plan *plan, struct error **err);

/* overlay.c: what lies above the image, and whether the site lets anything lie there. */
int run_choose_overlays(struct run_plan *plan, struct error **err);

/* binds.c: what --bind and --mount ask for, without what is ruled out. */
int run_choose_binds(struct run_plan *plan, struct error **err);

/* mounts.c: all rows of the list, in their order; home: the source that run_choose_home said. */
int run_list_mounts(struct run_plan *plan, const char *home, struct error **err);

/* What run_list_mounts asks of home.c, work.c and binds.c: the rows of theirs. */
int run_add_home(struct run_plan *plan, const char *source, struct error **err);
int run_add_cwd(struct run_plan *plan, struct error **err);
int run_add_scratch(struct run_plan *plan, struct error **err);
/* gpu.c: what --nv and --rocm bring along. */
int run_add_gpus(struct run_plan *plan, struct error **err);
/* Whether the home is one of the temporary folders or lies below one, which must come first. */
bool run_home_in_tmp(const struct run_plan *plan);
int run_add_binds(struct run_plan *plan, struct error **err);

/* mounts.c: one row more, of which the texts are copied. */
int run_add_mount(struct run_plan *plan, const struct run_mount *m, struct error **err);
/*
 * A bind of something that somebody named. What is there now is remembered (witness.c): between
 * this look and the mount somebody else could put another object in its place.
 */
int run_add_bind(struct run_plan *plan, const char *source, const char *target, const char *phase,
		 struct error **err);
/* A folder in the session's memory: empty, and gone with the container. */
int run_add_session(struct run_plan *plan, const char *name, const char *target, mode_t mode,
		    const char *phase, struct error **err);
/* work.c: a folder of that name below --workdir, which outlives the container; else the same. */
int run_add_work(struct run_plan *plan, const char *name, const char *target, mode_t mode,
		 const char *phase, struct error **err);
/* Whether --no-mount names it. */
bool run_no_mount(const struct run_plan *plan, const char *word);
/* Whether there is something at the path, links followed. */
bool run_path_exists(const char *path);

#endif
