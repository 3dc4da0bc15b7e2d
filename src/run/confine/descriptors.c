/* SPDX-License-Identifier: Apache-2.0 */
#include "run/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * What the caller has open. A folder among it leads out of any root: with --contain the payload
 * gets what was named, by --keep-fd or by systemd's protocol (sd_listen_fds(3)), and nothing else.
 */

#define LISTEN_START 3

/* A whole number in decimal and nothing else, from `least` to INT_MAX; else -1. */
static int number(const char *text, int least)
{
	char *end;
	if (!text || *text < '0' || *text > '9')
		return -1;
	errno = 0;
	long n = strtol(text, &end, 10);
	return errno || *end || n < least || n > INT_MAX ? -1 : (int)n;
}

/* Ours are closed on exec, and the caller's that are so marked have not come here. */
static bool callers(int fd)
{
	int flags = fcntl(fd, F_GETFD);
	return flags >= 0 && !(flags & FD_CLOEXEC);
}

static bool named(const struct run_plan *plan, int fd)
{
	const struct strings *keep = &plan->wish->keep_fd;
	if (fd >= LISTEN_START && fd - LISTEN_START < plan->listen_fds)
		return true;
	for (size_t i = 0; i < keep->len; i++) {
		if (number(keep->items[i], 0) == fd)
			return true;
	}
	return false;
}

static int check_named(const struct run_wish *wish, struct error **err)
{
	for (size_t i = 0; i < wish->keep_fd.len; i++) {
		const char *text = wish->keep_fd.items[i];
		int fd = number(text, STDERR_FILENO + 1);
		if (fd < 0) {
			error_set(err, ERROR_USAGE,
				  "--keep-fd %s: not the number of a descriptor above 2", text);
			return error_hint(err, "0 to 2 are always kept; give others one by one: "
					       "--keep-fd 3 --keep-fd 4");
		}
		if (!callers(fd)) {
			error_set(err, ERROR_NOT_FOUND, "--keep-fd %d: no such descriptor is open",
				  fd);
			return error_hint(err, "open it for coffer, in a shell: %d<FILE", fd);
		}
	}
	return 0;
}

static int refuse_folders(struct error **err)
{
	static const char *const names[] = { "standard input", "standard output",
					     "standard error" };
	struct stat st;
	for (int fd = 0; fd < 3; fd++) {
		if (fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode))
			continue;
		error_set(err, ERROR_USAGE,
			  "%s is a folder, by which the payload could leave the container",
			  names[fd]);
		return error_hint(err, "give it a file or /dev/null, or leave --contain out");
	}
	return 0;
}

int run_descriptors_choose(struct run_plan *plan, struct error **err)
{
	if (number(getenv("LISTEN_PID"), 1) == getpid()) {
		int n = number(getenv("LISTEN_FDS"), 1);
		plan->listen_fds = n < 0 ? 0 : n;
	}
	if (check_named(plan->wish, err) < 0)
		return -1;
	return plan->contain ? refuse_folders(err) : 0;
}

/* ours: those that exec would close, too; left: the caller's that are not named, too. */
static int close_each(const struct run_plan *plan, bool ours, bool left, const int keep[3],
		      struct error **err)
{
	CLEANUP_DIRECTORY struct directory d = { 0 };
	int r = directory_open(AT_FDCWD, "/proc/self/fd", &d);
	for (const struct dirent *e; r == 0 && (e = directory_next(&d));) {
		int fd = (int)strtol(e->d_name, NULL, 10);
		if (fd <= STDERR_FILENO || fd == dirfd(d.stream) || fd == keep[0] ||
		    fd == keep[1] || fd == keep[2])
			continue;
		if (callers(fd) ? left && !named(plan, fd) : ours)
			(void)close(fd);
	}
	r = r < 0 ? r : -d.errnum;
	return r < 0 ? error_errno(err, -r, "look at the open files in /proc/self/fd") : 0;
}

int run_descriptors_close(const struct run_plan *plan, const int keep[3], struct error **err)
{
	return close_each(plan, true, plan->contain, keep, err);
}

int run_leave_descriptors(const struct run_wish *wish, struct error **err)
{
	const struct run_plan plan = { .wish = wish };
	if (check_named(wish, err) < 0)
		return -1;
	return close_each(&plan, false, true, (const int[3]){ -1, -1, -1 }, err);
}

int run_descriptors_environment(const struct run_plan *plan, struct strings *env,
				struct error **err)
{
	static const char *const variables[] = { "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES" };
	if (!plan->listen_fds) {
		/* They speak of descriptors that somebody else has, or that are closed now. */
		for (size_t i = 0; plan->contain && i < 3; i++)
			run_env_unset(env, variables[i]);
		return 0;
	}
	char pid[16], count[16];
	const char *names = getenv("LISTEN_FDNAMES");
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	snprintf(count, sizeof(count), "%d", plan->listen_fds);
	if (run_env_set(env, "LISTEN_PID", pid, err) < 0 ||
	    run_env_set(env, "LISTEN_FDS", count, err) < 0)
		return -1;
	return names ? run_env_set(env, "LISTEN_FDNAMES", names, err) : 0;
}
