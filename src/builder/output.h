/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_BUILDER_OUTPUT_H
#define COFFER_BUILDER_OUTPUT_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/base.h"

/* Where the image or the sandbox will be: what may go for it, and how it gets its place. */

/* target.c: whether what is at path (shown: in messages) may be replaced: nothing, a file, a link
 * to one, an empty folder or a sandbox; whatever --force says. Asked before anything is done,
 * before it goes, and of a folder that was replaced: it may have come between. */
int target_may_go(int folder, const char *path, const char *shown, struct error **err);

/* output.c */

struct output {
	int folder;	    /* where it will be */
	char *path;	    /* as typed */
	const char *name;   /* inside path */
	struct hidden file; /* until it is whole */
	bool like_old; /* output_take_rights: owner, group and ACL are settled, and so is `mode` */
	mode_t mode;
	bool done;
	bool old_folder; /* after the commit: a replaced sandbox has the hidden name now */
};
#define OUTPUT_NONE ((struct output){ .folder = -1, .file = { .folder = -1, .fd = -1 } })
/* An empty file in the target's folder that nobody sees. */
int output_open(const char *target, struct output *ret, struct error **err);
/*
 * Gives it owner, group, permission bits and POSIX ACL of the open file that it is to replace, for
 * output_commit to leave so: neither its `mode` nor who called sudo changes them. An ACL that
 * cannot be copied leaves the group nothing: its entries might be wider than the bits tell.
 */
int output_take_rights(struct output *o, int old, struct error **err);
/* Gives it its name, mode and place, in one step. */
int output_commit(struct output *o, mode_t mode, bool replace, struct error **err);
/* Gives the folder `tree` the name `target`, typed as `shown`. With replace the caller removes what
 * is at `tree` or `old` then; not where *ret_keep is set: that may not go, and could not be put
 * back. */
int output_place_folder(const char *tree, const char *target, const char *shown, const char *old,
			bool replace, bool *ret_keep, struct error **err);
/* Removes it unless it was committed. */
void output_free(struct output *o);
#define CLEANUP_OUTPUT __attribute__((cleanup(output_free)))

#endif
