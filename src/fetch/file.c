/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "oci/oci.h"
#include "tree/tree.h"

/*
 * Images that a registry keeps as they are: oras://. What skopeo gets is a layout with one file in
 * it, which is a SIF. It is got beside the place where it shall be, so that it comes there by a
 * rename, whole or not at all.
 */

char *fetch_temporary_name(const char *target, struct error **err)
{
	const char *name = path_base_name(target);
	CLEANUP_TEXT char *hidden = hidden_name(name, err);
	return hidden ? text_printf(err, "%.*s%s", (int)(name - target), target, hidden) : NULL;
}

int fetch_place(int folder, const char *name, const char *target, bool replace, struct error **err)
{
	int r = 0;
	if (!replace)
		r = fd_rename_new(folder, name, AT_FDCWD, target);
	else if (renameat(folder, name, AT_FDCWD, target) < 0)
		r = -errno;
	if (r == -EEXIST && !replace) {
		error_set(err, ERROR_EXISTS,
			  "Image file already exists: \"%s\" - will not overwrite", target);
		return error_hint(err, "it has appeared meanwhile; --force overwrites it");
	}
	return r < 0 ? error_errno(err, -r, "put the image to %s", target) : 0;
}

static int take(const struct fetch_wish *wish, const char *folder, const char *target, mode_t mode,
		bool replace, struct error **err)
{
	const struct oci_wish any = { .arch = wish->arch };
	struct oci_blob blob;
	CLEANUP_TEXT char *path = path_join(folder, "layout", err);
	if (!path || fetch_run(wish, folder, err) < 0)
		return -1;
	CLEANUP_FD int layout = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (layout < 0)
		return error_errno(err, errno, "open what skopeo has got");
	if (oci_find_file(layout, &any, FETCH_SIF_TYPE, &blob, err) < 0) {
		error_wrap(err, "what is there is no SIF image");
		return error_hint(err, "an image of layers is got by docker://, not oras://");
	}
	CLEANUP_FD int fd = oci_blob_open_checked(layout, &blob, err);
	CLEANUP_TEXT char *name = fd < 0 ? NULL : oci_blob_path(&blob, err);
	if (!name)
		return -1;
	if (fchmod(fd, mode) < 0 || fsync(fd) < 0)
		return error_errno(err, errno, "put the image to %s", target);
	return fetch_place(layout, name, target, replace, err);
}

int fetch_file(const struct fetch_wish *wish, const char *target, mode_t mode, bool replace,
	       struct error **err)
{
	CLEANUP_ERROR struct error *ignored = NULL;
	if (fetch_by_web(wish->transport))
		return fetch_web_file(wish, target, mode, replace, err);
	CLEANUP_TEXT char *folder = fetch_temporary_name(target, err);
	if (!folder)
		return -1;
	if (mkdir(folder, 0700) < 0)
		return error_errno(err, errno, "make a folder beside %s", target);
	int r = take(wish, folder, target, mode, replace, err);
	(void)copy_remove(AT_FDCWD, folder, &ignored);
	return r;
}
