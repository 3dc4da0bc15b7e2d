/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a program on a kernel that lacks some calls, or refuses them: a filter answers.
 *   without CALL[=EPERM]... -- PROGRAM [ARGUMENT...]
 * Unless it says EPERM the answer is ENOSYS.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int i = 1;
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	if (!filter)
		return 125;
	for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
		char *answer = strchr(argv[i], '=');
		if (answer)
			*answer = 0;
		int call = seccomp_syscall_resolve_name(argv[i]);
		uint32_t action = (uint32_t)SCMP_ACT_ERRNO(answer ? EPERM : ENOSYS);
		if (call == __NR_SCMP_ERROR || seccomp_rule_add(filter, action, call, 0) < 0) {
			fprintf(stderr, "without: no call %s\n", argv[i]);
			return 125;
		}
	}
	if (i + 1 >= argc || seccomp_load(filter) < 0)
		return 125;
	seccomp_release(filter);
	execvp(argv[i + 1], argv + i + 1);
	perror(argv[i + 1]);
	return 126;
}
