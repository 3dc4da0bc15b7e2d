/* SPDX-License-Identifier: Apache-2.0 */
#include "run/internal.h"

#include <errno.h>
#include <sys/mount.h>
#include <sys/prctl.h>

uint64_t run_plan_nosuid(const struct run_plan *plan)
{
	return plan->wish->allow_setuid || plan->wish->for_build ? 0 : MOUNT_ATTR_NOSUID;
}

int run_drop_privileges(const struct run_plan *plan, struct error **err)
{
	/* Before the capabilities go: without no_new_privs the filter needs one of them. */
	if (plan->pretend_owners && run_pretend_owners(true, err) < 0)
		return -1;
	/* Root alone in its namespace keeps setuid programs harmless by itself (runtime.md 11). */
	bool root = plan->inside_uid == 0;
	if (!root) {
		int r = process_drop_capabilities();
		if (r < 0)
			return error_errno(err, -r, "drop capabilities");
	}
	bool quiet_setuid =
		!root || (plan->user_namespace && !plan->own_all && !plan->wish->allow_setuid);
	if (quiet_setuid && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_errno(err, errno, "set no_new_privs");
	return 0;
}
