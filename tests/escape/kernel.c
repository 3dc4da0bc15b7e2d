/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls into the kernel: those that change the machine, each with arguments that do nothing or that
 * the kernel refuses after it has asked for the right; those whose code is large and rarely needed
 * (OWN when they are open).
 */
#include "attempt.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/io.h>
#include <sys/klog.h>
#include <sys/personality.h>
#include <sys/quota.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static enum result module_load(void)
{
	static const char garbage[64];
	return by_right(syscall(SYS_init_module, garbage, sizeof(garbage), ""), "init_module");
}

static enum result module_load_fd(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	return by_right(syscall(SYS_finit_module, fd, "", 0), "finit_module");
}

static enum result module_unload(void)
{
	return by_right(syscall(SYS_delete_module, "coffer_escape", O_NONBLOCK), "delete_module");
}

static enum result kexec(void)
{
	return by_right(syscall(SYS_kexec_load, 0UL, 0UL, NULL, 0xfff0UL), "kexec_load");
}

static enum result kexec_file(void)
{
	return by_right(syscall(SYS_kexec_file_load, -1, -1, 0UL, NULL, 0xfff0UL),
			"kexec_file_load");
}

static enum result reboot_it(void)
{
	/* The numbers are none that the kernel takes. In a process namespace it would end that one.
	 */
	enum result result = by_right(syscall(SYS_reboot, 1, 2, 3, NULL), "reboot");
	return result == OUT && !is_host_ns("pid") ? OWN : result;
}

static enum result clock_set(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return by_right(syscall(SYS_clock_settime, CLOCK_REALTIME, &now), "clock_settime");
}

static enum result day_set(void)
{
	struct timeval now;
	gettimeofday(&now, NULL);
	return by_right(syscall(SYS_settimeofday, &now, NULL), "settimeofday");
}

static enum result clock_adjust(void)
{
	/* No such mode: refused after the right was asked for. */
	struct timex none = { .modes = ADJ_TICK, .tick = 1 };
	return by_right(syscall(SYS_adjtimex, &none), "adjtimex");
}

static enum result host_name(void)
{
	struct utsname name;
	uname(&name);
	if (syscall(SYS_sethostname, name.nodename, strlen(name.nodename)) < 0)
		return refused("sethostname");
	return is_host_ns("uts") ? OUT : OWN;
}

static enum result domain_name(void)
{
	struct utsname name;
	uname(&name);
	if (syscall(SYS_setdomainname, name.domainname, strlen(name.domainname)) < 0)
		return refused("setdomainname");
	return is_host_ns("uts") ? OUT : OWN;
}

static enum result swap(void)
{
	return by_right(swapon("/nothing/of/this/name", 0), "swapon");
}

static enum result swap_off(void)
{
	return by_right(swapoff("/nothing/of/this/name"), "swapoff");
}

static enum result account(void)
{
	return by_right(syscall(SYS_acct, "/nothing/of/this/name"), "acct");
}

static enum result quota(void)
{
	long done = syscall(SYS_quotactl, QCMD(Q_SETQUOTA, USRQUOTA), fact("block"), 0, NULL);
	if (done < 0 && (errno == ENOENT || errno == ENOTBLK || errno == ENODEV))
		return refused("quotactl");
	return by_right(done, "quotactl");
}

static enum result ports(void)
{
	return by_right(iopl(3), "iopl");
}

static enum result log_read(void)
{
	static char text[65536];
	int n = klogctl(3 /* all of it */, text, sizeof(text));
	if (n < 0)
		return refused("syslog");
	note("syslog: %d bytes", n);
	return n > 0 ? OUT : REFUSED;
}

static enum result watch_all(void)
{
	return by_right(syscall(SYS_fanotify_init, FAN_CLASS_CONTENT, O_RDONLY), "fanotify_init");
}

static enum result open_call(long returned, const char *call)
{
	return returned < 0 ? refused(call) : OWN;
}

static enum result bpf_map(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1
	};
	return open_call(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)), "bpf");
}

static enum result perf(void)
{
	struct perf_event_attr event = { .type = PERF_TYPE_SOFTWARE,
					 .size = sizeof(event),
					 .config = PERF_COUNT_SW_TASK_CLOCK,
					 .exclude_kernel = 1 };
	return open_call(syscall(SYS_perf_event_open, &event, 0, -1, -1, 0), "perf_event_open");
}

static enum result perf_machine(void)
{
	struct perf_event_attr event = { .type = PERF_TYPE_SOFTWARE,
					 .size = sizeof(event),
					 .config = PERF_COUNT_SW_CPU_CLOCK };
	return by_right(syscall(SYS_perf_event_open, &event, -1, 0, -1, 0), "perf_event_open");
}

static enum result user_fault(void)
{
	return open_call(syscall(SYS_userfaultfd, 1 /* UFFD_USER_MODE_ONLY */), "userfaultfd");
}

static enum result uring(void)
{
	struct io_uring_params params = { 0 };
	return open_call(syscall(SYS_io_uring_setup, 1, &params), "io_uring_setup");
}

static enum result own_key(void)
{
	return open_call(
		syscall(SYS_add_key, "user", "coffer-own", "x", 1UL, KEY_SPEC_PROCESS_KEYRING),
		"add_key");
}

static enum result key_request(void)
{
	return open_call(syscall(SYS_request_key, "user", "coffer-canary", NULL, 0), "request_key");
}

/* The key that the caller's session has. */
static enum result key_by(long (*call)(long, long, long, long, long))
{
	char bytes[64];
	long key = call(KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, (long)"user",
			(long)"coffer-canary", 0);
	if (key < 0)
		key = fact_number("key");
	long n = call(KEYCTL_READ, key, (long)bytes, sizeof(bytes), 0);
	if (n < 0)
		return refused("keyctl");
	return has_token(bytes, sizeof(bytes)) ? OUT : REFUSED;
}

static long keyctl_64(long a, long b, long c, long d, long e)
{
	return syscall(SYS_keyctl, a, b, c, d, e);
}

static enum result key_read(void)
{
	return key_by(keyctl_64);
}

static enum result key_read_32(void)
{
	long keyring = call_32(288, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0, 0);
	if (keyring < 0)
		return refused("keyctl");
	return OUT;
}

static enum result key_names(void)
{
	char text[8192];
	int fd = open("/proc/keys", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return refused("/proc/keys");
	text[n] = 0;
	return strstr(text, "coffer-canary") ? OUT : REFUSED;
}

static enum result persona(void)
{
	return personality(ADDR_NO_RANDOMIZE) < 0 ? refused("personality") : OWN;
}

static enum result persona_zero(void)
{
	return personality(MMAP_PAGE_ZERO) < 0 ? refused("personality") : OWN;
}

const struct attempt kernel_attempts[] = {
	{ "module-load", module_load },
	{ "module-load-fd", module_load_fd },
	{ "module-unload", module_unload },
	{ "kexec", kexec },
	{ "kexec-file", kexec_file },
	{ "reboot", reboot_it },
	{ "clock-set", clock_set },
	{ "day-set", day_set },
	{ "clock-adjust", clock_adjust },
	{ "host-name", host_name },
	{ "domain-name", domain_name },
	{ "swap-on", swap },
	{ "swap-off", swap_off },
	{ "accounting", account },
	{ "quota", quota },
	{ "io-ports", ports },
	{ "kernel-log", log_read },
	{ "fanotify", watch_all },
	{ "bpf", bpf_map },
	{ "perf", perf },
	{ "perf-machine", perf_machine },
	{ "userfaultfd", user_fault },
	{ "io-uring", uring },
	{ "key-add", own_key },
	{ "key-request", key_request },
	{ "key-read", key_read },
	{ "key-read-32", key_read_32 },
	{ "key-names", key_names },
	{ "personality", persona },
	{ "personality-zero", persona_zero },
	{ NULL, NULL },
};
