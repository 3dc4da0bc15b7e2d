/* SPDX-License-Identifier: Apache-2.0 */
#include "secret/secret.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
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

/* ------------------------------------------------------------------ what the kernel says of it */

/* The number of KiB in a line of /proc/self/status. */
static long status_kib(const char *name)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	assert_ok(fd_read_file(AT_FDCWD, "/proc/self/status", 65536, &text, err));
	const char *line = strstr(text.data, name);
	return line ? strtol(line + strlen(name), NULL, 10) : -1;
}

/* Of the mapping that p lies in: its first line and its flags, from /proc/self/smaps. */
static bool mapping_is(const void *p, const char *name, const char *flag)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	struct error *err = NULL;
	bool here = false, named = false;
	if (fd_read_file(AT_FDCWD, "/proc/self/smaps", 1 << 24, &text, &err) < 0)
		return false;
	for (char *line = strtok(text.data, "\n"); line; line = strtok(NULL, "\n")) {
		unsigned long from, to;
		char dash;
		if (sscanf(line, "%lx%c%lx ", &from, &dash, &to) == 3 && dash == '-') {
			here = (uintptr_t)p >= from && (uintptr_t)p < to;
			named = here && strstr(line, name);
		} else if (here && !strncmp(line, "VmFlags:", 8)) {
			return named && strstr(line, flag);
		}
	}
	return false;
}

static bool readable_from_outside(const void *p)
{
	char byte;
	CLEANUP_FD int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	return fd >= 0 && pread(fd, &byte, 1, (off_t)(uintptr_t)p) == 1;
}

static bool kernel_hides(void)
{
	CLEANUP_FD int fd = (int)syscall(SYS_memfd_secret, 0);
	return fd >= 0;
}

static bool refuse_hiding(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	return filter &&
	       seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(memfd_secret), 0) == 0 &&
	       seccomp_load(filter) == 0;
}

/* Without the capability the limit counts for root too. */
static bool limit_locks(rlim_t limit)
{
	cap_t none = cap_init();
	struct rlimit r = { limit, limit };
	return setrlimit(RLIMIT_MEMLOCK, &r) == 0 && none && cap_set_proc(none) == 0;
}

static int in_child(int (*act)(void))
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(act());
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* ------------------------------------------------------------------ a process that keeps them */

static struct secret *small, *large;
static void *block;

static void make_secrets(void)
{
	assert_ok(secret_copy("small", 5, &small, err));
	assert_ok(secret_new(5000, &large, err));
	memcpy(secret_data(large) + 4995, "large", 5);
	block = secret_heap_alloc(100);
	assert_non_null(block);
	memcpy(block, "block", 5);
}

static void free_secrets(void)
{
	secret_free(&small);
	secret_free(&large);
	secret_heap_free(block);
}

static bool secrets_are_whole(void)
{
	return !memcmp(secret_bytes(small), "small", 5) &&
	       !memcmp(secret_bytes(large) + 4995, "large", 5) && !memcmp(block, "block", 5);
}

static bool all_are(const char *name, const char *flag)
{
	return mapping_is(secret_bytes(small), name, flag) &&
	       mapping_is(secret_bytes(large), name, flag) && mapping_is(block, name, flag);
}

static int keep_hidden(void)
{
	/* A fork loses the locks. */
	if (status_kib("VmLck:") != 0)
		return 1;
	const unsigned char *at = secret_bytes(small);
	secret_keep_all();
	if (secret_bytes(small) != at || !secrets_are_whole() || secret_any_unlocked())
		return 2;
	/* Locked, not in core files, not for children, and nobody reads it through the kernel. */
	if (!all_are("/secretmem", " lo") || !all_are("", " dd") || !all_are("", " dc"))
		return 3;
	if (readable_from_outside(at) || readable_from_outside(block) ||
	    !readable_from_outside(&small))
		return 4;
	/* The guards are where they were. */
	if (mapping_is(at + 5, "/secretmem", "") || mapping_is(at - 4096, "/secretmem", ""))
		return 5;
	long before = status_kib("VmLck:");
	secret_free(&small);
	return status_kib("VmLck:") == before - 4 ? 0 : 6;
}

static int keep_locked(void)
{
	if (!refuse_hiding() || status_kib("VmLck:") != 0)
		return 1;
	secret_keep_all();
	if (!secrets_are_whole() || secret_any_unlocked())
		return 2;
	if (mapping_is(block, "/secretmem", "") || !all_are("", " lo") || !all_are("", " dd"))
		return 3;
	return 0;
}

static void kept_after_a_fork(void **state)
{
	(void)state;
	make_secrets();
	assert_true(all_are("", " lo"));
	assert_true(all_are("", " dd"));
	if (kernel_hides())
		assert_int_equal(in_child(keep_hidden), 0);
	else
		print_message("this kernel has no memfd_secret: the fallback alone is tested\n");
	assert_int_equal(in_child(keep_locked), 0);
	free_secrets();
}

/* Takes blocks after the move, when the memory for them cannot be hidden any more. */
static int reserve_then_take(void)
{
	enum { COUNT = 40, LEN = 1024 };
	struct error *err = NULL;
	/* Up to the end of a chunk, which the blocks then begin to fill. */
	for (int i = 0; i < 31; i++)
		if (!secret_heap_alloc(LEN))
			return 1;
	if (secret_heap_reserve((size_t)COUNT * LEN, &err) < 0)
		return 2;
	secret_keep_all();
	for (int i = 0; i < COUNT; i++) {
		const void *p = secret_heap_alloc(LEN);
		if (!p || !mapping_is(p, "/secretmem", " lo"))
			return 10 + i;
	}
	return 0;
}

static void reserved_blocks_are_hidden(void **state)
{
	(void)state;
	if (!kernel_hides()) {
		print_message("this kernel has no memfd_secret: nothing is hidden\n");
		return;
	}
	/* With a heap that was used before, and with one that was not. */
	assert_int_equal(in_child(reserve_then_take), 0);
	make_secrets();
	assert_int_equal(in_child(reserve_then_take), 0);
	free_secrets();
}

static int hide_then_wait(bool hide)
{
	if (hide)
		secret_keep_all();
	/* The other side wipes its own meanwhile. */
	char byte;
	if (write(1, "k", 1) != 1 || read(0, &byte, 1) != 1)
		return 1;
	return secrets_are_whole() ? 0 : 2;
}

/* Who wipes wipes his own alone, hidden or not. */
static void sides_of_a_fork_are_apart(void **state)
{
	(void)state;
	for (int way = 0; way < 4; way++) {
		bool wipe_all = way & 1, hide = way & 2;
		int there[2], back[2];
		make_secrets();
		assert_int_equal(pipe(there), 0);
		assert_int_equal(pipe(back), 0);
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			if (dup2(there[0], 0) < 0 || dup2(back[1], 1) < 0)
				_exit(3);
			_exit(hide_then_wait(hide));
		}
		char byte;
		assert_int_equal(read(back[0], &byte, 1), 1);
		if (wipe_all) {
			secret_wipe_all();
			assert_false(secrets_are_whole());
			assert_int_equal(*(char *)block, 0);
		}
		free_secrets();
		assert_int_equal(write(there[1], "w", 1), 1);
		int status = 0;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		for (int i = 0; i < 2; i++) {
			close(there[i]);
			close(back[i]);
		}
	}
}

/* ------------------------------------------------------------------ what is given back */

/* The kernel refuses to take back what begins there: so it can be looked at. */
static bool refuse_unmapping(const unsigned char *start)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	return filter &&
	       seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(munmap), 1,
				SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)(uintptr_t)start)) == 0 &&
	       seccomp_load(filter) == 0;
}

__attribute__((no_sanitize_address)) static bool all_zeros(const volatile unsigned char *p,
							   size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i])
			return false;
	return true;
}

/* Two pages: the bytes begin in the midst of the first one, behind its guard. */
static int free_then_look(void)
{
	const unsigned char *at = secret_bytes(large);
	const unsigned char *page = (const unsigned char *)((uintptr_t)at & ~(uintptr_t)4095);
	if (!refuse_unmapping(page - 4096))
		return 1;
	memset(secret_data(large), 0xa5, 5000);
	secret_free(&large);
	return all_zeros(at, 5000) ? 0 : 2;
}

static int shorten_then_look(void)
{
	memset(secret_data(large), 0xa5, 5000);
	secret_shorten(large, 100);
	return all_zeros(secret_bytes(large) + 100, 4900) && secret_bytes(large)[99] == 0xa5 ? 0
											     : 2;
}

static int keep_then_free_then_look(void)
{
	secret_keep_all();
	return free_then_look();
}

static int free_a_block_then_look(void)
{
	unsigned char *p = block;
	memset(p, 0xa5, 100);
	secret_heap_free(block);
	return all_zeros(p, 100) ? 0 : 2;
}

static void wiped_before_given_back(void **state)
{
	(void)state;
	make_secrets();
	assert_int_equal(in_child(free_then_look), 0);
	assert_int_equal(in_child(keep_then_free_then_look), 0);
	assert_int_equal(in_child(shorten_then_look), 0);
	assert_int_equal(in_child(free_a_block_then_look), 0);
	free_secrets();
}

/* ------------------------------------------------------------------ memory that cannot be locked
 */

static int unlocked_from_the_start(void)
{
	struct error *err = NULL;
	struct secret *s = NULL;
	if (!limit_locks(0) || secret_new(10, &s, &err) < 0 || !secret_any_unlocked())
		return 1;
	secret_free(&s);
	secret_report_unlocked();
	secret_report_unlocked();
	return 0;
}

static int unlocked_when_kept(void)
{
	if (!limit_locks(4096) || secret_any_unlocked())
		return 1;
	secret_keep_all();
	if (!secrets_are_whole() || !secret_any_unlocked())
		return 2;
	secret_report_unlocked();
	secret_report_unlocked();
	return 0;
}

static int nothing_to_say(void)
{
	secret_keep_all();
	secret_report_unlocked();
	return 0;
}

/* How often the warning comes. */
static int warnings(int (*act)(void))
{
	char text[4096];
	int out[2];
	assert_int_equal(pipe(out), 0);
	int before = dup(2);
	assert_true(before >= 0 && dup2(out[1], 2) == 2);
	int status = in_child(act);
	assert_true(dup2(before, 2) == 2);
	close(before);
	close(out[1]);
	assert_int_equal(status, 0);
	ssize_t n = fd_read(out[0], text, sizeof(text) - 1);
	assert_true(n >= 0);
	close(out[0]);
	text[n] = 0;
	int count = 0;
	for (const char *p = text; (p = strstr(p, "could be locked")); p++)
		count++;
	return count;
}

static void what_is_not_locked_is_said_once(void **state)
{
	(void)state;
	make_secrets();
	assert_int_equal(warnings(nothing_to_say), 0);
	assert_int_equal(warnings(unlocked_from_the_start), 1);
	assert_int_equal(warnings(unlocked_when_kept), 1);
	free_secrets();
}

/* ------------------------------------------------------------------ the heap */

static void blocks_are_apart_and_clean(void **state)
{
	(void)state;
	enum { COUNT = 400 };
	static unsigned char *blocks[COUNT];
	size_t lens[COUNT];
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < COUNT; i++) {
			lens[i] = (i * 7919 + (size_t)round * 31) % 3000;
			blocks[i] = secret_heap_alloc(lens[i]);
			assert_non_null(blocks[i]);
			assert_int_equal((uintptr_t)blocks[i] % 16, 0);
			assert_true(secret_heap_owns(blocks[i]));
			assert_true(secret_heap_size(blocks[i]) >= lens[i]);
			/* Wiped by the one before, to its last byte. */
			for (size_t k = 0; k < secret_heap_size(blocks[i]); k++)
				assert_int_equal(blocks[i][k], 0);
			memset(blocks[i], (int)(i % 255) + 1, secret_heap_size(blocks[i]));
		}
		for (size_t i = 0; i < COUNT; i++)
			for (size_t k = 0; k < secret_heap_size(blocks[i]); k++)
				assert_int_equal(blocks[i][k], i % 255 + 1);
		for (size_t i = 0; i < COUNT; i++)
			secret_heap_free(blocks[i * 7 % COUNT]);
	}
}

static void heap_limits(void **state)
{
	(void)state;
	int local = 0;
	void *heap = malloc(10);
	assert_false(secret_heap_owns(&local));
	assert_false(secret_heap_owns(heap));
	assert_false(secret_heap_owns(NULL));
	free(heap);
	assert_null(secret_heap_alloc(SECRET_HEAP_MAX + 1));
	for (size_t len = 8192; len <= SECRET_HEAP_MAX; len *= 2) {
		unsigned char *p = secret_heap_alloc(len), *small_one = secret_heap_alloc(32);
		assert_non_null(p);
		assert_non_null(small_one);
		assert_int_equal(secret_heap_size(p), len);
		assert_true(secret_heap_owns(p + len - 1));
		memset(p, 1, len);
		assert_int_equal(*small_one, 0);
		secret_heap_free(p);
		assert_int_equal(p[0], 0);
		assert_int_equal(p[len - 1], 0);
		/* Given out again. */
		assert_ptr_equal(secret_heap_alloc(len), p);
		secret_heap_free(p);
		secret_heap_free(small_one);
	}
}

static void *use_heap(void *argument)
{
	uintptr_t mark = (uintptr_t)argument;
	for (size_t i = 0; i < 20000; i++) {
		size_t len = 8 + i % 900;
		uintptr_t *p = secret_heap_alloc(len);
		if (!p || p[0])
			return NULL;
		p[0] = mark;
		/* Not each time: on a busy machine a turn takes long. */
		if (i % 100 == 0)
			sched_yield();
		if (p[0] != mark)
			return NULL;
		secret_heap_free(p);
	}
	return argument;
}

static void threads_share_the_heap(void **state)
{
	(void)state;
	pthread_t threads[4];
	for (uintptr_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use_heap, (void *)(i + 1)), 0);
	for (uintptr_t i = 0; i < 4; i++) {
		void *result = NULL;
		assert_int_equal(pthread_join(threads[i], &result), 0);
		assert_int_equal((uintptr_t)result, i + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds_and_compares),
		cmocka_unit_test(ends_in_a_guard_page),
		cmocka_unit_test(reserved_blocks_are_hidden),
		cmocka_unit_test(kept_after_a_fork),
		cmocka_unit_test(sides_of_a_fork_are_apart),
		cmocka_unit_test(wiped_before_given_back),
		cmocka_unit_test(what_is_not_locked_is_said_once),
		cmocka_unit_test(blocks_are_apart_and_clean),
		cmocka_unit_test(heap_limits),
		cmocka_unit_test(threads_share_the_heap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
