/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands/doctor/internal.h"
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

/* ------------------------------------------------------------------ namespaces */

static const char all_lost[] = "no image can be run or built";

/* Why user namespaces are refused, from the first knob that says so: it is also what to turn. */
static const struct {
	const char *path, *bad, *administrator;
} knobs[] = {
	{ "/proc/sys/kernel/unprivileged_userns_clone", "0",
	  "sysctl -w kernel.unprivileged_userns_clone=1" },
	{ "/proc/sys/user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000" },
	{ "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1",
	  "install the profile of coffer's package in /etc/apparmor.d, or sysctl -w "
	  "kernel.apparmor_restrict_unprivileged_userns=0" },
};

/*
 * Whether such namespaces give what they are made for. AppArmor and others grant one of users, and
 * then deny every capability in it; so a file system is asked for, which takes one. 0, or an errno.
 */
static int try_namespaces(int flags)
{
	CLEANUP_PROCESS struct process child = PROCESS_NONE;
	int r = process_fork(0, &child);
	if (r == 0) {
		if (unshare(flags) < 0)
			_exit(errno);
		int fd = (int)syscall(SYS_fsopen, "tmpfs", 1 /* FSOPEN_CLOEXEC */);
		_exit(fd < 0 && errno != ENOSYS ? errno : 0);
	}
	return r < 0 ? -r : process_wait(&child);
}

/* spare: they are not needed, see doctor_namespaces. */
static int user_namespaces(struct doctor *d, int refusal, bool spare, struct error **err)
{
	CLEANUP_TEXT char *most = doctor_read("/proc/sys/user/max_user_namespaces");
	if (!refusal)
		return doctor_add(d, "user namespaces", DOCTOR_OK, NULL, err, "allowed, at most %s",
				  most ? most : "an unknown number");
	struct doctor_cost cost = {
		.cost = spare ? "no image can be run with --userns or --fakeroot" : all_lost,
		.administrator = "let users have user namespaces: the limits of a "
				 "container or a filter of calls are in the way"
	};
	const char *which = NULL;
	for (size_t i = 0; i < sizeof(knobs) / sizeof(*knobs) && !which; i++) {
		CLEANUP_TEXT char *value = doctor_read(knobs[i].path);
		if (!value || strcmp(value, knobs[i].bad) != 0)
			continue;
		which = knobs[i].path;
		cost.administrator = knobs[i].administrator;
	}
	return doctor_add(d, "user namespaces", spare ? DOCTOR_LESS : DOCTOR_BAD, &cost, err,
			  "refused: %s%s%s", strerror(refusal), which ? "; see " : "",
			  which ? which : "");
}

static const struct {
	unsigned long long flags;
	const char *name, *kind;
	enum doctor_state state;
	struct doctor_cost cost;
} namespaces[] = {
	{ CLONE_NEWNS,
	  "mount namespaces",
	  "mnt",
	  DOCTOR_BAD,
	  { all_lost, NULL, "sysctl -w user.max_mnt_namespaces=15000" } },
	{ CLONE_NEWPID,
	  "pid namespaces",
	  "pid",
	  DOCTOR_LESS,
	  { "no image can be built, and none run with --pid or --containall", NULL,
	    "sysctl -w user.max_pid_namespaces=15000" } },
	{ CLONE_NEWIPC,
	  "ipc namespaces",
	  "ipc",
	  DOCTOR_LESS,
	  { "no --ipc and --containall; an image's server shares the machine's", NULL,
	    "sysctl -w user.max_ipc_namespaces=15000" } },
	{ CLONE_NEWNET,
	  "net namespaces",
	  "net",
	  DOCTOR_LESS,
	  { "no --net; an image's server keeps the machine's network, which it has no call for",
	    NULL, "sysctl -w user.max_net_namespaces=15000" } },
	{ CLONE_NEWUTS,
	  "uts namespaces",
	  "uts",
	  DOCTOR_LESS,
	  { "no --uts and --hostname", NULL, "sysctl -w user.max_uts_namespaces=15000" } },
};

int doctor_namespaces(struct doctor *d, struct error **err)
{
	int refusal = try_namespaces(CLONE_NEWUSER | CLONE_NEWNS);
	/* As a run: root with all its rights makes the others without one of users. */
	bool spare = refusal && geteuid() == 0 && try_namespaces(CLONE_NEWNS) == 0;
	int with = refusal ? 0 : CLONE_NEWUSER;
	if (user_namespaces(d, refusal, spare, err) < 0)
		return -1;
	if (refusal && !spare)
		return 0; /* the others need it: nothing can be told of them */
	for (size_t i = 0; i < sizeof(namespaces) / sizeof(*namespaces); i++) {
		bool lacks = namespace_refused(namespaces[i].flags | with) != NULL;
		if (doctor_add(d, namespaces[i].name, lacks ? namespaces[i].state : DOCTOR_OK,
			       lacks ? &namespaces[i].cost : NULL, err,
			       lacks ? "refused; see /proc/sys/user/max_%s_namespaces" : "allowed",
			       namespaces[i].kind) < 0)
			return -1;
	}
	return 0;
}

/* ------------------------------------------------------------------ calls */

/* With arguments that a kernel that has the call refuses; what it says then is no ENOSYS. */
static long call_fsopen(void)
{
	return syscall(SYS_fsopen, NULL, ~0u);
}
static long call_open_tree(void)
{
	return syscall(SYS_open_tree, -1, NULL, ~0u);
}
static long call_move_mount(void)
{
	return syscall(SYS_move_mount, -1, NULL, -1, NULL, ~0u);
}
static long call_mount_setattr(void)
{
	return syscall(SYS_mount_setattr, -1, NULL, ~0u, NULL, 0);
}
static long call_openat2(void)
{
	return syscall(SYS_openat2, -1, NULL, NULL, 0);
}
static long call_pidfd_open(void)
{
	return syscall(SYS_pidfd_open, -1, ~0u);
}
static long call_close_range(void)
{
	return syscall(SYS_close_range, 1u, 0u, 0u);
}
static long call_memfd_secret(void)
{
	int fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
	fd_close(&fd);
	return fd;
}

static const struct {
	const char *name;
	long (*call)(void);
} needed[] = {
	{ "fsopen", call_fsopen },	     { "open_tree", call_open_tree },
	{ "move_mount", call_move_mount },   { "mount_setattr", call_mount_setattr },
	{ "openat2", call_openat2 },	     { "pidfd_open", call_pidfd_open },
	{ "close_range", call_close_range },
};

/* A filter of calls may also end who tries one, so that is done in a child. */
static bool call_is_missing(long (*call)(void))
{
	CLEANUP_PROCESS struct process child = PROCESS_NONE;
	int r = process_fork(0, &child);
	if (r == 0) {
		errno = 0;
		call();
		_exit(errno == ENOSYS);
	}
	return r > 0 && process_wait(&child) != 0;
}

int doctor_calls(struct doctor *d, struct error **err)
{
	static const struct doctor_cost old = {
		all_lost, NULL,
		"Linux 5.12 or newer; in a container of another engine, a filter that lets these "
		"calls through"
	};
	static const struct doctor_cost readable = {
		"an image's key lies in locked memory while it runs, which the machine's root "
		"can read",
		NULL, "Linux 5.14 or newer; up to 6.4 with secretmem.enable=1 on its command line"
	};
	CLEANUP_BUFFER struct buffer missing = { 0 };
	struct utsname name;
	if (uname(&name) < 0)
		return error_errno(err, errno, "uname");
	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++) {
		if (call_is_missing(needed[i].call) &&
		    buffer_printf(&missing, err, " %s", needed[i].name) < 0)
			return -1;
	}
	if (doctor_add(d, "kernel", missing.len ? DOCTOR_BAD : DOCTOR_OK, missing.len ? &old : NULL,
		       err, "Linux %s%s%s", name.release, missing.len ? ", without the calls" : "",
		       missing.len ? missing.data : "") < 0)
		return -1;
	bool lacks = call_is_missing(call_memfd_secret);
	return doctor_add(d, "secret memory", lacks ? DOCTOR_LESS : DOCTOR_OK,
			  lacks ? &readable : NULL, err,
			  lacks ? "no memfd_secret" : "memfd_secret");
}

/* ------------------------------------------------------------------ FUSE */

int doctor_fuse(struct doctor *d, struct error **err)
{
	static const char device[] = "/dev/fuse";
	static const char lost[] = "no image file can be run, or built upon; sandboxes can";
	CLEANUP_FD int fd = open(device, O_RDWR | O_CLOEXEC);
	int errnum = errno;
	struct stat st;
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISCHR(st.st_mode))
		return doctor_add(d, device, DOCTOR_OK, NULL, err, "can be opened");
	if (fd >= 0)
		return doctor_add(d, device, DOCTOR_BAD,
				  &(struct doctor_cost){ lost, NULL,
							 "rm /dev/fuse; mknod -m 0666 /dev/fuse "
							 "c 10 229" },
				  err, "no device");
	struct doctor_cost cost = {
		lost, NULL,
		errnum == EACCES || errnum == EPERM
			? "chmod 0666 /dev/fuse; in a container of another "
			  "engine, give it the device (--device /dev/fuse)"
			: "modprobe fuse; in a container of another engine, give "
			  "it the device (--device /dev/fuse)"
	};
	if (stat(device, &st) == 0)
		return doctor_add(d, device, DOCTOR_BAD, &cost, err, "%s (its mode is %04o)",
				  strerror(errnum), (unsigned)st.st_mode & 07777);
	return doctor_add(d, device, DOCTOR_BAD, &cost, err, "%s", strerror(errnum));
}
