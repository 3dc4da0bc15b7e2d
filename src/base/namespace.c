/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <sched.h>
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
