/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_INSTANCE_INSTANCE_H
#define COFFER_INSTANCE_INSTANCE_H

#include "run/run.h"

/*
 * The door of instance/: containers with a name, which live on when the command that has started
 * them ends. Behaviour: spec runtime.md 15.
 *
 * Each has a keeper: the process that would else be the command, in a session of its own. It holds
 * a lock on the instance's state file for as long as it lives, so whether an instance lives is
 * asked of the kernel, and what a keeper that was killed has left behind is known, and removed by
 * whoever looks next. The state has what a list shows, and nothing that opens anything.
 */

/* As its state file says. All owned. */
struct instance {
	char *name, *image, *out, *err; /* err, out: its logs */
	pid_t keeper;			/* as the kernel says: who holds the lock */
	pid_t init;			/* pid 1 of it, as seen here */
	uint64_t born;			/* of init: clock ticks since the machine has started */
};
void instance_free(struct instance *i);
#define CLEANUP_INSTANCE __attribute__((cleanup(instance_free)))

struct instances {
	struct instance *items;
	size_t len, cap;
};
void instances_free(struct instances *list);
#define CLEANUP_INSTANCES __attribute__((cleanup(instances_free)))

/*
 * All that live, by their names, which match the pattern (fnmatch(3); NULL: all). user: whose;
 * NULL: the caller's; another one's is for root, who is to be asked for before. What is left of
 * others is removed, but not of another user's.
 */
int instance_list(const char *user, const char *pattern, struct instances *ret, struct error **err);

/* Of a name for a new one: ERROR_USAGE where it cannot be one. */
int instance_check_name(const char *name, struct error **err);
/* The name in "instance://NAME", or NULL where it is something else; borrowed. */
const char *instance_of_uri(const char *uri);

/*
 * Starts one, and returns when its first program runs; as run_container besides, but that the
 * keeper ends the audit. pid_file: where the number of its pid 1 is written; or NULL. What the
 * container has logged till then is shown by this process, whether it goes well or not.
 */
struct instance_wish {
	const char *name, *pid_file;
	struct image *image;
	struct key **key;
	struct run_wish *wish;
	const struct run_audit *audit;
};
int instance_start(const struct instance_wish *w, struct error **err);

/* Runs what the wish says in the instance of that name: run_join. ERROR_NOT_FOUND: there is none.
 */
int instance_join(const char *name, const struct run_wish *wish, int *ret_status,
		  struct error **err);

/*
 * Sends the signal, and waits until it has ended; after so many seconds it is killed. Returns 0, or
 * -1 where that could not be done. It says what it does.
 */
int instance_stop(const struct instance *i, int sig, long seconds, struct error **err);

#endif
