/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cell of a program that reads what an enemy may have written, and that is not ours.
 *
 * Its user namespace has one id, the caller's, its process, network and IPC namespaces nothing
 * else. Its root is a file system in memory, read-only, in which are mounted, read-only too: the
 * program, this one (which answers it once), the folders of the system's libraries, /dev/null, and
 * the image, for writing where that is asked for. No folder of any user, no /etc, no /proc. Then
 * capabilities go, and new privileges; the size of files is bounded by that of the image; and calls
 * that are no business of a file system's are refused (refused_calls). Among these is mount(2), on
 * which the start relies (start.c).
 */
#include "serve/ext/ext.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEMORY_MAX ((rlim_t)1 << 30)
#define FILES_MAX 32

/* ------------------------------------------------------------------ the root */

static int new_root(void)
{
	static const char *const options[] = { "mode",	    "0755", "size", "256k",
					       "nr_inodes", "64",   NULL };
	static const struct mnt_filesystem fs = {
		.type = "tmpfs",
		.source = "none",
		.options = options,
		.attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
	};
	struct mnt_refusal refusal;
	return mnt_new(&fs, &refusal);
}

/* A place in the new root, and what is at the path outside mounted there. */
static int show(int root, const char *path, const char *name, bool folder, uint64_t set,
		struct error **err)
{
	CLEANUP_FD int tree = mnt_clone(AT_FDCWD, path, 0);
	if (tree < 0)
		return error_errno(err, -tree, "bind %s", path);
	if (folder) {
		(void)mkdirat(root, name, 0755);
	} else {
		CLEANUP_FD int made =
			openat(root, name, O_CREAT | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0644);
		if (made < 0)
			return error_errno(err, errno, "make %s in the cell", name);
	}
	int r = mnt_set_all(tree, set | MOUNT_ATTR_NOSUID);
	if (r == 0)
		r = mnt_place(tree, root, name);
	return r < 0 ? error_errno(err, -r, "mount %s in the cell", path) : 0;
}

/* The image: by its name, as a descriptor of another namespace cannot be bound, and the same. */
static int show_image(int root, const struct serve_ext *ext, struct error **err)
{
	struct stat meant, found;
	uint64_t set =
		MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | (ext->writable ? 0 : MOUNT_ATTR_RDONLY);
	if (show(root, ext->path, EXT_FILE + 1, false, set, err) < 0)
		return -1;
	if (fstat(ext->fd, &meant) < 0 || fstatat(root, EXT_FILE + 1, &found, 0) < 0)
		return error_errno(err, errno, "look at %s", ext->path);
	if (meant.st_dev == found.st_dev && meant.st_ino == found.st_ino)
		return 0;
	return error_set(err, ERROR_NOT_FOUND, "%s has changed since it was looked at", ext->path);
}

/* What the loader of programs looks through: links stay links. */
static int show_libraries(int root, struct error **err)
{
	static const char *const folders[] = { "/usr/lib", "/usr/lib64", "/lib", "/lib64" };
	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		char target[PATH_MAX];
		struct stat st;
		if (lstat(folders[i], &st) < 0)
			continue;
		ssize_t len =
			S_ISLNK(st.st_mode) ? readlink(folders[i], target, sizeof(target) - 1) : -1;
		if (len >= 0) {
			target[len] = '\0';
			if (symlinkat(target, root, folders[i] + 1) < 0)
				return error_errno(err, errno, "make %s in the cell", folders[i]);
		} else if (show(root, folders[i], folders[i] + 1, true,
				MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV, err) < 0) {
			return -1;
		}
	}
	return 0;
}

/* The file to start this program by; what it needs beside that is shown. */
static int find_self(int root, char self[PATH_MAX], struct error **err)
{
	ssize_t len = readlink("/proc/self/exe", self, PATH_MAX - 1);
	if (len < 0)
		return error_errno(err, errno, "find this program");
	self[len] = '\0';
#ifdef COFFER_PORTABLE
	/* It is DIR/lib/LINKER that runs, which DIR/coffer starts: dist/portable/coffer.c. */
	char *end = strrchr(self, '/');
	*end = '\0';
	if (show(root, self, "bin/lib", true, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV, err) < 0)
		return -1;
	end = strrchr(self, '/');
	memcpy(end + 1, "coffer", sizeof("coffer"));
#else
	(void)root;
#endif
	return 0;
}

static int show_programs(int root, const char *program, struct error **err)
{
	char self[PATH_MAX];
	const uint64_t set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV;
	if (find_self(root, self, err) < 0)
		return -1;
	return show(root, program, EXT_PROGRAM + 1, false, set, err) < 0 ||
			       show(root, self, "bin/fusermount", false, set, err) < 0 ||
			       show(root, self, "bin/fusermount3", false, set, err) < 0
		       ? -1
		       : 0;
}

static int write_map(const char *path, const char *text, struct error **err)
{
	CLEANUP_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : fd_write(fd, text, strlen(text));
	return r < 0 ? error_errno(err, -r, "write %s", path) : 0;
}

int serve_cell_map(uid_t uid, gid_t gid, struct error **err)
{
	char uids[32], gids[32];
	/* Root where there are no user namespaces has none of its own. */
	if (getuid() == uid)
		return 0;
	/* Its files below /proc are its own only while it may be looked into, and there is nothing
	 * to see: the keys have gone, and the program is started soon. */
	if (prctl(PR_SET_DUMPABLE, 1) < 0)
		return error_errno(err, errno, "open the cell's id maps");
	snprintf(uids, sizeof(uids), "%u %u 1\n", (unsigned)uid, (unsigned)uid);
	snprintf(gids, sizeof(gids), "%u %u 1\n", (unsigned)gid, (unsigned)gid);
	return write_map("/proc/self/setgroups", "deny", err) < 0 ||
			       write_map("/proc/self/uid_map", uids, err) < 0 ||
			       write_map("/proc/self/gid_map", gids, err) < 0
		       ? -1
		       : 0;
}

int serve_cell_enter(const struct serve_ext *ext, const char *program, struct error **err)
{
	static const char *const folders[] = { "usr", "bin", "dev", EXT_PLACE + 1 };
	int r = mnt_propagate(MS_PRIVATE);
	if (r < 0)
		return error_errno(err, -r, "part the mounts of the cell");
	CLEANUP_FD int root = new_root();
	if (root < 0)
		return error_errno(err, -root, "make the root of the cell");
	/* Mounts can only be placed in a tree that has its place; and what is to be bound is found
	 * below the old root, which stays ours until the change. */
	r = mnt_place(root, AT_FDCWD, "/");
	if (r < 0)
		return error_errno(err, -r, "place the root of the cell");
	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++)
		if (mkdirat(root, folders[i], 0755) < 0)
			return error_errno(err, errno, "make %s in the cell", folders[i]);
	if (show_libraries(root, err) < 0 || show_programs(root, program, err) < 0 ||
	    show_image(root, ext, err) < 0 ||
	    show(root, "/dev/null", "dev/null", false, 0, err) < 0 ||
	    /* libfuse opens it before it tries to mount, and has no use for it then. */
	    show(root, "/dev/null", "dev/fuse", false, 0, err) < 0)
		return -1;
	r = mnt_set(root, MOUNT_ATTR_RDONLY, 0);
	if (r == 0)
		r = mnt_change_root(root, false);
	return r < 0 ? error_errno(err, -r, "enter the cell") : 0;
}

/* ------------------------------------------------------------------ privileges */

static const int refused_calls[] = {
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(chroot),
	SCMP_SYS(fsopen),
	SCMP_SYS(fsconfig),
	SCMP_SYS(fsmount),
	SCMP_SYS(fspick),
	SCMP_SYS(move_mount),
	SCMP_SYS(open_tree),
	SCMP_SYS(mount_setattr),
	SCMP_SYS(unshare),
	SCMP_SYS(setns),
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(process_madvise),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(kcmp),
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(keyctl),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(name_to_handle_at),
	SCMP_SYS(personality),
	SCMP_SYS(socket),
	SCMP_SYS(connect),
	SCMP_SYS(bind),
	SCMP_SYS(listen),
	SCMP_SYS(accept4),
	SCMP_SYS(shmget),
	SCMP_SYS(msgget),
	SCMP_SYS(semget),
	SCMP_SYS(mq_open),
	SCMP_SYS(fanotify_init),
	SCMP_SYS(inotify_init1),
	SCMP_SYS(memfd_create),
	SCMP_SYS(memfd_secret),
	SCMP_SYS(quotactl),
	SCMP_SYS(swapon),
	SCMP_SYS(acct),
	SCMP_SYS(syslog),
};

static int filter_calls(struct error **err)
{
	static const scmp_datum_t namespaces = CLONE_NEWUSER;
	scmp_filter_ctx filter = confine_refuse(
		refused_calls, sizeof(refused_calls) / sizeof(*refused_calls), EPERM, err);
	if (!filter)
		return -1;
	int r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
				 SCMP_A0(SCMP_CMP_MASKED_EQ, namespaces, namespaces));
	return confine_load(filter, r, "the cell", err);
}

int serve_cell_lock(const struct serve_ext *ext, struct error **err)
{
	sigset_t none;
	struct stat st;
	if (fstat(EXT_IMAGE, &st) < 0)
		return error_errno(err, errno, "look at %s", ext->path);
	int r = process_drop_capabilities(0);
	if (r < 0)
		return error_errno(err, -r, "drop all capabilities");
	sigemptyset(&none);
	/* A hang-up or Ctrl-C of the caller's terminal is not for it, nor the command's end. */
	if (setsid() < 0 || sigprocmask(SIG_SETMASK, &none, NULL) < 0 ||
	    prctl(PR_SET_PDEATHSIG, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_errno(err, errno, "part the cell from the command");
	const struct confine_limit limits[] = {
		{ RLIMIT_CORE, 0 },
		{ RLIMIT_NOFILE, FILES_MAX },
		{ RLIMIT_MSGQUEUE, 0 },
		{ RLIMIT_FSIZE, ext->writable ? (rlim_t)st.st_size : 0 },
#if !SANITIZED
		{ RLIMIT_DATA, MEMORY_MAX },
#endif
	};
	if (confine_limits(limits, sizeof(limits) / sizeof(*limits), false, err) < 0)
		return -1;
	return filter_calls(err);
}
