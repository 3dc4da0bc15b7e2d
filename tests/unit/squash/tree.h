/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_TESTS_SQUASH_TREE_H
#define COFFER_TESTS_SQUASH_TREE_H

#include "squash/squash.h"

/*
 * Whole trees as text, so that two can be compared as strings: one line an object, in byte order
 * of paths, with kind, mode, owner, time, size, device, a hash of the content, link target,
 * extended attributes, and "=PATH" for a further name of an inode seen before.
 */
struct tree_options {
	bool no_owners, no_times, no_xattrs; /* leave them out of the lines */
};

/* Of a squashfs: every object is read whole. */
int tree_of_squash(struct squash *sq, const struct tree_options *options, struct buffer *ret,
		   struct error **err);
/* Of a directory; aborts the test when it cannot be read. */
void tree_of_directory(int directory, const struct tree_options *options, struct buffer *ret);

/* An image file from an offset on; sources: two, for tree_close. */
struct squash *tree_open(const char *path, uint64_t off, struct source **sources);
void tree_close(struct squash *sq, struct source **sources);
/* The inode at "a/b/c" ("": the root). */
int tree_find(struct squash *sq, const char *path, struct squash_inode *ret, struct error **err);

/* Fails the test and shows the first line that differs. */
void tree_assert_equal(const struct buffer *a, const struct buffer *b);

/* Runs a shell command; a status that is not 0 fails the test. */
void tree_shell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A new directory below TMPDIR; the caller removes it with tree_remove. */
char *tree_temporary(void);
void tree_remove(char *path);

#endif
