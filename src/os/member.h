/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_OS_MEMBER_H
#define COFFER_OS_MEMBER_H

#include "os/process.h"

/*
 * A child in new namespaces of these kinds (CLONE_NEW... flags; 0: in this process's), that holds
 * nothing of this process's memory or descriptors, and that is dumpable although this process is
 * not. *ret_name: by which number /proc knows it. Ends with this process, or by process_kill.
 */
int member_start(unsigned long long flags, struct process *ret, pid_t *ret_name,
		 struct error **err);

#endif
