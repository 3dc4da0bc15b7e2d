/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A new ext3 file system, to be laid over an image (runtime.md 9): the folders "upper" and "work",
 * and nothing else. mkfs.ext3 of e2fsprogs writes it, which copies a folder and the owners of what
 * is in there. So it is started where that folder is: in namespaces of its own, in a file system
 * in memory that no path leads to and that goes with the program, whatever ends it. Who is root in
 * there is root in the image, and a user becomes that without any privilege (USERNS_ROOT_ALONE).
 */
#include "image/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/os.h"

#define MKFS "mkfs.ext3"
#define GO 'g'

/* ------------------------------------------------------------------ the program's process */

/* An empty file system in memory, to which no path leads. */
static int new_layout(struct error **err)
{
	static const char *const options[] = { "mode", "0755", "size", "16m", NULL };
	static const struct mnt_filesystem fs = {
		.type = "tmpfs",
		.source = "none",
		.options = options,
		.attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
	};
	struct mnt_refusal refusal;
	int tree = mnt_new(&fs, &refusal);
	return tree < 0 ? error_errno(err, -tree, "while creating temporary overlay directory")
			: tree;
}

static int make_folder(int layout, const char *path, struct error **err)
{
	CLEANUP_FD int made = path_make_directories(layout, path, 0755);
	return made < 0 ? error_errno(err, -made, "while creating %s", path) : 0;
}

static int make_layout(int layout, const struct strings *folders, struct error **err)
{
	/* What is in the image is for its containers, and not by this shell's umask. */
	(void)umask(0);
	if (make_folder(layout, "upper", err) < 0 || make_folder(layout, "work", err) < 0)
		return -1;
	for (size_t i = 0; i < folders->len; i++) {
		CLEANUP_TEXT char *path = path_join("upper", folders->items[i], err);
		if (!path || make_folder(layout, path, err) < 0)
			return -1;
	}
	return 0;
}

static int become_program(const char *program, int file, const struct image_ext3_wish *wish,
			  struct error **err)
{
	char target[32];
	CLEANUP_FD int layout = new_layout(err);
	if (layout < 0 || make_layout(layout, &wish->folders, err) < 0)
		return -1;
	CLEANUP_FD int kept = dup(file); /* without FD_CLOEXEC: the program opens it by that */
	if (kept < 0 || fchdir(layout) < 0)
		return error_errno(err, errno, "enter the temporary overlay directory");
	snprintf(target, sizeof(target), "/proc/self/fd/%d", kept);
	const char *const argv[] = { MKFS, "-q", "-d", ".", target, NULL };
	const char *const envp[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	execve(program, (char *const *)argv, (char *const *)envp);
	return error_errno(err, errno, "start %s", program);
}

static _Noreturn void program_main(const char *program, int file,
				   const struct image_ext3_wish *wish, int sock)
{
	CLEANUP_ERROR struct error *err = NULL;
	CLEANUP_WIRE_PACKET struct wire_packet go = WIRE_PACKET_NONE;
	/* Until the maps are written it is nobody, whose files nobody owns. */
	if (wire_receive(sock, &go) == 1 && go.word == GO)
		(void)become_program(program, file, wish, &err);
	if (err)
		(void)wire_send_error(sock, err);
	_exit(255);
}

/* ------------------------------------------------------------------ the command's side */

static int no_program(struct error **err)
{
	error_set(err, ERROR_NOT_FOUND, "exec: \"%s\": executable file not found in $PATH", MKFS);
	return error_hint(err, "as root: apt-get install e2fsprogs");
}

/* Waits for the program; what it says itself is on standard error. */
static int await(struct process *p, int sock, const char *path, struct error **err)
{
	CLEANUP_WIRE_PACKET struct wire_packet said = WIRE_PACKET_NONE;
	/* Nothing comes once the program has taken over: its end of the socket closes then. */
	if (wire_receive(sock, &said) == 1 && said.error) {
		*err = take_pointer(&said.error);
		return error_wrap(err, "while creating ext3 partition in %s", path);
	}
	int status = process_wait(p);
	if (status < 0)
		return error_errno(err, -status, "wait for %s", MKFS);
	if (!status)
		return 0;
	return error_set(err, ERROR_SYSTEM, "while creating ext3 partition in %s: exit status %d",
			 path, status);
}

static int start(const char *program, int file, const struct image_ext3_wish *wish,
		 struct process *ret, int *ret_sock, struct error **err)
{
	int pair[2];
	if (wire_open(pair, err) < 0)
		return -1;
	CLEANUP_FD int ours = pair[0];
	CLEANUP_FD int theirs = pair[1];
	/* The machine's root needs no namespace to mount, and has no other id to be. */
	const bool own = geteuid() != 0;
	int r = process_fork(CLONE_NEWNS | (own ? CLONE_NEWUSER : 0U), ret);
	if (r < 0) {
		error_errno(err, -r, "while creating temporary overlay directory");
		return error_hint(err, "it takes a user and a mount namespace: `coffer doctor` "
				       "tells whether this machine has them");
	}
	if (r == 0) {
		fd_close(&ours);
		program_main(program, file, wish, theirs);
	}
	fd_close(&theirs);
	if (own && userns_write(ret->pid, wish->as_root ? USERNS_ROOT_ALONE : USERNS_SELF, err) < 0)
		return -1;
	if ((r = wire_send(ours, GO, -1)) < 0)
		return error_errno(err, -r, "start %s", MKFS);
	*ret_sock = fd_steal(&ours);
	return 0;
}

int image_make_ext3(int fd, const char *path, const struct image_ext3_wish *wish,
		    struct error **err)
{
	CLEANUP_PROCESS struct process p = PROCESS_NONE;
	CLEANUP_FD int sock = -1;
	CLEANUP_TEXT char *program = process_find_program(MKFS, err);
	if (!program)
		return *err ? -1 : no_program(err);
	if (ftruncate(fd, (off_t)wish->len) < 0)
		return error_errno(err, errno, "while zero'ing overlay image %s", path);
	if (start(program, fd, wish, &p, &sock, err) < 0 || await(&p, sock, path, err) < 0)
		return -1;
	/* mkfs leaves holes where nothing is yet. Filled now, a full disk is no I/O error of the
	 * container's. Some file systems cannot do that. */
	if (!wish->sparse && fallocate(fd, 0, 0, (off_t)wish->len) < 0 && errno != EOPNOTSUPP)
		return error_errno(err, errno, "while zero'ing overlay image %s", path);
	return 0;
}
