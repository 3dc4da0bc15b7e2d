/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/mounted.h"

#include "mount/mount.h"

static void apart(void (*check)(void))
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	struct process p = PROCESS_NONE;
	int r = process_fork(CLONE_NEWUSER | CLONE_NEWNS, &p);
	assert_true(r >= 0);
	if (r == 0) {
		map_self(uid, gid);
		check();
		_exit(0);
	}
	assert_int_equal(process_wait(&p), 0);
}

/* 0 when it fails with this kind and a hint, or none, that has the word. */
static void check_refusal(const char *target, enum error_kind kind, const char *word)
{
	struct error *err = NULL;
	int fd = -1;
	if (mount_attach(target, false, false, &fd, &err) == 0 || fd != -1 ||
	    error_kind(err) != kind)
		_exit(1);
	const char *hint = error_hint_text(err);
	if (word ? !hint || !strstr(hint, word) : hint != NULL)
		_exit(2);
	error_free(&err);
}

static void check_no_target(void)
{
	check_refusal("/nonexistent/x", ERROR_NOT_FOUND, NULL);
}

static void check_no_device(void)
{
	if (mount("none", "/dev", "tmpfs", 0, NULL) < 0)
		_exit(3);
	check_refusal("/tmp", ERROR_SYSTEM, "modprobe");
}

static void check_closed_device(void)
{
	if (mount("none", "/dev", "tmpfs", 0, NULL) < 0)
		_exit(3);
	int fd = open("/dev/fuse", O_CREAT | O_RDWR, 0);
	if (fd < 0)
		_exit(4);
	close(fd);
	/* Root opens what it owns, closed or not; so give the right away. */
	cap_t none = cap_init();
	if (!none || cap_set_proc(none) < 0)
		_exit(5);
	check_refusal("/tmp", ERROR_SYSTEM, "chmod");
}

static void refusals(void **state)
{
	(void)state;
	apart(check_no_target);
	apart(check_no_device);
	apart(check_closed_device);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(refusals) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
