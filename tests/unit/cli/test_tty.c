/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "cli/internal.h"

/* A child that asks, as the leader of a session on its own pseudo terminal. */
struct asker {
	int master, slave;
	pid_t pid;
	char seen[512]; /* what the terminal showed */
	size_t len;
};

#define ANSWER_SECRET 0
#define ANSWER_EMPTY 3
#define ANSWER_OTHER 4

static void child(const char *slave)
{
	setsid();
	int fd = open(slave, O_RDWR);
	ioctl(fd, TIOCSCTTY, 0);
	for (int i = 0; i < 3; i++)
		dup2(fd, i);
	struct error *err = NULL;
	struct secret *s = NULL;
	if (tty_ask(NULL, "Enter: ", &s, &err) < 0)
		_exit(9);
	if (!s)
		_exit(ANSWER_EMPTY);
	_exit(secret_size(s) == 6 && !memcmp(secret_data(s), "secret", 6) ? ANSWER_SECRET
									  : ANSWER_OTHER);
}

static void ask(struct asker *a)
{
	memset(a, 0, sizeof(*a));
	a->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(a->master >= 0);
	assert_int_equal(grantpt(a->master), 0);
	assert_int_equal(unlockpt(a->master), 0);
	char name[64];
	assert_int_equal(ptsname_r(a->master, name, sizeof(name)), 0);
	/* Held open, so that the terminal's modes can be looked at after the child's end. */
	a->slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(a->slave >= 0);
	a->pid = fork();
	assert_true(a->pid >= 0);
	if (a->pid == 0)
		child(name);
}

/* Waits until the terminal has shown the text, at most five seconds. */
static void expect(struct asker *a, const char *text)
{
	while (!strstr(a->seen, text)) {
		struct pollfd p = { .fd = a->master, .events = POLLIN };
		assert_int_equal(poll(&p, 1, 5000), 1);
		ssize_t n = read(a->master, a->seen + a->len, sizeof(a->seen) - 1 - a->len);
		assert_true(n > 0);
		a->len += (size_t)n;
	}
}

static bool echoes(struct asker *a)
{
	struct termios t;
	assert_int_equal(tcgetattr(a->slave, &t), 0);
	return t.c_lflag & ECHO;
}

static void wait_for_echo(struct asker *a, bool on)
{
	for (int i = 0; i < 500 && echoes(a) != on; i++)
		usleep(10000);
	assert_int_equal(echoes(a), on);
}

static void type(struct asker *a, const char *text)
{
	assert_int_equal(write(a->master, text, strlen(text)), strlen(text));
}

static int end(struct asker *a)
{
	int status;
	assert_int_equal(waitpid(a->pid, &status, 0), a->pid);
	assert_true(echoes(a));
	/* The rest of what it showed. */
	struct pollfd p = { .fd = a->master, .events = POLLIN };
	while (a->len < sizeof(a->seen) - 1 && poll(&p, 1, 0) == 1 && (p.revents & POLLIN)) {
		ssize_t n = read(a->master, a->seen + a->len, sizeof(a->seen) - 1 - a->len);
		if (n <= 0)
			break;
		a->len += (size_t)n;
	}
	close(a->master);
	close(a->slave);
	return status;
}

static void test_no_echo(void **state)
{
	(void)state;
	struct asker a;
	ask(&a);
	expect(&a, "Enter: ");
	assert_false(echoes(&a));
	type(&a, "secret\n");
	int status = end(&a);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), ANSWER_SECRET);
	assert_string_equal(a.seen, "Enter: \r\n");
}

static void test_end_of_input(void **state)
{
	(void)state;
	struct asker a;
	ask(&a);
	expect(&a, "Enter: ");
	type(&a, "\004"); /* Ctrl-D */
	int status = end(&a);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), ANSWER_EMPTY);
}

static void test_interrupt(void **state)
{
	(void)state;
	struct asker a;
	ask(&a);
	expect(&a, "Enter: ");
	assert_false(echoes(&a));
	type(&a, "sec\003"); /* Ctrl-C */
	int status = end(&a);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGINT);
	assert_null(strstr(a.seen, "sec"));
}

static void test_stop_and_go_on(void **state)
{
	(void)state;
	struct asker a;
	int status;
	ask(&a);
	expect(&a, "Enter: ");
	/* SIGTSTP does not stop an orphaned group; SIGTERM ends it with the echo back on. */
	kill(a.pid, SIGTSTP);
	expect(&a, "Enter: \r\nEnter: ");
	wait_for_echo(&a, false);
	kill(a.pid, SIGTERM);
	status = end(&a);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGTERM);
}

/* From a pipe one line is taken, and what follows is left for the container. */
static void from_pipe(const char *text, const char *expected, const char *rest)
{
	int ends[2], before = dup(STDIN_FILENO), before_out = dup(STDOUT_FILENO);
	struct secret *s = NULL;
	char left[64] = "";
	fflush(stdout);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], text, strlen(text)), strlen(text));
	close(ends[1]);
	dup2(ends[0], STDIN_FILENO);
	int null = open("/dev/null", O_WRONLY);
	dup2(null, STDOUT_FILENO);
	assert_ok(tty_ask(NULL, "Enter: ", &s, err));
	dup2(before_out, STDOUT_FILENO);
	assert_true(read(STDIN_FILENO, left, sizeof(left) - 1) >= 0);
	dup2(before, STDIN_FILENO);
	close(before), close(before_out), close(ends[0]), close(null);
	assert_string_equal(left, rest);
	if (!expected) {
		assert_null(s);
		return;
	}
	assert_int_equal(secret_size(s), strlen(expected));
	assert_memory_equal(secret_data(s), expected, strlen(expected));
	secret_free(&s);
}

static void test_pipe(void **state)
{
	(void)state;
	from_pipe("secret\nrest\n", "secret", "rest\n");
	from_pipe("secret\r\nrest", "secret", "rest");
	from_pipe("secret", "secret", "");
	from_pipe(" a b \n", " a b ", "");
	from_pipe("\nrest", NULL, "rest");
	from_pipe("", NULL, "");
}

static void test_too_long(void **state)
{
	(void)state;
	int before = dup(STDIN_FILENO), before_out = dup(STDOUT_FILENO);
	FILE *f = tmpfile();
	for (int i = 0; i < 9000; i++)
		fputc('x', f);
	fflush(f);
	rewind(f);
	dup2(fileno(f), STDIN_FILENO);
	fflush(stdout);
	int null = open("/dev/null", O_WRONLY);
	dup2(null, STDOUT_FILENO);
	struct secret *s = NULL;
	assert_fails(ERROR_LIMIT, tty_ask(NULL, "Enter: ", &s, err));
	dup2(before_out, STDOUT_FILENO);
	dup2(before, STDIN_FILENO);
	close(before), close(before_out), close(null);
	fclose(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_echo),	  cmocka_unit_test(test_end_of_input),
		cmocka_unit_test(test_interrupt), cmocka_unit_test(test_stop_and_go_on),
		cmocka_unit_test(test_pipe),	  cmocka_unit_test(test_too_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
