/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_BASE_MEMORY_H
#define COFFER_BASE_MEMORY_H

#include <stdint.h>

/*
 * How many bytes of memory there are to be had: the least of what the machine has free without
 * swapping and what the control groups of this process, those above them included, leave to it.
 * Files that the kernel keeps only until their memory is wanted count as free. An estimate, as
 * others take and give back. `root` is where /proc and /sys are looked for: "/", but for tests. A
 * gibibyte where there is no /proc.
 */
uint64_t memory_available(const char *root);

#endif
