/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which namespaces the container gets, and whether the kernel makes the image's mount. What the
 * site does not let users have is left out and said, or refused.
 */
#include "run/plan/internal.h"

#include <ctype.h>
#include <sched.h>
#include <string.h>

static int no_kernel_mount(enum error_kind kind, const char *why, struct error **err)
{
	error_set(err, kind, "--mount=kernel: %s", why);
	return error_hint(err, "leave --mount=kernel out: coffer then serves the image itself");
}

/*
 * A wish on the command line is done or refused; that of the configuration is for those who can
 * have it. File systems of block devices, and dm-crypt, are for the first user namespace alone.
 */
int run_choose_kernel_mount(struct run_plan *plan, struct error **err)
{
	const struct seal *seal = image_seal(plan->image);
	bool can = plan->uid == 0 && !plan->user_namespace && process_in_first_user_namespace();
	if (!plan->wish->kernel_mount) {
		plan->kernel_mount = plan->config->mount_kernel && seal && seal->map && can;
		return 0;
	}
	if (image_is_folder(plan->image))
		return no_kernel_mount(ERROR_UNSUPPORTED, "a sandbox has nothing to mount", err);
	if (seal && !seal->map) {
		CLEANUP_TEXT char *why =
			text_printf(err, "the kernel cannot mount a %s image", seal->title);
		return why ? no_kernel_mount(ERROR_UNSUPPORTED, why, err) : -1;
	}
	if (!can)
		return no_kernel_mount(ERROR_SYSTEM,
				       "it is for root alone, and outside of user namespaces "
				       "(--userns, --fakeroot)",
				       err);
	plan->kernel_mount = true;
	return 0;
}

/* RFC 1123, as Apptainer takes it: labels of letters, digits and hyphens, 64 bytes in all. */
static bool hostname_ok(const char *name)
{
	size_t len = strlen(name);
	if (!len || len > 64)
		return false;
	for (size_t i = 0; i < len; i++) {
		bool edge = !i || i + 1 == len || name[i - 1] == '.' || name[i + 1] == '.';
		if (!(isalnum((unsigned char)name[i]) ||
		      ((name[i] == '-' || name[i] == '.') && !edge)))
			return false;
	}
	return true;
}

/* A namespace that the site does not let users have is left out, and that is said. */
static bool namespace_allowed(bool wanted, bool allowed, const char *name)
{
	if (wanted && !allowed)
		log_warning("Not virtualizing %s namespace by configuration", name);
	return wanted && allowed;
}

/* What ends an instance ends its pid 1, and with that all that is in it. */
static int no_instance(struct error **err)
{
	error_set(err, ERROR_POLICY, "an instance needs a pid namespace of its own");
	return error_hint(err, "`allow pid ns = no` in the site configuration: ask the "
			       "administrator");
}

/* Flags for the clone; the mount namespace is always among them. */
int run_choose_namespaces(struct run_plan *plan, struct error **err)
{
	const struct run_wish *wish = plan->wish;
	const struct config *c = plan->config;
	if (wish->hostname && !hostname_ok(wish->hostname))
		return error_set(err, ERROR_USAGE,
				 "container creation failed: unable to add %s to hostname file: "
				 "%s is not a valid hostname",
				 wish->hostname, wish->hostname);
	plan->clone_flags |= CLONE_NEWNS;
	/* What a section of a build leaves running ends with it. */
	if (wish->stay && !c->allow_pid_ns)
		return no_instance(err);
	bool pid = wish->pid || wish->containall || wish->stay;
	plan->pid_namespace = wish->for_build || namespace_allowed(pid, c->allow_pid_ns, "pid");
	if (plan->pid_namespace)
		plan->clone_flags |= CLONE_NEWPID;
	plan->init = plan->pid_namespace && (!wish->no_init || wish->stay);
	if (namespace_allowed(wish->ipc || wish->containall, c->allow_ipc_ns, "ipc"))
		plan->clone_flags |= CLONE_NEWIPC;
	if (namespace_allowed(wish->uts || wish->hostname, c->allow_uts_ns, "uts"))
		plan->clone_flags |= CLONE_NEWUTS;
	return run_network_choose(plan, err);
}
