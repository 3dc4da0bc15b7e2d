/* SPDX-License-Identifier: Apache-2.0 */
#include "mounted.h"

#include <dirent.h>
#include <sys/syscall.h>

static const struct serve_options usual = { .image_fd = -1 };

static int proc_read(pid_t pid, const char *name, struct buffer *ret)
{
	char path[512];
	struct error *err = NULL;
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	int r = fd_read_file(AT_FDCWD, path, 1 << 20, ret, &err);
	error_free(&err);
	return r;
}

static size_t proc_count(pid_t pid, const char *name)
{
	char path[512];
	size_t n = 0;
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	DIR *dir = opendir(path);
	assert_non_null(dir);
	for (struct dirent *e; (e = readdir(dir));)
		n += e->d_name[0] != '.';
	closedir(dir);
	return n;
}

static void assert_locked_in(pid_t pid, const char *task)
{
	CLEANUP_BUFFER struct buffer status = { 0 };
	char name[300];
	snprintf(name, sizeof(name), "task/%s/status", task);
	assert_int_equal(proc_read(pid, name, &status), 0);
	static const char *const lines[] = {
		"\nSeccomp:\t2\n",
		"\nNoNewPrivs:\t1\n",
		"\nCapInh:\t0000000000000000\n",
		"\nCapPrm:\t0000000000000000\n",
		"\nCapEff:\t0000000000000000\n",
		"\nCapBnd:\t0000000000000000\n",
		"\nCapAmb:\t0000000000000000\n",
	};
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		if (!strstr(status.data, lines[i]))
			fail_msg("task %s: no %s in %s", task, lines[i] + 1, status.data);
}

static void every_thread_is_locked_in(void **state)
{
	(void)state;
	struct mounted m;
	const struct serve_options options = { .image_fd = -1, .threads = 5 };
	mounted_begin(&m, "image", &options);
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/task", (int)m.server.pid);
	DIR *dir = opendir(path);
	assert_non_null(dir);
	unsigned count = 0;
	for (struct dirent *e; (e = readdir(dir));)
		if (e->d_name[0] != '.') {
			assert_locked_in(m.server.pid, e->d_name);
			count++;
		}
	closedir(dir);
	assert_int_equal(count, 5);
	assert_int_equal(getsid(m.server.pid), m.server.pid);
	mounted_end(&m);
}

/* Nobody of the same user looks into it: neither from beside it nor as root of its namespace. */
static void nobody_looks_in(void **state)
{
	(void)state;
	static const char *const files[] = { "mem",	"environ", "maps", "auxv",
					     "pagemap", "syscall", "io" };
	struct mounted m;
	char script[512];
	mounted_begin(&m, "image", &usual);
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		snprintf(script, sizeof(script),
			 "[ -e /proc/%d/%s ] && ! head -c 1 /proc/%d/%s >/dev/null 2>&1",
			 (int)m.server.pid, files[i], (int)m.server.pid, files[i]);
		if (inside(&m, script) != 0)
			fail_msg("/proc/SERVER/%s can be read", files[i]);
		CLEANUP_BUFFER struct buffer text = { 0 };
		if (geteuid() != 0)
			assert_true(proc_read(m.server.pid, files[i], &text) < 0);
	}
	snprintf(script, sizeof(script),
		 "cd /proc/%d && ! readlink fd/0 2>/dev/null && ! head -c 1 fd/4 2>/dev/null && ! "
		 "ls root/ 2>/dev/null && ! ls cwd/ "
		 "2>/dev/null && ! readlink exe 2>/dev/null && ! readlink ns/user 2>/dev/null",
		 (int)m.server.pid);
	assert_int_equal(inside(&m, script), 0);
	mounted_end(&m);
}

/* Neither core files nor files that grow, descriptors, processes, messages; memory has an end. */
static void assert_limited(pid_t pid)
{
	CLEANUP_BUFFER struct buffer limits = { 0 };
	assert_int_equal(proc_read(pid, "limits", &limits), 0);
	static const struct {
		const char *name;
		unsigned long limit;
	} wanted[] = {
		{ "\nMax core file size ", 0 },
		{ "\nMax file size ", 0 },
		{ "\nMax open files ", 0 },
		{ "\nMax processes ", 0 },
		{ "\nMax msgqueue size ", 0 },
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
		{ "\nMax data size ", 1UL << 30 },
#endif
	};
	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		unsigned long soft = 1, hard = 1;
		const char *line = strstr(limits.data, wanted[i].name);
		assert_non_null(line);
		/* "unlimited" is no number. */
		if (sscanf(line + strlen(wanted[i].name), "%lu %lu", &soft, &hard) != 2 ||
		    soft > wanted[i].limit || hard > wanted[i].limit)
			fail_msg("more than %lu: %.80s", wanted[i].limit, line + 1);
	}
}

/* What it still has, seen by the one who may: the machine's root. Others see its limits alone. */
static void has_little(void **state)
{
	(void)state;
	struct mounted m;
	mounted_begin(&m, "image", &usual);
	assert_limited(m.server.pid);
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/root/", (int)m.server.pid);
	if (geteuid() != 0) {
		assert_null(opendir(path));
		mounted_end(&m);
		return;
	}
	assert_int_equal(proc_count(m.server.pid, "root/"), 0);
	assert_int_equal(proc_count(m.server.pid, "cwd/"), 0);
	/* Standard streams, mount, image, the pipe to the command. */
	assert_int_equal(proc_count(m.server.pid, "fd/"), 3 + 3);
	CLEANUP_BUFFER struct buffer mounts = { 0 };
	assert_int_equal(proc_read(m.server.pid, "mountinfo", &mounts), 0);
	assert_ptr_equal(strchr(mounts.data, '\n'), mounts.data + mounts.len - 1);
	static const char *const namespaces[] = { "user", "mnt", "net", "ipc" };
	for (size_t i = 0; i < sizeof(namespaces) / sizeof(*namespaces); i++) {
		char own[64] = { 0 }, its[64] = { 0 };
		snprintf(path, sizeof(path), "/proc/self/ns/%s", namespaces[i]);
		assert_true(readlink(path, own, sizeof(own) - 1) > 0);
		snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)m.server.pid, namespaces[i]);
		assert_true(readlink(path, its, sizeof(its) - 1) > 0);
		assert_string_not_equal(own, its);
	}
	mounted_end(&m);
}

/* What the scheduler holds of a task; the header for it clashes with the C library's. */
struct schedule {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static struct schedule schedule_of(pid_t pid)
{
	struct schedule s = { .size = sizeof(s) };
	assert_int_equal(syscall(SYS_sched_getattr, pid, &s, sizeof(s), 0), 0);
	return s;
}

/* Its threads have the slice that this kernel gives to one who asks for the shortest. */
static void gets_a_cpu_soon(void **state)
{
	(void)state;
	struct mounted m;
	char path[64];
	const struct schedule before = schedule_of(0);
	mounted_begin(&m, "image", &usual);
	struct schedule wanted = before;
	wanted.runtime = 100000;
	assert_int_equal(syscall(SYS_sched_setattr, 0, &wanted, 0), 0);
	wanted = schedule_of(0);
	assert_int_equal(syscall(SYS_sched_setattr, 0, &before, 0), 0);
	snprintf(path, sizeof(path), "/proc/%d/task", (int)m.server.pid);
	DIR *dir = opendir(path);
	assert_non_null(dir);
	for (struct dirent *e; (e = readdir(dir));) {
		if (e->d_name[0] == '.')
			continue;
		struct schedule its = schedule_of((pid_t)strtol(e->d_name, NULL, 10));
		assert_int_equal(its.runtime, wanted.runtime);
		assert_int_equal(its.policy, before.policy);
		assert_int_equal(its.nice, before.nice);
	}
	closedir(dir);
	mounted_end(&m);
}

/* Signals that a terminal or a session's end sends do not stop it; nothing but the mount's end. */
static void signals_pass_by(void **state)
{
	(void)state;
	static const int signals[] = {
		SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGUSR1, SIGTSTP
	};
	struct mounted m;
	mounted_begin(&m, "image", &usual);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		assert_int_equal(kill(m.server.pid, signals[i]), 0);
	assert_int_equal(inside(&m, "cmp tree/text mnt/text"), 0);
	mounted_end(&m);
}

static void ends_with_the_mount(void **state)
{
	(void)state;
	struct mounted m;
	/* By hand, with the container still there. */
	mounted_begin(&m, "image", &usual);
	assert_int_equal(inside(&m, "cat mnt/text >/dev/null"), 0);
	assert_int_equal(inside(&m, UNMOUNT), 0);
	assert_true(ends_soon(&m.server));
	mounted_end(&m);
	/* With its namespace, in the midst of reading. */
	mounted_begin(&m, "image", &usual);
	assert_int_equal(inside(&m, "(while :; do cat mnt/wide/* mnt/random; done) >/dev/null 2>&1 "
				    "& echo $! >pid"),
			 0);
	usleep(50000);
	assert_int_equal(inside(&m, "kill -9 $(cat pid)"), 0);
	mounted_end(&m);
}

/* Killed, it leaves errors behind, not waiting readers. */
static void killed_server(void **state)
{
	(void)state;
	struct mounted m;
	mounted_begin(&m, "image", &usual);
	assert_int_equal(inside(&m, "cat mnt/hello >/dev/null"), 0);
	process_kill(&m.server);
	assert_int_equal(inside(&m, "LC_ALL=C timeout 5 cat mnt/random 2>&1 >/dev/null | grep -q "
				    "'not connected'"),
			 0);
	assert_int_equal(inside(&m, UNMOUNT), 0);
	mounted_end(&m);
	/* While readers wait: they are let go. */
	mounted_begin(&m, "image", &usual);
	assert_int_equal(
		inside(&m,
		       "rm -f ended; (while dd if=mnt/random of=/dev/null bs=64K iflag=nocache; "
		       "do :; done; : >ended) 2>/dev/null &"),
		0);
	usleep(20000);
	process_kill(&m.server);
	assert_int_equal(
		inside(&m,
		       "for i in $(seq 50); do [ ! -e ended ] || exit 0; sleep 0.1; done; exit 1"),
		0);
	mounted_end(&m);
}

/* A payload's child may outlive the command; its mount goes on, and nothing stays after it. */
static void outlives_the_command(void **state)
{
	(void)state;
	struct mounted m;
	int fuse_fd, said[2];
	pid_t server = 0;
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	attach_container(&m, &fuse_fd);
	assert_int_equal(pipe2(said, O_CLOEXEC), 0);
	pid_t command = fork();
	assert_true(command >= 0);
	if (command == 0) {
		struct error *err = NULL;
		struct process p;
		int says;
		struct serve_options options = usual;
		struct image_tree *tree = open_tree_of("image", m.probe, &options.image_fd);
		if (serve_start(tree, fuse_fd, &options, &p, &says, &err) < 0 ||
		    fd_write(said[1], &p.pid, sizeof(p.pid)) < 0)
			_exit(1);
		pause();
		_exit(0);
	}
	close(fuse_fd);
	close(said[1]);
	assert_int_equal(fd_read(said[0], &server, sizeof(server)), sizeof(server));
	close(said[0]);
	assert_int_equal(kill(command, SIGKILL), 0);
	assert_int_equal(waitpid(command, NULL, 0), command);
	assert_int_equal(inside(&m, "cmp tree/random mnt/random"), 0);
	mounted_end(&m);
	int status = -1, waited = 0;
	for (int i = 0; i < 100 && !(waited = waitpid(server, &status, WNOHANG)); i++)
		usleep(10000);
	assert_int_equal(waited, server);
	assert_int_equal(status, 0);
}

/* What keeps the server from starting comes back as it was said there. */
static void errors_come_back(void **state)
{
	(void)state;
	struct mounted m;
	int fuse_fd;
	attach_container(&m, &fuse_fd);
	struct serve_options options = usual;
	struct image_tree *tree = open_tree_of("image", m.probe, &options.image_fd);
	options.image_fd = STDOUT_FILENO;
	struct process p = PROCESS_NONE;
	int says = -1;
	assert_fails(ERROR_INTERNAL, serve_start(tree, fuse_fd, &options, &p, &says, err));
	assert_int_equal(p.pid, 0);
	assert_int_equal(says, -1);
	image_tree_free(&tree);
	close(fuse_fd);
	/* With no server and no descriptor left, nobody waits. */
	assert_int_equal(inside(&m, "LC_ALL=C timeout 5 ls mnt 2>&1 | grep -q 'not connected'"), 0);
	mounted_end(&m);
}

/* One error in words; what is no message is not waited for. */
static void says_what_cannot_be_read(void **state)
{
	(void)state;
	struct mounted m;
	char text[SERVE_TEXT_LEN] = "";
	int half[2];
	mounted_begin(&m, "image", &usual);
	assert_int_equal(inside(&m, "cat mnt/hello mnt/none >said 2>&1; ls -lR mnt >/dev/null"), 0);
	assert_false(serve_hear(m.says, text));
	atomic_store(&m.probe->broken, true);
	assert_int_not_equal(inside(&m, "cat mnt/random mnt/text >/dev/null 2>&1"), 0);
	assert_true(serve_hear(m.says, text));
	assert_non_null(strstr(text, "told to\033fail"));
	assert_false(serve_hear(m.says, text));
	assert_ok(wire_open(half, err));
	struct error *e = NULL;
	uint8_t packet[WIRE_PACKET_MAX];
	error_set(&e, ERROR_SYSTEM, "%100s", "words");
	size_t len = wire_pack_error(e, packet);
	error_free(&e);
	assert_int_equal(fd_write(half[1], packet, len / 2), 0);
	assert_false(serve_hear(half[0], text));
	assert_int_equal(fd_write(half[1], text, 100), 0);
	assert_false(serve_hear(half[0], text));
	assert_int_equal(fd_write(half[1], packet, len), 0);
	assert_true(serve_hear(half[0], text));
	close(half[0]);
	close(half[1]);
	mounted_end(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_thread_is_locked_in),
		cmocka_unit_test(nobody_looks_in),
		cmocka_unit_test(has_little),
		cmocka_unit_test(gets_a_cpu_soon),
		cmocka_unit_test(signals_pass_by),
		cmocka_unit_test(ends_with_the_mount),
		cmocka_unit_test(killed_server),
		cmocka_unit_test(outlives_the_command),
		cmocka_unit_test(errors_come_back),
		cmocka_unit_test(says_what_cannot_be_read),
	};
	return cmocka_run_group_tests(tests, make_images, remove_images);
}
