/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_BASE_LIBRARY_H
#define COFFER_BASE_LIBRARY_H

#include <stddef.h>

#include "base/error.h"

/*
 * A shared library that few runs need, loaded where it is first needed: one that is linked is
 * mapped, relocated and copied at every fork of every start. The types are those of its own
 * headers, the name that of the ABI they describe. Used like this:
 *
 *	#define FOO_FUNCTIONS(F) F(foo_open) F(foo_close)
 *	static struct {
 *		FOO_FUNCTIONS(LIBRARY_MEMBER)
 *	} foo;
 *	static struct library library = LIBRARY("libfoo.so.1", FOO_FUNCTIONS, foo);
 *
 * and, once library_load has returned 0, foo.foo_open(...).
 */
struct library {
	const char *soname;
	const char *const *names; /* of the functions, in the order of the table */
	size_t count;
	void *table; /* of that many pointers to functions */
	bool loaded;
};

#define LIBRARY_MEMBER(function) __typeof__ (&(function))(function);
#define LIBRARY_NAME(function) #function,
#define LIBRARY(so, functions, into)                                                       \
	{                                                                                  \
		.soname = (so), .names = (const char *const[]){ functions(LIBRARY_NAME) }, \
		.count = sizeof(into) / sizeof(void (*)(void)), .table = &(into),          \
	}

/*
 * All of the library at once, or an error of the kind ERROR_SYSTEM. Once loaded it stays, and is
 * inherited by forked children. Not for two threads at a time.
 */
int library_load(struct library *l, struct error **err);

/*
 * From here on this process loads no library any more: the root directory will be another one,
 * with libraries that are not the host's.
 */
void library_load_no_more(void);

#endif
