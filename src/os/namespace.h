/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_OS_NAMESPACE_H
#define COFFER_OS_NAMESPACE_H

#include "base/base.h"

/*
 * Which of these namespaces (CLONE_NEW... flags) a process cannot have: "user", "mnt", "pid",
 * "net", "ipc" or "uts", as in the name of its limit; NULL when it can have each. For the words of
 * an error: the kernel says ENOSPC and not which. It tries them, in a child.
 */
const char *namespace_refused(unsigned long long flags);

/* A hint that names the limit of that kind of namespace. Returns -1. */
int namespace_hint(const char *kind, struct error **err);

/*
 * The error of a clone with these CLONE_NEW... flags that has failed with errnum, with the sysctl
 * to set. Returns -1.
 */
int namespace_error(int errnum, unsigned long long flags, struct error **err);

#endif
