/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_IO_SINK_H
#define COFFER_IO_SINK_H

#include <stddef.h>
#include <stdint.h>

#include "base/base.h"

/*
 * Something that can be written at an offset and read back: a file, a part of one, or a seal that
 * encrypts what it is given. libsquashfs writes out of order, reads back for deduplication,
 * truncates, and rewrites its superblock at the end, so a sink can do all of that.
 *
 * Unlike a source, a sink is used by one thread at a time. What lies between the end and a write
 * beyond it reads as zeros.
 */
struct sink {
	const struct sink_ops *ops;
	uint64_t size; /* bytes; the end of what was written so far */
};

struct sink_ops {
	int (*write)(struct sink *s, const void *buf, size_t len, uint64_t off, struct error **err);
	/* [off, off + len) is within size. */
	int (*read)(struct sink *s, void *buf, size_t len, uint64_t off, struct error **err);
	int (*truncate)(struct sink *s, uint64_t size, struct error **err);
	/* Writes out all that is held back. Nothing but free may follow. */
	int (*finish)(struct sink *s, struct error **err);
	void (*free)(struct sink *s);
};

/* Writes all of it. The size grows when the end moves. */
int sink_write(struct sink *s, const void *buf, size_t len, uint64_t off, struct error **err);
/* Reads back exactly len bytes; past the end is ERROR_INTERNAL. */
int sink_read(struct sink *s, void *buf, size_t len, uint64_t off, struct error **err);
/* Cuts off, or extends with zeros, to size bytes. */
int sink_truncate(struct sink *s, uint64_t size, struct error **err);
/* Writes out what is held back. After it, and after any error of a sink, only sink_free may follow.
 */
int sink_finish(struct sink *s, struct error **err);

/* Frees *s without finishing it, if any, and sets it to NULL. */
void sink_free(struct sink **s);
#define CLEANUP_SINK __attribute__((cleanup(sink_free)))

/* A file, borrowed; the sink begins with the file's size. sink_finish does not sync. */
int sink_from_fd(int fd, struct sink **ret, struct error **err);
/*
 * All of another sink from `base` bytes on, beginning empty. `below` is borrowed; finishing the new
 * sink does not finish it.
 */
int sink_offset(struct sink *below, uint64_t base, struct sink **ret, struct error **err);

#endif
