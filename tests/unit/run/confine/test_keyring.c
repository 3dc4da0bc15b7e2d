/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "run/internal.h"

#include <errno.h>
#include <linux/keyctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The call itself, whatever filter a payload has. */

static long search(void)
{
	return syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", "planted", 0);
}

static void what_is_planted_is_left(void **state)
{
	(void)state;
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		struct error *err = NULL;
		if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0)
			_exit(errno == ENOSYS || errno == EPERM ? 0 : 2);
		if (syscall(SYS_add_key, "user", "planted", "x", 1, KEY_SPEC_SESSION_KEYRING) < 0 ||
		    search() < 0)
			_exit(3);
		if (run_keyring_leave(&err) < 0 || search() >= 0)
			_exit(4);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(what_is_planted_is_left) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
