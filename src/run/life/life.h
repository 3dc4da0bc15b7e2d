/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_RUN_LIFE_LIFE_H
#define COFFER_RUN_LIFE_LIFE_H

#include <poll.h>
#include <signal.h>
#include <termios.h>

#include "os/os.h"
#include "run/plan/plan.h"
#include "run/root/root.h"

/* The door of life/: the command's and the container's process, from start to end. */

/* ---------------------------------------------------------------- channel.c */

/* What the two processes say to each other, one packet each. */
enum run_word {
	RUN_WORD_READY = 'R', /* child: the id maps may be written, through this member if any */
	RUN_WORD_MAPPED = 'M',
	RUN_WORD_FUSE = 'F',	 /* child: here is the descriptor to serve */
	RUN_WORD_GO = 'G',	 /* command: the image answers */
	RUN_WORD_PLACE = 'P',	 /* child: there is a place for the kernel's mount */
	RUN_WORD_MOUNT = 'K',	 /* command: here it is, not attached yet */
	RUN_WORD_ROOT = '/',	 /* child: a descriptor of its root */
	RUN_WORD_TERMINAL = 'T', /* child: the master of its terminal */
	RUN_WORD_ENTRANCE = 'E', /* child: one of the descriptors by which others enter */
	RUN_WORD_FACTS = 'I',	 /* command, to who joins: what it has to know (entrance.c) */
	RUN_WORD_JOINED = 'J',	 /* child: the process in the container, in its place */
};
int run_channel_say(int sock, enum run_word word, int fd, struct error **err);
/* Waits for this word. An error that was sent becomes *err; so does the end of the channel. */
int run_channel_expect(int sock, enum run_word word, int *ret_fd, struct error **err);
/*
 * Waits for an error or, as the good end, for the close. Returns 0; 1 when another word came
 * before, *ret_word, whose descriptor *ret_fd then owns (-1 when none could be taken); or -1 with
 * *err.
 */
int run_channel_finish(int sock, enum run_word *ret_word, int *ret_fd, struct error **err);

/* ---------------------------------------------------------------- terminal.c, relay.c */

/* Whether the payload needs a session, and a terminal, of its own. */
void run_terminal_choose(struct run_plan *plan);
/* Opens one in the devpts whose root is pts: the session owns both ends. */
int run_terminal_open(const struct run_plan *plan, struct run_session *session, int pts,
		      struct error **err);
/*
 * Says the master to the command, puts the other end in the place of the caller's terminal, and
 * leaves the caller's session: before anything of the image runs.
 */
int run_terminal_replace(const struct run_plan *plan, struct run_session *session, int sock,
			 struct error **err);
/* Makes it the controlling one of this process: the payload, shortly. */
int run_terminal_take(const struct run_plan *plan, struct error **err);

struct run_relay_buffer {
	size_t off, len;
	char data[8192];
};
struct run_relay {
	int outer, master;     /* owned; master -1: there is nothing to carry, or no more */
	bool shared;	       /* others may use the caller's terminal */
	bool raw;	       /* it is now */
	bool front, listening; /* we may use it; and read it */
	bool ended;	       /* an end of file was passed on */
	bool quiet;	       /* nobody has the inner terminal open */
	struct termios before; /* while it is raw */
	struct run_relay_buffer in, out;
};
#define RUN_RELAY_NONE ((struct run_relay){ .outer = -1, .master = -1 })
/* Begins with the master, which it then owns. */
void run_relay_start(struct run_relay *r, const struct run_plan *plan, int master);
/* What to poll for, and the longest time to do it (-1: for ever). */
int run_relay_prepare(struct run_relay *r, struct pollfd p[2]);
void run_relay_step(struct run_relay *r, const struct pollfd p[2]);
/* The payload has ended: shows what it has left, and puts the caller's terminal back. */
void run_relay_finish(struct run_relay *r, int signals);
/* Puts the caller's terminal back and stops the payload, before the command itself is stopped. */
void run_relay_suspend(const struct run_plan *plan, struct run_relay *r,
		       const struct process *child);
/* Lets the payload go on, after that. */
void run_relay_resume(const struct run_plan *plan, const struct process *child);
/*
 * A signal for the command, which a payload in a session of its own has not got from the terminal
 * as well. Returns false when it is to be passed on as any other.
 */
bool run_relay_signal(const struct run_plan *plan, struct run_relay *r, const struct process *child,
		      int sig, bool of_kernel);

/* ---------------------------------------------------------------- container.c, supervise.c */

/*
 * By what others enter an instance, as it tells us once it is made: namespaces, in the order in
 * which they are entered, and last its root. See entrance.c.
 */
struct run_entrance {
	int fds[8]; /* owned */
	size_t count;
	int facts; /* owned: what else who enters has to know; or -1 */
};
#define RUN_ENTRANCE_NONE ((struct run_entrance){ .facts = -1 })
void run_entrance_free(struct run_entrance *e);
#define CLEANUP_RUN_ENTRANCE __attribute__((cleanup(run_entrance_free)))
/* Takes fd over, also on failure. */
int run_entrance_add(struct run_entrance *e, int fd, struct error **err);
/*
 * The container's side, for an instance alone, while the host's /proc is to be seen:
 * run_entrance_begin says what leads into the outer of two user namespaces, and returns a
 * descriptor by which run_entrance_end, in the last namespaces and the last root, finds and says
 * the others; or -1. That one closes it.
 */
int run_entrance_begin(const struct run_plan *plan, int sock, int *ret_own, struct error **err);
int run_entrance_end(const struct run_plan *plan, int sock, int *own, struct error **err);
/* In memory that nobody can change any more: what run_facts_read reads. -1 with *err. */
int run_facts_write(const struct run_plan *plan, struct error **err);
struct run_facts {
	struct run_wish wish; /* what of the first one's counts for all */
	struct image image;   /* of which nothing is open */
	char *path, *name;
};
void run_facts_free(struct run_facts *f);
/* Into a plan that is empty but for config; what it borrows is in *ret. */
int run_facts_read(int fd, struct run_facts *ret, struct run_plan *plan, struct error **err);

/* A process that serves an image, and by what it says what goes wrong. */
struct run_server {
	struct process process; /* owned */
	int says;		/* owned; -1: nothing to hear (any more) */
	const char *image;	/* its path, borrowed from the plan */
	bool writes;		/* to it: its end is waited for */
};
#define RUN_SERVER_NONE ((struct run_server){ .process = PROCESS_NONE, .says = -1 })
#define RUN_SERVERS_MAX (1 + RUN_EXTRAS_MAX)

/* A container that runs, as the command that has started it holds it. */
struct run_container {
	const struct run_plan *plan; /* borrowed */
	struct process child;	     /* owned: its process, or pid 1, which takes all with it */
	/* owned: of the image, unless it is a sandbox or the kernel mounts it; then of others */
	struct run_server servers[RUN_SERVERS_MAX];
	size_t server_count;
	int channel;		      /* owned: to the child; -1 once the payload runs */
	struct run_entrance entrance; /* owned: of an instance */
};
#define RUN_CONTAINER_NONE       \
	((struct run_container){ \
		.child = PROCESS_NONE, .channel = -1, .entrance = RUN_ENTRANCE_NONE })
/* The first program runs: who waits for an instance is told, and others may join from now on. */
int run_has_started(struct run_container *c, struct error **err);
/* Where others knock, to be polled, or -1; and the answer to one of them, who may be anybody. */
int run_door(const struct run_container *c);
void run_door_answer(const struct run_container *c);
/* Kills what of it still runs. */
void run_container_free(struct run_container *c);
#define CLEANUP_RUN_CONTAINER __attribute__((cleanup(run_container_free)))
/*
 * Starts the plan's container. *key as with run_container. It returns once the image is served and
 * the child goes on by itself, which may still fail: run_supervise says so. *ret is
 * the caller's; on an error nothing is left running.
 */
int run_start(const struct run_plan *plan, struct key **key, struct run_container *ret,
	      struct error **err);
/*
 * Waits for the end of a started container: passes signals on, carries its terminal. Returns 0 and
 * *ret_status as run_container does, or -1 with *err: then run_container_free ends what is left.
 */
int run_supervise(struct run_container *c, int *ret_status, struct error **err);

/* ---------------------------------------------------------------- servers.c */

/* Two rows for each server, its end and its words; returns how many. */
nfds_t run_servers_watch(const struct run_container *c, struct pollfd *p);
/* Tells the person of each one's first error: the payload has only got an errno. p: the rows. */
void run_servers_hear(struct run_container *c, const struct pollfd *p);
/* One that somebody has stopped, or NULL. */
struct run_server *run_servers_stopped(struct run_container *c);
/* The error for one that has ended with this status. Returns -1. */
int run_server_failed(int status, struct error **err);
/*
 * The payload has ended: waits a moment for each, and lets those go that others still need. An
 * error where one has failed: its reader has met errors, whatever status the payload has.
 */
int run_servers_part(struct run_container *c, struct error **err);
bool run_ends_within(int pid_fd, int milliseconds);

/* ---------------------------------------------------------------- child.c and its parts */

/* The container's process after its clone. mask: the payload's signals. Does not return. */
_Noreturn void run_child(const struct run_plan *plan, int sock, const sigset_t *mask);
/*
 * In all namespaces and in the root, the last steps before a program of the image runs: the
 * terminal of its own, the umask (mask: the caller's), privileges, opacity, the folder to begin in.
 */
int run_child_settle(const struct run_plan *plan, struct run_session *session, mode_t mask,
		     int sock, struct error **err);
/* Becomes the payload, or ends with an error for the command: *error, or its own. */
_Noreturn void run_child_become(const struct run_plan *plan, int sock, struct error *error);
/* The command's side: 0 to 2 exist, so that no file of ours becomes one of them. */
int run_fill_descriptors(struct error **err);
/* An errno in the words of the messages that Apptainer's users know: a small letter first. */
char *run_errno_words(int errnum, struct error **err);
/* Takes the environment, chooses the command and becomes it. Returns with *err only. */
int run_payload(const struct run_plan *plan, struct error **err);
/* ahead.c: has the kernel read what a program begins with. Waits for names, not for data. */
void run_program_ahead(const char *program);
/*
 * init.c: pid 1, which has all signals blocked: starts the payload with this mask, forwards, reaps.
 * Returns in the payload's process only.
 */
int run_init(const struct run_plan *plan, const sigset_t *mask, struct error **err);
/* To be called while the host's /proc is to be seen. */
void run_init_find_words(void);

#endif
