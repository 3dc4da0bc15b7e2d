/* SPDX-License-Identifier: Apache-2.0 */
#include "run/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* The minimal /dev: runtime.md 6.3. It lies in the session directory, which is ours alone. */

static int open_place(int dev, const char *name, bool directory, struct error **err)
{
	int fd;
	if (directory) {
		if (mkdirat(dev, name, 0755) < 0 && errno != EEXIST)
			return error_errno(err, errno, "make /dev/%s", name);
		fd = openat(dev, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	} else {
		fd = openat(dev, name, O_CREAT | O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0644);
	}
	return fd < 0 ? error_errno(err, errno, "make /dev/%s", name) : fd;
}

static int bind_device(int dev, const char *name, const char *source, struct error **err)
{
	CLEANUP_FD int place = open_place(dev, name, false, err);
	CLEANUP_FD int tree = place < 0 ? -1 : run_tree_clone(AT_FDCWD, source, err);
	return tree < 0 ? -1 : run_tree_place(tree, place, err);
}

static int mount_new(int dev, const char *name, const char *type, const char *const *options,
		     uint64_t attributes, struct error **err)
{
	CLEANUP_FD int place = open_place(dev, name, true, err);
	CLEANUP_FD int tree = place < 0 ? -1 : run_new_filesystem(type, options, attributes, err);
	return tree < 0 ? -1 : run_tree_place(tree, place, err);
}

static int make_pts(const struct run_plan *plan, struct run_session *session, int dev,
		    struct error **err)
{
	char gid[16];
	/* The group tty is mapped only where no user namespace is. */
	const struct group *tty = plan->user_namespace ? NULL : account_group_named("tty");
	const char *options[] = {
		"mode", "0620", "ptmxmode", "0666", tty ? "gid" : NULL, gid, NULL
	};
	if (tty)
		snprintf(gid, sizeof(gid), "%u", (unsigned)tty->gr_gid);
	uint64_t set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
	if (mount_new(dev, "pts", "devpts", options, set, err) < 0)
		return -1;
	if (symlinkat("/dev/pts/ptmx", dev, "ptmx") < 0 && errno != EEXIST)
		return error_errno(err, errno, "make /dev/ptmx");
	if (plan->terminal < 0)
		return 0;
	CLEANUP_FD int pts = openat(dev, "pts", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return pts < 0 ? error_errno(err, errno, "open /dev/pts")
		       : run_terminal_open(plan, session, pts, err);
}

/* The terminal that the payload gets. */
static int bind_console(const struct run_plan *plan, const struct run_session *session, int dev,
			struct error **err)
{
	if (plan->terminal >= 0) {
		unsigned number;
		char name[32];
		if (session->master < 0 || ioctl(session->master, TIOCGPTN, &number) < 0)
			return 0;
		snprintf(name, sizeof(name), "pts/%u", number);
		CLEANUP_FD int place = open_place(dev, "console", false, err);
		CLEANUP_FD int tree = place < 0 ? -1 : run_tree_clone(dev, name, err);
		return tree < 0 ? -1 : run_tree_place(tree, place, err);
	}
	for (int fd = 0; fd < 3; fd++) {
		char path[256];
		if (isatty(fd) && ttyname_r(fd, path, sizeof(path)) == 0)
			return bind_device(dev, "console", path, err);
	}
	return 0;
}

static const char *const devices[] = { "tty", "null", "zero", "random", "urandom" };

bool run_dev_has(const char *path)
{
	if (strncmp(path, "/dev/", 5) != 0)
		return false;
	for (size_t i = 0; i < sizeof(devices) / sizeof(*devices); i++)
		if (!strcmp(path + 5, devices[i]))
			return true;
	return false;
}

int run_dev_make(const struct run_plan *plan, struct run_session *session, struct error **err)
{
	static const char *const links[][2] = { { "fd", "/proc/self/fd" },
						{ "stdin", "/proc/self/fd/0" },
						{ "stdout", "/proc/self/fd/1" },
						{ "stderr", "/proc/self/fd/2" } };
	static const char *const shm[] = { "mode", "1777", NULL };
	static const char *const none[] = { NULL };
	uint64_t set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
	CLEANUP_FD int dev = path_open_in_root(session->final, "/dev", O_RDONLY | O_DIRECTORY, 0);
	if (dev < 0)
		return error_errno(err, -dev, "open /dev");
	for (size_t i = 0; i < sizeof(devices) / sizeof(*devices); i++) {
		char path[32];
		snprintf(path, sizeof(path), "/dev/%s", devices[i]);
		if (bind_device(dev, devices[i], path, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++) {
		if (symlinkat(links[i][1], dev, links[i][0]) < 0 && errno != EEXIST)
			return error_errno(err, errno, "make /dev/%s", links[i][0]);
	}
	if (mount_new(dev, "shm", "tmpfs", shm, set, err) < 0)
		return -1;
	if (plan->clone_flags & CLONE_NEWIPC &&
	    mount_new(dev, "mqueue", "mqueue", none, set, err) < 0)
		return -1;
	bool pts = plan->config->mount_devpts;
	for (size_t i = 0; i < plan->wish->no_mount.len; i++)
		pts = pts && strcmp(plan->wish->no_mount.items[i], "devpts") != 0;
	if (pts && make_pts(plan, session, dev, err) < 0)
		return -1;
	return bind_console(plan, session, dev, err);
}
