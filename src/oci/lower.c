/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/os.h"

/*
 * OCI layers, "Whiteouts": they take away what lower layers have, and nothing of their own layer,
 * whichever comes first in it. So the names that a layer makes are kept, as numbers made of the
 * folder's inode and the name: two that are alike would keep a file that is to go, which harms
 * nobody but the image.
 */

static uint64_t key_of(const struct upper *u, ino_t folder, const char *name)
{
	uint64_t h = u->seed ^ ((uint64_t)folder * UINT64_C(0x9e3779b97f4a7c15));
	for (const char *p = name; *p; p++)
		h = (h ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
	h ^= h >> 29;
	h *= UINT64_C(0xbf58476d1ce4e5b9);
	h ^= h >> 32;
	return h ? h : 1; /* 0 is an empty slot */
}

static uint64_t *slot_of(uint64_t *slots, size_t cap, uint64_t key)
{
	size_t at = (size_t)key & (cap - 1);
	while (slots[at] && slots[at] != key)
		at = (at + 1) & (cap - 1);
	return &slots[at];
}

static int grow(struct upper *u, struct error **err)
{
	size_t cap = u->cap ? 2 * u->cap : 1024;
	uint64_t *slots = calloc(cap, sizeof(*slots));
	if (!slots)
		return error_no_memory(err);
	for (size_t i = 0; i < u->cap; i++)
		if (u->slots[i])
			*slot_of(slots, cap, u->slots[i]) = u->slots[i];
	free(u->slots);
	u->slots = slots;
	u->cap = cap;
	return 0;
}

int oci_upper_add(struct upper *u, ino_t folder, const char *name, struct error **err)
{
	if (u->count >= u->cap / 2 && grow(u, err) < 0)
		return -1;
	uint64_t key = key_of(u, folder, name);
	uint64_t *slot = slot_of(u->slots, u->cap, key);
	u->count += *slot ? 0 : 1;
	*slot = key;
	return 0;
}

bool oci_upper_has(const struct upper *u, ino_t folder, const char *name)
{
	return u->cap && *slot_of(u->slots, u->cap, key_of(u, folder, name));
}

void oci_upper_clear(struct upper *u)
{
	free(u->slots);
	*u = (struct upper){ .seed = u->seed };
}

/* ------------------------------------------------------------------ removing */

struct removal {
	const struct upper *upper; /* NULL: all goes */
};

static bool stays(const struct removal *r, const struct walk_at *at)
{
	return r->upper && oci_upper_has(r->upper, at->inside->st_ino, at->name);
}

static int remove_entry(void *context, const struct walk_at *at, struct error **err)
{
	struct stat st;
	if (fstatat(at->folder, at->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? WALK_ON : error_errno(err, errno, "look at %s", at->name);
	if (S_ISDIR(st.st_mode))
		return WALK_ENTER;
	if (!stays(context, at) && unlinkat(at->folder, at->name, 0) < 0)
		return error_errno(err, errno, "remove %s", at->name);
	return WALK_ON;
}

static int remove_folder(void *context, const struct walk_at *at, int fd, const struct stat *st,
			 struct error **err)
{
	const struct removal *r = context;
	(void)fd, (void)st;
	/* What of this layer is in it keeps it. */
	if (!stays(r, at) && unlinkat(at->folder, at->name, AT_REMOVEDIR) < 0 &&
	    !(r->upper && (errno == ENOTEMPTY || errno == EEXIST)))
		return error_errno(err, errno, "remove %s", at->name);
	return WALK_ON;
}

int oci_lower_remove(int folder, const char *name, const struct upper *upper, struct error **err)
{
	static const struct walk_visitor remover = {
		.entry = remove_entry,
		.leave = remove_folder,
		.of = " of a layer",
		/* As deep as a path of ours can be. */
		.depth_max = OCI_DEPTH_MAX + 1,
	};
	struct removal r = { .upper = upper };
	return name ? walk_entry(folder, name, &remover, &r, err)
		    : walk_tree(folder, &remover, &r, err);
}
