/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_BASE_MEMORY_H
#define COFFER_BASE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/*
 * How many bytes of memory there are to be had: the least of what the machine has free without
 * swapping and what the control groups of this process, those above them included, leave to it.
 * Files that the kernel keeps only until their memory is wanted count as free. An estimate, as
 * others take and give back. `root` is where /proc and /sys are looked for: "/", but for tests. A
 * gibibyte where there is no /proc.
 */
uint64_t memory_available(const char *root);

/*
 * Hands a pointer over, as fd_steal does a descriptor: gives it, and leaves NULL behind so that
 * what cleans up the variable has nothing to free.
 */
#define take_pointer(place)                           \
	__extension__({                               \
		__typeof__(place) place_ = (place);   \
		__typeof__(*place_) taken_ = *place_; \
		*place_ = NULL;                       \
		taken_;                               \
	})

#endif
