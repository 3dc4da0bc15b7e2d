/* SPDX-License-Identifier: Apache-2.0 */
#include "run/internal.h"

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Networks: runtime.md 11. There is the host's, and "none", which has lo alone. */

static int refuse(const char *name, struct error **err)
{
	bool bridge = !strcmp(name, "bridge");
	if (bridge && getuid() != 0)
		error_set(err, ERROR_UNSUPPORTED,
			  "container creation failed: network requires root or a suid installation "
			  "with /etc/subuid "
			  "--fakeroot; non-root users can only use --network=none unless permitted "
			  "by the administrator");
	else
		error_set(err, ERROR_UNSUPPORTED,
			  "network %s needs CNI plugins, which coffer does not use", name);
	return error_hint(err,
			  "coffer has one network, with lo alone: --net --network none; without "
			  "--net the container has that of this machine");
}

int run_network_choose(struct run_plan *plan, struct error **err)
{
	const struct run_wish *wish = plan->wish;
	const char *name = wish->network && *wish->network ? wish->network : NULL;
	if (name && !wish->net)
		log_info("Setting --net (required by --network)");
	if (!name && !wish->net)
		return 0;
	if (!name)
		name = "bridge";
	if (strcmp(name, "none") != 0) {
		if (!wish->fakeroot)
			return refuse(name, err);
		log_warning("fakeroot with unprivileged installation or 'allow setuid = no' could "
			    "not use 'fakeroot' network, fallback to 'none' network");
	}
	plan->clone_flags |= CLONE_NEWNET;
	return 0;
}

int run_network_start(const struct run_plan *plan, struct error **err)
{
	if (!(plan->clone_flags & CLONE_NEWNET))
		return 0;
	/* netdevice(7): any socket will do, and this kind is in every kernel. */
	CLEANUP_FD int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq lo = { .ifr_name = "lo" };
	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &lo) < 0)
		return error_errno(err, errno, "look at lo of the container's network");
	lo.ifr_flags |= IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &lo) < 0)
		return error_errno(err, errno, "set lo of the container's network up");
	return 0;
}
