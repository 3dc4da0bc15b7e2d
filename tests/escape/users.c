/* SPDX-License-Identifier: Apache-2.0 */
/* Who one may become in the container, and what that gives: files of the host's other users on a
 * bind. */
#include "attempt.h"
#include <grp.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* Every id that we may take, and what each reads. */
static enum result with_all_ids(const char *path)
{
	static const unsigned int ids[] = { 0,	  1,	 2,	999,   1000, 1001,
					    1002, 64998, 65533, 65534, 65535 };
	bool any = false;
	if (read_path(path) == OUT)
		return OUT;
	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
		int status = 0;
		pid_t child = fork();
		if (child == 0) {
			(void)!setresgid(ids[i], ids[i], ids[i]);
			(void)!setgroups(0, NULL);
			if (setresuid(ids[i], ids[i], ids[i]) < 0)
				_exit(2);
			_exit(read_path(path) == OUT);
		}
		waitpid(child, &status, 0);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 1) {
			note("%s: read as %u", path, ids[i]);
			return OUT;
		}
		any |= WIFEXITED(status) && WEXITSTATUS(status) == 0;
	}
	note("%s", any ? "took other ids, and none reads it" : "no other id");
	return REFUSED;
}

static enum result read_roots(void)
{
	return with_all_ids("/rw/root-only");
}

static enum result read_others(void)
{
	return with_all_ids("/rw/others");
}

static enum result write_roots(void)
{
	return open_to_write("/rw/root-owned");
}

/* A file that denies one of our groups what it lets everybody else. */
static enum result drop_groups(void)
{
	if (setgroups(0, NULL) < 0)
		return refused("setgroups");
	return read_path("/rw/not-for-group");
}

/* As somebody else of the container, a set-uid file of the image, or one with capabilities. */
static enum result gain_by(const char *program)
{
	int status = 0;
	pid_t child = fork();
	if (child == 0) {
		(void)!setgroups(0, NULL);
		(void)!setresgid(1, 1, 1);
		/* It may be answered with success and not be done. */
		if (setresuid(1, 1, 1) < 0 || getuid() != 1)
			_exit(3);
		execl(program, program, "who", (char *)NULL);
		_exit(2);
	}
	waitpid(child, &status, 0);
	note("%s: status %d", program, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	return WIFEXITED(status) && WEXITSTATUS(status) == 1 ? OUT : REFUSED;
}

static enum result set_uid(void)
{
	return gain_by("/bin/set-uid");
}

static enum result file_capabilities(void)
{
	return gain_by("/bin/capable");
}

const struct attempt user_attempts[] = {
	{ "read-root", read_roots },
	{ "read-others", read_others },
	{ "write-root", write_roots },
	{ "drop-groups", drop_groups },
	{ "set-uid", set_uid },
	{ "file-capabilities", file_capabilities },
	{ NULL, NULL },
};
