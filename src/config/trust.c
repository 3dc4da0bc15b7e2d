/* SPDX-License-Identifier: Apache-2.0 */
#include "config/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Whose word counts.
 *
 * In a user namespace that somebody made, owner 0 is whoever he says: `unshare -r` shows his own
 * files as root's. Which number that is in the first namespace cannot be seen from within: the map
 * names the parent's numbers, and the parent may be such a namespace as well. So 0 is root in the
 * first namespace alone. Elsewhere the first one's root is nobody: the kernel shows 65534, as for
 * everybody else who has no number there. A file of that owner counts where its name is the
 * program's own; it may also be another user's, but nobody without power over that folder has put
 * it there. A file that the caller names does not: he might name a friend's.
 */
#define UNMAPPED 65534
#define ECL_LIMIT ((size_t)1 << 20)

static bool is_roots(int fd, const struct stat *st, bool site)
{
	if (process_in_first_user_namespace())
		return st->st_uid == 0;
	if (!site || st->st_uid != UNMAPPED)
		return false;
	/* Not one who has this number here. */
	uid_t uid = st->st_uid;
	gid_t gid = 0;
	fd_unmapped_to_root(fd, &uid, &gid);
	return uid == 0;
}

int config_check_owner(int fd, const char *path, bool site, struct error **err)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "open %s", path);
	if (S_ISREG(st.st_mode) && is_roots(fd, &st, site) && !(st.st_mode & (S_IWGRP | S_IWOTH)))
		return 0;
	error_set(err, ERROR_POLICY,
		  "configuration file %s is not root's alone: it is not honoured", path);
	if (!process_in_first_user_namespace() && st.st_uid == 0)
		return error_hint(err, "root of this user namespace is not the machine's: leave "
				       "the namespace, or do without the file");
	return error_hint(err, "as root: chown root %s && chmod go-w %s", path, path);
}

/* ------------------------------------------------------------------ ecl.toml */

/*
 * Whether a line sets what TOML calls the top-level key `activated`, and not to false. What is odd
 * counts as set: who has such a file wants images refused.
 */
static bool activates(char *line)
{
	static const char blanks[] = " \t\r\"'";
	line += strspn(line, blanks);
	if (strncmp(line, "activated", strlen("activated")) != 0)
		return false;
	line += strlen("activated");
	line += strspn(line, blanks);
	if (*line != '=')
		return true;
	line += 1;
	line += strspn(line, " \t");
	line[strcspn(line, "#\r")] = '\0';
	size_t len = strlen(line);
	while (len && strchr(" \t", line[len - 1]))
		line[--len] = '\0';
	return strcmp(line, "false") != 0;
}

int config_check_ecl(const char *site, struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	CLEANUP_TEXT char *path =
		text_printf(err, "%.*secl.toml", (int)(path_base_name(site) - site), site);
	if (!path)
		return -1;
	if (access(path, F_OK) < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd_read_file(AT_FDCWD, path, ECL_LIMIT, &text, err) < 0)
		return -1;
	bool active = text.len && memchr(text.data, 0, text.len);
	char *rest = text.data;
	for (char *line; rest && (line = strsep(&rest, "\n"));)
		active |= activates(line);
	if (!active)
		return 0;
	error_set(err, ERROR_POLICY,
		  "%s activates an execution control list, which coffer cannot obey", path);
	return error_hint(err,
			  "nothing is run: the administrator may set `activated = false` there "
			  "and say `limit container paths` in coffer.conf");
}
