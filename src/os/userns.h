/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_OS_USERNS_H
#define COFFER_OS_USERNS_H

#include <sys/types.h>

#include "base/base.h"

/*
 * A user namespace for this process's children: written maps for a child that has been cloned
 * with CLONE_NEWUSER and waits.
 */
enum userns_map {
	USERNS_SELF,	    /* U to U: runs as oneself */
	USERNS_ROOT_ALONE,  /* 0 to U, nothing else */
	USERNS_ROOT_SUBIDS, /* 0 to U, 1.. to the subordinate ids, by newuidmap and newgidmap */
	USERNS_SHIFTED,	    /* 0.. to ids that are nobody's here: for the machine's root */
};
/*
 * What this user can have for being root in a namespace: USERNS_ROOT_SUBIDS when /etc/subuid and
 * /etc/subgid name them with at least 65536 ids, else (and with ignore_subids) USERNS_ROOT_ALONE,
 * which is said. A user who has ids, but lacks the programs that map them, gets an error:
 * that files have other owners than on other machines would be noticed too late.
 */
int userns_best_root(bool ignore_subids, enum userns_map *ret, struct error **err);
/* Whether /etc/subuid and /etc/subgid give this user ids, of which the above makes use. */
bool userns_has_subids(void);
/*
 * Whether the caller is uid 0 and has a range of ids to give, as root of the machine always has:
 * what runs inside must not be root outside (USERNS_SHIFTED).
 */
bool userns_can_shift(void);
/* Whether this process is in a user namespace where one user alone is mapped (`unshare -r`). */
bool userns_single_id(void);
/* Writes the maps of `pid`. Hints name the sysctl or the file when it is refused. */
int userns_write(pid_t pid, enum userns_map map, struct error **err);

#endif
