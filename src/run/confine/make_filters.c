/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the system call filters of run/confine/filter.c as a header, while coffer is built: as
 * programs of the kernel's classic BPF. What they refuse stands here. libseccomp is asked for the
 * numbers only: at each start it would take longer to make the programs than to make the
 * namespaces.
 *
 *   make-filters ARCHITECTURE [big]
 *
 * An architecture's calls are found by a tree, since the kernel runs the program once for each
 * number when it is loaded, to learn which calls need not be looked at again.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/stat.h>

/*
 * All architectures have the same numbers from 424 on. 469 is file_setattr of Linux 6.17: what came
 * after it nobody has judged yet, and a program that asks for it has a way to do without.
 */
#define FIRST_UNKNOWN 470u
#define X32_BIT 0x40000000u
/* arm's private calls (set_tls, cacheflush and others). */
#define ARM_PRIVATE 0x0f0000u

#define ALLOW SECCOMP_RET_ALLOW
#define ANSWER(e) (SECCOMP_RET_ERRNO | (uint32_t)(e))

struct code {
	struct sock_filter items[4096];
	unsigned len;
};
static struct code code;
static bool big_endian;

static void put(uint16_t op, uint32_t k, unsigned jt, unsigned jf)
{
	if (code.len == sizeof(code.items) / sizeof(*code.items) || jt > UINT8_MAX ||
	    jf > UINT8_MAX) {
		fprintf(stderr, "make-filters: the program is too long\n");
		exit(1);
	}
	code.items[code.len++] = (struct sock_filter){ op, (uint8_t)jt, (uint8_t)jf, k };
}

static void put_return(uint32_t action)
{
	put(BPF_RET | BPF_K, action, 0, 0);
}

/* if (what was loaded == k) return action */
static void put_if(uint32_t k, uint32_t action)
{
	put(BPF_JMP | BPF_JEQ | BPF_K, k, 0, 1);
	put_return(action);
}

static void put_load(size_t offset)
{
	put(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

/* The low half of an argument: all that the kernel looks at where it is an int. */
static void put_load_argument(unsigned index)
{
	put_load(offsetof(struct seccomp_data, args) + index * sizeof(uint64_t) +
		 (big_endian ? sizeof(uint32_t) : 0));
}

/* ------------------------------------------------------------------ calls that depend on more */

/* A terminal's input is the caller's alone, whatever it is called by: not with bits above. */
static void check_ioctl(void)
{
	put_load_argument(1);
	put_if(TIOCSTI, ANSWER(EPERM));
	put_if(TIOCLINUX, ANSWER(EPERM));
	put_return(ALLOW);
}

/*
 * Families that programs use. The others are old, or lead out of a network namespace (vsock), or
 * into parts of the kernel that few look after; to ask for one loads its module.
 */
static void check_socket(void)
{
	static const uint32_t families[] = { AF_UNSPEC, AF_UNIX, AF_INET,     AF_INET6, AF_NETLINK,
					     AF_PACKET, AF_KEY,	 AF_RDS,      AF_IB,	AF_CAN,
					     AF_SMC,	AF_XDP,	 AF_BLUETOOTH };
	put_load_argument(0);
	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++)
		put_if(families[i], ALLOW);
	put_return(ANSWER(EAFNOSUPPORT));
}

/* Linux and its 32-bit kind, with any of their bits (gdb and setarch want those) but the one that
 * has page 0 mapped; and the question what it is. */
static void check_personality(void)
{
	put_load_argument(0);
	put_if(UINT32_MAX, ALLOW);
	put(BPF_JMP | BPF_JSET | BPF_K, MMAP_PAGE_ZERO, 0, 1);
	put_return(ANSWER(EPERM));
	put(BPF_ALU | BPF_AND | BPF_K, PER_MASK, 0, 0);
	put_if(PER_LINUX, ALLOW);
	put_if(PER_LINUX32, ALLOW);
	put_return(ANSWER(EPERM));
}

/* Not device 0:0: an overlay's white-outs look so, and anybody may make them. */
static void check_node(unsigned mode_index)
{
	put_load_argument(mode_index);
	put(BPF_ALU | BPF_AND | BPF_K, S_IFMT, 0, 0);
	put(BPF_JMP | BPF_JEQ | BPF_K, S_IFCHR, 2, 0);
	put(BPF_JMP | BPF_JEQ | BPF_K, S_IFBLK, 1, 0);
	put_return(ALLOW);
	put_load_argument(mode_index + 1);
	put_if(0, ALLOW);
	put_return(ANSWER(0));
}

static void check_mknod(void)
{
	check_node(1);
}

static void check_mknodat(void)
{
	check_node(2);
}

/* ------------------------------------------------------------------ the rules */

enum {
	TERMINAL = 1, /* for every payload */
	PAYLOAD = 2,  /* the default for every payload */
	ROOT = 4,     /* and for real root's besides */
	DEVICES = 8,  /* what a root of a namespace is told was done: */
	OWNERS = 16,  /* ... and who is mapped alone */
};

struct filter_rule {
	unsigned filters;
	uint32_t action;
	void (*check)(void); /* instead of the action */
	const char *names;
};

static const struct filter_rule rules[] = {
	{ TERMINAL | PAYLOAD | ROOT, 0, check_ioctl, "ioctl" },
	{ PAYLOAD | ROOT, 0, check_socket, "socket socketpair" },
	{ PAYLOAD | ROOT, 0, check_personality, "personality" },
	/* The machine: another kernel, its modules, its end, its clock, its swap, its accounting.
	 */
	{ PAYLOAD | ROOT, ANSWER(EPERM), NULL,
	  "kexec_load kexec_file_load init_module finit_module delete_module create_module "
	  "query_module get_kernel_syms reboot clock_settime clock_settime64 settimeofday stime "
	  "swapon swapoff acct quotactl quotactl_fd nfsservctl syslog vhangup" },
	/* Its hardware, and modes of the processor that nothing of today asks for. */
	{ PAYLOAD | ROOT, ANSWER(EPERM), NULL,
	  "iopl ioperm pciconfig_iobase pciconfig_read pciconfig_write vm86 vm86old" },
	/* Programs in the kernel, its counters, files by their number on the disk. */
	{ PAYLOAD | ROOT, ANSWER(EPERM), NULL,
	  "bpf perf_event_open lookup_dcookie open_by_handle_at" },
	/* As if the kernel were without them, so that programs take another way: the keyrings of
	 * the caller, requests that no filter sees, faults that the kernel waits for; what is
	 * obsolete.
	 */
	{ PAYLOAD | ROOT, ANSWER(ENOSYS), NULL,
	  "keyctl add_key request_key io_uring_setup io_uring_enter io_uring_register userfaultfd "
	  "uselib sysfs ustat _sysctl bdflush" },
	/* They read the clock's state, too: where the kernel refuses the rest itself, they stay. */
	{ ROOT, ANSWER(EPERM), NULL, "adjtimex clock_adjtime clock_adjtime64" },
	/*
	 * What a root that is mapped alone cannot do, although programs that install packages
	 * insist on it: give files to others, make devices, become others. The call is answered
	 * with success and not made.
	 */
	{ DEVICES | OWNERS, 0, check_mknod, "mknod" },
	{ DEVICES | OWNERS, 0, check_mknodat, "mknodat" },
	{ OWNERS, ANSWER(0), NULL,
	  "chown chown32 fchown fchown32 lchown lchown32 fchownat setuid setuid32 setgid setgid32 "
	  "setreuid setreuid32 setregid setregid32 setresuid setresuid32 setresgid setresgid32 "
	  "setfsuid setfsuid32 setfsgid setfsgid32 setgroups setgroups32" },
};

/* ------------------------------------------------------------------ one architecture */

struct call {
	uint32_t number;
	const struct filter_rule *rule;
};
static struct call calls[512];
static size_t call_count;

static int compare_calls(const void *a, const void *b)
{
	const struct call *x = a, *y = b;
	return (x->number > y->number) - (x->number < y->number);
}

/* The number of a call, or a negative one where the architecture has it not. */
static int resolve(uint32_t arch, const char *name)
{
	int n = seccomp_syscall_resolve_name_arch(arch, name);
	if (n == __NR_SCMP_ERROR) {
		fprintf(stderr, "make-filters: libseccomp does not know the call %s\n", name);
		exit(1);
	}
	/* libseccomp means all ways to make a socket; the direct one came with Linux 4.3. The other
	 * (socketcall) has its arguments in memory, where no filter sees them. */
	if (arch == SCMP_ARCH_X86 && !strcmp(name, "socket"))
		return 359;
	if (arch == SCMP_ARCH_X86 && !strcmp(name, "socketpair"))
		return 360;
	return n;
}

static void collect(uint32_t arch, unsigned filter)
{
	/* Kernels before 5.4 have one table for x86_64 and x32 and find a call by the other's
	 * number, too (seccomp(2)). The default filter refuses these as too large. */
	uint32_t twin = arch == SCMP_ARCH_X32 ? SCMP_ARCH_X86_64 : SCMP_ARCH_X32;
	bool twins = arch == SCMP_ARCH_X32 || arch == SCMP_ARCH_X86_64;
	call_count = 0;
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		if (!(rules[i].filters & filter))
			continue;
		char *names = strdup(rules[i].names), *rest = names;
		for (char *name; names && (name = strsep(&rest, " "));) {
			int n = resolve(arch, name), other = -1;
			if (twins && !(filter & (PAYLOAD | ROOT)))
				other = resolve(twin, name) ^ (int)X32_BIT;
			if (call_count + 2 > sizeof(calls) / sizeof(*calls))
				exit(1);
			if (n >= 0)
				calls[call_count++] = (struct call){ (uint32_t)n, &rules[i] };
			if (other >= 0 && other != n)
				calls[call_count++] = (struct call){ (uint32_t)other, &rules[i] };
		}
		free(names);
	}
	qsort(calls, call_count, sizeof(*calls), compare_calls);
}

/* Jumps to what stands at the end of the architecture's part, once for all its calls. */
struct jump {
	unsigned at;
	bool if_true;
	uint32_t action;
	void (*check)(void);
};
static struct jump jumps[1024];
static size_t jump_count;

static void later(unsigned at, bool if_true, uint32_t action, void (*check)(void))
{
	if (jump_count == sizeof(jumps) / sizeof(*jumps))
		exit(1);
	jumps[jump_count++] = (struct jump){ at, if_true, action, check };
}

static void set_jump(unsigned at, bool if_true)
{
	unsigned distance = code.len - at - 1;
	if (distance > UINT8_MAX) {
		fprintf(stderr, "make-filters: too many calls for one jump\n");
		exit(1);
	}
	*(if_true ? &code.items[at].jt : &code.items[at].jf) = (uint8_t)distance;
}

static void put_ends(void)
{
	while (jump_count) {
		const struct jump first = jumps[jump_count - 1];
		size_t left = 0;
		for (size_t i = 0; i < jump_count; i++) {
			if (jumps[i].action == first.action && jumps[i].check == first.check)
				set_jump(jumps[i].at, jumps[i].if_true);
			else
				jumps[left++] = jumps[i];
		}
		jump_count = left;
		if (first.check)
			first.check();
		else
			put_return(first.action);
	}
}

/* if (the loaded number <op> k) return action, at the end of the part */
static void put_end_if(uint16_t op, uint32_t k, uint32_t action)
{
	later(code.len, true, action, NULL);
	put(BPF_JMP | op | BPF_K, k, 0, 0);
}

static void put_tree(size_t from, size_t to)
{
	if (to - from > 4) {
		size_t middle = from + (to - from) / 2;
		unsigned at = code.len;
		put(BPF_JMP | BPF_JGE | BPF_K, calls[middle].number, 0, 0);
		put_tree(from, middle);
		set_jump(at, true);
		put_tree(middle, to);
		return;
	}
	for (size_t i = from; i < to; i++) {
		later(code.len, true, calls[i].rule->action, calls[i].rule->check);
		put(BPF_JMP | BPF_JEQ | BPF_K, calls[i].number, 0, 0);
	}
	if (from < to)
		later(code.len - 1, false, ALLOW, NULL);
	else
		put_return(ALLOW);
}

/* The number of the call is loaded. */
static void put_calls(uint32_t arch, unsigned filter)
{
	if (filter & (PAYLOAD | ROOT) && arch == SCMP_ARCH_ARM) {
		put(BPF_JMP | BPF_JGE | BPF_K, ARM_PRIVATE, 1, 0);
		put_end_if(BPF_JGE, FIRST_UNKNOWN, ANSWER(ENOSYS));
	} else if (filter & (PAYLOAD | ROOT)) {
		put_end_if(BPF_JGE, FIRST_UNKNOWN, ANSWER(ENOSYS));
	}
	collect(arch, filter);
	put_tree(0, call_count);
	put_ends();
}

static void put_architecture(uint32_t arch, unsigned filter)
{
	put(BPF_JMP | BPF_JEQ | BPF_K, arch, 1, 0);
	unsigned at = code.len;
	put(BPF_JMP | BPF_JA, 0, 0, 0);
	put_load(offsetof(struct seccomp_data, nr));
	/* A debugger has taken the call back: it is not made. */
	put_if(UINT32_MAX, ALLOW);
	/* The kernel calls x32 the same. To the default filter, its calls are numbers that are too
	 * large: nearly no machine has it. */
	if (arch == SCMP_ARCH_X86_64 && !(filter & (PAYLOAD | ROOT))) {
		put(BPF_JMP | BPF_JSET | BPF_K, X32_BIT, 1, 0);
		unsigned native = code.len;
		put(BPF_JMP | BPF_JA, 0, 0, 0);
		put_calls(SCMP_ARCH_X32, filter);
		code.items[native].k = code.len - native - 1;
	}
	put_calls(arch, filter);
	code.items[at].k = code.len - at - 1;
}

static void write_filter(const char *name, unsigned filter, uint32_t arch)
{
	code.len = 0;
	put_load(offsetof(struct seccomp_data, arch));
	put_architecture(arch, filter);
	if (arch == SCMP_ARCH_X86_64)
		put_architecture(SCMP_ARCH_X86, filter);
	if (arch == SCMP_ARCH_AARCH64)
		put_architecture(SCMP_ARCH_ARM, filter);
	/* By the numbers of no architecture that this machine can have. */
	put_return(ANSWER(ENOSYS));
	printf("static const struct sock_filter filter_%s[] = {\n", name);
	for (unsigned i = 0; i < code.len; i++)
		printf("\t{ 0x%02x, %u, %u, 0x%08x },\n", code.items[i].code, code.items[i].jt,
		       code.items[i].jf, code.items[i].k);
	printf("};\n");
}

int main(int argc, char **argv)
{
	uint32_t arch = argc > 1 ? seccomp_arch_resolve_name(argv[1]) : 0;
	if (!arch) {
		fprintf(stderr, "make-filters: libseccomp does not know this architecture\n");
		return 1;
	}
	big_endian = argc > 2 && !strcmp(argv[2], "big");
	printf("/* Made by make_filters.c. */\n");
	write_filter("terminal", TERMINAL, arch);
	write_filter("payload", PAYLOAD, arch);
	write_filter("root", ROOT, arch);
	write_filter("devices", DEVICES, arch);
	write_filter("owners", OWNERS, arch);
	return ferror(stdout) || fflush(stdout) ? 1 : 0;
}
