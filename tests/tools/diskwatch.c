/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches every file on the file system of a path that is written and closed, whoever does it and
 * in whatever mount namespace, also files without a name, and looks into each for texts that must
 * not be there.
 *
 *   diskwatch READY PATH TEXT...
 *
 * Makes the file READY once it watches; ends on SIGTERM. Prints "seen PATH" for each file and
 * "FOUND number-of-text PATH" for each finding; exit status 1 with a finding. Needs root.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <unistd.h>

static volatile sig_atomic_t stop;

static void on_term(int sig)
{
	(void)sig;
	stop = 1;
}

static int look_into(int fd, char **texts, int count)
{
	static char buf[1 << 20];
	char link[64], path[PATH_MAX] = "?";
	int found = 0;
	size_t keep = 0;
	ssize_t n;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (readlink(link, path, sizeof(path) - 1) < 0)
		snprintf(path, sizeof(path), "?");
	printf("seen %s\n", path);
	/* The end of one piece is kept before the next, so that a text across both is seen. */
	/* Holes are passed over: a sparse file may be larger than any test can read. */
	for (off_t off = 0; (off = lseek(fd, off, SEEK_DATA)) >= 0 &&
			    (n = pread(fd, buf + keep, sizeof(buf) - keep, off)) > 0;) {
		size_t len = keep + (size_t)n;
		off += n;
		for (int i = 0; i < count; i++) {
			if (memmem(buf, len, texts[i], strlen(texts[i]))) {
				printf("FOUND %d %s\n", i, path);
				found = 1;
			}
		}
		keep = len < 256 ? len : 256;
		memmove(buf, buf + len - keep, keep);
	}
	return found;
}

int main(int argc, char **argv)
{
	if (argc < 4)
		return 2;
	struct sigaction action = { .sa_handler = on_term };
	sigset_t term, before;
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	/* Let in by ppoll alone, so that it cannot come between a look at `stop` and the wait. */
	sigprocmask(SIG_BLOCK, &term, &before);
	sigaction(SIGTERM, &action, NULL);
	int fan = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK | FAN_UNLIMITED_QUEUE,
				O_RDONLY | O_LARGEFILE | O_CLOEXEC);
	if (fan < 0 || fanotify_mark(fan, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_CLOSE_WRITE,
				     AT_FDCWD, argv[2]) < 0) {
		perror("diskwatch: fanotify");
		return 2;
	}
	close(open(argv[1], O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	int found = 0;
	for (;;) {
		static char events[65536] __attribute__((aligned(8)));
		ssize_t len = read(fan, events, sizeof(events));
		if (len < 0 && errno == EAGAIN && !stop) {
			struct pollfd poll = { .fd = fan, .events = POLLIN };
			(void)ppoll(&poll, 1, NULL, &before);
			continue;
		}
		/* After the signal what is queued is still looked at. */
		if (len <= 0)
			break;
		const struct fanotify_event_metadata *e = (void *)events;
		for (; FAN_EVENT_OK(e, len); e = FAN_EVENT_NEXT(e, len)) {
			if (e->fd < 0)
				continue;
			found |= look_into(e->fd, argv + 3, argc - 3);
			close(e->fd);
		}
	}
	fflush(stdout);
	return found;
}
