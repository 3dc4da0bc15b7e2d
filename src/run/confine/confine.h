/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_RUN_CONFINE_CONFINE_H
#define COFFER_RUN_CONFINE_CONFINE_H

#include "run/plan/plan.h"

/* The door of confine/: what is taken from a payload before it starts. */

/* ---------------------------------------------------------------- descriptors.c */

/* Looks at what is asked to be kept, and at 0 to 2. For the command, before it has a child. */
int run_descriptors_choose(struct run_plan *plan, struct error **err);
/*
 * Closes what exec would close (the caller's own descriptors are not so marked), and with --contain
 * what was not named, but for those in keep (-1: none). The image's environment scripts run beside
 * this process and could look into it: a folder of the host that is open here would lead them out
 * of the root.
 */
int run_descriptors_close(const struct run_plan *plan, const int keep[3], struct error **err);
/* The variables of sd_listen_fds(3), as they must be for this process: the payload's, shortly. */
int run_descriptors_environment(const struct run_plan *plan, struct strings *env,
				struct error **err);

/* ---------------------------------------------------------------- keyring.c, network.c */

/*
 * Exchanges this process's session keyring for a new one, without a name, so that what the caller
 * has in his is not found (keyrings(7)). A kernel without keyrings is no error.
 */
int run_keyring_leave(struct error **err);
/* Which network: the host's, or one of its own with lo alone. Others are refused. */
int run_network_choose(struct run_plan *plan, struct error **err);
/* In the container's process, while it has capabilities: lo is set up where it is its own. */
int run_network_start(const struct run_plan *plan, struct error **err);

/* ---------------------------------------------------------------- lock.c */

/* Those of the plan's namespaces that its process is cloned with. */
unsigned long long run_lock_outer_flags(const struct run_plan *plan);
/*
 * Makes the user namespace in which the mounts are locked, kept by *ret, and enters the plan's
 * other namespaces: while the host's /proc is to be seen, and as root of the container.
 */
int run_lock_prepare(const struct run_plan *plan, struct process *ret, struct error **err);
/*
 * Enters it, with a copy of all mounts. Descriptors that were opened before still lead to the
 * mounts that can be changed: there must be none. Ends *member.
 */
int run_lock_enter(const struct run_plan *plan, struct process *member, struct error **err);

/* ---------------------------------------------------------------- caps.c */

/* Which capabilities the payload has: what it may have, as options and configuration limit it. */
int run_capabilities_choose(struct run_plan *plan, struct error **err);
int run_drop_privileges(const struct run_plan *plan, struct error **err);

/* ---------------------------------------------------------------- filter.c */

/*
 * Limits the calls of this process for good, and of what comes of it: to be done last, before a
 * program of the image is started. Needs no_new_privs or CAP_SYS_ADMIN.
 */
int run_filter_load(const struct run_plan *plan, struct error **err);
/* What the site says of it; and --security, as far as the site lets users say anything. */
int run_filter_choose(struct run_plan *plan, struct error **err);

/* ---------------------------------------------------------------- profile.c */

#define RUN_PROFILE_MAX ((size_t)1 << 20)
/*
 * Puts into an empty buffer the program (struct sock_filter) that a profile in JSON asks for, for a
 * payload that has capabilities (root) or has not; path is for the messages. Names of calls that
 * libseccomp does not know are added to *ret_skipped.
 */
int run_profile_make(const char *text, size_t len, const char *path, bool root, struct buffer *ret,
		     struct strings *ret_skipped, struct error **err);

#endif
