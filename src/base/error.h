/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_BASE_ERROR_H
#define COFFER_BASE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>

/*
 * Errors are objects: a kind and a place that programs can tell apart, words for the person, and
 * on the way up each caller may put its own context in front. Only cli/ shows them. Who has to
 * decide something by an error asks for its kind and place: words are for persons alone.
 *
 * The contract, for every function whose last parameter is `struct error **err`:
 *  - it returns 0 (or another value that is not negative) on success and leaves *err alone;
 *  - it returns a negative number on failure and has set *err, which was NULL before (asserted:
 *    an error that overwrites another would hide the cause);
 *  - `err` itself is never NULL; ret_ parameters are written on success only;
 *  - the caller owns *err and either passes it up, wraps it, or frees it with error_free().
 * An error object may be made and read by one thread at a time.
 */
enum error_kind {
	ERROR_USAGE = 1,   /* the command line or an option's value is wrong */
	ERROR_IO,	   /* the kernel could not read or write (see the errno) */
	ERROR_NOT_FOUND,   /* a file, an object or a command does not exist */
	ERROR_EXISTS,	   /* something is in the way */
	ERROR_SYSTEM,	   /* refused by the kernel, or a part of the system is missing */
	ERROR_MEMORY,	   /* no memory, descriptors or processes left */
	ERROR_DAMAGED,	   /* bytes contradict their format: damaged or hostile */
	ERROR_UNSUPPORTED, /* valid as far as we can see, but not something coffer does */
	ERROR_LIMIT,	   /* valid, but over a limit that coffer sets */
	ERROR_KEY_MISSING, /* a key is needed and none was given */
	ERROR_KEY_INVALID, /* what was given is no usable key */
	ERROR_KEY_WRONG,   /* a good key, but not the one */
	ERROR_POLICY,	   /* the site's configuration forbids it */
	ERROR_COMMAND,	   /* a script or program ended badly (see error_exit_status) */
	ERROR_INTERNAL,	   /* a bug in coffer */
};

/* The step that failed, where it is known: which words an error gets depends on it (cli/). */
enum error_place {
	PLACE_NONE = 0,
	PLACE_OPENING,	 /* an image: finding it and what it is */
	PLACE_UNLOCKING, /* what the user has, to the key of the image */
	PLACE_UNSEALING, /* an image with its key, and reading what is in it */
	PLACE_POLICY,	 /* what the site allows was asked */
	PLACE_SECTION,	 /* a section of a definition was run */
	PLACE_WRITING,	 /* an image that is built */
	PLACE_LAST = PLACE_WRITING,
};

struct error;

/*
 * Make an error with words in printf style, no final full stop. Returns -1, so that
 * `return error_set(err, ...)` reads well.
 */
int error_set(struct error **err, enum error_kind kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * The same from an errno value: the kind follows from it, and ": " with its words is added.
 */
int error_errno(struct error **err, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* There is no memory (malloc and its like gave NULL). Returns -1. */
int error_no_memory(struct error **err);

/* Put context in front: "<words>: <what it was>". Kind, errno, hint and status stay. Returns -1. */
int error_wrap(struct error **err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Say what to do about it, one line, shown after the cause. The first hint, the one nearest to
 * the cause, is kept; later ones are dropped. Returns -1.
 */
int error_hint(struct error **err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Say where it happened. The first place, the one nearest to the cause, is kept, and with it the
 * words as they are now: error_fact(). Returns -1.
 */
int error_at(struct error **err, enum error_place place);

/* Take away the context put in front since the place was set. Returns -1. */
int error_keep_fact(struct error **err);

/* Change the kind (for callers who know better what it means to the user). Returns -1. */
int error_set_kind(struct error **err, enum error_kind kind);

/*
 * The exit status that coffer shall end with; 0 unless set: cli/ then uses its usual one. Setting
 * it returns -1.
 */
int error_set_exit_status(struct error **err, int status);
int error_exit_status(const struct error *err);

#ifdef __clang_analyzer__
/* The analyzer sees one file at a time; without this it follows roads where these return 0. */
#define error_set(...) ((void)error_set(__VA_ARGS__), -1)
#define error_errno(...) ((void)error_errno(__VA_ARGS__), -1)
#define error_no_memory(err) ((void)error_no_memory(err), -1)
#define error_wrap(...) ((void)error_wrap(__VA_ARGS__), -1)
#define error_hint(...) ((void)error_hint(__VA_ARGS__), -1)
#define error_keep_fact(err) ((void)error_keep_fact(err), -1)
#define error_at(err, place) ((void)error_at(err, place), -1)
#define error_set_kind(err, kind) ((void)error_set_kind(err, kind), -1)
#define error_set_exit_status(err, status) ((void)error_set_exit_status(err, status), -1)
#endif

/* Its kind; err is not NULL, here and below. */
enum error_kind error_kind(const struct error *err);
/* The words, context first. Valid until the error is changed or freed. */
const char *error_message(const struct error *err);
/* Where it happened; PLACE_NONE unless set. */
enum error_place error_place(const struct error *err);
/* The words without the context put in front since the place was set. Valid as error_message's. */
const char *error_fact(const struct error *err);
/* The hint or NULL. */
const char *error_hint_text(const struct error *err);
/* The errno it came from, or one that fits its kind (never 0): what FUSE answers. */
int error_to_errno(const struct error *err);

/* Frees *err, if any, and sets it to NULL. */
void error_free(struct error **err);
#define CLEANUP_ERROR __attribute__((cleanup(error_free)))

#endif
