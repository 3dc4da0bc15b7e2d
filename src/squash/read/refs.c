/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set of references: which inodes have been met. Whoever unpacks a tree asks it at each entry,
 * so as to enter no directory twice and to make further names of a file as links.
 */
#include "squash/read/internal.h"

#include <stdlib.h>

#define FIRST_CAP 64

void refs_free(struct refs *r)
{
	for (size_t i = 0; i < r->cap; i++)
		free(r->slots[i].path);
	free(r->slots);
	*r = (struct refs){ 0 };
}

/* Open addressing; a free slot has ref UINT64_MAX, which no reference of 48 bits is. */
static struct refs_slot *slot_of(const struct refs *r, squash_ref ref)
{
	size_t i = (size_t)((ref * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (r->cap - 1);
	while (r->slots[i].ref != UINT64_MAX && r->slots[i].ref != ref)
		i = (i + 1) & (r->cap - 1);
	return &r->slots[i];
}

static int grow(struct refs *r, struct error **err)
{
	size_t cap = r->cap ? 2 * r->cap : FIRST_CAP;
	struct refs bigger = { .slots = calloc(cap, sizeof(*bigger.slots)), .cap = cap };
	if (!bigger.slots)
		return error_no_memory(err);
	for (size_t i = 0; i < cap; i++)
		bigger.slots[i].ref = UINT64_MAX;
	for (size_t i = 0; i < r->cap; i++)
		if (r->slots[i].ref != UINT64_MAX)
			*slot_of(&bigger, r->slots[i].ref) = r->slots[i];
	bigger.len = r->len;
	free(r->slots);
	*r = bigger;
	return 0;
}

int refs_add(struct refs *r, squash_ref ref, struct refs_slot **ret, struct error **err)
{
	if (2 * (r->len + 1) > r->cap && grow(r, err) < 0)
		return -1;
	*ret = slot_of(r, ref);
	if ((*ret)->ref == ref)
		return 0;
	(*ret)->ref = ref;
	r->len++;
	return 1;
}
