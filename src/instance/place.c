/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where instances leave their state: ~/.local/state/coffer/instances/HOST, or below XDG_STATE_HOME.
 *
 * Not below XDG_RUNTIME_DIR: that goes with the user's last session, which an instance may outlive,
 * and batch systems have none. A home may be many machines', so there is a folder for each of them.
 * It is the user's alone, mode 0700, and so are its files; that of a stranger, or one that others
 * may enter, is refused.
 */
#include "instance/internal.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int instance_check_name(const char *name, struct error **err)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "0123456789._-");
	if (len && !name[len] && len <= INSTANCE_NAME_MAX)
		return 0;
	error_set(err, ERROR_USAGE,
		  "while executing starter: while checking instance name: %s is not a valid "
		  "instance name",
		  name);
	return error_hint(err, "up to %d letters, digits, dots, hyphens and underscores",
			  INSTANCE_NAME_MAX);
}

const char *instance_of_uri(const char *uri)
{
	static const char scheme[] = "instance://";
	return strncmp(uri, scheme, strlen(scheme)) == 0 ? uri + strlen(scheme) : NULL;
}

/* "HOME/.local/state" of the caller by his variables, or of another by the account files. */
static char *state_folder(const struct passwd *other, struct error **err)
{
	const char *state = getenv("XDG_STATE_HOME");
	if (!other && state && *state == '/')
		return text_dup(state, err);
	const char *home = other ? other->pw_dir : account_home(getuid());
	if (home && *home == '/')
		return path_join(home, ".local/state", err);
	error_set(err, ERROR_NOT_FOUND,
		  "there is no folder for instances: HOME is not set, and the account has no home");
	return NULL;
}

static char *place_path(const struct passwd *other, struct error **err)
{
	char host[256] = "";
	CLEANUP_TEXT char *state = state_folder(other, err);
	if (!state)
		return NULL;
	if (gethostname(host, sizeof(host) - 1) < 0 || !*host || strchr(host, '/') ||
	    *host == '.') {
		error_set(err, ERROR_SYSTEM, "this machine has no name that can be a folder's");
		return NULL;
	}
	return text_printf(err, "%s/coffer/instances/%s", state, host);
}

static int refuse(const char *path, struct error **err)
{
	error_set(err, ERROR_POLICY, "the folder of instances %s is not its user's alone", path);
	return error_hint(err, "chmod 0700 %s, or name another with XDG_STATE_HOME", path);
}

int instance_open_place(const char *user, char **ret_path, struct error **err)
{
	const struct passwd *other = user ? account_user_named(user) : NULL;
	struct stat st;
	if (user && !other)
		return error_set(err, ERROR_NOT_FOUND, "there is no user %s", user);
	CLEANUP_TEXT char *path = place_path(other, err);
	CLEANUP_FD int root = path ? open("/", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	if (root < 0)
		return path ? error_errno(err, errno, "open /") : -1;
	CLEANUP_FD int folder = other ? path_open_in_root(root, path, O_PATH | O_DIRECTORY, 0)
				      : path_make_directories(root, path, 0700);
	if (other && (folder == -ENOENT || folder == -ENOTDIR))
		return -1;
	if (folder < 0)
		return error_errno(err, -folder, "open the folder of instances %s", path);
	CLEANUP_FD int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, errno, "open the folder of instances %s", path);
	if (st.st_uid != (other ? other->pw_uid : geteuid()) || st.st_mode & 077)
		return refuse(path, err);
	if (ret_path)
		*ret_path = take_pointer(&path);
	return fd_steal(&fd);
}

uint64_t instance_born(pid_t pid)
{
	uint64_t born;
	return process_stat(pid, 22, &born, 1) ? born : 0;
}

int instance_open_process(pid_t pid, uint64_t born)
{
	CLEANUP_FD int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	/* Asked once it is held: what began then is this one. */
	return fd >= 0 && (!born || instance_born(pid) == born) ? fd_steal(&fd) : -1;
}
