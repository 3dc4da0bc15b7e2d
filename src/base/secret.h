/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_BASE_SECRET_H
#define COFFER_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/*
 * Memory for keys and passphrases: its own pages between two that cannot be touched, locked
 * against swapping where the limit allows, left out of core dumps, wiped before it is given back.
 * It is inherited by fork (the server needs the key): who forks and does not need it frees it.
 *
 * No key material lives in plain stack arrays, char pointers or struct buffer.
 */
struct secret;

/* Zero-filled, of size bytes (at least 1). */
int secret_new(size_t size, struct secret **ret, struct error **err);
/* A copy of len bytes; the caller still wipes where they came from. */
int secret_copy(const void *data, size_t len, struct secret **ret, struct error **err);
/* Wipes and frees *s, if any, and sets it to NULL. */
void secret_free(struct secret **s);
#define CLEANUP_SECRET __attribute__((cleanup(secret_free)))

/* The bytes; writable, size as made or as shortened. */
unsigned char *secret_data(struct secret *s);
const unsigned char *secret_bytes(const struct secret *s);
size_t secret_size(const struct secret *s);
/* Shortens to size bytes and wipes the rest. Growing is a bug and aborts. */
void secret_shorten(struct secret *s, size_t size);
/* Compares in a time that depends on the lengths alone. */
bool secret_equal(const struct secret *a, const struct secret *b);

/* True when some secret's memory could not be locked since the program began: say so once. */
bool secret_any_unlocked(void);

/*
 * Locks all secrets once more: a forked process inherits their bytes, not their locks (mlock(2)),
 * so one that keeps them, as the server does, calls this first.
 */
void secret_lock_again(void);

/*
 * Wipes the bytes of all secrets of this process, which keep their sizes: for a forked process
 * that needs none of them, wherever its parent keeps them.
 */
void secret_wipe_all(void);

/* Wipes memory in a way that the compiler cannot drop. */
void secret_wipe(void *data, size_t len);

/*
 * Makes this process one whose memory no other process of the same user can read: not dumpable
 * (so no ptrace, no core), no core file either. Returns 0 or -errno.
 */
int secret_harden_process(void);

#endif
