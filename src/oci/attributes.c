/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Whose a file is, and what else is said of it: OCI layers, "File Attributes". */

void oci_entry_left_out(const struct oci_rules *rules, enum oci_left_out what, const char *name,
			const char *why)
{
	if (rules->left_out)
		rules->left_out(rules->context, what, name, why);
}

static int set_owner(const struct oci_rules *rules, int folder, const char *name,
		     const struct tar_entry *e, struct error **err)
{
	if (!rules->owners)
		return 0;
	bool fits = e->uid < UINT32_MAX && e->gid < UINT32_MAX;
	if (fits && fchownat(folder, name, (uid_t)e->uid, (gid_t)e->gid, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	/* EINVAL: the number is none in this user namespace. */
	if (fits && errno != EINVAL)
		return error_errno(err, errno, "change the owner of %s", name);
	oci_entry_left_out(rules, OCI_LEFT_OWNER, e->path, "its owner has no number here");
	return fchownat(folder, name, 0, 0, AT_SYMLINK_NOFOLLOW) < 0 && errno != EPERM
		       ? error_errno(err, errno, "change the owner of %s", name)
		       : 0;
}

/* What tools note for themselves is nothing of the image. */
static bool is_private(const char *attribute)
{
	return !strncmp(attribute, "trusted.overlay.", 16) ||
	       !strncmp(attribute, "user.overlay.", 13) ||
	       !strcmp(attribute, "user.rootlesscontainers");
}

static int set_attributes(const struct oci_rules *rules, int folder, const char *name,
			  const struct tar_entry *e, struct error **err)
{
	/* There is no call with a folder's descriptor and a name before Linux 6.13. */
	if (e->attribute_count && fchdir(folder) < 0)
		return error_errno(err, errno, "enter a folder of the tree");
	for (size_t i = 0; i < e->attribute_count; i++) {
		const struct tar_attribute *a = &e->attributes[i];
		if (is_private(a->name) || lsetxattr(name, a->name, a->value, a->len, 0) == 0)
			continue;
		if (errno == ENOSPC || errno == ENOMEM)
			return error_errno(err, errno, "set an attribute of %s", name);
		oci_entry_left_out(rules, OCI_LEFT_ATTRIBUTE, e->path, a->name);
	}
	return 0;
}

/* In this order: a change of owner takes set-user-ID bits and capabilities away. */
int oci_entry_finish(const struct oci_rules *rules, int folder, const char *name,
		     const struct tar_entry *e, struct error **err)
{
	const struct timespec times[2] = { e->time, e->time };
	if (set_owner(rules, folder, name, e, err) < 0 ||
	    set_attributes(rules, folder, name, e, err) < 0)
		return -1;
	/* It is no link: those have no mode. The tree is nobody else's, so it is still what it was.
	 */
	if (e->type != '2' && fchmodat(folder, name, e->mode, 0) < 0)
		return error_errno(err, errno, "change the mode of %s", name);
	return utimensat(folder, name, times, AT_SYMLINK_NOFOLLOW) < 0
		       ? error_errno(err, errno, "set the time of %s", name)
		       : 0;
}
