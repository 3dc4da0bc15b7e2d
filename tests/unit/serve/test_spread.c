/* SPDX-License-Identifier: Apache-2.0 */
#include "mounted.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>

#define SECOND INT64_C(1000000000)

/*
 * This thread is number 0, and has one CPU for itself. Number 1 is woken and would run, but lines
 * up behind it, though it may run elsewhere; and so the kernel leaves it for some milliseconds.
 */
static struct {
	struct spread spread;
	pthread_t thread;
	atomic_bool started, stop;
	cpu_set_t all, own;
	int cpu;
} t;

static void *other_thread(void *argument)
{
	(void)argument;
	spread_begin(&t.spread, 1);
	spread_wait(&t.spread, 1);
	atomic_store(&t.started, true);
	while (!atomic_load(&t.stop))
		continue;
	return NULL;
}

static void begin(void)
{
	memset(&t, 0, sizeof(t));
	assert_int_equal(sched_getaffinity(0, sizeof(t.all), &t.all), 0);
	t.cpu = sched_getcpu();
	CPU_ZERO(&t.own);
	CPU_SET(t.cpu, &t.own);
	spread_begin(&t.spread, 0);
	assert_int_equal(pthread_create(&t.thread, NULL, other_thread, NULL), 0);
	while (!atomic_load(&t.started))
		(void)sched_yield();
	assert_int_equal(sched_setaffinity(0, sizeof(t.own), &t.own), 0);
	assert_int_equal(sched_setaffinity(t.spread.threads[1].id, sizeof(t.own), &t.own), 0);
}

static void end(void)
{
	cpu_set_t now;
	assert_int_equal(sched_getaffinity(t.spread.threads[1].id, sizeof(now), &now), 0);
	assert_true(CPU_EQUAL(&now, &t.all));
	atomic_store(&t.stop, true);
	assert_int_equal(sched_setaffinity(0, sizeof(t.all), &t.all), 0);
	assert_int_equal(pthread_join(t.thread, NULL), 0);
}

/* The CPU that the kernel has the other one on: the 39th word of its stat (proc(5)). */
static int others_cpu(void)
{
	CLEANUP_BUFFER struct buffer stat = { 0 };
	struct error *err = NULL;
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)t.spread.threads[1].id);
	assert_int_equal(fd_read_file(AT_FDCWD, path, 1 << 16, &stat, &err), 0);
	char *at = strrchr(stat.data, ')');
	for (int word = 2; word < 39; word++)
		at = strchr(at + 1, ' ');
	return atoi(at + 1);
}

static int64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Takes requests for so long at most, each some time after the one before; whether it sent one
 * away. */
static bool take_requests(int64_t wait_ns, int64_t most_ns)
{
	bool sent = false;
	for (int64_t until = now_ns() + most_ns; now_ns() < until && !sent;) {
		spread_wait(&t.spread, 0);
		for (int64_t begun = now_ns(); now_ns() - begun < wait_ns;)
			continue;
		sent = spread_got(&t.spread, 0);
	}
	return sent;
}

/* Again, when the kernel has brought it back meanwhile. */
static void who_lines_up_behind_us_is_sent_away(void **state)
{
	(void)state;
	bool away = false, others = true;
	for (int times = 0; times < 20 && !away && others; times++) {
		begin();
		others = CPU_COUNT(&t.all) > 1;
		/* The other one stays where it is: this thread runs. */
		assert_int_equal(sched_setaffinity(t.spread.threads[1].id, sizeof(t.all), &t.all),
				 0);
		assert_int_equal(take_requests(0, others ? 10 * SECOND : SECOND / 100), others);
		away = others_cpu() != t.cpu;
		end();
	}
	assert_int_equal(away, others);
}

static void who_waits_itself_sends_nobody(void **state)
{
	(void)state;
	begin();
	assert_int_equal(sched_setaffinity(t.spread.threads[1].id, sizeof(t.all), &t.all), 0);
	assert_int_equal(take_requests(20000, SECOND / 100), 0);
	end();
}

static void who_has_come_later_stays(void **state)
{
	(void)state;
	begin();
	assert_int_equal(sched_setaffinity(t.spread.threads[1].id, sizeof(t.all), &t.all), 0);
	spread_wait(&t.spread, 0);
	assert_int_equal(spread_got(&t.spread, 0), 0);
	int64_t since = t.spread.threads[0].busy_since;
	while (now_ns() - since < 200000)
		continue;
	spread_wait(&t.spread, 1);
	spread_wait(&t.spread, 0);
	assert_int_equal(spread_got(&t.spread, 0), 0);
	end();
}

/* It works at a request: nobody waits for it. */
static void who_has_a_request_stays(void **state)
{
	(void)state;
	begin();
	assert_int_equal(sched_setaffinity(t.spread.threads[1].id, sizeof(t.all), &t.all), 0);
	(void)spread_got(&t.spread, 1);
	assert_int_equal(take_requests(0, SECOND / 100), 0);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_lines_up_behind_us_is_sent_away),
		cmocka_unit_test(who_waits_itself_sends_nobody),
		cmocka_unit_test(who_has_come_later_stays),
		cmocka_unit_test(who_has_a_request_stays),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
