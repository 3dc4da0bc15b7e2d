/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static int remove_all_in(int folder, const struct upper *upper, unsigned depth, struct error **err);

static int remove_one(int folder, ino_t folder_ino, const char *name, const struct upper *upper,
		      unsigned depth, struct error **err)
{
	struct stat st;
	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "look at %s", name);
	bool stays = upper && oci_upper_has(upper, folder_ino, name);
	if (!S_ISDIR(st.st_mode)) {
		if (!stays && unlinkat(folder, name, 0) < 0)
			return error_errno(err, errno, "remove %s", name);
		return 0;
	}
	/* As deep as a path of ours can be: OCI_DEPTH_MAX. */
	if (depth > OCI_DEPTH_MAX + 1)
		return error_set(err, ERROR_LIMIT, "folders in a layer are too deep");
	int inside = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (inside < 0)
		return error_errno(err, errno, "open %s", name);
	if (remove_all_in(inside, upper, depth + 1, err) < 0)
		return -1;
	/* What of this layer is in it keeps it. */
	if (!stays && unlinkat(folder, name, AT_REMOVEDIR) < 0 &&
	    !(upper && (errno == ENOTEMPTY || errno == EEXIST)))
		return error_errno(err, errno, "remove %s", name);
	return 0;
}

/* Takes the descriptor over. */
static int remove_all_in(int folder, const struct upper *upper, unsigned depth, struct error **err)
{
	struct stat st;
	DIR *dir = fdopendir(folder);
	if (!dir) {
		int errnum = errno;
		fd_close(&folder);
		return error_errno(err, errnum, "read a folder");
	}
	int result = fstat(folder, &st) < 0 ? error_errno(err, errno, "look at a folder") : 0;
	struct dirent *d;
	while (result == 0 && (errno = 0, d = readdir(dir)))
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			result = remove_one(folder, st.st_ino, d->d_name, upper, depth, err);
	if (result == 0 && errno)
		result = error_errno(err, errno, "read a folder");
	(void)closedir(dir);
	return result;
}

int oci_lower_remove(int folder, const char *name, const struct upper *upper, struct error **err)
{
	struct stat st;
	if (fstat(folder, &st) < 0)
		return error_errno(err, errno, "look at a folder");
	if (name)
		return remove_one(folder, st.st_ino, name, upper, 0, err);
	int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return copy < 0 ? error_errno(err, errno, "open a folder")
			: remove_all_in(copy, upper, 0, err);
}
