/* SPDX-License-Identifier: Apache-2.0 */
#include "run/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * What the site's configuration allows: each rule stands here, once, for running and for building
 * alike. The rules look at the open image, never at its name again, so that nothing can be put in
 * its place between the look and the use.
 */

static int refuse(const char *directive, struct error **err, const char *words)
{
	error_set(err, ERROR_POLICY, "%s", words);
	error_at(err, PLACE_POLICY);
	return error_hint(err, "`%s` in the site configuration: ask the administrator", directive);
}

static int check_allowed(const struct config *c, const struct config_permission *allowed,
			 const char *containers, struct error **err)
{
	if (config_permits(c, allowed))
		return 0;
	error_set(err, ERROR_POLICY, "configuration disallows users from running %s containers",
		  containers);
	error_at(err, PLACE_POLICY);
	return error_hint(err, "`%s = no` in the site configuration: ask the administrator",
			  allowed->directive);
}

/* What is encrypted is asked for its seal, whatever it lies in; and only what is not, for that. */
static int check_kind(const struct config *c, const struct image *img, struct error **err)
{
	static const struct config_permission encrypted =
		CONFIG_PERMISSION("allow container encrypted", allow_container_encrypted);
	const struct seal *seal = image_seal(img);
	if (!seal)
		return check_allowed(c, &img->format->allowed, img->format->containers, err);
	if (check_allowed(c, &encrypted, "encrypted SIF", err) < 0)
		return -1;
	return check_allowed(c, &seal->allowed, seal->title, err);
}

/* The number in a text, as administrators write ids as well; false when it is none. */
static bool is_number(const char *text, unsigned long n)
{
	char *end;
	errno = 0;
	return *text >= '0' && *text <= '9' && strtoul(text, &end, 10) == n && !*end && !errno;
}

static bool is_owner(const char *name, uid_t uid)
{
	const struct passwd *pw = account_user_named(name);
	return pw ? pw->pw_uid == uid : is_number(name, uid);
}

static bool is_group(const char *name, gid_t gid)
{
	const struct group *g = account_group_named(name);
	return g ? g->gr_gid == gid : is_number(name, gid);
}

static int check_owners(const struct config *c, int fd, struct error **err)
{
	struct stat st;
	bool owner = !c->limits_owners, group = !c->limits_groups;
	if (owner && group)
		return 0;
	/* There a user's own files may show as root's. */
	if (!process_in_first_user_namespace())
		return refuse("limit container owners", err,
			      "in a user namespace nobody can tell whose an image is");
	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "look at the image");
	for (size_t i = 0; !owner && i < c->limit_owners.len; i++)
		owner = is_owner(c->limit_owners.items[i], st.st_uid);
	for (size_t i = 0; !group && i < c->limit_groups.len; i++)
		group = is_group(c->limit_groups.items[i], st.st_gid);
	if (!owner)
		return refuse("limit container owners", err,
			      "apptainer image is not owned by required user(s)");
	if (!group)
		return refuse("limit container groups", err,
			      "apptainer image is not owned by required group(s)");
	return 0;
}

/* Whether path is the folder, or below it; both without links. */
static bool is_below(const char *path, const char *folder)
{
	size_t len = strlen(folder);
	while (len && folder[len - 1] == '/')
		len--;
	return !strncmp(path, folder, len) && (path[len] == '/' || !path[len]);
}

static int check_path(const struct config *c, int fd, struct error **err)
{
	char link[64], path[PATH_MAX];
	if (!c->limits_paths)
		return 0;
	/* Where the kernel says that the open file is. */
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t len = readlink(link, path, sizeof(path) - 1);
	if (len < 0)
		return error_errno(err, errno, "look where the image is");
	path[len] = '\0';
	for (size_t i = 0; i < c->limit_paths.len; i++) {
		const char *allowed = c->limit_paths.items[i];
		CLEANUP_TEXT char *real = realpath(allowed, NULL);
		if (*path == '/' && is_below(path, real ? real : allowed))
			return 0;
	}
	return refuse("limit container paths", err,
		      "apptainer image is not in an allowed configured path");
}

int run_policy_image(const struct config *c, const struct image *img, struct error **err)
{
	int fd = image_descriptor(img);
	if (check_kind(c, img, err) < 0 || check_owners(c, fd, err) < 0)
		return -1;
	return check_path(c, fd, err);
}

int run_policy_beside(const struct config *c, const struct image_format *format, int fd,
		      struct error **err)
{
	const struct image overlay = { .format = format };
	if (check_kind(c, &overlay, err) < 0 || check_owners(c, fd, err) < 0)
		return -1;
	return check_path(c, fd, err);
}

int run_policy_encrypted(const struct config *c, const struct image *img, struct error **err)
{
	if (!c->require_encrypted || image_is_encrypted(img))
		return 0;
	error_set(err, ERROR_POLICY, "%s is not encrypted, and only encrypted images may be run",
		  img->path);
	return error_hint(err, "`require encrypted = yes` in the site configuration, or "
			       "--require-encrypted");
}

int run_policy_user_namespace(const struct config *c, struct error **err)
{
	if (c->allow_user_ns)
		return 0;
	return refuse("allow user ns = no", err, "user namespace disabled by the configuration");
}
