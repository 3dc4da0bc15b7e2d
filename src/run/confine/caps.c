/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capabilities of the payload: spec runtime.md 12. A user's payload has none, and root's has those
 * of its user namespace, all but what the options and the site take away. They cannot be given to a
 * user: his payload could undo the binds that are read-only or cover something, which for
 * --fakeroot one more namespace prevents (lock.c).
 */
#include "run/internal.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>

uint64_t run_plan_nosuid(const struct run_plan *plan)
{
	return plan->wish->allow_setuid || plan->wish->for_build ? 0 : MOUNT_ATTR_NOSUID;
}

#define ALL UINT64_MAX

/* In the order of the kernel's numbers. */
static const char *const names[] = {
	"CHOWN",
	"DAC_OVERRIDE",
	"DAC_READ_SEARCH",
	"FOWNER",
	"FSETID",
	"KILL",
	"SETGID",
	"SETUID",
	"SETPCAP",
	"LINUX_IMMUTABLE",
	"NET_BIND_SERVICE",
	"NET_BROADCAST",
	"NET_ADMIN",
	"NET_RAW",
	"IPC_LOCK",
	"IPC_OWNER",
	"SYS_MODULE",
	"SYS_RAWIO",
	"SYS_CHROOT",
	"SYS_PTRACE",
	"SYS_PACCT",
	"SYS_ADMIN",
	"SYS_BOOT",
	"SYS_NICE",
	"SYS_RESOURCE",
	"SYS_TIME",
	"SYS_TTY_CONFIG",
	"MKNOD",
	"LEASE",
	"AUDIT_WRITE",
	"AUDIT_CONTROL",
	"SETFCAP",
	"MAC_OVERRIDE",
	"MAC_ADMIN",
	"SYSLOG",
	"WAKE_ALARM",
	"BLOCK_SUSPEND",
	"AUDIT_READ",
	"PERFMON",
	"BPF",
	"CHECKPOINT_RESTORE",
};
_Static_assert(sizeof(names) / sizeof(*names) == CAP_CHECKPOINT_RESTORE + 1, "a name is missing");

/* One capability's bit, all of them for "all", or 0. With CAP_ or without, in any case. */
static uint64_t bits_of(const char *name, size_t len)
{
	if (len == 3 && !strncasecmp(name, "all", 3))
		return ALL;
	if (len > 4 && !strncasecmp(name, "CAP_", 4)) {
		name += 4;
		len -= 4;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strlen(names[i]) == len && !strncasecmp(names[i], name, len))
			return UINT64_C(1) << i;
	return 0;
}

/* The capabilities of a list with commas. What is none is left out with a warning when it would
 * have been added; as one that shall go it is an error: the caller believes that it is gone. */
static int parse(const char *list, bool add, uint64_t *ret, struct error **err)
{
	for (const char *at = list; *at;) {
		at += strspn(at, ", ");
		size_t len = strcspn(at, ", ");
		uint64_t bits = bits_of(at, len);
		*ret |= bits;
		if (len && !bits && add)
			log_warning("won't add unknown capability: %.*s", (int)len, at);
		else if (len && !bits) {
			error_set(err, ERROR_USAGE, "unknown capability in --drop-caps: %.*s",
				  (int)len, at);
			return error_hint(err, "capabilities(7) has their names; \"all\" is all");
		}
		at += len;
	}
	return 0;
}

/* What only root may ask for, or has a use for. */
static int refuse_for_user(const struct run_plan *plan, struct error **err)
{
	const struct run_wish *wish = plan->wish;
	if (wish->keep_privs && plan->uid != 0) {
		error_set(err, ERROR_POLICY,
			  "Could not configure --keep-privs: --keep-privs requires root "
			  "privileges");
		return error_hint(err, "leave --keep-privs out: a user has no privileges to keep");
	}
	if (wish->add_caps && plan->inside_uid != 0) {
		error_set(err, ERROR_UNSUPPORTED,
			  "--add-caps is not supported for a user's container, which has no "
			  "capabilities");
		return error_hint(err, "with --fakeroot the container's root has all that its own "
				       "user namespace gives");
	}
	return 0;
}

int run_capabilities_choose(struct run_plan *plan, struct error **err)
{
	const struct run_wish *wish = plan->wish;
	uint64_t add = 0, drop = 0;
	if (refuse_for_user(plan, err) < 0)
		return -1;
	/* A section of a build makes files for others: its definition is trusted. */
	bool site = plan->config->root_capabilities == CONFIG_ROOT_FULL || plan->user_namespace ||
		    wish->keep_privs || wish->for_build;
	/* As Apptainer's: of no effect with --fakeroot, whose privileges are its own. */
	bool none = wish->no_privs && !plan->user_namespace;
	if (wish->add_caps && parse(wish->add_caps, true, &add, err) < 0)
		return -1;
	if (wish->drop_caps && parse(wish->drop_caps, false, &drop, err) < 0)
		return -1;
	plan->capabilities = none ? 0 : ((site ? ALL : 0) | add) & ~drop;
	return 0;
}

int run_drop_privileges(const struct run_plan *plan, struct error **err)
{
	/* Before the capabilities go: without no_new_privs the filter needs one of them. */
	if (plan->pretend_owners && run_pretend_owners(true, err) < 0)
		return -1;
	/* Root alone in its namespace keeps setuid programs harmless by itself (runtime.md 11). */
	bool root = plan->inside_uid == 0;
	uint64_t keep = root ? plan->capabilities : 0;
	int r = keep == ALL ? 0 : process_drop_capabilities(keep);
	if (r < 0)
		return error_errno(err, -r, "drop capabilities");
	/* Who is not all of root gets no more by exec; and without CAP_SYS_ADMIN the filter wants
	 * it. */
	bool quiet_setuid = keep != ALL ||
			    (plan->user_namespace && !plan->own_all && !plan->wish->allow_setuid);
	if (quiet_setuid && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_errno(err, errno, "set no_new_privs");
	return 0;
}
