/* SPDX-License-Identifier: Apache-2.0 */
#include "os/os.h"

#include <errno.h>
#include <seccomp.h>

int confine_limits(const struct confine_limit *list, size_t count, bool soft, struct error **err)
{
	for (size_t i = 0; i < count; i++) {
		const int resource = list[i].resource;
		struct rlimit now;
		if (getrlimit((__rlimit_resource_t)resource, &now) < 0)
			return error_errno(err, errno, "read resource limit %d", resource);
		rlim_t own = soft ? now.rlim_cur : now.rlim_max;
		rlim_t value = own < list[i].most ? own : list[i].most;
		const struct rlimit wanted = { value, value };
		if (setrlimit((__rlimit_resource_t)resource, &wanted) < 0)
			return error_errno(err, errno, "set resource limit %d", resource);
	}
	return 0;
}

static int refuse(scmp_filter_ctx filter, const int *calls, size_t count, int errnum)
{
	/* By the numbers of another architecture each call would be another one. */
	int r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	for (size_t i = 0; i < count && r == 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO((uint32_t)errnum), calls[i], 0);
	return r ? r : seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

void *confine_refuse(const int *calls, size_t count, int errnum, struct error **err)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	if (!filter) {
		(void)error_no_memory(err);
		return NULL;
	}
	int r = refuse(filter, calls, count, errnum);
	if (r == 0)
		return filter;
	seccomp_release(filter);
	(void)error_errno(err, -r, "make a filter of system calls");
	(void)error_set_kind(err, ERROR_SYSTEM);
	return NULL;
}

int confine_load(void *filter, int r, const char *whose, struct error **err)
{
	r = r ? r : seccomp_load(filter);
	seccomp_release(filter);
	if (r == 0)
		return 0;
	(void)error_errno(err, -r, "filter the system calls of %s", whose);
	return error_set_kind(err, ERROR_SYSTEM);
}
