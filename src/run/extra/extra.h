/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_RUN_EXTRA_EXTRA_H
#define COFFER_RUN_EXTRA_EXTRA_H

#include "run/plan/plan.h"
#include "run/root/root.h"

/*
 * The door of extra/: images besides the one that is run. --overlay lays them above it (runtime.md
 * 9), and a bind with image-src or id takes a part of them (10.1).
 *
 *   the plan                 opens the file, asks the site, chooses the partition     choose.c
 *   the container's process  opens /dev/fuse, mounts it below the session's folder    attach.c
 *   the command              starts the program that answers on it                    serve.c
 *
 * Each has a mount and a server of its own, made one after another once the image that is run
 * answers: its keys are in no memory then that a server of another could have. A squashfs has a
 * server that is locked in as the image's own is (serve/), and is only read. An ext3 has another's
 * program in a cell (serve/ext/), and what is bound of it may be written to; it is locked
 * meanwhile.
 */

struct run_container;

/*
 * choose.c. All of an image's partitions that lie above another, in their order: *ret_count of
 * them, of which the first is plan->extras[*ret_first]. None is no error.
 */
int run_extra_overlays(struct run_plan *plan, const char *path, size_t *ret_first,
		       size_t *ret_count, struct error **err);
/*
 * The same of the image that is run: those that can be served; of others it is said. None where it
 * is encrypted: what lies over its tree sees all of it, and nothing proves who has put it there.
 */
int run_extra_own(struct run_plan *plan, size_t *ret_first, size_t *ret_count, struct error **err);
/* The partition of an image that a bind means: plan->extras[*ret]. */
int run_extra_data(struct run_plan *plan, const struct run_bind *b, size_t *ret,
		   struct error **err);
void run_extras_free(struct run_plan *plan);

/* The name of its mount, below the session's folder. Short: an overlay's options have 255 bytes. */
#define RUN_EXTRA_NAME_LEN 16
void run_extra_name(size_t i, char ret[RUN_EXTRA_NAME_LEN]);

/* attach.c: the container's process. *session owns their roots from then on. */
int run_extras_attach(const struct run_plan *plan, struct run_session *session, int sock,
		      struct error **err);
/* Whether what is mounted is a folder: of a part of an image only now anybody knows. */
bool run_mount_is_directory(const struct run_session *session, const struct run_mount *m);
/* A tree of what a bind takes from one: -1 with *err. */
int run_extra_open(const struct run_plan *plan, const struct run_session *session,
		   const struct run_mount *m, struct error **err);

/* serve.c: the command's half of run_extras_attach. */
int run_extras_serve(struct run_container *c, struct error **err);

#endif
