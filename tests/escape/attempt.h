/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a payload may try to get out of its container. Each attempt runs in a process of its own,
 * knows what the host prepared for it as facts ("name=value", from the command line), and says what
 * came of it. None does harm where it succeeds: what is written is what was there, and calls that
 * would change the machine get arguments that the kernel refuses after it has asked for the right.
 */
#ifndef ESCAPE_ATTEMPT_H
#define ESCAPE_ATTEMPT_H
#include <stdbool.h>
#include <stddef.h>

enum result {
	REFUSED, /* it did not work */
	OWN,	 /* it worked, on nothing but what is the container's own */
	OUT,	 /* it worked on the host, or got something of the host */
};

struct attempt {
	const char *name;
	enum result (*make)(void);
};

/* Ended by an entry without a name. */
extern const struct attempt mount_attempts[], file_attempts[], process_attempts[], user_attempts[],
	namespace_attempts[], device_attempts[], socket_attempts[], kernel_attempts[],
	terminal_attempts[];

/* What the host said, "" or 0 where it said nothing. */
const char *fact(const char *name);
long fact_number(const char *name);

/* The evidence: what was done, or why not. The last one counts. */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* REFUSED, and notes the call and errno. */
enum result refused(const char *call);
/* REFUSED when the call failed for want of a right; else it got as far as its arguments, which were
 * bad on purpose: OUT. */
enum result by_right(long returned, const char *call);

/* A secret of the host, which no argument of ours holds: a known beginning, then hexadecimals. */
#define TOKEN "COFFER-CANARY-"
bool has_token(const void *bytes, size_t len);
/* OUT when the token can be read there; REFUSED else. read_fd closes. */
enum result read_fd(int fd, const char *what);
enum result read_path(const char *path);
/* OUT when this file can be opened for writing (nothing is written). */
enum result open_to_write(const char *path);
/* Whether our namespace of this kind ("uts") is the host's. */
bool is_host_ns(const char *kind);
/* Writes a short text; -1 and errno. */
int write_text(const char *path, const char *text);
/* A mount namespace for the attempt alone, where it may have one. */
void private_mounts(void);
/* A call by the 32-bit entry, with its own numbers and addresses below 4 GiB. */
long call_32(long number, long a, long b, long c, long d);
/* The host's side: canary.c. */
int canary(char **words);
int launch(char **words);
#endif
