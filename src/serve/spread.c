/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that wait for one CPU while another has nothing to do.
 *
 * A request wakes one thread, and the kernel puts it on a CPU that has nothing to do at that
 * moment, or else where it ran last. Of two CPUs the reader has one, so that is the other for every
 * thread: when two requests follow one another at once, the second's thread lines up behind the
 * first's. Then the reader sleeps, and its CPU does nothing: the kernel does not pull a task that
 * ran within the last half millisecond (kernel/sched/fair.c, task_hot), and looks again at the next
 * tick only, up to 4 ms later.
 *
 * So a thread that gets one request after another without waiting, while another one has been at
 * its own read all the time, sends that one to another CPU: with so many requests it has been
 * woken. Where it sleeps after all, nothing happens.
 */
#include "serve/internal.h"

#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* A read that takes longer has slept. */
#define SLEPT_NS 8000
/* A few requests for names take less. */
#define BUSY_NS 100000
/* The shortest slice that Linux gives. */
#define SLICE_NS 100000

static int64_t now_ns(void)
{
	struct timespec t;
	/* Mostly without a call: server-calls: clock_gettime */
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void spread_begin(struct spread *s, unsigned thread)
{
	s->threads[thread].id = gettid();
}

void spread_wait(struct spread *s, unsigned thread)
{
	atomic_store(&s->threads[thread].waits_since, now_ns());
}

/*
 * Where it may run is as before afterwards, among the CPUs that there are now: one that comes
 * later, or that a cpuset takes in later, is not for a thread that was sent away.
 */
static bool send_away(pid_t id)
{
	cpu_set_t all, others;
	/* The last, of the server's own threads alone (isolate.c).
	 * server-calls: getcpu sched_getaffinity */
	int cpu = sched_getcpu();
	if (cpu < 0 || sched_getaffinity(id, sizeof(all), &all) < 0)
		return false;
	others = all;
	CPU_CLR(cpu, &others);
	return CPU_COUNT(&others) && sched_setaffinity(id, sizeof(others), &others) == 0 &&
	       sched_setaffinity(id, sizeof(all), &all) == 0;
}

bool spread_got(struct spread *s, unsigned thread)
{
	struct spread_thread *own = &s->threads[thread];
	int64_t now = now_ns(), since = atomic_exchange(&own->waits_since, 0);
	bool sent = false;
	if (now - since > SLEPT_NS)
		own->busy_since = now;
	/* Of two at once, one would take what the other has set for what was there before. */
	if (now - own->busy_since <= BUSY_NS || atomic_flag_test_and_set(&s->sending))
		return false;
	for (unsigned i = 0; i < THREADS_MAX && !sent; i++) {
		const struct spread_thread *t = &s->threads[i];
		int64_t waits_since = atomic_load(&t->waits_since);
		if (waits_since && waits_since < own->busy_since)
			sent = send_away(t->id);
	}
	atomic_flag_clear(&s->sending);
	own->busy_since = now;
	return sent;
}

/*
 * A reader waits for each answer, so on a busy machine the time until this process gets a CPU would
 * be most of the time a read takes. Short slices let it in sooner (Linux 6.12; ignored before that)
 * and give it no larger share. Threads that are started later have it from this one.
 */
void spread_short_slices(void)
{
	/* linux/sched/types.h, which clashes with the C library's header. */
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} attr = { .size = sizeof(attr) };
	if (syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0) < 0 || attr.policy != SCHED_OTHER)
		return;
	attr.runtime = SLICE_NS;
	(void)syscall(SYS_sched_setattr, 0, &attr, 0);
}
