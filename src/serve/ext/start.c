/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ext3 images are read and written by another's program, fuse2fs of e2fsprogs: a file system that
 * can be written to is too much to write again, and the kernel's own is for root, with an image
 * that may be anybody's. That program was not made for hostile images, so it gets a cell (cell.c):
 * namespaces, a root and a filter of its own, in which it can reach the image and nothing else.
 *
 * It cannot be handed a mount that is there: it wants to make one. So it is let believe so. In the
 * cell mount(2) is refused, whereupon libfuse starts "fusermount" and wants the descriptor of the
 * mount from that, over a socket that a variable names. There "fusermount" is this program again,
 * which sends the descriptor that the container's process has made (serve_ext_help) and tells the
 * command that the file system could be opened.
 *
 * It holds no key, and is not to be trusted: what it says to the command is a word and a text to be
 * shown. It ends when the mount goes. Its writes go by no journal, so killing it may damage the
 * image: it dies with nobody.
 */
#include "serve/ext/ext.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* It must end where its partition does: what lies behind is not for the program. */
static int check_size(const struct serve_ext *ext, struct error **err)
{
	uint8_t super[SERVE_EXT_SUPER_LEN];
	uint64_t len;
	if (ext->len < SERVE_EXT_SUPER_OFF + sizeof(super))
		return error_set(err, ERROR_DAMAGED, "%s: too small for an ext file system",
				 ext->path);
	ssize_t n = fd_pread(ext->fd, super, sizeof(super), ext->off + SERVE_EXT_SUPER_OFF);
	if (n < 0)
		return error_errno(err, (int)-n, "read %s", ext->path);
	if (serve_ext_length(super, (size_t)n, &len, err) < 0)
		return error_wrap(err, "%s", ext->path);
	if (len <= ext->len)
		return 0;
	return error_set(err, ERROR_DAMAGED, "%s: its ext file system is larger than its place",
			 ext->path);
}

/* ------------------------------------------------------------------ the program's process */

static int place_descriptors(const struct serve_ext *ext, int says, int fuse_fd, struct error **err)
{
	/* Out of the way first, so that none takes the place of another that is still needed. */
	int from[] = { says, fuse_fd, ext->fd, says };
	const int to[] = { EXT_SAYS, EXT_FUSE, EXT_IMAGE, EXT_TELLS };
	const size_t count = sizeof(to) / sizeof(*to);
	for (size_t i = 0; i < count; i++) {
		from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, EXT_LAST + 1);
		if (from[i] < 0)
			return error_errno(err, errno, "keep a descriptor");
	}
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
		return error_errno(err, errno, "close the standard streams");
	for (size_t i = 0; i < count; i++)
		if (dup2(from[i], to[i]) < 0)
			return error_errno(err, errno, "place a descriptor");
	if (close_range(EXT_LAST + 1, ~0U, 0) < 0)
		return error_errno(err, errno, "close descriptors");
	return 0;
}

static int become_program(const struct serve_ext *ext, const char *program, int says, int fuse_fd,
			  struct error **err)
{
	char options[96];
	int n = snprintf(options, sizeof(options), "%s,fakeroot",
			 ext->writable ? "rw" : "ro,norecovery");
	/* Older ones (e2fsprogs before 1.47, in Debian 11) do not know the option. */
	if (ext->off)
		snprintf(options + n, sizeof(options) - (size_t)n, ",offset=%llu",
			 (unsigned long long)ext->off);
	const char *const argv[] = { EXT_PROGRAM, EXT_FILE, EXT_PLACE, "-f",
				     "-s",	  "-o",	    options,   NULL };
	const char *const envp[] = { "PATH=/bin", NULL };
	/* In the namespaces of the fork the image is opened by its name once more: serve_cell_enter
	 */
	if (serve_cell_enter(ext, program, err) < 0 ||
	    place_descriptors(ext, says, fuse_fd, err) < 0 || serve_cell_lock(ext, err) < 0)
		return -1;
	execve(argv[0], (char *const *)argv, (char *const *)envp);
	return error_errno(err, errno, "start %s", program);
}

static _Noreturn void program_main(const struct serve_ext *ext, const char *program, int says,
				   int fuse_fd, uid_t uid, gid_t gid)
{
	CLEANUP_ERROR struct error *err = NULL;
	int fd = fcntl(says, F_DUPFD_CLOEXEC, EXT_LAST + 1);
	if (serve_cell_map(uid, gid, &err) == 0)
		(void)become_program(ext, program, says, fuse_fd, &err);
	/* The words are the program's own else: they come by the same way. */
	if (fcntl(fd, F_GETFD) < 0)
		fd = EXT_SAYS;
	if (err)
		(void)fd_write(fd, error_message(err), strlen(error_message(err)));
	_exit(255);
}

/* ------------------------------------------------------------------ the command's side */

static int no_program(struct error **err)
{
	error_set(err, ERROR_NOT_FOUND, "fuse2fs, which reads ext3 images, is not installed");
	return error_hint(err, "as root: apt-get install fuse2fs");
}

/* Until the file system is open, or the program has ended, whose last words are then told. */
static int await_ready(const struct serve_ext *ext, int says, struct error **err)
{
	char text[1024];
	size_t len = 0;
	for (;;) {
		ssize_t n = read(says, text + len, sizeof(text) - 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n > 0 && memchr(text + len, EXT_READY, (size_t)n))
			return 0;
		len += n > 0 ? (size_t)n : 0;
		if (n <= 0 || len == sizeof(text) - 1)
			break;
	}
	while (len && text[len - 1] == '\n')
		len--;
	text[len] = '\0';
	error_set(err, ERROR_DAMAGED, "%s: fuse2fs does not open it: %s", ext->path,
		  len ? text : "it ended without a word");
	return error_hint(err, "`e2fsck -f` tells whether the file system is sound");
}

int serve_ext_start(const struct serve_ext *ext, int fuse_fd, struct process *ret,
		    struct error **err)
{
	int pair[2];
	CLEANUP_TEXT char *program = process_find_program("fuse2fs", err);
	if (!program)
		return *err ? -1 : no_program(err);
	if (check_size(ext, err) < 0)
		return -1;
	if (pipe2(pair, O_CLOEXEC) < 0)
		return error_errno(err, errno, "make a pipe");
	CLEANUP_FD int ours = pair[0];
	CLEANUP_FD int theirs = pair[1];
	CLEANUP_PROCESS struct process p = PROCESS_NONE;
	const uid_t uid = geteuid();
	const gid_t gid = getegid();
	int r = serve_fork(CLONE_NEWPID | CLONE_NEWUTS, &p, err);
	if (r < 0)
		return -1;
	if (r == 0)
		program_main(ext, program, theirs, fuse_fd, uid, gid);
	fd_close(&theirs);
	if (await_ready(ext, ours, err) < 0)
		return -1;
	*ret = p;
	p = PROCESS_NONE;
	return 0;
}

/* ------------------------------------------------------------------ in place of fusermount */

bool serve_ext_is_helper(const char *argv0)
{
	return argv0 && (!strcmp(argv0, "fusermount") || !strcmp(argv0, "fusermount3") ||
			 !strcmp(argv0, "/bin/fusermount") || !strcmp(argv0, "/bin/fusermount3"));
}

/* As fusermount(1) answers libfuse: one byte, and the descriptor with it. */
int serve_ext_help(void)
{
	static const char ready = EXT_READY;
	const char *number = getenv("_FUSE_COMMFD");
	char byte = 0;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.room,
			    .msg_controllen = sizeof(control.room) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	const int fuse = EXT_FUSE;
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fuse, sizeof(fuse));
	long to = number ? strtol(number, NULL, 10) : -1;
	if (to < 0 || to > INT_MAX || sendmsg((int)to, &m, MSG_NOSIGNAL) != 1)
		return 1;
	return fd_write(EXT_TELLS, &ready, 1) < 0;
}
