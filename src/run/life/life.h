/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_RUN_LIFE_LIFE_H
#define COFFER_RUN_LIFE_LIFE_H

#include <poll.h>
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
};
int run_channel_say(int sock, enum run_word word, int fd, struct error **err);
/* Waits for this word. An error that was sent becomes *err; so does the end of the channel. */
int run_channel_expect(int sock, enum run_word word, int *ret_fd, struct error **err);
/*
 * Waits for an error or, as the good end, for the close. Returns 0; 1 when a RUN_WORD_ROOT or
 * RUN_WORD_TERMINAL came before, whose descriptor *ret_root or *ret_terminal then owns (-1 when
 * none could be taken); or -1 with *err.
 */
int run_channel_finish(int sock, int *ret_root, int *ret_terminal, struct error **err);

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
/*
 * A signal for the command, which a payload in a session of its own has not got from the terminal
 * as well. Returns false when it is to be passed on as any other.
 */
bool run_relay_signal(const struct run_plan *plan, struct run_relay *r, const struct process *child,
		      int sig, bool of_kernel);

/* ---------------------------------------------------------------- container.c, supervise.c */

/* A container that runs, as the command that has started it holds it. */
struct run_container {
	const struct run_plan *plan; /* borrowed */
	struct process child;	     /* owned: its process, or pid 1, which takes all with it */
	struct process server; /* owned: of the image; none with a kernel mount or a sandbox */
	int channel;	       /* owned: to the child; -1 once the payload runs */
	int says;	       /* owned: of the server; -1: nothing to hear (any more) */
};
#define RUN_CONTAINER_NONE       \
	((struct run_container){ \
		.child = PROCESS_NONE, .server = PROCESS_NONE, .channel = -1, .says = -1 })
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

/* ---------------------------------------------------------------- child.c and its parts */

/* The container's process after its clone. Does not return. */
_Noreturn void run_child(const struct run_plan *plan, int sock);
/* An errno in the words of the messages that Apptainer's users know: a small letter first. */
char *run_errno_words(int errnum, struct error **err);
/* Takes the environment, chooses the command and becomes it. Returns with *err only. */
int run_payload(const struct run_plan *plan, struct error **err);
/* ahead.c: has the kernel read what a program begins with. Waits for names, not for data. */
void run_program_ahead(const char *program);
/* init.c: pid 1: starts the payload, forwards, reaps. Returns in the payload's process only. */
int run_init(const struct run_plan *plan, struct error **err);
/* To be called while the host's /proc is to be seen. */
void run_init_find_words(void);

#endif
