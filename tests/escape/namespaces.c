/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces of the host, by those of its processes that we see, and by what the kernel tells of
 * ours. */
#include "attempt.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static enum result enter(const char *kind, int flag)
{
	char path[64], name[32];
	pid_t pids[] = { 1, (pid_t)fact_number("command"), (pid_t)fact_number("pid") };
	snprintf(name, sizeof(name), "ns_%s", kind);
	for (size_t i = 0; i < sizeof(pids) / sizeof(*pids); i++) {
		struct stat info;
		snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pids[i], kind);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || fstat(fd, &info) < 0 || (long)info.st_ino != fact_number(name)) {
			refused(path);
			continue;
		}
		if (setns(fd, flag) == 0) {
			note("%s: entered", path);
			return OUT;
		}
		refused("setns");
	}
	return REFUSED;
}

static enum result enter_mnt(void)
{
	return enter("mnt", CLONE_NEWNS);
}

static enum result enter_user(void)
{
	return enter("user", CLONE_NEWUSER);
}

static enum result enter_by_pidfd(void)
{
	int process = (int)syscall(SYS_pidfd_open, (pid_t)fact_number("pid"), 0);
	if (process < 0)
		return refused("pidfd_open");
	return setns(process, CLONE_NEWNS | CLONE_NEWUTS) < 0 ? refused("setns") : OUT;
}

static enum result ns_parent(void)
{
	int fd = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return refused("/proc/self/ns/user");
	int parent = ioctl(fd, NS_GET_PARENT);
	if (parent < 0)
		return refused("NS_GET_PARENT");
	return setns(parent, CLONE_NEWUSER) < 0 ? refused("setns") : OUT;
}

/* The kernel's list of mount namespaces, from ours on, both ways (Linux 6.12). */
static enum result ns_list(void)
{
	struct {
		uint32_t size, mounts;
		uint64_t id;
	} info;
	const unsigned long ways[] = { _IOR(0xb7, 11, info), _IOR(0xb7, 12, info) };
	for (size_t i = 0; i < 2; i++) {
		int fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
		for (int steps = 0; fd >= 0 && steps < 100; steps++) {
			struct stat about;
			memset(&info, 0, sizeof(info));
			info.size = sizeof(info);
			int next = ioctl(fd, ways[i], &info);
			if (next < 0) {
				refused("NS_MNT_GET_NEXT");
				break;
			}
			close(fd);
			fd = next;
			if (fstat(fd, &about) == 0 && (long)about.st_ino == fact_number("ns_mnt"))
				return setns(fd, CLONE_NEWNS) < 0 ? refused("setns") : OUT;
		}
		if (fd >= 0)
			close(fd);
	}
	return REFUSED;
}

const struct attempt namespace_attempts[] = {
	{ "setns-mnt", enter_mnt }, { "setns-user", enter_user }, { "setns-pidfd", enter_by_pidfd },
	{ "ns-parent", ns_parent }, { "ns-list", ns_list },	  { NULL, NULL },
};
