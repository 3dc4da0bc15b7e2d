/* SPDX-License-Identifier: Apache-2.0 */
#include "mounted.h"

#include <pthread.h>
#include <sys/syscall.h>

/* How a process ends that filters its calls and then does this. */
static int filtered(int (*act)(void))
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct error *err = NULL;
		if (isolate_calls(&err) < 0)
			_exit(100);
		_exit(act());
	}
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int act_nothing(void)
{
	return 0;
}

static int act_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) < 0;
}

static int act_fork(void)
{
	return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) < 0;
}

static int act_exec(void)
{
	return execl("/bin/true", "true", NULL);
}

static int act_kill(void)
{
	return kill(getppid(), SIGTERM);
}

static int act_ptrace(void)
{
	return (int)syscall(SYS_ptrace, 0, 0, 0, 0);
}

static int act_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return p == MAP_FAILED;
}

static int act_make_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return p == MAP_FAILED || mprotect(p, 4096, PROT_READ | PROT_EXEC);
}

static int act_open(void)
{
	return open("/etc/passwd", O_RDONLY) == -1 && errno == EACCES ? 0 : 1;
}

/* Memory of all sizes, from several heaps, given back: what the reader does all day. */
static int act_memory(void)
{
	for (size_t size = 16; size < (64u << 20); size *= 2) {
		char *a = malloc(size);
		if (!a)
			return 1;
		memset(a, 1, size);
		char *b = realloc(a, size * 3);
		if (!b)
			return 1;
		free(b);
	}
	struct error *err = NULL;
	struct secret *s = NULL;
	if (secret_new(64, &s, &err) < 0)
		return 1;
	secret_free(&s);
	return 0;
}

static int thread_said[2], thread_told[2];

static void *memory_thread(void *argument)
{
	char byte = 0;
	(void)argument;
	if (write(thread_said[1], &byte, 1) != 1 || read(thread_told[0], &byte, 1) != 1)
		return (void *)1;
	return (void *)(intptr_t)act_memory();
}

static void calls_that_kill(void **state)
{
	(void)state;
	assert_int_equal(filtered(act_nothing), 0);
	assert_int_equal(filtered(act_socket), 128 + SIGSYS);
	assert_int_equal(filtered(act_fork), 128 + SIGSYS);
	assert_int_equal(filtered(act_exec), 128 + SIGSYS);
	assert_int_equal(filtered(act_kill), 128 + SIGSYS);
	assert_int_equal(filtered(act_ptrace), 128 + SIGSYS);
	assert_int_equal(filtered(act_code), 128 + SIGSYS);
	assert_int_equal(filtered(act_make_code), 128 + SIGSYS);
}

static void calls_that_do_not(void **state)
{
	(void)state;
	assert_int_equal(filtered(act_open), 0);
	assert_int_equal(filtered(act_memory), 0);
}

/* A thread that was there before is filtered too, and can end. */
static void threads_are_filtered(void **state)
{
	(void)state;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct error *err = NULL;
		pthread_t thread;
		void *result = (void *)1;
		char byte = 0;
		if (pipe(thread_said) < 0 || pipe(thread_told) < 0 ||
		    pthread_create(&thread, NULL, memory_thread, NULL) != 0 ||
		    read(thread_said[0], &byte, 1) != 1 || isolate_calls(&err) < 0)
			_exit(100);
		if (write(thread_told[1], &byte, 1) != 1 || pthread_join(thread, &result) != 0)
			_exit(101);
		_exit(result != NULL);
	}
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void descriptors_kept(void **state)
{
	(void)state;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct error *err = NULL;
		int zero = open("/dev/zero", O_RDONLY);
		if (dup2(zero, 200) < 0 || dup2(zero, 201) < 0 || dup2(zero, 300) < 0)
			_exit(1);
		const int keep[] = { 300, -1, 200 };
		if (isolate_descriptors(keep, 3, &err) < 0)
			_exit(2);
		char byte = 'x';
		for (int fd = 3; fd < 1024; fd++)
			if ((fcntl(fd, F_GETFD) >= 0) != (fd == 200 || fd == 300))
				_exit(3);
		_exit(read(0, &byte, 1) == 0 && read(300, &byte, 1) == 1 && byte == 0 ? 0 : 4);
	}
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_that_kill),
		cmocka_unit_test(calls_that_do_not),
		cmocka_unit_test(threads_are_filtered),
		cmocka_unit_test(descriptors_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
