/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/os.h"

static void runs_and_gathers(void **state)
{
	(void)state;
	CLEANUP_BUFFER struct buffer out = { 0 };
	const char *argv[] = { "sh", "-c", "pwd; cat; exit 7", NULL };
	struct process_spawn spawn = PROCESS_SPAWN;
	spawn.argv = argv;
	spawn.directory = "/";
	spawn.out = &out;
	spawn.out_limit = 100;
	struct error *err = NULL;
	assert_int_equal(process_run(&spawn, &err), 7);
	assert_string_equal(out.data, "/\n");
}

/* A process of the same namespaces, and one of others. */
static void beside(void **state)
{
	(void)state;
	assert_true(process_is_beside(getpid()));
	assert_true(process_is_beside(getppid()));
	assert_false(process_is_beside(0));
	assert_false(process_is_beside(0x7fffffff));
	static const unsigned long long flags[] = { CLONE_NEWUSER, CLONE_NEWUSER | CLONE_NEWPID };
	for (size_t i = 0; i < 2; i++) {
		struct process p = PROCESS_NONE;
		int r = process_fork(flags[i], &p);
		if (r == 0)
			for (;;)
				pause();
		assert_int_equal(r, 1);
		assert_false(process_is_beside(p.pid));
		process_kill(&p);
	}
}

/* By a socket: who has connected it counts, wherever its other end is by then. */
static void peers(void **state)
{
	(void)state;
	int pair[2];
	pid_t peer = 0;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_true(process_peer_is_beside(pair[0], &peer));
	assert_int_equal(peer, getpid());
	(void)close(pair[1]);
	(void)close(pair[0]);
	static const unsigned long long flags[] = { 0, CLONE_NEWUSER };
	for (size_t i = 0; i < 2; i++) {
		struct process p = PROCESS_NONE;
		int meet[2], at[2];
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, meet), 0);
		int r = process_fork(flags[i], &p);
		if (r == 0) {
			char word = 'x';
			/* Of a pair that one makes the other's credentials are one's own. */
			if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, at) < 0 ||
			    wire_send(meet[1], word, at[0]) < 0)
				_exit(1);
			for (;;)
				pause();
		}
		assert_int_equal(r, 1);
		CLEANUP_WIRE_PACKET struct wire_packet packet = WIRE_PACKET_NONE;
		assert_int_equal(wire_receive(meet[0], &packet), 1);
		assert_int_equal(process_peer_is_beside(packet.fd, &peer), i == 0);
		/* And one that is gone is nobody. */
		process_kill(&p);
		assert_false(process_peer_is_beside(packet.fd, &peer));
		(void)close(meet[0]);
		(void)close(meet[1]);
	}
}

static void failures(void **state)
{
	(void)state;
	struct process_spawn spawn = PROCESS_SPAWN;
	spawn.argv = (const char *[]){ "/nonexistent/x", NULL };
	assert_fails(ERROR_NOT_FOUND, process_run(&spawn, err));
	CLEANUP_BUFFER struct buffer out = { 0 };
	spawn.argv = (const char *[]){ "sh", "-c", "echo 0123456789", NULL };
	spawn.out = &out;
	spawn.out_limit = 4;
	assert_fails(ERROR_LIMIT, process_run(&spawn, err));
	struct error *err = NULL;
	spawn.argv = (const char *[]){ "sh", "-c", "kill -9 $$", NULL };
	assert_int_equal(process_run(&spawn, &err), 137);
}

static void owned_children_die(void **state)
{
	(void)state;
	struct process p = PROCESS_NONE;
	int r = process_fork(0, &p);
	assert_true(r >= 0);
	if (r == 0) {
		pause();
		_exit(0);
	}
	pid_t pid = p.pid;
	process_kill(&p);
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(errno, ESRCH);
	assert_int_equal(p.pid_fd, -1);
}

/* In a user namespace of its own anybody has all of them. */
static void drops_all_capabilities(void **state)
{
	(void)state;
	CLEANUP_PROCESS struct process child = PROCESS_NONE;
	int r = process_fork(CLONE_NEWUSER, &child);
	assert_true(r >= 0);
	if (r == 0) {
		if (!process_has_capabilities() || prctl(PR_CAPBSET_READ, 0) != 1)
			_exit(1);
		if (process_drop_capabilities(0) != 0)
			_exit(2);
		if (process_has_capabilities())
			_exit(3);
		for (int cap = 0; cap < 64; cap++)
			if (prctl(PR_CAPBSET_READ, cap) > 0)
				_exit(4);
		/* Without the capability that it takes it is an error, and no silence. */
		_exit(process_drop_capabilities(0) == -EPERM ? 0 : 5);
	}
	assert_int_equal(process_wait(&child), 0);
}

/* Who ends with 137 was not killed; who was has the same status. */
static void tells_a_signal_from_a_status(void **state)
{
	(void)state;
	for (int kills = 0; kills < 2; kills++) {
		CLEANUP_PROCESS struct process child = PROCESS_NONE;
		int signal = -1, r = process_fork(0, &child);
		assert_true(r >= 0);
		if (r == 0) {
			if (kills)
				(void)raise(SIGKILL);
			_exit(137);
		}
		assert_int_equal(process_wait_signal(&child, &signal), 137);
		assert_int_equal(signal, kills ? SIGKILL : 0);
		assert_int_equal(process_wait_signal(&child, &signal), -ECHILD);
	}
}

/* The number is that of a process that is there, and of no other when it has ended. */
static void number_of_a_pidfd(void **state)
{
	(void)state;
	struct error *error = NULL;
	struct process child = PROCESS_NONE;
	pid_t number = -1;
	int r = process_fork(0, &child);
	assert_true(r >= 0);
	if (r == 0) {
		pause();
		_exit(0);
	}
	assert_ok(process_number(child.pid_fd, &number, err));
	assert_int_equal(number, child.pid);
	int pid_fd = fcntl(child.pid_fd, F_DUPFD_CLOEXEC, 0);
	assert_true(pid_fd >= 0);
	process_kill(&child);
	assert_int_equal(process_number(pid_fd, &number, &error), -1);
	assert_int_equal(error_kind(error), ERROR_SYSTEM);
	error_free(&error);
	(void)close(pid_fd);
	/* A descriptor of something else has none. */
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(process_number(null, &number, &error), -1);
	error_free(&error);
	(void)close(null);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_and_gathers),
		cmocka_unit_test(beside),
		cmocka_unit_test(peers),
		cmocka_unit_test(failures),
		cmocka_unit_test(owned_children_die),
		cmocka_unit_test(drops_all_capabilities),
		cmocka_unit_test(tells_a_signal_from_a_status),
		cmocka_unit_test(number_of_a_pidfd),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
