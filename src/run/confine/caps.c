/* SPDX-License-Identifier: Apache-2.0 */
#include "run/internal.h"

#include <errno.h>
#include <sys/mount.h>
#include <sys/prctl.h>

uint64_t run_job_nosuid(const struct run_job *j)
{
	return j->wish->allow_setuid || j->wish->for_build ? 0 : MOUNT_ATTR_NOSUID;
}

int run_drop_privileges(const struct run_job *job, struct error **err)
{
	/* Before the capabilities go: without no_new_privs the filter needs one of them. */
	if (job->pretend_owners && run_pretend_owners(true, err) < 0)
		return -1;
	/* Root alone in its namespace keeps setuid programs harmless by itself (runtime.md 11). */
	bool root = job->inside_uid == 0;
	if (!root) {
		int r = process_drop_capabilities();
		if (r < 0)
			return error_errno(err, -r, "drop capabilities");
	}
	bool quiet_setuid =
		!root || (job->user_namespace && !job->own_all && !job->wish->allow_setuid);
	if (quiet_setuid && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_errno(err, errno, "set no_new_privs");
	return 0;
}
