/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes that serve images, while the payload runs: what each says, whether it stands still,
 * and how the command parts from them. What is done about it is for supervise.c.
 */
#include "run/internal.h"

#include <poll.h>
#include <time.h>

#define SERVER_REAP_MS 200
/* What a disk may take to be told all that one has written; somebody else may need its mount. */
#define WRITER_REAP_MS 10000

bool run_ends_within(int pid_fd, int milliseconds)
{
	struct pollfd p = { .fd = pid_fd, .events = POLLIN };
	return poll(&p, 1, milliseconds) > 0;
}

int run_server_failed(int status, struct error **err)
{
	if (status > 128)
		error_set(err, ERROR_SYSTEM,
			  "the process that serves the image was killed by signal %d: the "
			  "container was ended",
			  status - 128);
	else
		error_set(err, ERROR_SYSTEM,
			  "the process that serves the image ended (status %d): the container was "
			  "ended",
			  status);
	return error_hint(err, "look for a memory limit or an out-of-memory kill, then run it "
			       "again");
}

/* A server's first error, for the person: the payload has only got an errno. */
static void on_word(struct run_server *s)
{
	char text[SERVE_TEXT_LEN];
	if (serve_hear(s->says, text))
		log_warning("Some of %s cannot be read: %s", s->image, text);
	fd_close(&s->says);
}

struct run_server *run_servers_stopped(struct run_container *c)
{
	for (size_t i = 0; i < c->server_count; i++)
		if (process_is_stopped(&c->servers[i].process))
			return &c->servers[i];
	return NULL;
}

nfds_t run_servers_watch(const struct run_container *c, struct pollfd *p)
{
	for (size_t i = 0; i < c->server_count; i++) {
		const struct run_server *s = &c->servers[i];
		p[2 * i] = (struct pollfd){ .fd = s->process.pid > 0 ? s->process.pid_fd : -1,
					    .events = POLLIN };
		p[2 * i + 1] = (struct pollfd){ .fd = s->says, .events = POLLIN };
	}
	return 2 * c->server_count;
}

void run_servers_hear(struct run_container *c, const struct pollfd *p)
{
	for (size_t i = 0; i < c->server_count; i++)
		if (p[2 * i + 1].revents)
			on_word(&c->servers[i]);
}

/* Of so many milliseconds since `begin`, those that are left. */
static int left_of(int milliseconds, const struct timespec *begin)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	long gone = (now.tv_sec - begin->tv_sec) * 1000 + (now.tv_nsec - begin->tv_nsec) / 1000000;
	return gone < milliseconds ? milliseconds - (int)gone : 0;
}

int run_servers_part(struct run_container *c, struct error **err)
{
	struct timespec begin;
	(void)clock_gettime(CLOCK_MONOTONIC, &begin);
	for (size_t i = 0; i < c->server_count; i++) {
		struct process *p = &c->servers[i].process;
		bool writes = c->servers[i].writes;
		if (p->pid > 0 &&
		    run_ends_within(p->pid_fd,
				    left_of(writes ? WRITER_REAP_MS : SERVER_REAP_MS, &begin))) {
			int end = process_wait(p);
			if (end != 0)
				return run_server_failed(end, err);
		} else if (p->pid > 0 && writes) {
			log_warning("%s is still written to: a process that the container left "
				    "behind has it open",
				    c->servers[i].image);
		}
		/* A child that the payload left behind keeps its mount; the server goes with it. */
		p->pid = 0;
		fd_close(&p->pid_fd);
	}
	return 0;
}
