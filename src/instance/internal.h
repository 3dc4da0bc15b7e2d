/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_INSTANCE_INTERNAL_H
#define COFFER_INSTANCE_INTERNAL_H

#include "instance/instance.h"

/* ---------------------------------------------------------------- place.c */

/* Longer names could not be told in all the places where they stand. */
#define INSTANCE_NAME_MAX 100

/*
 * The folder of this machine's instances of the user (NULL: the caller), made where it is the
 * caller's and missing: *ret_path is its path. -1 without *err: there is none.
 */
int instance_open_place(const char *user, char **ret_path, struct error **err);
/* A process's pidfd, if it is still the one that began at `born`; else -1. 0: whenever it began. */
int instance_open_process(pid_t pid, uint64_t born);
/* When a process began: clock ticks since the machine has started; 0: it is gone. */
uint64_t instance_born(pid_t pid);

/* ---------------------------------------------------------------- state.c */

#define INSTANCE_STATE ".json"
#define INSTANCE_DOOR ".door"

/*
 * A new state file with its lock, which this process holds until it ends or closes it; ERROR_EXISTS
 * where there is an instance of that name. No other descriptor of that file may be closed by this
 * process meanwhile: the lock would go with it.
 */
int instance_state_make(int place, const char *name, struct error **err);
int instance_state_write(int fd, const struct instance *i, struct error **err);
/*
 * The text of the state file of one that lives, appended to *ret: then who holds its lock. Returns
 * 0 where there is none, or nothing in it yet, and -1 with *err; `clean` as below.
 */
pid_t instance_state_text(int place, const char *name, bool clean, struct buffer *ret,
			  struct error **err);
/* The text of a state file. What *ret has got is the caller's (instance_free()), also with an
 * error. */
int instance_state_parse(const char *text, size_t len, struct instance *ret, struct error **err);
/*
 * Reads the state of one that lives: 1. Returns 0 where it is none (any more), and removes what is
 * left of it where `clean`; or -1 with *err.
 */
int instance_state_read(int place, const char *name, bool clean, struct instance *ret,
			struct error **err);
/* The names of an instance's files in its place: the text is the caller's. */
char *instance_file(const char *name, const char *suffix, struct error **err);
/* A socket in the place, that listens (or, connects, if not make); or -1 with *err. */
int instance_door(int place, const char *name, bool make, struct error **err);

#endif
