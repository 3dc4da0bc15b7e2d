/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run/internal.h"

#include "run/filters.h"

/* ------------------------------------------------------------------ the programs, run here */

struct program {
	const struct sock_filter *code;
	size_t len;
};
#define PROGRAM(filter)                                      \
	{                                                    \
		(filter), sizeof(filter) / sizeof(*(filter)) \
	}
static const struct program terminal = PROGRAM(filter_terminal), payload = PROGRAM(filter_payload),
			    root = PROGRAM(filter_root), devices = PROGRAM(filter_devices),
			    owners = PROGRAM(filter_owners);

/* What the kernel would answer: as seccomp(2) says, by the classic BPF of bpf(4). */
static uint32_t run_program(const struct program *p, const struct seccomp_data *data)
{
	uint32_t a = 0;
	for (size_t at = 0; at < p->len;) {
		const struct sock_filter *i = &p->code[at++];
		bool jump = false;
		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			assert_true(i->k % 4 == 0 && i->k + 4 <= sizeof(*data));
			memcpy(&a, (const char *)data + i->k, 4);
			continue;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= i->k;
			continue;
		case BPF_RET | BPF_K:
			return i->k;
		case BPF_JMP | BPF_JA:
			at += i->k;
			continue;
		case BPF_JMP | BPF_JEQ | BPF_K:
			jump = a == i->k;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			jump = a >= i->k;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			jump = a > i->k;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			jump = (a & i->k) != 0;
			break;
		default:
			fail_msg("instruction 0x%x", i->code);
		}
		at += jump ? i->jt : i->jf;
	}
	fail_msg("the program has no end");
	return 0;
}

/* -1: the call is made; else the errno that it is answered with. */
static int answer(const struct program *p, uint32_t arch, long number, uint64_t a0, uint64_t a1,
		  uint64_t a2, uint64_t a3)
{
	const struct seccomp_data data = {
		.nr = (int)number,
		.arch = arch == SCMP_ARCH_X32 ? SCMP_ARCH_X86_64 : arch,
		.args = { a0, a1, a2, a3 },
	};
	uint32_t action = run_program(p, &data);
	if (action == SECCOMP_RET_ALLOW)
		return -1;
	assert_int_equal(action & SECCOMP_RET_ACTION_FULL, SECCOMP_RET_ERRNO);
	return (int)(action & SECCOMP_RET_DATA);
}

static const uint32_t architectures[] = {
#if defined(__x86_64__)
	SCMP_ARCH_X86_64,
	SCMP_ARCH_X86,
	SCMP_ARCH_X32,
#elif defined(__aarch64__)
	SCMP_ARCH_AARCH64,
	SCMP_ARCH_ARM,
#endif
};
#define ARCHITECTURES (sizeof(architectures) / sizeof(*architectures))

static int number_of(uint32_t arch, const char *name)
{
	int n = seccomp_syscall_resolve_name_arch(arch, name);
	assert_int_not_equal(n, __NR_SCMP_ERROR);
	if (arch == SCMP_ARCH_X86 && !strcmp(name, "socket"))
		return 359;
	if (arch == SCMP_ARCH_X86 && !strcmp(name, "socketpair"))
		return 360;
	return n;
}

/* By each of the numbers that the machine may have for it. */
static void expect(const struct program *p, const char *name, uint64_t a0, uint64_t a1, uint64_t a2,
		   uint64_t a3, int wanted)
{
	for (size_t i = 0; i < ARCHITECTURES; i++) {
		int n = number_of(architectures[i], name);
		if (n < 0)
			continue;
		/* The default filter has no x32 at all. */
		if (architectures[i] == SCMP_ARCH_X32 && (p == &payload || p == &root)) {
			assert_int_equal(answer(p, SCMP_ARCH_X32, n, a0, a1, a2, a3), ENOSYS);
			continue;
		}
		int got = answer(p, architectures[i], n, a0, a1, a2, a3);
		if (got != wanted)
			fail_msg("%s (%d of %x) with %llx %llx %llx %llx: %d, not %d", name, n,
				 architectures[i], (unsigned long long)a0, (unsigned long long)a1,
				 (unsigned long long)a2, (unsigned long long)a3, got, wanted);
	}
}

/* ------------------------------------------------------------------ the terminal */

#define HIGH 0xdeadbeef00000000u

static void terminal_input(void **state)
{
	(void)state;
	const struct program *const all[] = { &terminal, &payload, &root };
	for (size_t i = 0; i < 3; i++) {
		expect(all[i], "ioctl", 0, TIOCSTI, 0, 0, EPERM);
		expect(all[i], "ioctl", 0, TIOCLINUX, 0, 0, EPERM);
		/* The kernel drops what is above 32 bits. */
		expect(all[i], "ioctl", 0, HIGH | TIOCSTI, 0, 0, EPERM);
		expect(all[i], "ioctl", 7, HIGH | TIOCLINUX, 1, 0, EPERM);
		expect(all[i], "ioctl", 0, (uint64_t)1 << 32 | TIOCSTI, 0, 0, EPERM);
		expect(all[i], "ioctl", 0, TCGETS, 0, 0, -1);
		expect(all[i], "ioctl", TIOCSTI, TIOCGWINSZ, TIOCSTI, TIOCSTI, -1);
		expect(all[i], "ioctl", 0, 0, 0, 0, -1);
	}
#if defined(__x86_64__)
	/* One table for x86_64 and x32 in kernels before 5.4: either's number, with x32's bit or
	 * not. */
	static const long numbers[] = { 16, 514, 0x40000000 + 16, 0x40000000 + 514 };
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		assert_int_equal(answer(&terminal, SCMP_ARCH_X86_64, numbers[i], 0, TIOCSTI, 0, 0),
				 EPERM);
		assert_int_equal(answer(&terminal, SCMP_ARCH_X86_64, numbers[i], 0, TCGETS, 0, 0),
				 -1);
	}
#endif
	expect(&terminal, "keyctl", 0, 0, 0, 0, -1);
	expect(&terminal, "socket", AF_VSOCK, 0, 0, 0, -1);
}

/* ------------------------------------------------------------------ the default */

static const struct {
	const char *name;
	int answer;
} refused[] = {
	{ "kexec_load", EPERM },
	{ "kexec_file_load", EPERM },
	{ "init_module", EPERM },
	{ "finit_module", EPERM },
	{ "delete_module", EPERM },
	{ "create_module", EPERM },
	{ "query_module", EPERM },
	{ "get_kernel_syms", EPERM },
	{ "reboot", EPERM },
	{ "clock_settime", EPERM },
	{ "clock_settime64", EPERM },
	{ "settimeofday", EPERM },
	{ "stime", EPERM },
	{ "swapon", EPERM },
	{ "swapoff", EPERM },
	{ "acct", EPERM },
	{ "quotactl", EPERM },
	{ "quotactl_fd", EPERM },
	{ "nfsservctl", EPERM },
	{ "syslog", EPERM },
	{ "vhangup", EPERM },
	{ "iopl", EPERM },
	{ "ioperm", EPERM },
	{ "vm86", EPERM },
	{ "vm86old", EPERM },
	{ "bpf", EPERM },
	{ "perf_event_open", EPERM },
	{ "lookup_dcookie", EPERM },
	{ "open_by_handle_at", EPERM },
	{ "keyctl", ENOSYS },
	{ "add_key", ENOSYS },
	{ "request_key", ENOSYS },
	{ "io_uring_setup", ENOSYS },
	{ "io_uring_enter", ENOSYS },
	{ "io_uring_register", ENOSYS },
	{ "userfaultfd", ENOSYS },
	{ "uselib", ENOSYS },
	{ "sysfs", ENOSYS },
	{ "ustat", ENOSYS },
	{ "_sysctl", ENOSYS },
	{ "bdflush", ENOSYS },
};

static void refused_calls(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		expect(&payload, refused[i].name, 0, 0, 0, 0, refused[i].answer);
		expect(&root, refused[i].name, 0, 0, 0, 0, refused[i].answer);
		expect(&terminal, refused[i].name, 0, 0, 0, 0, -1);
	}
	/* The clock's state is everybody's to read; to real root the kernel would leave more. */
	static const char *const clock[] = { "adjtimex", "clock_adjtime", "clock_adjtime64" };
	for (size_t i = 0; i < 3; i++) {
		expect(&payload, clock[i], 0, 0, 0, 0, -1);
		expect(&root, clock[i], 0, 0, 0, 0, EPERM);
	}
}

/*
 * Every number, with zeros: what is refused is what was thought about, and nothing by a slip of the
 * tree that looks for it; numbers that nobody has judged are those of no call.
 */
static void all_other_calls_pass(void **state)
{
	(void)state;
	for (size_t a = 0; a < ARCHITECTURES; a++) {
		long bit = architectures[a] == SCMP_ARCH_X32 ? 0x40000000 : 0;
		for (long n = 0; n < 1200; n++) {
			int wanted = n >= 470 || bit ? ENOSYS : -1;
			for (size_t i = 0; !bit && i < sizeof(refused) / sizeof(*refused); i++) {
				if (number_of(architectures[a], refused[i].name) == n + bit)
					wanted = refused[i].answer;
			}
			for (int k = 0; !bit && k < 3; k++) {
				static const char *const io[] = { "pciconfig_iobase",
								  "pciconfig_read",
								  "pciconfig_write" };
				if (number_of(architectures[a], io[k]) == n + bit)
					wanted = EPERM;
			}
			int got = answer(&payload, architectures[a], n + bit, 0, 0, 0, 0);
			if (got != wanted)
				fail_msg("%ld of %x: %d, not %d", n, architectures[a], got, wanted);
			/* ioctl 0, and a socket of no family */
			assert_int_equal(answer(&terminal, architectures[a], n + bit, 0, 0, 0, 0),
					 -1);
		}
		/* The kernel skips a call whose number a debugger has made that. */
		assert_int_equal(answer(&payload, architectures[a], -1, 0, 0, 0, 0), -1);
		assert_int_equal(answer(&payload, architectures[a], 0x7fffffff, 0, 0, 0, 0),
				 architectures[a] == SCMP_ARCH_ARM ? -1 : ENOSYS);
	}
	assert_int_equal(answer(&payload, SCMP_ARCH_MIPS, 1, 0, 0, 0, 0), ENOSYS);
	assert_int_equal(answer(&terminal, SCMP_ARCH_MIPS, 1, 0, 0, 0, 0), ENOSYS);
}

/* What nested containers, debuggers, MPI and package managers live on. */
static void wanted_calls(void **state)
{
	(void)state;
	static const char *const names[] = {
		"ptrace",
		"process_vm_readv",
		"process_vm_writev",
		"unshare",
		"setns",
		"clone3",
		"mount",
		"umount2",
		"pivot_root",
		"fsopen",
		"fsconfig",
		"fsmount",
		"move_mount",
		"open_tree",
		"mount_setattr",
		"seccomp",
		"mbind",
		"set_mempolicy",
		"move_pages",
		"migrate_pages",
		"memfd_secret",
		"kcmp",
		"pidfd_getfd",
		"modify_ldt",
		"chroot",
		"sethostname",
		"name_to_handle_at",
		"landlock_restrict_self",
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		expect(&payload, names[i], 0, 0, 0, 0, -1);
		expect(&root, names[i], 0, 0, 0, 0, -1);
	}
	expect(&payload, "clone", 0x10000000 /* CLONE_NEWUSER */, 0, 0, 0, -1);
}

static void socket_families(void **state)
{
	(void)state;
	static const int pass[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_CAN },
			 fail[] = { AF_VSOCK, AF_ALG,  AF_AX25, AF_X25, AF_APPLETALK,
				    AF_RXRPC, AF_TIPC, 45,	46,	4000 };
	for (size_t i = 0; i < sizeof(pass) / sizeof(*pass); i++) {
		expect(&payload, "socket", (uint64_t)pass[i], SOCK_STREAM, 0, 0, -1);
		expect(&payload, "socketpair", HIGH | (uint64_t)pass[i], SOCK_STREAM, 0, 0, -1);
	}
	for (size_t i = 0; i < sizeof(fail) / sizeof(*fail); i++) {
		expect(&payload, "socket", (uint64_t)fail[i], SOCK_STREAM, 0, 0, EAFNOSUPPORT);
		expect(&payload, "socket", HIGH | (uint64_t)fail[i], 0, 0, 0, EAFNOSUPPORT);
		expect(&payload, "socketpair", (uint64_t)fail[i], 0, 0, 0, EAFNOSUPPORT);
	}
}

static void personalities(void **state)
{
	(void)state;
	static const uint64_t pass[] = { 0,	   8,	    0xffffffff, 0x40000,
					 0x240000, 0x20008, 0x8000000,	HIGH | 0x40000 },
			      fail[] = { 0x100000, 0x140008, 4, 6, 0xff, HIGH | 0x100000 };
	for (size_t i = 0; i < sizeof(pass) / sizeof(*pass); i++)
		expect(&payload, "personality", pass[i], 0, 0, 0, -1);
	for (size_t i = 0; i < sizeof(fail) / sizeof(*fail); i++)
		expect(&payload, "personality", fail[i], 0, 0, 0, EPERM);
}

static void pretended_owners(void **state)
{
	(void)state;
	static const char *const names[] = { "chown",	"fchown",   "lchown",	  "fchownat",
					     "setuid",	"setgid",   "setresuid",  "setgroups",
					     "chown32", "setuid32", "setgroups32" };
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		expect(&owners, names[i], 0, 0, 0, 0, 0);
		expect(&devices, names[i], 0, 0, 0, 0, -1);
		expect(&payload, names[i], 0, 0, 0, 0, -1);
	}
	const struct program *const both[] = { &owners, &devices };
	for (size_t i = 0; i < 2; i++) {
		expect(both[i], "mknod", 0, S_IFCHR | 0666, 0x103, 0, 0);
		expect(both[i], "mknod", 0, S_IFBLK | 0666, 0x800, 0, 0);
		expect(both[i], "mknod", 0, S_IFCHR | 0666, 0, 0, -1);
		expect(both[i], "mknod", 0, S_IFIFO | 0666, 5, 0, -1);
		expect(both[i], "mknod", 0, 0, 5, 0, -1);
		expect(both[i], "mknodat", 0, 0, S_IFBLK, 0x800, 0);
		expect(both[i], "mknodat", 0, 0, S_IFBLK, 0, -1);
		expect(both[i], "mknodat", 0, 0, S_IFSOCK, 1, -1);
	}
}

/* ------------------------------------------------------------------ in the kernel */

/* How a process ends that has its calls filtered as a user's payload and then does this. */
static int filtered(int (*act)(void))
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct error *err = NULL;
		const struct run_plan plan = { .user_namespace = true };
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || run_filter_load(&plan, &err) < 0)
			_exit(100);
		_exit(act());
	}
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* On no terminal: ENOTTY would be the kernel's answer. */
static int act_terminal(void)
{
	static const unsigned long requests[] = { TIOCSTI, TIOCLINUX, HIGH | TIOCSTI };
	int fd[2];
	if (pipe(fd) < 0)
		return 1;
	for (size_t i = 0; i < 3; i++)
		if (syscall(SYS_ioctl, fd[0], requests[i], "x") == 0 || errno != EPERM)
			return 2 + (int)i;
	return syscall(SYS_ioctl, fd[0], TCGETS, NULL) == 0 || errno != ENOTTY;
}

static int act_default(void)
{
	if (syscall(SYS_keyctl, 0, 0, 0, 0, 0) == 0 || errno != ENOSYS)
		return 1;
	if (syscall(SYS_bpf, 0, NULL, 0) == 0 || errno != EPERM)
		return 2;
	if (socket(AF_ALG, SOCK_SEQPACKET, 0) >= 0 || errno != EAFNOSUPPORT)
		return 3;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	return fd < 0 ? 4 : 0;
}

static int act_again(void)
{
	struct error *err = NULL;
	if (run_pretend_owners(true, &err) < 0)
		return 1;
	if (chown("/nonexistent", 1, 1) < 0)
		return 2;
	return act_default();
}

#if defined(__x86_64__)
static void no_old_calls(int sig)
{
	(void)sig;
	_exit(77);
}

/* ioctl is call 54 there. A kernel without the old entry makes a fault of it. */
static int act_old_entry(void)
{
	(void)signal(SIGSEGV, no_old_calls);
	long r = 54;
	__asm__ volatile("int $0x80" : "+a"(r) : "b"(0L), "c"((long)TIOCSTI), "d"(0L) : "memory");
	return r != -EPERM;
}
#endif

static void in_the_kernel(void **state)
{
	(void)state;
	assert_int_equal(filtered(act_terminal), 0);
	assert_int_equal(filtered(act_default), 0);
	assert_int_equal(filtered(act_again), 0);
#if defined(__x86_64__)
	int status = filtered(act_old_entry);
	assert_true(status == 0 || status == 77);
#endif
}

/* ------------------------------------------------------------------ what users may say */

static void chosen(void **state)
{
	(void)state;
	static const struct {
		const char *word;
		bool may;
		int kind; /* 0: taken */
	} cases[] = {
		{ "seccomp:unconfined", true, 0 },
		{ "seccomp:unconfined", false, ERROR_POLICY },
		{ "seccomp:", true, ERROR_UNSUPPORTED },
		{ "seccomp:/nonexistent", true, ERROR_NOT_FOUND },
		{ "seccomp:/nonexistent", false, ERROR_POLICY },
		{ "seccomp:/", true, ERROR_IO },
		{ "seccomp:/dev/null", true, ERROR_DAMAGED },
		{ "uid:0", false, ERROR_UNSUPPORTED },
		{ "", true, ERROR_UNSUPPORTED },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct error *err = NULL;
		char *items[] = { (char *)cases[i].word };
		const struct config config = { .user_seccomp_control = cases[i].may };
		const struct run_wish wish = { .security = { .items = items, .len = 1 } };
		struct run_plan plan = { .wish = &wish, .config = &config };
		int r = run_filter_choose(&plan, &err);
		assert_int_equal(r, cases[i].kind ? -1 : 0);
		assert_int_equal(plan.unconfined, !cases[i].kind);
		if (cases[i].kind)
			assert_int_equal(error_kind(err), cases[i].kind);
		error_free(&err);
	}
}

/* The site's profile is root's alone, and what users say stands behind it. */
static void of_the_site(void **state)
{
	(void)state;
	static const char text[] = "{\"defaultAction\":\"SCMP_ACT_ALLOW\"}", bad[] = "{}";
	char path[] = "/tmp/coffer-profile-XXXXXX";
	int fd = mkstemp(path);
	bool can = geteuid() == 0;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	struct config config = { .seccomp_profile = path, .user_seccomp_control = true };
	struct run_wish wish = { 0 };
	const mode_t modes[] = { 0664, 0646, 0644 };
	for (size_t i = 0; i < 3; i++) {
		struct error *err = NULL;
		struct run_plan plan = { .wish = &wish, .config = &config };
		bool good = can && modes[i] == 0644;
		assert_int_equal(fchmod(fd, modes[i]), 0);
		assert_int_equal(run_filter_choose(&plan, &err), good ? 0 : -1);
		assert_int_equal(plan.profile.len > 0, good);
		if (!good)
			assert_int_equal(error_kind(err), ERROR_POLICY);
		error_free(&err);
		assert_int_equal(run_policy_profile(&config, &err), good ? 0 : -1);
		error_free(&err);
		buffer_free(&plan.profile);
	}
	char *items[] = { (char *)"seccomp:unconfined" };
	wish.security = (struct strings){ .items = items, .len = 1 };
	for (int may = 0; may < 2; may++) {
		struct error *err = NULL;
		struct run_plan plan = { .wish = &wish, .config = &config };
		config.user_seccomp_control = may;
		assert_int_equal(run_filter_choose(&plan, &err), can && may ? 0 : -1);
		if (can && may)
			assert_true(plan.unconfined && !plan.profile.len);
		else
			assert_int_equal(error_kind(err), ERROR_POLICY);
		error_free(&err);
		buffer_free(&plan.profile);
	}
	/* A fault in it is to be seen by who has another, too. */
	assert_int_equal(pwrite(fd, bad, sizeof(bad), 0), sizeof(bad));
	assert_int_equal(ftruncate(fd, (off_t)strlen(bad)), 0);
	struct error *err = NULL;
	struct run_plan plan = { .wish = &wish, .config = &config };
	assert_int_equal(run_filter_choose(&plan, &err), -1);
	assert_non_null(
		strstr(error_message(err), can ? "defaultAction is missing" : "not root's"));
	assert_non_null(strstr(error_message(err), path));
	error_free(&err);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(close(fd), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(terminal_input),
		cmocka_unit_test(refused_calls),
		cmocka_unit_test(all_other_calls_pass),
		cmocka_unit_test(wanted_calls),
		cmocka_unit_test(socket_families),
		cmocka_unit_test(personalities),
		cmocka_unit_test(pretended_owners),
		cmocka_unit_test(in_the_kernel),
		cmocka_unit_test(chosen),
		cmocka_unit_test(of_the_site),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
