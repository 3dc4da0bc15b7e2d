/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands/doctor/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "config/config.h"
#include "run/run.h"

#include "config.h"

/* ------------------------------------------------------------------ subordinate ids */

int doctor_ids(struct doctor *d, struct error **err)
{
	static const char name[] = "subordinate ids";
	static const struct doctor_cost none = {
		"whatever is built belongs to root alone; apt and dpkg in %post are told that "
		"changes of owner were made",
		NULL,
		"usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER, with "
		"ranges that are nobody else's"
	};
	static const struct doctor_cost helper = {
		"nothing can be built or run with --fakeroot, but with --ignore-subuid", NULL,
		"apt install uidmap; it has to be set-user-ID, on a file system without nosuid"
	};
	enum userns_map map;
	CLEANUP_ERROR struct error *refusal = NULL;
	if (getuid() == 0)
		return doctor_add(d, name, DOCTOR_OK, NULL, err, "root needs none");
	if (userns_best_root(false, &map, &refusal) < 0)
		return doctor_add(d, name, DOCTOR_LESS, &helper, err, "%s", error_message(refusal));
	if (map == USERNS_ROOT_ALONE)
		return doctor_add(d, name, DOCTOR_LESS, &none, err,
				  "none for you in /etc/subuid and /etc/subgid");
	for (size_t i = 0; i < 2; i++) {
		CLEANUP_TEXT char *full = process_in_path(i ? "newgidmap" : "newuidmap", err);
		struct stat st;
		if (!full && *err)
			return -1;
		/* File capabilities do as well; there is no telling what they are worth. */
		if (full && stat(full, &st) == 0 && !(st.st_mode & S_ISUID) &&
		    getxattr(full, "security.capability", NULL, 0) <= 0)
			return doctor_add(d, name, DOCTOR_LESS, &helper, err,
					  "%s is not set-user-ID", full);
	}
	return doctor_add(d, name, DOCTOR_OK, NULL, err, "yours, with newuidmap and newgidmap");
}

/* ------------------------------------------------------------------ memory */

/* As much as the secrets of one command and its server take, with room: secret/secret.h. */
#define LOCKED_WANTED ((rlim_t)1 << 20)

int doctor_memory(struct doctor *d, struct error **err)
{
	static const struct doctor_cost locked = {
		"keys may be swapped to a disk", "ulimit -l unlimited, where the hard limit allows",
		"a line in /etc/security/limits.d: * - memlock 8192"
	};
	static const struct doctor_cost swap = {
		"what a container has decrypted may be written to it; the keys are not", NULL,
		"swapoff -a, or swap that is encrypted with a key of each start's own"
	};
	static const struct doctor_cost little = {
		"an image that was made where there is more memory may not be unlocked here",
		"coffer ... --max-kdf-memory=MiB", NULL
	};
	struct rlimit limit;
	if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
		return error_errno(err, errno, "getrlimit");
	bool root = getuid() == 0 && process_in_first_user_namespace();
	bool enough = root || limit.rlim_cur >= LOCKED_WANTED;
	if (doctor_add(d, "memory to lock", enough ? DOCTOR_OK : DOCTOR_LESS,
		       enough ? NULL : &locked, err,
		       limit.rlim_cur == RLIM_INFINITY ? "no limit" : "at most %llu KiB",
		       (unsigned long long)limit.rlim_cur >> 10) < 0)
		return -1;

	CLEANUP_TEXT char *swaps = doctor_read("/proc/swaps");
	CLEANUP_BUFFER struct buffer named = { 0 };
	char *rest = swaps;
	for (char *line; rest && (line = strsep(&rest, "\n"));) {
		/* "Filename  Type ..." is the first; zram is memory. */
		if (*line == '/' && strncmp(line, "/dev/zram", 9) != 0 &&
		    buffer_printf(&named, err, " %.*s", (int)strcspn(line, " \t"), line) < 0)
			return -1;
	}
	if (doctor_add(d, "swap", named.len ? DOCTOR_LESS : DOCTOR_OK, named.len ? &swap : NULL,
		       err, "%s%s", named.len ? "on" : "none on a disk",
		       named.len ? named.data : "") < 0)
		return -1;

	/* What Argon2 may ask for by default, of it three quarters are given. */
	unsigned long long mib = memory_available("/") >> 20;
	bool low = mib / 4 * 3 < 1024;
	return doctor_add(d, "memory for unlocking", low ? DOCTOR_LESS : DOCTOR_OK,
			  low ? &little : NULL, err, "%llu MiB, three quarters of %llu MiB",
			  mib / 4 * 3, mib);
}

/* ------------------------------------------------------------------ folders */

int doctor_folders(struct doctor *d, struct error **err)
{
	static const struct doctor_cost noexec = { "a sandbox that is built there cannot be run",
						   "build sandboxes in another folder", NULL };
	static const struct doctor_cost closed = { "nothing can be built there",
						   "name another folder", "chmod 1777 it" };
	static const char *const folders[] = { "/tmp", "/var/tmp" };
	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		struct statvfs fs;
		int r = statvfs(folders[i], &fs);
		int status = r < 0 || access(folders[i], W_OK) < 0
				     ? doctor_add(d, folders[i], DOCTOR_LESS, &closed, err, "%s",
						  strerror(errno))
			     : fs.f_flag & ST_NOEXEC
				     ? doctor_add(d, folders[i], DOCTOR_LESS, &noexec, err,
						  "writable, mounted noexec")
				     : doctor_add(d, folders[i], DOCTOR_OK, NULL, err, "writable");
		if (status < 0)
			return -1;
	}
	return 0;
}

/* ------------------------------------------------------------------ what is around */

static int nested(struct doctor *d, struct error **err)
{
	static const struct doctor_cost inside = { "what the outer container does not allow cannot "
						   "be had in it, whatever this machine "
						   "allows: devices, subordinate ids, file systems",
						   NULL, NULL };
	static const char *const marks[] = { "/.dockerenv", "/run/.containerenv",
					     "/run/systemd/container", "/.singularity.d" };
	if (!process_in_first_user_namespace())
		return doctor_add(d, "surroundings", DOCTOR_LESS, &inside, err,
				  "in a user namespace of somebody's");
	for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++) {
		if (access(marks[i], F_OK) == 0)
			return doctor_add(d, "surroundings", DOCTOR_LESS, &inside, err,
					  "in a container, by %s", marks[i]);
	}
	return doctor_add(d, "surroundings", DOCTOR_OK, NULL, err, "no container");
}

/* Whether one's own control group could have groups below it, as limits for a container need. */
static int control_group(struct doctor *d, struct error **err)
{
	CLEANUP_TEXT char *mine = doctor_read("/proc/self/cgroup");
	char *group = mine ? strstr(mine, "0::/") : NULL;
	if (!group)
		return doctor_add(d, "control groups", DOCTOR_OK, NULL, err,
				  "not version 2 alone; coffer sets no limits");
	group += 3;
	group[strcspn(group, "\n")] = 0;
	CLEANUP_TEXT char *folder = text_printf(err, "/sys/fs/cgroup%s/cgroup.procs", group);
	if (!folder)
		return -1;
	return doctor_add(d, "control groups", DOCTOR_OK, NULL, err,
			  "%s, %s; coffer sets no limits", group,
			  access(folder, W_OK) == 0 ? "yours" : "not yours");
}

static int configuration(struct doctor *d, struct error **err)
{
	static const struct doctor_cost faulty = { "nothing is run or built until it is mended",
						   "coffer config check",
						   "mend what coffer config check tells" };
	CLEANUP_CONFIG struct config config = { 0 };
	CLEANUP_ERROR struct error *fault = NULL;
	if (config_default(&config, err) < 0)
		return -1;
	if (config_read(&config, COFFER_CONFIG_FILE, NULL, &fault) < 0)
		return doctor_add(d, "configuration", DOCTOR_BAD, &faulty, err, "%s",
				  error_message(fault));
	bool there = access(COFFER_CONFIG_FILE, F_OK) == 0;
	return doctor_add(d, "configuration", DOCTOR_OK, NULL, err, "%s%s", COFFER_CONFIG_FILE,
			  there ? "" : " is not there; the defaults hold");
}

int doctor_surroundings(struct doctor *d, struct error **err)
{
	return nested(d, err) < 0 || control_group(d, err) < 0 ? -1 : configuration(d, err);
}

int doctor_programs(struct doctor *d, struct error **err)
{
	static const struct {
		const char *name;
		struct doctor_cost cost;
	} programs[] = {
		{ "debootstrap",
		  { "no definition with \"Bootstrap: debootstrap\" can be built", NULL,
		    "apt install debootstrap" } },
		{ "skopeo",
		  { "images of registries cannot be fetched to build upon", NULL,
		    "apt install skopeo" } },
	};
	for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++) {
		CLEANUP_TEXT char *full = process_find_program(programs[i].name, err);
		if ((!full && *err) ||
		    doctor_add(d, programs[i].name, full ? DOCTOR_OK : DOCTOR_LESS,
			       full ? NULL : &programs[i].cost, err, "%s",
			       full ? full : "neither in PATH nor in the usual folders") < 0)
			return -1;
	}
	return 0;
}
