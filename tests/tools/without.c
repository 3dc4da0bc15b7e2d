/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a program on a kernel that lacks some calls, or refuses them: a filter answers.
 *   without CALL[=EPERM]... -- PROGRAM [ARGUMENT...]
 * Unless it says EPERM the answer is ENOSYS. CALL may be O_TMPFILE: files without a name, which not
 * every file system has.
 */
#include <errno.h>
#include <fcntl.h>
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
		if (!strcmp(argv[i], "O_TMPFILE")) {
			if (seccomp_rule_add(filter, SCMP_ACT_ERRNO(EOPNOTSUPP), SCMP_SYS(openat),
					     1,
					     SCMP_A2(SCMP_CMP_MASKED_EQ, O_TMPFILE, O_TMPFILE)) < 0)
				return 125;
			continue;
		}
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
