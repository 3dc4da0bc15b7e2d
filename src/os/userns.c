/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User namespaces: which ids a container may have, and writing them down (user_namespaces(7)).
 *
 * A process in a new user namespace is nobody until its maps are written, and they can be written
 * once. The kernel lets an ordinary user map one id, his own, to any number; that needs setgroups
 * to be denied first, since a group that keeps somebody out of a file could be dropped otherwise.
 * More ids have to be handed out by the machine's root: those that /etc/subuid and /etc/subgid
 * name, written by newuidmap and newgidmap, which are setuid root and look there themselves. So
 * there are these maps:
 *
 *   SELF         U is U: one is oneself inside. The kernel allows it to everybody
 *   ROOT_ALONE   0 is U, and there is nobody else: other owners are pretended (filter.c)
 *   ROOT_SUBIDS  0 is U; 1, 2, ... are the subordinate ids, to give files to, as apt wants
 *   SHIFTED      0, 1, ... are ids that are nobody's here: for the machine's root (shift.c)
 *
 * The maps are written from outside, by the command, while the child waits: newuidmap has its
 * rights only in the namespace in which it is setuid root. The child is not dumpable, so its files
 * below /proc are root's; a user's maps are written through another member of the namespace, which
 * has nothing that anybody might look at (member.c).
 */
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#define SUBIDS_LIMIT ((size_t)16 << 20)
#define SUBIDS_WANTED 65536u

struct range {
	unsigned long start, count;
};

static bool number(const char *text, unsigned long *ret)
{
	char *end;
	errno = 0;
	*ret = strtoul(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && !errno && *ret < UINT32_MAX;
}

/*
 * The user's range in /etc/subuid or /etc/subgid: the first of exactly 65536 ids, else the
 * largest above (runtime.md 11). False when there is none, or a "!" says disabled.
 */
static bool find_range(const char *path, const char *user, struct range *ret)
{
	CLEANUP_ERROR struct error *ignored = NULL;
	CLEANUP_BUFFER struct buffer text = { 0 };
	if (fd_read_file(AT_FDCWD, path, SUBIDS_LIMIT, &text, &ignored) < 0)
		return false;
	char uid[16];
	snprintf(uid, sizeof(uid), "%u", (unsigned)getuid());
	struct range best = { 0 };
	char *rest = text.data;
	for (char *line; rest && (line = strsep(&rest, "\n"));) {
		char *name = strsep(&line, ":");
		char *start = line ? strsep(&line, ":") : NULL;
		struct range r;
		bool disabled = *name == '!';
		if (disabled)
			name++;
		if ((!user || strcmp(name, user) != 0) && strcmp(name, uid) != 0)
			continue;
		if (disabled)
			return false;
		if (!start || !line || !number(start, &r.start) || !number(line, &r.count) ||
		    r.count < SUBIDS_WANTED || r.count > UINT32_MAX - r.start)
			continue;
		if (best.count != SUBIDS_WANTED &&
		    (r.count == SUBIDS_WANTED || r.count > best.count))
			best = r;
	}
	*ret = best;
	return best.count > 0;
}

#define SUBUID "/etc/subuid"
#define SUBGID "/etc/subgid"

/* NULL when both files have a range, else the one that has none. */
static const char *find_ranges(struct range *uids, struct range *gids)
{
	const struct passwd *pw = account_user(getuid());
	const char *user = pw ? pw->pw_name : NULL;
	return !find_range(SUBUID, user, uids)	 ? SUBUID
	       : !find_range(SUBGID, user, gids) ? SUBGID
						 : NULL;
}

/*
 * The ids of a root that is not the machine's, where /etc/subuid gives root none: 65536 that
 * nobody hands out. They end where systemd's foreign range begins (0x7FFE0000), and lie above what
 * systemd gives to containers (to 0x6FFFFFFF), useradd to users (to 600100000) and SSSD to those
 * of a directory (to 2000200000); from 0x80000000 on programs take ids for negative numbers.
 */
#define SHIFT_START 0x7FFD0000UL
/* Below lie the machine's own users and those of systemd. */
#define SHIFT_LOWEST 65536UL

/* Whether all of the range has numbers in this process's user namespace. */
static bool range_is_mapped(const char *map, const struct range *r)
{
	CLEANUP_ERROR struct error *ignored = NULL;
	CLEANUP_BUFFER struct buffer text = { 0 };
	if (fd_read_file(AT_FDCWD, map, 65536, &text, &ignored) < 0 || !text.len)
		return false;
	char *rest = text.data;
	for (char *line; (line = strsep(&rest, "\n"));) {
		unsigned long inside = strtoul(line, &line, 10);
		(void)strtoul(line, &line, 10);
		unsigned long count = strtoul(line, &line, 10);
		if (r->start >= inside && r->start - inside < count &&
		    r->count <= count - (r->start - inside))
			return true;
	}
	return false;
}

static bool shift_range(const char *file, const char *map, struct range *ret)
{
	if (find_range(file, "root", ret) && ret->start >= SHIFT_LOWEST &&
	    range_is_mapped(map, ret))
		return true;
	*ret = (struct range){ .start = SHIFT_START, .count = SUBIDS_WANTED };
	return range_is_mapped(map, ret);
}

static bool shift_ranges(struct range *uids, struct range *gids)
{
	return shift_range(SUBUID, "/proc/self/uid_map", uids) &&
	       shift_range(SUBGID, "/proc/self/gid_map", gids);
}

bool userns_can_shift(void)
{
	struct range uids, gids;
	return getuid() == 0 && shift_ranges(&uids, &gids);
}

static bool in_path(const char *program)
{
	CLEANUP_ERROR struct error *ignored = NULL;
	CLEANUP_TEXT char *file = process_in_path(program, &ignored);
	return file != NULL;
}

bool userns_has_subids(void)
{
	struct range uids, gids;
	return !find_ranges(&uids, &gids);
}

int userns_best_root(bool ignore_subids, enum userns_map *ret, struct error **err)
{
	struct range uids, gids;
	const char *lacks = ignore_subids ? SUBUID : find_ranges(&uids, &gids);
	if (lacks) {
		log_info("User not listed in %s, trying root-mapped namespace", lacks);
		*ret = USERNS_ROOT_ALONE;
		return 0;
	}
	const char *program = !in_path("newuidmap")   ? "newuidmap"
			      : !in_path("newgidmap") ? "newgidmap"
						      : NULL;
	if (program) {
		/* To go on would be to make other owners than the site has provided for. */
		error_set(err, ERROR_SYSTEM,
			  "%s was not found in PATH, and the ids that " SUBUID
			  " gives you cannot be had without it",
			  program);
		return error_hint(err, "have the package uidmap installed (shadow-utils, where "
				       "there is none), or leave these ids unused and all files "
				       "root's: --ignore-subuid");
	}
	*ret = USERNS_ROOT_SUBIDS;
	return 0;
}

/* In one write: the kernel takes a map whole or not at all. */
static int write_proc(pid_t pid, const char *name, const char *text)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	CLEANUP_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return fd_write(fd, text, strlen(text));
}

static int refused(int errnum, const char *what, struct error **err)
{
	error_errno(err, errnum, "Failed to create user namespace: write %s", what);
	error_set_kind(err, ERROR_SYSTEM);
	return error_hint(err, "where AppArmor restricts user namespaces, root can allow them: "
			       "sysctl kernel.apparmor_restrict_unprivileged_userns=0");
}

/* The caller's own ids, each to one number: all that a user may do without help. */
static int map_one(pid_t pid, unsigned uid, unsigned gid, struct error **err)
{
	char text[64];
	/* Needed before gid_map may be written without privilege. Old kernels have no such file. */
	int r = write_proc(pid, "setgroups", "deny");
	if (r < 0 && r != -ENOENT)
		return refused(-r, "setgroups", err);
	snprintf(text, sizeof(text), "%u %u 1\n", gid, (unsigned)getgid());
	r = write_proc(pid, "gid_map", text);
	if (r < 0)
		return refused(-r, "gid_map", err);
	snprintf(text, sizeof(text), "%u %u 1\n", uid, (unsigned)getuid());
	r = write_proc(pid, "uid_map", text);
	return r < 0 ? refused(-r, "uid_map", err) : 0;
}

/* Who opens /dev/stdout asks for the pipe's owner; it goes with its last user, unlike a terminal.
 */
static void give_pipes(uid_t uid, gid_t gid)
{
	for (int fd = 0; fd < 3; fd++) {
		struct statfs fs;
		if (fstatfs(fd, &fs) == 0 && fs.f_type == PIPEFS_MAGIC && fchown(fd, uid, gid) < 0)
			log_debug("give a pipe away: %s", strerror(errno));
	}
}

/* For uid 0, who may write any map: 65536 ids from the range on. */
static int map_shifted(pid_t pid, struct error **err)
{
	struct range uids, gids;
	char text[64];
	if (!shift_ranges(&uids, &gids))
		return error_set(err, ERROR_INTERNAL, "no ids for the container's root");
	snprintf(text, sizeof(text), "0 %lu %lu\n", gids.start, gids.count);
	int r = write_proc(pid, "gid_map", text);
	snprintf(text, sizeof(text), "0 %lu %lu\n", uids.start, uids.count);
	if (r == 0)
		r = write_proc(pid, "uid_map", text);
	if (r == 0) {
		give_pipes((uid_t)uids.start, (gid_t)gids.start);
		return 0;
	}
	error_errno(err, -r, "Failed to create user namespace: map the ids from %lu on",
		    uids.start);
	error_set_kind(err, ERROR_SYSTEM);
	return error_hint(err, "root needs the capabilities CAP_SETUID and CAP_SETGID for it; or "
			       "run it as a user");
}

/* newuidmap or newgidmap: PID 0 OWN 1 1 START COUNT. It looks itself whether that is allowed. */
static int run_helper(const char *program, const char *file, pid_t pid, unsigned id,
		      const struct range *range, struct error **err)
{
	char target[16], own[16], start[24], count[24];
	snprintf(target, sizeof(target), "%d", (int)pid);
	snprintf(own, sizeof(own), "%u", id);
	snprintf(start, sizeof(start), "%lu", range->start);
	snprintf(count, sizeof(count), "%lu", range->count);
	const char *const argv[] = { program, target, "0", own, "1", "1", start, count, NULL };
	struct process_spawn spawn = PROCESS_SPAWN;
	spawn.argv = argv;
	int status = process_run(&spawn, err);
	if (status < 0)
		return -1;
	if (status) {
		error_set(err, ERROR_SYSTEM, "%s could not write the id map (status %d)", program,
			  status);
		return error_hint(err, "check that %s is setuid root and that %s names you",
				  program, file);
	}
	return 0;
}

int userns_write(pid_t pid, enum userns_map map, struct error **err)
{
	struct range uids, gids;
	switch (map) {
	case USERNS_SELF:
		return map_one(pid, (unsigned)getuid(), (unsigned)getgid(), err);
	case USERNS_ROOT_ALONE:
		return map_one(pid, 0, 0, err);
	case USERNS_SHIFTED:
		return map_shifted(pid, err);
	case USERNS_ROOT_SUBIDS:
		break;
	}
	const char *lacks = find_ranges(&uids, &gids);
	if (lacks)
		return error_set(err, ERROR_SYSTEM, "no range of %u subordinate ids in %s",
				 SUBIDS_WANTED, lacks);
	if (run_helper("newgidmap", SUBGID, pid, (unsigned)getgid(), &gids, err) < 0)
		return -1;
	return run_helper("newuidmap", SUBUID, pid, (unsigned)getuid(), &uids, err);
}

bool userns_single_id(void)
{
	CLEANUP_ERROR struct error *ignored = NULL;
	CLEANUP_BUFFER struct buffer text = { 0 };
	if (fd_read_file(AT_FDCWD, "/proc/self/uid_map", 4096, &text, &ignored) < 0 || !text.len)
		return false;
	/* user_namespaces(7): each line has the first id inside, the first outside, and how many.
	 */
	char *at = text.data;
	for (int field = 1; field < 3; field++)
		(void)strtoul(at, &at, 10);
	return strtoul(at, &at, 10) == 1 && strcmp(at, "\n") == 0;
}
