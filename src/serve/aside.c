/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking into a tree without a mount. What reads an image's bytes, and has its key, is a process
 * that locks itself in stage by stage, as the server is (isolate.c); it needs nothing but the
 * image's descriptor and a pipe. What comes out of the pipe is text, or a file's bytes, and is
 * never parsed: this process puts it where the user wants it.
 *
 * Where the user may make no namespaces, it keeps the root directory and the network that it was
 * born with, and no way to use them: of the calls that take a path or make a socket the filter lets
 * none through.
 */
#include "serve/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

#define PIECE_LEN ((size_t)64 << 10)

/*
 * AppArmor, where it restricts user namespaces, lets one be made and no mount in it: then it is as
 * where none can be made. The filter, to which no file can be opened, locks it in all the same.
 */
static int leave_root(struct error **err)
{
	if (isolate_root(err) == 0)
		return 0;
	int errnum = error_to_errno(*err);
	if (errnum != EPERM && errnum != EACCES)
		return -1;
	error_free(err);
	return 0;
}

static int lock_in(int image_fd, int out, int says, bool apart, struct error **err)
{
	const int keep[] = { image_fd, out, says };
	const pid_t own = getpid();
	(void)mallopt(M_ARENA_MAX, 1);
	if (isolate_memory(1, err) < 0 ||
	    isolate_descriptors(keep, sizeof(keep) / sizeof(*keep), err) < 0 ||
	    (apart && leave_root(err) < 0) || isolate_privileges(err) < 0 ||
	    isolate_limits(err) < 0)
		return -1;
	return isolate_calls(&own, 1, err);
}

static _Noreturn void aside_main(struct image_tree **tree, const struct serve_aside *plan, int out,
				 int says, bool apart)
{
	CLEANUP_ERROR struct error *err = NULL;
	int r = lock_in(plan->image_fd, out, says, apart, &err);
	if (r == 0)
		r = plan->work(plan->work_context, (*tree)->squash, out, &err);
	/* Who reads no more has seen enough, and says itself what was in its way. */
	if (r < 0 && error_to_errno(err) != EPIPE)
		serve_say(says, err);
	image_tree_free(tree);
	_exit(r < 0 ? 255 : 0);
}

/* What it has said when it has ended. */
static int hear_end(int says, struct process *child, struct error **err)
{
	CLEANUP_WIRE_PACKET struct wire_packet p = WIRE_PACKET_NONE;
	int r = wire_receive(says, &p);
	int status = process_wait(child);
	if (r > 0 && p.error) {
		*err = take_pointer(&p.error);
		return -1;
	}
	if (status)
		return error_set(err, ERROR_SYSTEM,
				 "the process that reads the image ended with status %d", status);
	return 0;
}

static int take_all(int in, const struct serve_aside *plan, struct error **err)
{
	CLEANUP_BUFFER struct buffer b = { 0 };
	char *piece = buffer_reserve(&b, PIECE_LEN, err);
	if (!piece)
		return -1;
	for (;;) {
		ssize_t n = read(in, piece, PIECE_LEN);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, errno,
					   "hear from the process that reads the image");
		if (n == 0)
			return 0;
		if (plan->take(plan->take_context, piece, (size_t)n, err) < 0)
			return -1;
	}
}

int serve_aside(struct image_tree **tree, const struct serve_aside *plan, struct error **err)
{
	int pair[2], pipes[2];
	CLEANUP_PROCESS struct process child = PROCESS_NONE;
	CLEANUP_ERROR struct error *refused = NULL;
	if (wire_open(pair, err) < 0)
		return -1;
	CLEANUP_FD int ours = pair[0];
	CLEANUP_FD int theirs = pair[1];
	if (pipe2(pipes, O_CLOEXEC) < 0)
		return error_errno(err, errno, "make a pipe");
	CLEANUP_FD int in = pipes[0];
	CLEANUP_FD int out = pipes[1];
	int r = serve_fork(0, &child, &refused);
	bool apart = r >= 0;
	if (!apart) {
		log_verbose("The process that reads the image has no namespaces of its own");
		r = process_fork(0, &child);
	}
	if (r == 0)
		aside_main(tree, plan, out, theirs, apart);
	if (r < 0)
		return error_errno(err, -r, "start a process that reads the image");
	image_tree_free(tree);
	/* Else their end would never come. */
	fd_close(&theirs);
	fd_close(&out);
	if (take_all(in, plan, err) < 0)
		return -1;
	return hear_end(ours, &child, err);
}
