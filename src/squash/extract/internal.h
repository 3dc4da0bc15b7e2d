/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_SQUASH_EXTRACT_INTERNAL_H
#define COFFER_SQUASH_EXTRACT_INTERNAL_H

#include "squash/read/data.h"

/*
 * attributes.c: gives an object what its inode says of it, as far as the rules want it: one that is
 * open, or one by its name in an open directory. The last that is done to it.
 */
int extract_finish_open(struct squash *sq, const struct squash_extract_rules *rules,
			const struct squash_inode *in, int fd, struct error **err);
int extract_finish_named(struct squash *sq, const struct squash_extract_rules *rules,
			 const struct squash_inode *in, int dirfd, const char *name,
			 struct error **err);

#endif
