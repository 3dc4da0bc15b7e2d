/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_SERVE_SERVE_H
#define COFFER_SERVE_SERVE_H

#include <fcntl.h>

#include "image/image.h"
#include "os/os.h"

/*
 * The door of serve/: an opened tree served as a FUSE file system by one process that locks
 * itself in. Three steps, in two processes:
 *
 *   1. the container's process, in its own user and mount namespace:  mount_attach (mount/)
 *   2. it sends the descriptor to the command (wire_send) and closes it
 *   3. the command, which holds the opened tree:                       serve_start
 *
 * The kernel demands that the opener of /dev/fuse and the mounter share a user namespace, so the
 * server cannot do step 1 itself. Until it answers, whoever looks into the mount waits.
 *
 * A dead server is noticed (ENOTCONN) only when nobody else holds the descriptor: so neither the
 * container's process nor the command may keep it.
 */

/*
 * Opened with both, which nobody does by chance (GNU tar has the first alone), a file is read as it
 * is asked for: the server reads nothing ahead for who asks for it himself.
 */
#define SERVE_AS_ASKED (O_NONBLOCK | O_APPEND)

/* A mount point that the image lacks, or has a link for: at the end of the path that is covered. */
struct serve_place {
	const char *path; /* absolute, without links on the way; borrowed */
	bool directory;	  /* else an empty file */
};
/*
 * Has the server show places for mounts as if they were in the image. `root` is the mount's root.
 * Once, before anything of the image runs, and without places too: the server takes no second list.
 * ERROR_LIMIT when they are too many.
 */
int serve_places(int root, const struct serve_place *places, size_t count, struct error **err);

struct serve_options {
	bool own_all; /* everything is shown as owned by `uid` and `gid` (container's numbers) */
	uid_t uid;    /* used with own_all */
	gid_t gid;
	unsigned threads; /* 0: as many as CPUs, at least 2, at most 8 */
	int image_fd;	  /* what the tree reads from, kept open; -1: nothing */
};

/*
 * Forks the server. It takes the tree with its keys and fuse_fd; the caller then frees its own
 * tree and closes its descriptor. The server drops everything else (empty root, no capabilities,
 * no new privileges, seccomp allow-list, not dumpable) and ends when the mount goes, also long
 * after the command: signals from the terminal and the death of the command do not reach it.
 * Returns when it has locked itself in and answers, or with the error that kept it from doing so.
 *
 * No thread may have been started in the calling process. *ret is the caller's to watch; freeing
 * it (process_kill) kills the server. *ret_says: serve_hear.
 */
int serve_start(struct image_tree *tree, int fuse_fd, const struct serve_options *options,
		struct process *ret, int *ret_says, struct error **err);

/*
 * An ext2, ext3 or ext4 file system, served by the program fuse2fs in a cell (serve/ext/start.c).
 * The file is the one at fd, and its name leads to it still.
 */
struct serve_ext {
	int fd;		   /* the image; for writing where it is writable */
	const char *path;  /* absolute */
	uint64_t off, len; /* where in it the file system is */
	bool writable;
};
/*
 * Starts it on fuse_fd, which is the caller's still. It ends when the mount goes, and has written
 * everything by then. ERROR_NOT_FOUND where the program is not installed; ERROR_DAMAGED where the
 * file system is none, or none that it takes, in the program's words.
 */
int serve_ext_start(const struct serve_ext *ext, int fuse_fd, struct process *ret,
		    struct error **err);
/* How long a file system is, by its superblock: at this offset, so many bytes. ERROR_DAMAGED. */
#define SERVE_EXT_SUPER_OFF 1024
#define SERVE_EXT_SUPER_LEN 1024
int serve_ext_length(const void *super, size_t len, uint64_t *ret, struct error **err);
/*
 * What the program starts, as it believes, to have its mount made: called by one of these names,
 * this program hands over the descriptor of the mount that is there. For the beginning of main.
 */
bool serve_ext_is_helper(const char *argv0);
int serve_ext_help(void);

/*
 * Who gets an error from the mount sees its number alone, or a SIGBUS. So the server says the first
 * one in words: when *ret_says can be read, this takes them, once. False when there are none. The
 * text is a hostile one's when the server is: to be shown by log_say alone.
 */
#define SERVE_TEXT_LEN 1024
bool serve_hear(int says, char text[SERVE_TEXT_LEN]);

/*
 * A server that somebody has stopped leaves whoever looks into the image waiting: one that stays so
 * for this long is to be given up, with this error (ERROR_SYSTEM), as serve_start itself does.
 */
#define SERVE_STOPPED_MS 2000
int serve_stopped(struct error **err);

/*
 * For who only looks into a tree: `work` reads it in a process that locks itself in as the server
 * does, as far as this user may make namespaces, and writes to `out`. What it has written comes to
 * `take` in this process, in pieces: bytes of a stranger. The tree is freed in this process before
 * anything is read. image_fd: what it reads from. No thread may have been started. The error is
 * that of `take`, or of `work`.
 */
typedef int serve_work(void *context, struct squash *sq, int out, struct error **err);
typedef int serve_take(void *context, const void *data, size_t len, struct error **err);
struct serve_aside {
	serve_work *work;
	void *work_context;
	serve_take *take;
	void *take_context;
	int image_fd;
};
int serve_aside(struct image_tree **tree, const struct serve_aside *plan, struct error **err);

#endif
