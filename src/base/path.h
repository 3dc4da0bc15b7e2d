/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_BASE_PATH_H
#define COFFER_BASE_PATH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/*
 * Nothing under a root tree is opened by plain path: the tree is hostile, its links point where
 * they like. These go through openat2(2), so the kernel keeps every step inside. Where that call
 * is missing (before Linux 5.6, or hidden by a filter) they fail with -ENOSYS: steps of our own
 * would be open to whoever renames a folder meanwhile.
 */

/*
 * Opens path as a process would see it whose root directory is root_fd: absolute links and ".."
 * stay inside (RESOLVE_IN_ROOT); links of /proc are never followed. Returns a close-on-exec
 * descriptor of the caller's, or -errno.
 */
int path_open_in_root(int root_fd, const char *path, int flags, mode_t mode);
/* The same, but no link at all is followed, the last component included (RESOLVE_NO_SYMLINKS). */
int path_open_no_links(int root_fd, const char *path, int flags, mode_t mode);

/*
 * Makes path and all its missing parents as directories inside root_fd (links are followed in
 * the root), and opens the last: returns an O_PATH descriptor or -errno.
 */
int path_make_directories(int root_fd, const char *path, mode_t mode);

/* The last component ("" for "/"), inside path; trailing slashes count as part of it. */
const char *path_base_name(const char *path);

/* Whether one of the names in the path is "..". */
bool path_goes_up(const char *path);
/* "a" and "b" joined by exactly one slash. NULL with *err set. */
char *path_join(const char *a, const char *b, struct error **err);

/*
 * The absolute path with "." and ".." and double slashes taken out by text alone (no links are
 * looked at), relative to the current directory unless it begins with a slash.
 */
char *path_absolute(const char *path, struct error **err);

#endif
