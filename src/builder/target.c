/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tree/tree.h"

/* Whether the target may be written: spec deffile.md 13, points 1 to 3. */

/* A folder with something in it that no build has made. */
static bool is_foreign_folder(const char *path)
{
	static const char *const marks[] = { "/.singularity.d", "/dev", "/proc", "/sys" };
	CLEANUP_ERROR struct error *err = NULL;
	CLEANUP_STRINGS struct strings names = { 0 };
	CLEANUP_FD int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || tree_list(fd, "/", &names, &err) < 0 || !names.len)
		return false;
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (!tree_exists(fd, marks[i]))
			return true;
	return false;
}

/* Whether what is there looks like an image or a folder, which one expects to overwrite. */
static bool is_image(const char *path)
{
	CLEANUP_ERROR struct error *err = NULL;
	CLEANUP_IMAGE struct image *image = NULL;
	return image_open(path, &image, &err) == 0;
}

static int check(struct build_plan *plan, bool (*confirm)(void *context, const char *question),
		 void *context, struct error **err)
{
	struct stat st;
	CLEANUP_TEXT char *path = path_absolute(plan->target, err);
	if (!path)
		return -1;
	if (lstat(plan->target, &st) < 0) {
		if (errno == ENOENT)
			return 0;
		return error_errno(err, errno, "%s", plan->target);
	}
	if (plan->force)
		return 0;
	const char *name = path_base_name(path); /* Apptainer names no folder here */
	if (S_ISDIR(st.st_mode) && is_foreign_folder(path))
		return error_set(err, ERROR_EXISTS,
				 "%s is not empty and is not an Apptainer sandbox, check its "
				 "content first and use --force if you want to overwrite it",
				 path);
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
	plan->force = true;
	return 0;
}

int build_check_target(struct build_plan *plan,
		       bool (*confirm)(void *context, const char *question), void *context,
		       struct error **err)
{
	return check(plan, confirm, context, err) < 0
		       ? error_wrap(err, "While checking build target")
		       : 0;
}
