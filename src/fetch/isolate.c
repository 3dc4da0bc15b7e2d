/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the process that talks to a web server may no longer do, should the server take it over.
 *
 * It needs the name service of the machine, certificates, sockets of the network and a thread to
 * resolve names in: what libraries do there differs from machine to machine, so a list of all that
 * is allowed would be wrong on some. What is refused instead is what leads out of the process: to
 * run a program, to begin another process, to look into one or signal it, to change anything in the
 * file system but the file that is open, to reach a service by a socket of the machine, among them
 * those that would run a program for it (D-Bus, a container engine), to type into the terminal, and
 * what faults of the kernel have been reached by. It fails closed: what cannot be refused ends the
 * process.
 *
 * What is left to it: it can read what the user can, and talk to the network.
 */
#include "fetch/internal.h"
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/fsverity.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of a socket's type, without its flags. */
#define SOCK_KIND 0xf
#define MEMORY_MAX ((rlim_t)512 << 20)
#define FILES_MAX 64

static const int refused_calls[] = {
	/* other programs and processes */
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(fork),
	SCMP_SYS(vfork),
	SCMP_SYS(kill),
	SCMP_SYS(tkill),
	SCMP_SYS(rt_sigqueueinfo),
	SCMP_SYS(rt_tgsigqueueinfo),
	SCMP_SYS(pidfd_open),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(pidfd_send_signal),
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(process_madvise),
	SCMP_SYS(kcmp),
	SCMP_SYS(shmget),
	SCMP_SYS(shmat),
	SCMP_SYS(msgget),
	SCMP_SYS(semget),
	SCMP_SYS(mq_open),
	/* the file system */
	SCMP_SYS(openat2),
	SCMP_SYS(creat),
	SCMP_SYS(truncate),
	SCMP_SYS(unlink),
	SCMP_SYS(unlinkat),
	SCMP_SYS(rmdir),
	SCMP_SYS(rename),
	SCMP_SYS(renameat),
	SCMP_SYS(renameat2),
	SCMP_SYS(link),
	SCMP_SYS(linkat),
	SCMP_SYS(symlink),
	SCMP_SYS(symlinkat),
	SCMP_SYS(mkdir),
	SCMP_SYS(mkdirat),
	SCMP_SYS(mknod),
	SCMP_SYS(mknodat),
	SCMP_SYS(chmod),
	SCMP_SYS(fchmod),
	SCMP_SYS(fchmodat),
	SCMP_SYS(chown),
	SCMP_SYS(fchown),
	SCMP_SYS(lchown),
	SCMP_SYS(fchownat),
	SCMP_SYS(setxattr),
	SCMP_SYS(lsetxattr),
	SCMP_SYS(fsetxattr),
	SCMP_SYS(removexattr),
	SCMP_SYS(lremovexattr),
	SCMP_SYS(fremovexattr),
	SCMP_SYS(utimensat),
	SCMP_SYS(utime),
	SCMP_SYS(utimes),
	SCMP_SYS(futimesat),
	/* Newer than the library's names; the numbers are those of all machines. */
	452, /* fchmodat2 */
	463, /* setxattrat */
	466, /* removexattrat */
	469, /* file_setattr */
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(name_to_handle_at),
	/* namespaces and mounts */
	SCMP_SYS(unshare),
	SCMP_SYS(setns),
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(chroot),
	SCMP_SYS(fsopen),
	SCMP_SYS(fsconfig),
	SCMP_SYS(fsmount),
	SCMP_SYS(fspick),
	SCMP_SYS(move_mount),
	SCMP_SYS(open_tree),
	SCMP_SYS(mount_setattr),
	/* what faults of the kernel have been reached by */
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(keyctl),
	SCMP_SYS(personality),
	SCMP_SYS(fanotify_init),
	SCMP_SYS(memfd_secret),
	SCMP_SYS(quotactl),
	SCMP_SYS(acct),
	SCMP_SYS(syslog),
};

/* Of these calls some arguments: where `mask` of the argument is `value`. */
static const struct {
	int call;
	unsigned argument;
	scmp_datum_t mask, value;
} refused_arguments[] = {
	{ SCMP_SYS(open), 1, O_ACCMODE, O_WRONLY },
	{ SCMP_SYS(open), 1, O_ACCMODE, O_RDWR },
	{ SCMP_SYS(open), 1, O_CREAT, O_CREAT },
	{ SCMP_SYS(open), 1, O_TRUNC, O_TRUNC },
	{ SCMP_SYS(openat), 2, O_ACCMODE, O_WRONLY },
	{ SCMP_SYS(openat), 2, O_ACCMODE, O_RDWR },
	{ SCMP_SYS(openat), 2, O_CREAT, O_CREAT },
	{ SCMP_SYS(openat), 2, O_TRUNC, O_TRUNC },
	/* a thread alone */
	{ SCMP_SYS(clone), 0, CLONE_THREAD, 0 },
	/* a signal to whoever "owns" a descriptor */
	{ SCMP_SYS(fcntl), 1, UINT32_MAX, F_SETOWN },
	{ SCMP_SYS(fcntl), 1, UINT32_MAX, F_SETOWN_EX },
	{ SCMP_SYS(ioctl), 1, UINT32_MAX, FIOSETOWN },
	{ SCMP_SYS(ioctl), 1, UINT32_MAX, SIOCSPGRP },
	/* what a file is, by a descriptor that only reads */
	{ SCMP_SYS(ioctl), 1, UINT32_MAX, FS_IOC_SETFLAGS },
	{ SCMP_SYS(ioctl), 1, UINT32_MAX, FS_IOC_FSSETXATTR },
	{ SCMP_SYS(ioctl), 1, UINT32_MAX, FS_IOC_ENABLE_VERITY },
	/* A pair of the machine's sockets can be turned to another's, unless it is a stream. */
	{ SCMP_SYS(socketpair), 1, SOCK_KIND, SOCK_DGRAM },
	{ SCMP_SYS(socketpair), 1, SOCK_KIND, SOCK_RAW },
	/* the standard error may be a terminal */
	{ SCMP_SYS(ioctl), 1, UINT32_MAX, TIOCSTI },
	{ SCMP_SYS(ioctl), 1, UINT32_MAX, TIOCLINUX },
};

/* The network's alone, and the kernel's word on its addresses. */
static int refuse_sockets(scmp_filter_ctx filter)
{
	const uint32_t no = SCMP_ACT_ERRNO(EACCES);
	int r = seccomp_rule_add(filter, no, SCMP_SYS(socket), 1,
				 SCMP_A0(SCMP_CMP_GT, (scmp_datum_t)AF_NETLINK));
	for (int family = 0; family < AF_NETLINK && r == 0; family++)
		if (family != AF_INET && family != AF_INET6)
			r = seccomp_rule_add(filter, no, SCMP_SYS(socket), 1,
					     SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family));
	return r ? r
		 : seccomp_rule_add(filter, no, SCMP_SYS(socket), 2,
				    SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)AF_NETLINK),
				    SCMP_A2(SCMP_CMP_NE, 0));
}

static int refuse_others(scmp_filter_ctx filter)
{
	const uint32_t no = SCMP_ACT_ERRNO(EACCES);
	const scmp_datum_t own = (scmp_datum_t)getpid();
	int r = seccomp_rule_add(filter, no, SCMP_SYS(tgkill), 1, SCMP_A0(SCMP_CMP_NE, own));
	return r ? r
		 : seccomp_rule_add(filter, no, SCMP_SYS(prlimit64), 1, SCMP_A0(SCMP_CMP_NE, 0));
}

static int filter_calls(struct error **err)
{
	int r = 0;
	scmp_filter_ctx filter = confine_refuse(
		refused_calls, sizeof(refused_calls) / sizeof(*refused_calls), EACCES, err);
	if (!filter)
		return -1;
	for (size_t i = 0; i < sizeof(refused_arguments) / sizeof(*refused_arguments) && r == 0;
	     i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), refused_arguments[i].call, 1,
				     SCMP_CMP(refused_arguments[i].argument, SCMP_CMP_MASKED_EQ,
					      refused_arguments[i].mask,
					      refused_arguments[i].value));
	r = r ? r : refuse_sockets(filter);
	r = r ? r : refuse_others(filter);
	return confine_load(filter, r, "what talks to the server", err);
}

int fetch_isolate(uint64_t size, struct error **err)
{
	const struct confine_limit limits[] = {
		{ RLIMIT_CORE, 0 },
		{ RLIMIT_MSGQUEUE, 0 },
		{ RLIMIT_FSIZE, size },
		{ RLIMIT_NOFILE, FILES_MAX },
#if !SANITIZED
		{ RLIMIT_DATA, MEMORY_MAX },
#endif
	};
	/* The softer one of the user's counts as it is. */
	if (confine_limits(limits, sizeof(limits) / sizeof(*limits), true, err) < 0)
		return -1;
	return filter_calls(err);
}
