/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_IO_SOURCE_H
#define COFFER_IO_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/base.h"

/*
 * Something that can be read at an offset: a file, a part of one, or what a seal hides. Sources
 * stack: each owns or borrows the one below, as its maker says.
 *
 * Reads may run at once on several threads. A source's size never changes.
 */
struct source {
	const struct source_ops *ops;
	uint64_t size; /* bytes */
};

struct source_ops {
	/* Reads exactly len bytes; [off, off + len) is within size. */
	int (*read)(struct source *s, void *buf, size_t len, uint64_t off, struct error **err);
	/* Frees the source and what it owns. */
	void (*free)(struct source *s);
};

/*
 * Reads exactly len bytes at off. Bytes past the end are ERROR_DAMAGED (what pointed there lies);
 * a file that has become shorter is ERROR_IO. After an error buf holds anything.
 */
int source_read(struct source *s, void *buf, size_t len, uint64_t off, struct error **err);

/* Frees *s, if any, and sets it to NULL. */
void source_free(struct source **s);
#define CLEANUP_SOURCE __attribute__((cleanup(source_free)))

/* A regular file or block device; its size is taken now. Takes fd over on success. */
int source_from_fd(int fd, struct source **ret, struct error **err);
/* Memory that outlives the source; borrowed. */
int source_from_memory(const void *data, size_t len, struct source **ret, struct error **err);
/*
 * The part [off, off + len) of another, which is borrowed and outlives it. ERROR_DAMAGED when the
 * part does not lie within.
 */
int source_slice(struct source *below, uint64_t off, uint64_t len, struct source **ret,
		 struct error **err);

#endif
