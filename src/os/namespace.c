/* SPDX-License-Identifier: Apache-2.0 */
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

static const struct {
	int flag;
	const char *kind;
} kinds[] = {
	{ CLONE_NEWUSER, "user" }, { CLONE_NEWNS, "mnt" },  { CLONE_NEWPID, "pid" },
	{ CLONE_NEWNET, "net" },   { CLONE_NEWIPC, "ipc" }, { CLONE_NEWUTS, "uts" },
};
#define KINDS (sizeof(kinds) / sizeof(*kinds))

/* The first that is refused, in the child's status; KINDS: none. */
static _Noreturn void try_each(unsigned long long flags)
{
	size_t i = 0;
	while (i < KINDS && (!(flags & (unsigned)kinds[i].flag) || unshare(kinds[i].flag) == 0))
		i++;
	_exit((int)i);
}

const char *namespace_refused(unsigned long long flags)
{
	CLEANUP_PROCESS struct process child = PROCESS_NONE;
	int r = process_fork(0, &child);
	if (r == 0)
		try_each(flags);
	int status = r < 0 ? -1 : process_wait(&child);
	return status >= 0 && (size_t)status < KINDS ? kinds[status].kind : NULL;
}

int namespace_hint(const char *kind, struct error **err)
{
	return error_hint(err,
			  "maximum number of %s namespaces exceeded, check "
			  "/proc/sys/user/max_%s_namespaces: as root, sysctl "
			  "user.max_%s_namespaces=15000",
			  kind, kind, kind);
}

/* Which of the many ways in which a machine can refuse it this is, as far as can be told. */
int namespace_error(int errnum, unsigned long long flags, struct error **err)
{
	const char *kind = errnum == ENOSPC || errnum == EUSERS ? namespace_refused(flags) : NULL;
	if (kind && strcmp(kind, "user") != 0) {
		error_errno(err, errnum, "Failed to create %s namespace", kind);
		error_set_kind(err, ERROR_SYSTEM);
		return namespace_hint(kind, err);
	}
	if (!(flags & CLONE_NEWUSER))
		return error_errno(err, errnum, "create the container's process");
	CLEANUP_ERROR struct error *ignored = NULL;
	CLEANUP_BUFFER struct buffer text = { 0 };
	static const char knob[] = "/proc/sys/kernel/unprivileged_userns_clone";
	bool off = fd_read_file(AT_FDCWD, knob, 64, &text, &ignored) == 0 && text.len &&
		   *text.data == '0';
	error_errno(err, errnum, "Failed to create user namespace");
	error_set_kind(err, ERROR_SYSTEM);
	if (off)
		return error_hint(err,
				  "user namespace requires to set %s to 1: as root, sysctl "
				  "kernel.unprivileged_userns_clone=1",
				  knob);
	if (errnum == ENOSPC || errnum == EUSERS)
		return namespace_hint("user", err);
	return error_hint(err, "not allowed to create user namespace: check the sysctls "
			       "user.max_user_namespaces and "
			       "kernel.apparmor_restrict_unprivileged_userns, or the limits of the "
			       "container that coffer itself runs in");
}
