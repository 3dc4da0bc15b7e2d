/* SPDX-License-Identifier: Apache-2.0 */
/* What an object that was unpacked has besides its data: owner, extended attributes, mode, time. */
#include "squash/extract/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static uint32_t mode_of(const struct squash_extract_rules *rules, const struct squash_inode *in)
{
	uint32_t mode = in->mode & 07777;
	if (S_ISREG(in->mode) && !rules->owners && !rules->setuid)
		mode &= ~(uint32_t)(S_ISUID | S_ISGID);
	return mode;
}

/* fd: the object; or, name not NULL, the directory it is in. */
static int xattrs_set(struct squash *sq, const struct squash_extract_rules *rules,
		      const struct squash_inode *in, int fd, const char *name, struct error **err)
{
	struct buffer names CLEANUP_BUFFER = { 0 };
	char proc[sizeof("/proc/self/fd/-2147483648/") + SQUASH_NAME_MAX];
	if (in->xattr == SQUASH_NONE)
		return 0;
	if (squash_xattr_list(sq, in, &names, err) < 0)
		return -1;
	/* No call sets attributes relative to a directory: the last part is not followed. */
	(void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d/%s", fd, name ? name : "");
	for (size_t i = 0; i < names.len; i += strlen(names.data + i) + 1) {
		const char *key = names.data + i;
		struct buffer value CLEANUP_BUFFER = { 0 };
		if (strncmp(key, "user.", 5) != 0 && !rules->owners)
			continue;
		if (squash_xattr_get(sq, in, key, &value, err) < 0)
			return -1;
		int r = name ? lsetxattr(proc, key, value.data, value.len, 0)
			     : fsetxattr(fd, key, value.data, value.len, 0);
		/* Not every file system takes every attribute, nor every namespace. */
		if (r < 0 && (errno == EOPNOTSUPP || errno == EPERM || errno == EINVAL))
			log_verbose("extended attribute %s left out: %s", key, strerror(errno));
		else if (r < 0)
			return error_errno(err, errno, "set the extended attribute %s", key);
	}
	return 0;
}

static int owner_refused(const struct squash_inode *in, int errnum, struct error **err)
{
	error_errno(err, errnum, "give it to user %u, group %u", in->uid, in->gid);
	if (errnum != EINVAL)
		return errnum == EPERM ? fd_hint_owner(err) : -1;
	/* What the kernel says to a number that the user namespace does not map. */
	error_set_kind(err, ERROR_SYSTEM);
	return error_hint(err,
			  "this user namespace has no such id: root has all, other users those "
			  "in /etc/subuid and /etc/subgid");
}

static int set_owner(const struct squash_extract_rules *rules, const struct squash_inode *in,
		     int dirfd, const char *name, struct squash_inode *ret, struct error **err)
{
	const int flags = AT_SYMLINK_NOFOLLOW | (*name ? 0 : AT_EMPTY_PATH);
	*ret = *in;
	if (!rules->owners || fchownat(dirfd, name, in->uid, in->gid, flags) == 0)
		return 0;
	if (errno != EINVAL || !rules->unmapped_to_root)
		return owner_refused(in, errno, err);
	*rules->unmapped_to_root = true;
	ret->mode &= ~(uint32_t)(S_ISUID | S_ISGID);
	return fchownat(dirfd, name, 0, 0, flags) < 0 ? owner_refused(in, errno, err) : 0;
}

/*
 * The owner first: to change it drops the set-user-id bits and file capabilities. The mode after
 * the attributes: a file that is read-only takes none. The time last.
 */
int extract_finish_open(struct squash *sq, const struct squash_extract_rules *rules,
			const struct squash_inode *in, int fd, struct error **err)
{
	const struct timespec times[2] = { { .tv_sec = in->mtime }, { .tv_sec = in->mtime } };
	struct squash_inode owned;
	if (set_owner(rules, in, fd, "", &owned, err) < 0)
		return -1;
	if (xattrs_set(sq, rules, in, fd, NULL, err) < 0)
		return -1;
	if (fchmod(fd, mode_of(rules, &owned)) < 0)
		return error_errno(err, errno, "set its mode");
	if (futimens(fd, times) < 0)
		return error_errno(err, errno, "set its time");
	return 0;
}

int extract_finish_named(struct squash *sq, const struct squash_extract_rules *rules,
			 const struct squash_inode *in, int dirfd, const char *name,
			 struct error **err)
{
	const struct timespec times[2] = { { .tv_sec = in->mtime }, { .tv_sec = in->mtime } };
	struct squash_inode owned;
	if (set_owner(rules, in, dirfd, name, &owned, err) < 0)
		return -1;
	if (xattrs_set(sq, rules, in, dirfd, name, err) < 0)
		return -1;
	if (!S_ISLNK(in->mode) &&
	    fchmodat(dirfd, name, mode_of(rules, &owned), AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, errno, "set its mode");
	if (utimensat(dirfd, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, errno, "set its time");
	return 0;
}
