/* SPDX-License-Identifier: Apache-2.0 */
#include "run/internal.h"

#include <errno.h>
#include <linux/keyctl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int run_keyring_leave(struct error **err)
{
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) >= 0)
		return 0;
	int errnum = errno;
	/* A kernel without keyrings, or a filter around us that refuses the call altogether: what
	 * cannot be asked for cannot be found either. */
	if (errnum == ENOSYS ||
	    (errnum == EPERM &&
	     syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0) < 0 &&
	     errno == EPERM)) {
		log_verbose("No session keyring for the container: %s", strerror(errnum));
		return 0;
	}
	error_errno(err, errnum, "make a session keyring for the container");
	if (errnum == EDQUOT)
		error_hint(err, "end other sessions, or as root raise the sysctl kernel.keys.%s",
			   getuid() == 0 ? "root_maxkeys" : "maxkeys");
	return -1;
}
