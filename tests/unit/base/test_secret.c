/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void holds_and_compares(void **state)
{
	(void)state;
	struct secret *a = NULL, *b = NULL;
	assert_ok(secret_copy("secret", 6, &a, err));
	assert_ok(secret_new(6, &b, err));
	assert_false(secret_equal(a, b));
	memcpy(secret_data(b), "secret", 6);
	assert_true(secret_equal(a, b));
	secret_shorten(b, 3);
	assert_int_equal(secret_size(b), 3);
	assert_memory_equal(secret_bytes(b), "sec", 3);
	assert_false(secret_equal(a, b));
	secret_free(&a);
	secret_free(&b);
	secret_free(&b);
	assert_null(a);
}

/* Reading one byte past the end is a fault, and so is reading a freed secret. */
static void ends_in_a_guard_page(void **state)
{
	(void)state;
	for (int freed = 0; freed < 2; freed++) {
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			struct error *err = NULL;
			struct secret *s = NULL;
			signal(SIGSEGV, SIG_DFL);
			if (secret_new(5000, &s, &err) < 0)
				_exit(1);
			volatile const unsigned char *p = secret_bytes(s);
			size_t at = freed ? 0 : 5000;
			if (freed)
				secret_free(&s);
			_exit(p[at] ? 2 : 3);
		}
		int status = 0;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		/* A sanitizer turns the signal into an exit status of its own. */
		assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) > 3 ||
			    WEXITSTATUS(status) == 1);
	}
}

static long locked_kib(void)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	assert_ok(fd_read_file(AT_FDCWD, "/proc/self/status", 65536, &text, err));
	const char *line = strstr(text.data, "VmLck:");
	return line ? strtol(line + strlen("VmLck:"), NULL, 10) : -1;
}

/* A fork loses the locks; the count of the kernel shows them back, and gone with the secret. */
static void locks_survive_a_fork(void **state)
{
	(void)state;
	struct secret *s = NULL, *t = NULL;
	assert_ok(secret_new(5000, &s, err));
	assert_ok(secret_new(10, &t, err));
	secret_free(&t);
	long before = locked_kib();
	assert_true(before >= 8);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		bool lost = locked_kib() == 0;
		secret_lock_again();
		bool back = locked_kib() == before;
		secret_free(&s);
		_exit(lost && back && locked_kib() == 0 ? 0 : 1);
	}
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	secret_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds_and_compares),
		cmocka_unit_test(ends_in_a_guard_page),
		cmocka_unit_test(locks_survive_a_fork),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
