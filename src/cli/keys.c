/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"

#include <errno.h>
#include <sys/prctl.h>

#include "key/key.h"

int keys_begin(struct error **err)
{
	/* Not secret_harden_process: its limit on core files would go on into the container. A
	 * process that is not dumpable writes none either. */
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return error_errno(err, errno, "keep other processes from reading this one's keys");
	return 0;
}

void keys_end(void)
{
	key_environment_wipe();
	secret_report_unlocked();
}
