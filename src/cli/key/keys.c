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

bool keys_given(const struct invocation *in)
{
	return invocation_option(in, "pem-path")->text || invocation_option(in, "passphrase")->on ||
	       invocation_option(in, "key-fd")->set || invocation_option(in, "key-command")->text;
}

/* --pem-path beside --passphrase is Apptainer's, and counts; the others are ours, and stand alone.
 */
int keys_request(const struct invocation *in, struct key_request *request, struct error **err)
{
	const struct option_value *fd = invocation_option(in, "key-fd");
	request->pem_path = invocation_option(in, "pem-path")->text;
	request->ask_passphrase = invocation_option(in, "passphrase")->on;
	request->key_command = invocation_option(in, "key-command")->text;
	request->has_key_fd = fd->set;
	int given = fd->set + (request->key_command != NULL) +
		    (request->pem_path || request->ask_passphrase);
	if (given > 1) {
		error_set(err, ERROR_USAGE, "more than one source of the key is given");
		return error_hint(err, "give one of --pem-path, --passphrase, --key-fd and "
				       "--key-command");
	}
	if (fd->set && (fd->number < 0 || fd->number > INT32_MAX))
		return error_set(err, ERROR_USAGE, "--key-fd %ld is no descriptor", fd->number);
	request->key_fd = (int)fd->number;
	return 0;
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
