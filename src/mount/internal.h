/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_MOUNT_INTERNAL_H
#define COFFER_MOUNT_INTERNAL_H

#include <fuse_lowlevel.h>

#include "mount/mount.h"

/* ------------------------------------------------------------------ ops.c */

/* What the operations work on: the session's user data. It does not change while they run. */
struct ops {
	struct squash *squash; /* borrowed */
	squash_ref root;
	bool has_xattrs;
	bool own_all;
	uid_t uid;
	gid_t gid;
};
void ops_init(struct ops *ops, struct squash *squash, const struct mount_options *options);
extern const struct fuse_lowlevel_ops ops_table;
/* Frees what the operations keep for the calling thread. */
void ops_thread_end(void);

/* ------------------------------------------------------------------ isolate.c */

/* The stages in which the server locks itself in, in this order; see isolate.c. */
int isolate_memory(struct error **err);
int isolate_descriptors(const int *keep, size_t count, struct error **err);
int isolate_root(struct error **err);
int isolate_privileges(struct error **err);
int isolate_limits(struct error **err);
int isolate_calls(struct error **err);

#endif
