/* SPDX-License-Identifier: Apache-2.0 */
/* What a process gives up. Each in a child of its own, as it is for good. */
#include "unit.h"

#include <errno.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/os.h"

static int in_child(int (*work)(void))
{
	int status = -1;
	pid_t pid = fork();
	if (pid == 0)
		_exit(work());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static bool is(int resource, rlim_t value)
{
	struct rlimit now;
	return getrlimit((__rlimit_resource_t)resource, &now) == 0 && now.rlim_cur == value &&
	       now.rlim_max == value;
}

static int limit(rlim_t most, bool soft)
{
	struct error *err = NULL;
	const struct rlimit own = { 20, 40 };
	const struct confine_limit list[] = { { RLIMIT_NOFILE, most }, { RLIMIT_CORE, 0 } };
	if (setrlimit(RLIMIT_NOFILE, &own) < 0)
		return 99;
	return confine_limits(list, 2, soft, &err) == 0 && is(RLIMIT_CORE, 0) ? 0 : 98;
}

/* Of the user's own limits the hard one counts, or the soft one where that is said. */
static int lower(void)
{
	return limit(10, false) ? 1 : !is(RLIMIT_NOFILE, 10);
}

static int between(void)
{
	return limit(30, false) ? 1 : !is(RLIMIT_NOFILE, 30);
}

static int above(void)
{
	return limit(50, false) ? 1 : !is(RLIMIT_NOFILE, 40);
}

static int softly(void)
{
	return limit(30, true) ? 1 : !is(RLIMIT_NOFILE, 20);
}

static void limits(void **state)
{
	(void)state;
	assert_int_equal(in_child(lower), 0);
	assert_int_equal(in_child(between), 0);
	assert_int_equal(in_child(above), 0);
	assert_int_equal(in_child(softly), 0);
}

static int refuse(void)
{
	static const int calls[] = { SCMP_SYS(getppid) };
	struct error *err = NULL;
	void *filter = confine_refuse(calls, 1, EACCES, &err);
	if (!filter || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    confine_load(filter, 0, "the test", &err) < 0)
		return 99;
	if (syscall(SYS_getppid) != -1 || errno != EACCES)
		return 1;
	if (syscall(SYS_clone3, NULL, 0) != -1 || errno != ENOSYS)
		return 2;
	return getpid() > 0 && getuid() == (uid_t)syscall(SYS_getuid) ? 0 : 3;
}

/* What the caller's own rules came to is an error, and nothing is loaded. */
static int refuse_not(void)
{
	struct error *err = NULL;
	void *filter = confine_refuse(NULL, 0, EACCES, &err);
	if (!filter || confine_load(filter, -EINVAL, "the test", &err) != -1 ||
	    error_kind(err) != ERROR_SYSTEM)
		return 99;
	error_free(&err);
	return prctl(PR_GET_SECCOMP, 0, 0, 0, 0);
}

static void refused(void **state)
{
	(void)state;
	assert_int_equal(in_child(refuse), 0);
	assert_int_equal(in_child(refuse_not), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits),
		cmocka_unit_test(refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
