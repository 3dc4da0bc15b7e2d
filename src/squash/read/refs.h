/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_SQUASH_READ_REFS_H
#define COFFER_SQUASH_READ_REFS_H

#include "squash/squash.h"

/* Inodes met before, each with a text that the caller may set (freed with the set). */
struct refs_slot {
	squash_ref ref;
	char *path; /* owned */
};
struct refs {
	struct refs_slot *slots; /* owned */
	size_t len, cap;
};
void refs_free(struct refs *r);
/* Returns 1 when it is new, 0 when it was met before, -1 on failure. *ret lasts until the next. */
int refs_add(struct refs *r, squash_ref ref, struct refs_slot **ret, struct error **err);

#endif
