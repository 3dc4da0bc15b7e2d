/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_BUILDER_REMOTE_H
#define COFFER_BUILDER_REMOTE_H

/* The processes of a build and what they tell each other: remote.c. */

#include "base/base.h"
#include "os/os.h"

struct build;

/* The words between the command and its processes (os/wire.h); each may bring a descriptor. */
enum message {
	MESSAGE_NAMESPACES = 'N', /* the builder exists; it waits for its id maps */
	MESSAGE_GO = 'G',	  /* go on */
	MESSAGE_BASE = 'B',	  /* this image was got, and is built upon */
	MESSAGE_UNPACK = 'E',	  /* unpack the encrypted base into this folder */
	MESSAGE_STAGE = 'P',	  /* the next stage begins */
	MESSAGE_GRAFTED = 'S',	  /* parts of the tree that follows are the source itself */
	MESSAGE_TREE = 'T',	  /* the tree is complete: its folder */
	MESSAGE_METADATA = 'J',	  /* a memory file: two characters of architecture, then JSON */
	MESSAGE_OCI = 'O',	  /* a memory file: oci-config.json of the base */
	MESSAGE_DONE = 'D',
};

struct remote {
	struct process process;
	int socket;		   /* the caller's end */
	const struct build *build; /* borrowed; for hints */
};
#define REMOTE_NONE ((struct remote){ .process = PROCESS_NONE, .socket = -1 })
void remote_end(struct remote *r); /* kills, reaps, closes */
#define CLEANUP_REMOTE __attribute__((cleanup(remote_end)))

/*
 * Forks a process that runs `work` with its end of a socket and ends with the status that it
 * returns; a negative one means *err, which is sent.
 */
typedef int (*remote_work)(void *context, int socket, struct error **err);
int remote_start(const struct build *build, unsigned long long clone_flags, remote_work work,
		 void *context, struct remote *ret, struct error **err);
int remote_send(int socket, enum message tag, int fd, struct error **err);
int remote_send_text(int socket, enum message tag, const void *text, size_t len,
		     struct error **err);
/*
 * Waits for the next message. *ret_fd: -1 when it brings none. A sent error comes back as the
 * error, with its words; the end of the process without one is an error as well, but for
 * end_is_done, where it comes as MESSAGE_DONE. A signal to end (interrupt_hold) is an error.
 */
int remote_receive(struct remote *r, bool end_is_done, enum message *ret_tag, int *ret_fd,
		   struct error **err);
/* remote_start, then waits for its end: returns its status. That it was killed is an error. */
int remote_run(const struct build *build, remote_work work, void *context, struct error **err);

/*
 * While a build runs, SIGINT, SIGTERM and SIGHUP are kept from ending the command at once, so that
 * it can remove what it made. Children get the old mask back.
 */
int interrupt_hold(struct error **err);
/* They wait for interrupt_release, unheard, here and in what is started from now on. */
void interrupt_defer(void);
void interrupt_release(void);
/* Lets signals through again for as long as somebody is asked something. */
void interrupt_pause(bool paused);

#endif
