/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tree/tree.h"

/* Whether the target may be written: spec deffile.md 13, points 1 to 3. */

#define LABELS "/.singularity.d/labels.json"
#define LABELS_MAX (16 << 20)

/* Whether a build has made this folder: each leaves its labels. */
static bool is_sandbox(int folder)
{
	static const char *const marks[] = { "/.singularity.d", "/dev", "/proc", "/sys" };
	CLEANUP_ERROR struct error *ignored = NULL;
	CLEANUP_BUFFER struct buffer labels = { 0 };
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (!tree_exists(folder, marks[i]))
			return false;
	return tree_read(folder, LABELS, LABELS_MAX, &labels, &ignored) > 0 && labels.data &&
	       strstr(labels.data, "\"org.label-schema.");
}

static bool is_empty_or_sandbox(int folder, const char *path)
{
	CLEANUP_ERROR struct error *ignored = NULL;
	CLEANUP_STRINGS struct strings names = { 0 };
	CLEANUP_FD int fd = openat(folder, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 && tree_list(fd, "/", &names, &ignored) > 0 &&
	       (!names.len || is_sandbox(fd));
}

int target_may_go(int folder, const char *path, const char *shown, struct error **err)
{
	struct stat st, end;
	const char *what = NULL;
	if (fstatat(folder, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "%s", shown);
	switch (st.st_mode & S_IFMT) {
	case S_IFREG:
		return 0;
	case S_IFLNK:
		/* Only the link goes; but who names a folder by one means the folder. */
		if (fstatat(folder, path, &end, 0) < 0 || S_ISREG(end.st_mode))
			return 0;
		what = "is a link to something that is no file";
		break;
	case S_IFDIR:
		if (is_empty_or_sandbox(folder, path))
			return 0;
		what = "is not empty and is not an Apptainer sandbox";
		break;
	default:
		what = "is a device, a pipe or a socket";
	}
	error_set(err, ERROR_EXISTS, "%s %s: it is not overwritten", shown, what);
	return error_hint(err, "choose another name, or look at what it is and move it away "
			       "yourself");
}

/* Whether what is there looks like an image or a folder, which one expects to overwrite. */
static bool is_image(const char *path)
{
	CLEANUP_ERROR struct error *err = NULL;
	CLEANUP_IMAGE struct image *image = NULL;
	return image_open(path, &image, &err) == 0;
}

static int check(struct build_wish *wish, bool (*confirm)(void *context, const char *question),
		 void *context, struct error **err)
{
	struct stat st;
	CLEANUP_TEXT char *path = path_absolute(wish->target, err);
	if (!path)
		return -1;
	if (wish->update && !wish->sandbox)
		return error_set(err, ERROR_USAGE,
				 "only sandbox update is supported: --sandbox flag is missing");
	if (lstat(wish->target, &st) < 0) {
		if (errno != ENOENT)
			return error_errno(err, errno, "%s", wish->target);
		return wish->update ? error_set(err, ERROR_NOT_FOUND,
						"could not update sandbox %s: doesn't exist", path)
				    : 0;
	}
	if (wish->update && !S_ISDIR(st.st_mode))
		return error_set(err, ERROR_USAGE,
				 "only sandbox update is supported: %s is not a directory", path);
	if (target_may_go(AT_FDCWD, path, path, err) < 0)
		return -1;
	/* By force it is built from its beginning. */
	wish->update = wish->update && !wish->force;
	if (wish->force || wish->update)
		return 0;
	const char *name = path_base_name(path); /* Apptainer names no folder here */
	if (!confirm)
		return error_set(err, ERROR_EXISTS,
				 "build target '%s' already exists. Use --force if you want to "
				 "overwrite it",
				 name);
	CLEANUP_TEXT char *question =
		is_image(path)
			? text_printf(err,
				      "Build target '%s' already exists and will be deleted during "
				      "the build process. Do you want to continue? [y/N] ",
				      name)
			: text_printf(
				  err,
				  "Build target '%s' may be a definition file or a text/binary "
				  "file that will be overwritten. Do you still want to overwrite "
				  "it? [y/N] ",
				  name);
	if (!question)
		return -1;
	if (!confirm(context, question)) {
		error_set(err, ERROR_EXISTS, "stopping build");
		return error_hint(err, "answer y to overwrite it, or use --force");
	}
	wish->force = true;
	return 0;
}

int build_check_target(struct build_wish *wish,
		       bool (*confirm)(void *context, const char *question), void *context,
		       struct error **err)
{
	return check(wish, confirm, context, err) < 0
		       ? error_wrap(err, "While checking build target")
		       : 0;
}
