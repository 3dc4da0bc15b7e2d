/* SPDX-License-Identifier: Apache-2.0 */
#include "instance/internal.h"

#include <poll.h>
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

/* How long a keeper may take to end when its container is gone: it waits for the image's server. */
#define KEEPER_MS 20000

static int send_signal(int process, int sig)
{
	/* With a value: pid 1 shall end by it, whatever signal it is. */
	siginfo_t info = { .si_signo = sig, .si_code = SI_QUEUE };
	info.si_pid = getpid();
	info.si_uid = getuid();
	info.si_int = RUN_STOP;
	return (int)syscall(SYS_pidfd_send_signal, process, sig, &info, 0) < 0 ? -errno : 0;
}

static bool ends_within(int process, long milliseconds)
{
	struct pollfd p = { .fd = process, .events = POLLIN };
	int n;
	do
		n = poll(&p, 1, (int)milliseconds);
	while (n < 0 && errno == EINTR);
	return n > 0;
}

static void say(const char *what, const struct instance *i, const char *how)
{
	log_info("%s %s instance of %s (PID=%d)%s", what, i->name, i->image, (int)i->init, how);
}

int instance_stop(const struct instance *i, int sig, long seconds, struct error **err)
{
	CLEANUP_FD int keeper = instance_open_process(i->keeper, 0);
	CLEANUP_FD int init = instance_open_process(i->init, i->born);
	if (keeper < 0 || init < 0)
		return 0; /* it has ended meanwhile */
	say("Stopping", i, "");
	int r = send_signal(init, sig);
	if (r < 0 && r != -ESRCH)
		return error_errno(err, -r, "send a signal to instance %s", i->name);
	if (!ends_within(init, seconds * 1000)) {
		say("Killing", i, " (Timeout)");
		(void)send_signal(init, SIGKILL);
	}
	if (!ends_within(keeper, KEEPER_MS)) {
		error_set(err, ERROR_SYSTEM, "instance %s does not end", i->name);
		return error_hint(err, "its keeper is process %d", (int)i->keeper);
	}
	return 0;
}
