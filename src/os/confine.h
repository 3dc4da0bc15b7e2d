/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_OS_CONFINE_H
#define COFFER_OS_CONFINE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>

#include "base/base.h"

/* What this process, and all that it starts, gives up for good. Each returns 0, or -1 with *err. */

/*
 * For who limits a process: a sanitizer's run time needs more memory, more calls, and a place for
 * its report.
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

struct confine_limit {
	int resource; /* RLIMIT_... */
	rlim_t most;
};
/*
 * Each limit, hard and soft, becomes `most`, or what it is already where that is less: the hard
 * one, or with `soft` the soft one, which the user may have set.
 */
int confine_limits(const struct confine_limit *list, size_t count, bool soft, struct error **err);

/*
 * A filter (libseccomp's) under which these calls fail with errnum, and all others pass; clone3 is
 * not there, as its arguments cannot be seen by a filter: the C library then takes clone. It goes
 * to confine_load. NULL with *err.
 */
void *confine_refuse(const int *calls, size_t count, int errnum, struct error **err);
/*
 * Loads a filter, and frees it in any case. r: what the caller's own rules have come to, 0 or
 * -errno. `whose` system calls, for the error, which is ERROR_SYSTEM.
 */
int confine_load(void *filter, int r, const char *whose, struct error **err);

#endif
