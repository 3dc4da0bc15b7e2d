/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts. The host binds a folder writable at /rw, one read-only at /ro, and one at /cover whose
 * folder "inner", with a secret, another bind covers. /mnt is an empty folder of the image. The
 * host looks for mounts of the source "coffer-escape" in its own table afterwards.
 */
#include "attempt.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* The C library's header for these does not go with the kernel's. */
int mount(const char *source, const char *target, const char *type, unsigned long flags,
	  const void *data);
int umount2(const char *target, int flags);
#define MNT_DETACH 2

static enum result mount_tmpfs(void)
{
	private_mounts();
	return mount("coffer-escape", "/mnt", "tmpfs", 0, NULL) < 0 ? refused("mount") : OWN;
}

/* What is mounted below a folder of the host's stays in here. */
static enum result mount_spread(void)
{
	return mount("coffer-escape", "/rw/point", "tmpfs", 0, NULL) < 0 ? refused("mount") : OWN;
}

static enum result mount_new_api(void)
{
	int fs = (int)syscall(SYS_fsopen, "tmpfs", 0);
	if (fs < 0)
		return refused("fsopen");
	if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return refused("fsconfig");
	return syscall(SYS_fsmount, fs, 0, 0) < 0 ? refused("fsmount") : OWN;
}

static enum result append(int folder, const char *name)
{
	int fd = openat(folder, name, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd < 0)
		return refused(name);
	if (write(fd, "x", 1) != 1)
		return refused(name);
	note("%s: written", name);
	return OUT;
}

static enum result remount_image(void)
{
	private_mounts();
	(void)mount(NULL, "/", NULL, MS_REMOUNT, NULL);
	(void)mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL);
	return append(AT_FDCWD, "/etc/marker");
}

static enum result remount_ro(void)
{
	struct mount_attr attr = { .attr_clr = MOUNT_ATTR_RDONLY };
	private_mounts();
	(void)mount(NULL, "/ro", NULL, MS_REMOUNT | MS_BIND, NULL);
	(void)syscall(SYS_mount_setattr, AT_FDCWD, "/ro", 0, &attr, sizeof(attr));
	return append(AT_FDCWD, "/ro/target");
}

static enum result clone_ro(void)
{
	struct mount_attr attr = { .attr_clr = MOUNT_ATTR_RDONLY };
	int tree = (int)syscall(SYS_open_tree, AT_FDCWD, "/ro", OPEN_TREE_CLONE | AT_RECURSIVE);
	if (tree < 0)
		return refused("open_tree");
	if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return refused("mount_setattr");
	return append(tree, "target");
}

static enum result rebind_ro(void)
{
	private_mounts();
	if (mount("/ro", "/mnt", NULL, MS_BIND, NULL) < 0)
		return refused("mount");
	(void)mount(NULL, "/mnt", NULL, MS_REMOUNT | MS_BIND, NULL);
	return append(AT_FDCWD, "/mnt/target");
}

static enum result umount_cover(void)
{
	private_mounts();
	if (umount2("/cover/inner", MNT_DETACH) < 0)
		return refused("umount");
	return read_path("/cover/inner/secret");
}

/* Without what is mounted below: what it covers comes to light. */
static enum result clone_cover(void)
{
	int tree = (int)syscall(SYS_open_tree, AT_FDCWD, "/cover", OPEN_TREE_CLONE);
	if (tree < 0)
		return refused("open_tree");
	return read_fd(openat(tree, "inner/secret", O_RDONLY | O_CLOEXEC), "inner/secret");
}

static enum result rebind_cover(void)
{
	private_mounts();
	if (mount("/cover", "/mnt", NULL, MS_BIND, NULL) < 0)
		return refused("mount");
	return read_path("/mnt/inner/secret");
}

static enum result move_cover(void)
{
	private_mounts();
	if (mount("/cover/inner", "/mnt", NULL, MS_MOVE, NULL) < 0)
		return refused("mount");
	return read_path("/cover/inner/secret");
}

static int nest(void)
{
	char map[64];
	unsigned int uid = geteuid(), gid = getegid();
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return -1;
	(void)write_text("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %u 1", uid);
	(void)write_text("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "0 %u 1", gid);
	(void)write_text("/proc/self/gid_map", map);
	return 0;
}

static enum result nested(void)
{
	return nest() < 0 ? refused("unshare") : OWN;
}

static enum result nested_ro(void)
{
	if (nest() < 0)
		return refused("unshare");
	enum result result = remount_ro();
	if (result != OUT)
		result = clone_ro();
	return result != OUT ? rebind_ro() : result;
}

static enum result nested_cover(void)
{
	if (nest() < 0)
		return refused("unshare");
	enum result result = umount_cover();
	if (result != OUT)
		result = rebind_cover();
	return result != OUT ? clone_cover() : result;
}

/* All ids there are, by a process that did not enter the new namespace. */
static enum result nested_map(void)
{
	int ready[2], go[2];
	char byte = 0, path[64];
	enum result result = REFUSED;
	if (pipe(ready) < 0 || pipe(go) < 0)
		return refused("pipe");
	pid_t child = fork();
	if (child == 0) {
		result = unshare(CLONE_NEWUSER) < 0 ? REFUSED : OWN;
		(void)!write(ready[1], &byte, 1);
		(void)!read(go[0], &byte, 1);
		if (result == OWN) {
			(void)!setgid(0);
			(void)!setuid(0);
			result = read_path("/rw/root-only");
		}
		_exit((int)result);
	}
	(void)!read(ready[0], &byte, 1);
	snprintf(path, sizeof(path), "/proc/%d/uid_map", (int)child);
	int written = write_text(path, "0 0 4294967295");
	if (written < 0)
		written = write_text(path, "0 0 1");
	note("map: %s", written < 0 ? strerror(errno) : "written");
	(void)!write(go[1], &byte, 1);
	int status = 0;
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? (enum result)WEXITSTATUS(status) : REFUSED;
}

static enum result pivot_back(void)
{
	private_mounts();
	if (mount("coffer-escape", "/mnt", "tmpfs", 0, NULL) < 0)
		return refused("mount");
	if (mkdir("/mnt/old", 0700) < 0 || syscall(SYS_pivot_root, "/mnt", "/mnt/old") < 0)
		return refused("pivot_root");
	(void)umount2("/old/old", MNT_DETACH);
	(void)umount2("/old", MNT_DETACH);
	enum result result = read_path(fact("secret"));
	return result == OUT ? OUT : OWN;
}

static enum result umount_root(void)
{
	char path[4096];
	private_mounts();
	int done = 0;
	while (done < 4 && umount2("/", MNT_DETACH) == 0)
		done++;
	if (!done)
		return refused("umount");
	snprintf(path, sizeof(path), "/..%s", fact("secret"));
	(void)!chroot("/..");
	return read_path(path) == OUT ? OUT : OWN;
}

static enum result mount_proc(void)
{
	char path[64], name[32] = "";
	private_mounts();
	if (mount("coffer-escape", "/mnt", "proc", 0, NULL) < 0)
		return refused("mount");
	snprintf(path, sizeof(path), "/mnt/%ld/comm", fact_number("pid"));
	int fd = open(path, O_RDONLY);
	if (fd >= 0)
		(void)!read(fd, name, sizeof(name) - 1);
	note("%s", *name ? name : "mounted, without the host's processes");
	name[strcspn(name, "\n")] = 0;
	return strcmp(name, "canary") ? OWN : OUT;
}

static enum result mount_sys(void)
{
	private_mounts();
	if (mount("coffer-escape", "/mnt", "sysfs", 0, NULL) < 0)
		return refused("mount");
	if (open("/mnt/kernel/uevent_helper", O_WRONLY) >= 0 ||
	    open("/mnt/kernel/mm/transparent_hugepage/enabled", O_WRONLY) >= 0)
		return OUT;
	return OWN;
}

static enum result mount_kernel(void)
{
	static const char *const types[] = { "debugfs",	 "tracefs", "securityfs", "configfs",
					     "efivarfs", "pstore",  "devtmpfs" };
	private_mounts();
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (mount("coffer-escape", "/mnt", types[i], MS_RDONLY, NULL) == 0) {
			note("%s: mounted", types[i]);
			return OUT;
		}
	return refused("mount");
}

static enum result release_agent(void)
{
	static const char *const words[] = { "memory", "cpu", "pids", "devices",
					     "none,name=systemd" };
	private_mounts();
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (mount("coffer-escape", "/mnt", "cgroup", 0, words[i]) < 0)
			continue;
		return open_to_write("/mnt/release_agent") == OUT ? OUT : OWN;
	}
	if (mount("coffer-escape", "/mnt", "cgroup2", 0, NULL) < 0)
		return refused("mount");
	return open_to_write("/mnt/cgroup.procs") == OUT && is_host_ns("user") ? OUT : OWN;
}

static enum result binfmt(void)
{
	if (open_to_write("/proc/sys/fs/binfmt_misc/register") == OUT)
		return OUT;
	private_mounts();
	if (mount("coffer-escape", "/mnt", "binfmt_misc", 0, NULL) < 0)
		return refused("mount");
	if (open_to_write("/mnt/register") != OUT)
		return REFUSED;
	/* Since Linux 6.7 each user namespace has one of its own. */
	return is_host_ns("user") ? OUT : OWN;
}

/* An overlay whose lower folder is the host's: capabilities of a file above must not come below. */
static enum result overlay(void)
{
	private_mounts();
	if (mount("coffer-escape", "/mnt", "tmpfs", 0, NULL) < 0 || mkdir("/mnt/u", 0700) < 0 ||
	    mkdir("/mnt/w", 0700) < 0 || mkdir("/mnt/m", 0700) < 0)
		return refused("mount");
	if (mount("coffer-escape", "/mnt/m", "overlay", 0,
		  "lowerdir=/ro,upperdir=/mnt/u,workdir=/mnt/w,userxattr") < 0)
		return refused("overlay");
	if (append(AT_FDCWD, "/mnt/m/target") != OUT)
		return REFUSED;
	return OWN; /* the host compares the file below */
}

const struct attempt mount_attempts[] = {
	{ "mount-tmpfs", mount_tmpfs },	    { "mount-spread", mount_spread },
	{ "mount-new-api", mount_new_api }, { "mount-overlay", overlay },
	{ "mount-proc", mount_proc },	    { "mount-sysfs", mount_sys },
	{ "mount-kernel", mount_kernel },   { "mount-binfmt", binfmt },
	{ "release-agent", release_agent }, { "remount-image", remount_image },
	{ "remount-ro", remount_ro },	    { "rebind-ro", rebind_ro },
	{ "clone-ro", clone_ro },	    { "umount-cover", umount_cover },
	{ "rebind-cover", rebind_cover },   { "clone-cover", clone_cover },
	{ "move-cover", move_cover },	    { "nested-user", nested },
	{ "nested-map", nested_map },	    { "nested-ro", nested_ro },
	{ "nested-cover", nested_cover },   { "pivot-root", pivot_back },
	{ "umount-root", umount_root },	    { NULL, NULL },
};
