/* SPDX-License-Identifier: Apache-2.0 */
#include "run/internal.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int drop_all(void)
{
	/* The bounding set first: dropping from it needs a capability. */
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return -errno;
	}
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -errno;
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };
	return syscall(SYS_capset, &header, none) < 0 ? -errno : 0;
}

int run_drop_privileges(const struct run_job *job, struct error **err)
{
	/* Before the capabilities go: without no_new_privs the filter needs one of them. */
	if (job->pretend_owners && run_pretend_owners(true, err) < 0)
		return -1;
	/* Root alone in its namespace keeps setuid programs harmless by itself (runtime.md 11). */
	bool root = job->inside_uid == 0;
	if (!root) {
		int r = drop_all();
		if (r < 0)
			return error_errno(err, -r, "drop capabilities");
	}
	bool quiet_setuid = !root || (job->user_namespace && job->map == RUN_MAP_ROOT_SUBIDS);
	if (quiet_setuid && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_errno(err, errno, "set no_new_privs");
	return 0;
}
