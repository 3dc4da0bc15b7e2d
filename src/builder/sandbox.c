/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/internal.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tree/tree.h"

/*
 * A sandbox lies in the open. What is set-user-ID in an image is set-user-ID to whoever unpacks it,
 * a user or one of the subordinate ids, and whoever can enter the folder becomes that one; in a
 * container these bits have no effect. Root's sandboxes keep them, to be packed again; nobody else
 * may enter those. So the folder itself is the builder's, whoever it belongs to in the layer that
 * the tree is from: he could not put it in its place else, and its owner there could enter it.
 */

int sandbox_close(const struct build *b, int root, struct error **err)
{
	size_t count = 0;
	if (!b->real_root && copy_drop_set_ids(root, &count, err) < 0)
		return -1;
	if (count)
		log_warning("%zu %s set-user-ID or set-group-ID: not so in %s, where others could "
			    "become you by %s",
			    count, count == 1 ? "file is" : "files are", b->wish->target,
			    count == 1 ? "it" : "them");
	return fchown(root, 0, 0) < 0 || fchmod(root, 0700) < 0
		       ? error_errno(err, errno, "close the sandbox to others")
		       : 0;
}

int sandbox_open_root(int root, struct error **err)
{
	struct stat st;
	if (fstat(root, &st) < 0 || fchmod(root, (st.st_mode & 07777) | 0755) < 0)
		return error_errno(err, errno, "let others into the tree");
	return 0;
}
