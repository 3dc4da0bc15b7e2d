/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"

#include <errno.h>
#include <stdint.h>
#include <sys/prctl.h>

#include "crypto/crypto.h"
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

int keys_limit(const struct invocation *in, struct error **err)
{
	const struct option_value *limit = invocation_option(in, "max-kdf-memory");
	if (limit->set && (limit->number <= 0 || limit->number > INT32_MAX))
		return error_set(err, ERROR_USAGE,
				 "--max-kdf-memory %ld: give it in MiB, 1 or more", limit->number);
	if (limit->set)
		crypto_kdf_allow((uint64_t)limit->number << 20);
	return 0;
}
