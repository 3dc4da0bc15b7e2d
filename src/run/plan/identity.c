/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who the payload is, outside and inside: ids, whether they take a user namespace, the map of ids,
 * and what the account databases say of the user. All of it is looked up in the command, since in
 * the container's process there are other ids and another root.
 */
#include "run/plan/internal.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool has_sys_admin(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };
	return syscall(SYS_capget, &header, data) == 0 && data[0].effective & 1u << CAP_SYS_ADMIN;
}

/*
 * Who the payload is, inside and outside, and whether that takes a user namespace. A process that
 * is in one already (a section of a build) makes no second one. With one, the map follows from what
 * the caller may hand out (userns.c), and from that whose the image's files are shown to be: where
 * one id is mapped, all others would be nobody's, so they are shown as the user's.
 */
int run_choose_users(struct run_plan *plan, struct error **err)
{
	const struct run_wish *wish = plan->wish;
	plan->uid = plan->inside_uid = getuid();
	plan->gid = plan->inside_gid = getgid();
	/* All other owners would show as nobody. */
	plan->own_all = userns_single_id();
	plan->fake_root = wish->fakeroot;
	if (wish->allow_setuid && plan->uid != 0) {
		error_set(err, ERROR_POLICY,
			  "Could not configure --allow-setuid: --allow-setuid requires root "
			  "privileges");
		return error_hint(err, "leave --allow-setuid out: a user's set-user-ID files would "
				       "have no effect");
	}
	if (wish->inherit_namespaces)
		return 0;
	/* Real root needs no user namespace, and with one could not have the kernel's mounts. */
	if (plan->uid == 0 && !wish->userns && !wish->fakeroot && has_sys_admin())
		return 0;
	if (run_policy_user_namespace(plan->config, err) < 0)
		return -1;
	plan->user_namespace = true;
	plan->clone_flags |= CLONE_NEWUSER;
	plan->map = USERNS_SELF;
	if (userns_can_shift())
		plan->map = USERNS_SHIFTED;
	else if (wish->fakeroot && userns_best_root(wish->ignore_subuid, &plan->map, err) < 0)
		return -1;
	plan->own_all = plan->map == USERNS_SELF || plan->map == USERNS_ROOT_ALONE;
	if (plan->map != USERNS_SELF)
		plan->inside_uid = plan->inside_gid = 0;
	if (plan->map == USERNS_ROOT_ALONE) {
		log_info("Changes of owners and device files will be pretended only");
		plan->pretend_owners = true;
	}
	return 0;
}

/* The line of a group that the caller is in; one without a name is left out, as it says nothing. */
static int add_group(struct run_plan *plan, gid_t gid, struct error **err)
{
	const struct group *g = account_group(gid);
	if (!g || !plan->user)
		return 0;
	CLEANUP_TEXT char *line =
		text_printf(err, "%s:x:%u:%s", g->gr_name, (unsigned)gid, plan->user);
	if (!line)
		return -1;
	for (size_t i = 0; i < plan->groups.len; i++) {
		if (!strcmp(plan->groups.items[i], line))
			return 0;
	}
	return strings_add(&plan->groups, line, err);
}

/* Everything that NSS knows, before the root changes. */
int run_look_up_user(struct run_plan *plan, struct error **err)
{
	const struct passwd *pw = account_user(plan->uid);
	plan->user = pw ? text_dup(pw->pw_name, err) : text_printf(err, "%u", (unsigned)plan->uid);
	plan->gecos = plan->user ? text_dup(pw && pw->pw_gecos ? pw->pw_gecos : "", err) : NULL;
	plan->passwd_home =
		plan->gecos ? text_dup(pw && *pw->pw_dir == '/' ? pw->pw_dir : "/", err) : NULL;
	plan->shell =
		plan->passwd_home ? text_dup(pw && pw->pw_shell ? pw->pw_shell : "", err) : NULL;
	if (!plan->shell)
		return -1;
	gid_t groups[1024];
	int count = getgroups(1024, groups);
	for (int i = 0; i < count; i++) {
		if (add_group(plan, groups[i], err) < 0)
			return -1;
	}
	return add_group(plan, plan->gid, err);
}
