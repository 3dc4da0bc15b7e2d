/* SPDX-License-Identifier: Apache-2.0 */
/* Devices, in the container's /dev and made anew. Nothing is written to any. */
#include "attempt.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Whether a byte can be read from what is there. */
static enum result device(const char *path, off_t at)
{
	char byte;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return refused(path);
	if (pread(fd, &byte, 1, at) != 1)
		return refused(path);
	note("%s: read", path);
	return OUT;
}

static enum result block(void)
{
	return *fact("block") ? device(fact("block"), 0) : REFUSED;
}

static enum result made(mode_t kind, dev_t number)
{
	static const char *const folders[] = { "/rw", "/tmp", "/dev", "/dev/shm", "/mnt", "/run" };
	enum result result = REFUSED;
	char path[64];
	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders) && result != OUT; i++) {
		snprintf(path, sizeof(path), "%s/made-%d", folders[i], (int)getpid());
		if (mknod(path, kind | 0600, number) < 0) {
			refused("mknod");
			continue;
		}
		result = device(path, 0);
		unlink(path);
	}
	return result;
}

static enum result made_block(void)
{
	return made(S_IFBLK, (dev_t)fact_number("block_number"));
}

static enum result made_zero(void)
{
	return made(S_IFCHR, makedev(1, 5));
}

static enum result memory(void)
{
	static const char *const paths[] = { "/dev/mem", "/dev/kmem", "/dev/port", "/proc/kcore" };
	enum result result = REFUSED;
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths) && result != OUT; i++)
		result = device(paths[i], 0);
	return result;
}

static enum result loop(void)
{
	int fd = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return refused("/dev/loop-control");
	return ioctl(fd, 0x4C82 /* LOOP_CTL_GET_FREE */) < 0 ? refused("LOOP_CTL_GET_FREE") : OUT;
}

static enum result console(void)
{
	static const char *const paths[] = { "/dev/console", "/dev/tty0", "/dev/vcs1", "/dev/vcs" };
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		struct stat info;
		/* With --contain there may be a console of our own. */
		if (stat(paths[i], &info) == 0 && major(info.st_rdev) >= 136)
			continue;
		int fd = open(paths[i], O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		if (fd >= 0) {
			note("%s: open", paths[i]);
			return OUT;
		}
		refused(paths[i]);
	}
	return REFUSED;
}

static enum result kernel_messages(void)
{
	char record[8192];
	int fd = open("/dev/kmsg", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return refused("/dev/kmsg");
	return read(fd, record, sizeof(record)) > 0 ? OUT : refused("read");
}

static enum result hardware(void)
{
	static const char *const paths[] = { "/dev/cpu/0/msr", "/dev/nvram",
					     "/dev/hwrng",     "/dev/uinput",
					     "/dev/watchdog",  "/dev/btrfs-control",
					     "/dev/vhost-net", "/dev/userfaultfd" };
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		/* A watchdog that is opened is started. */
		if (access(paths[i], R_OK) == 0) {
			note("%s: may be opened", paths[i]);
			return OUT;
		}
		refused(paths[i]);
	}
	return REFUSED;
}

const struct attempt device_attempts[] = {
	{ "block-device", block },   { "mknod-block", made_block }, { "mknod-zero", made_zero },
	{ "memory-device", memory }, { "loop-control", loop },	    { "console", console },
	{ "kmsg", kernel_messages }, { "hardware", hardware },	    { NULL, NULL },
};
