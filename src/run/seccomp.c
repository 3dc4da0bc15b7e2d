/* SPDX-License-Identifier: Apache-2.0 */
#include "run/run.h"

#include <seccomp.h>
#include <sys/stat.h>

/*
 * What a root that is mapped alone cannot do, although programs that install packages insist on
 * it: give files to others, make devices, become others. The call is answered with success and
 * not made.
 */
static const int answered[] = {
	SCMP_SYS(chown),       SCMP_SYS(chown32),   SCMP_SYS(fchown),	   SCMP_SYS(fchown32),
	SCMP_SYS(lchown),      SCMP_SYS(lchown32),  SCMP_SYS(fchownat),	   SCMP_SYS(setuid),
	SCMP_SYS(setuid32),    SCMP_SYS(setgid),    SCMP_SYS(setgid32),	   SCMP_SYS(setreuid),
	SCMP_SYS(setreuid32),  SCMP_SYS(setregid),  SCMP_SYS(setregid32),  SCMP_SYS(setresuid),
	SCMP_SYS(setresuid32), SCMP_SYS(setresgid), SCMP_SYS(setresgid32), SCMP_SYS(setfsuid),
	SCMP_SYS(setfsuid32),  SCMP_SYS(setfsgid),  SCMP_SYS(setfsgid32),  SCMP_SYS(setgroups),
	SCMP_SYS(setgroups32),
};

static int add_rules(scmp_filter_ctx ctx, bool owners)
{
	int r = 0;
	/* Programs of the machine's 32-bit kind, too. A kind that is not there is no harm. */
	(void)seccomp_arch_add(ctx, SCMP_ARCH_X86);
	for (size_t i = 0; owners && !r && i < sizeof(answered) / sizeof(*answered); i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(0), answered[i], 0);
	/* Not device 0:0: an overlay's white-outs look so, and anybody may make them. */
	static const unsigned devices[] = { S_IFCHR, S_IFBLK };
	for (size_t i = 0; !r && i < 2; i++) {
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(0), SCMP_SYS(mknod), 2,
				     SCMP_A1(SCMP_CMP_MASKED_EQ, S_IFMT, devices[i]),
				     SCMP_A2(SCMP_CMP_NE, 0));
		if (!r)
			r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(0), SCMP_SYS(mknodat), 2,
					     SCMP_A2(SCMP_CMP_MASKED_EQ, S_IFMT, devices[i]),
					     SCMP_A3(SCMP_CMP_NE, 0));
	}
	return r;
}

int run_pretend_owners(bool owners, struct error **err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	if (!ctx)
		return error_set(err, ERROR_MEMORY, "no memory for a seccomp filter");
	/* no_new_privs is the caller's to set: root in a namespace can load a filter without. */
	int r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
	if (!r)
		r = add_rules(ctx, owners);
	if (!r)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	return r ? error_errno(err, -r, "load the seccomp filter that answers chown and mknod") : 0;
}
