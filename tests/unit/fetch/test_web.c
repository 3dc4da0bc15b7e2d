/* SPDX-License-Identifier: Apache-2.0 */
/* What web servers and libraries say, and one that says nothing: the rest is in 36-web.bats. */
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fetch/internal.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const struct {
	const char *answer;
	enum error_kind kind; /* 0: good */
	uint64_t size;
} answers[] = {
	{ "{\"data\":{\"hash\":\"sha256." HASH "\",\"size\":7,\"x\":[]}}", 0, 7 },
	{ "{\"data\":{\"hash\":\"sha256:" HASH "\"}}", 0, 0 },
	{ "{\"data\":{\"hash\":\"sif.17\",\"size\":7}}", ERROR_UNSUPPORTED, 0 },
	{ "{\"data\":{\"hash\":\"sha256." HASH "00\",\"size\":7}}", ERROR_UNSUPPORTED, 0 },
	{ "{\"data\":{\"hash\":\"sha256.g" HASH "\"}}", ERROR_UNSUPPORTED, 0 },
	{ "{\"data\":{\"hash\":\"sha256." HASH "\",\"size\":-7}}", ERROR_DAMAGED, 0 },
	{ "{\"data\":{\"size\":7}}", ERROR_DAMAGED, 0 },
	{ "{\"data\":[]}", ERROR_DAMAGED, 0 },
	{ "<html>", ERROR_DAMAGED, 0 },
	{ "", ERROR_DAMAGED, 0 },
};

static void test_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		CLEANUP_ERROR struct error *err = NULL;
		uint8_t digest[32] = { 0 };
		uint64_t size = 99;
		const char *text = answers[i].answer;
		int r = fetch_library_read(text, strlen(text), digest, &size, &err);
		if (answers[i].kind) {
			assert_int_equal(r, -1);
			assert_int_equal(error_kind(err), answers[i].kind);
			continue;
		}
		assert_int_equal(r, 0);
		assert_int_equal(size, answers[i].size);
		assert_int_equal(digest[1], 0x23);
	}
}

static void test_refusals(void **state)
{
	(void)state;
	CLEANUP_ERROR struct error *err = NULL;
	assert_int_equal(fetch_web_refused("https://host/a?token=1", 429, 30, &err), -1);
	assert_int_equal(error_kind(err), ERROR_LIMIT);
	assert_null(strstr(error_message(err), "token"));
	assert_non_null(strstr(error_hint_text(err), "30 s"));
}

/* It takes the call, and that is all. */
static void test_silence(void **state)
{
	(void)state;
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(at);
	CLEANUP_ERROR struct error *err = NULL;
	CLEANUP_FD int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CLEANUP_FD int out = memfd_create("out", MFD_CLOEXEC);
	char url[64];
	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(listener, 4), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/", ntohs(at.sin_port));
	const struct web_request request = { .url = url, .out = out, .limit = 1, .patience = 1 };
	assert_int_equal(fetch_web(&request, &err), -1);
	assert_non_null(strstr(error_message(err), "the server has gone silent"));
	assert_int_equal(lseek(out, 0, SEEK_END), 0);
}

/* ------------------------------------------------------------------ what is given up */

static int call_exec(void)
{
	char *const words[] = { (char *)"true", NULL };
	return execve("/nonexistent/true", words, words);
}

static int call_clone(void)
{
	long pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0)
		_exit(0);
	return pid < 0 ? -1 : 0;
}

static int call_kill(void)
{
	return kill(getppid(), 0);
}

static int call_look(void)
{
	return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static int call_open(int flags)
{
	CLEANUP_FD int fd = open("/tmp", flags | O_CLOEXEC, 0600);
	return fd < 0 ? -1 : 0;
}

static int call_write(void)
{
	return call_open(O_TMPFILE | O_WRONLY);
}

static int call_read(void)
{
	return call_open(O_RDONLY);
}

static int call_remove(void)
{
	return unlink("/nonexistent/file");
}

static int call_type(void)
{
	return ioctl(2, TIOCSTI, "x");
}

static int call_socket(int family, int protocol)
{
	CLEANUP_FD int fd = socket(family, SOCK_DGRAM, protocol);
	return fd < 0 ? -1 : 0;
}

static int call_unix(void)
{
	return call_socket(AF_UNIX, 0);
}

static int call_alg(void)
{
	return call_socket(AF_ALG, 0);
}

static int call_audit(void)
{
	return call_socket(AF_NETLINK, 9);
}

static int call_route(void)
{
	return call_socket(AF_NETLINK, 0);
}

static int call_inet(void)
{
	return call_socket(AF_INET, 0);
}

static int call_inet6(void)
{
	return call_socket(AF_INET6, 0) < 0 && errno != EAFNOSUPPORT ? -1 : 0;
}

static int call_pair(int type)
{
	int pair[2];
	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	close(pair[0]);
	close(pair[1]);
	return 0;
}

static int call_datagrams(void)
{
	return call_pair(SOCK_DGRAM);
}

static int call_streams(void)
{
	return call_pair(SOCK_STREAM);
}

static int call_owner(void)
{
	return fcntl(0, F_SETOWN, getppid());
}

/* fchmodat2: of no file, so that nothing changes where it is let through. */
static int call_mode(void)
{
	return (int)syscall(452, -1, "", 0, 0);
}

static int call_times(void)
{
	return utimes("/nonexistent/file", NULL);
}

static int call_flags(void)
{
	int flags = 0;
	CLEANUP_FD int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

static void *no_work(void *context)
{
	return context;
}

static int call_thread(void)
{
	pthread_t thread;
	errno = pthread_create(&thread, NULL, no_work, NULL);
	return errno ? -1 : pthread_join(thread, NULL);
}

static const struct {
	const char *name;
	int (*call)(void);
	bool refused;
} given_up[] = {
	{ "run a program", call_exec, true },
	{ "begin a process", call_clone, true },
	{ "signal another", call_kill, true },
	{ "be traced", call_look, true },
	{ "make a file", call_write, true },
	{ "remove a file", call_remove, true },
	{ "change a file's mode", call_mode, true },
	{ "change a file's times", call_times, true },
	{ "change a file's flags", call_flags, true },
	{ "have another signalled", call_owner, true },
	{ "datagrams to the machine's sockets", call_datagrams, true },
	{ "a pair of streams", call_streams, false },
	{ "type into the terminal", call_type, true },
	{ "a socket of the machine", call_unix, true },
	{ "the kernel's ciphers", call_alg, true },
	{ "the kernel's audit", call_audit, true },
	{ "the kernel's addresses", call_route, false },
	{ "the network", call_inet, false },
	{ "the newer network", call_inet6, false },
	{ "read a folder", call_read, false },
	{ "begin a thread", call_thread, false },
};

static int try_what_is_given_up(void)
{
	struct error *err = NULL;
	int wrong = 0;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || fetch_isolate(1000, &err) < 0)
		return 99;
	for (size_t i = 0; i < sizeof(given_up) / sizeof(given_up[0]); i++) {
		errno = 0;
		bool refused = given_up[i].call() < 0;
		if (refused == given_up[i].refused && (!refused || errno == EACCES))
			continue;
		print_error("%s: %s\n", given_up[i].name, strerror(errno));
		wrong++;
	}
	return wrong;
}

static void test_given_up(void **state)
{
	(void)state;
	int status;
	pid_t pid = fork();
	if (pid == 0)
		_exit(try_what_is_given_up());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_given_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
