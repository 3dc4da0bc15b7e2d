/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_SECRET_SECRET_H
#define COFFER_SECRET_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/base.h"

/*
 * Memory for keys and passphrases: its own pages between two that cannot be touched, locked
 * against swapping where the limit allows, left out of core dumps, wiped before it is given back.
 * It is inherited by fork (the server needs the key): a child that does not need it frees it.
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
bool secret_equal_bytes(const void *a, const void *b, size_t len);

/* True when some secret's memory could not be locked since the program began. */
bool secret_any_unlocked(void);
/* Another process of ours could not lock its own. */
void secret_note_unlocked(void);
/* Warns of it, once. */
void secret_report_unlocked(void);

/*
 * For a forked process that keeps the secrets, as the server does. It inherits their bytes, not
 * their locks (mlock(2)). This moves them, at their addresses, to memory of its own that not even
 * the kernel has in its map: no other process can read it, not even root's, and it never reaches a
 * disk (memfd_secret(2)). Where the kernel has no such memory, it is locked memory once more. The
 * process must not fork afterwards: its children would not have this memory at all.
 */
void secret_keep_all(void);

/* The same for one that forks once more: locked memory, and no other. */
void secret_lock_all(void);

/*
 * Wipes the bytes of all secrets of this process, which keep their sizes: for a forked process
 * that needs none of them, wherever its parent keeps them.
 */
void secret_wipe_all(void);

/*
 * Small pieces of such memory, for what a library allocates while it works with a key: at most
 * SECRET_HEAP_MAX bytes each, with guard pages round them all instead of each. Given out zeroed;
 * wiped when freed. NULL when there is no memory. Threads may share it.
 */
#define SECRET_HEAP_MAX 131072
void *secret_heap_alloc(size_t len);
/*
 * Sees to it that the next blocks, len bytes together, need no new memory: before secret_keep_all,
 * which moves what there is. 0, or -1 with ERROR_MEMORY.
 */
int secret_heap_reserve(size_t len, struct error **err);
void secret_heap_free(void *p);
/* Whether p comes from secret_heap_alloc, and how many bytes it has room for. */
bool secret_heap_owns(const void *p);
size_t secret_heap_size(const void *p);

/*
 * How the secret looks that opens a seal: encryption.md 2.5 and 3.3. A column of the table of seals
 * (seal/seal.h); who turns a user's key into such a secret (key/) follows it and knows no seal.
 */
struct secret_form {
	size_t random_len; /* so many random bytes are in one that nobody has to remember */
	/* It is a line of text: random bytes go in as hexadecimal digits, and a passphrase counts
	 * up to its first newline. */
	bool line;
	size_t passphrase_max;	     /* bytes */
	const char *passphrase_name; /* Apptainer's word for it, in messages */
};

/* Wipes memory in a way that the compiler cannot drop. */
void secret_wipe(void *data, size_t len);

/*
 * Makes this process one whose memory no other process of the same user can read: not dumpable
 * (so no ptrace, no core), no core file either. Returns 0 or -errno.
 */
int secret_harden_process(void);

#endif
