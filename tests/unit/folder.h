/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_TESTS_FOLDER_H
#define COFFER_TESTS_FOLDER_H

/* A folder of the test's own, and tools that are run in it: set_up and tear_down of a group. */
#include <fcntl.h>
#include <unistd.h>

#include "unit.h"

static char folder[] = "/tmp/coffer-test-XXXXXX";

static inline int folder_make(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static inline int folder_remove(void **state)
{
	(void)state;
	char *command CLEANUP_TEXT = NULL;
	assert_true(asprintf(&command, "rm -rf %s", folder) > 0);
	return system(command);
}

/* One line for the shell; its standard error is shown when it fails. */
static inline void folder_shell(const char *line)
{
	char *command CLEANUP_TEXT = NULL;
	assert_true(asprintf(&command, "cd %s && { %s; } 2>errors || { cat errors; exit 1; }",
			     folder, line) > 0);
	if (system(command) != 0)
		fail_msg("%s", line);
}

static inline char *folder_path(const char *name)
{
	char *path = NULL;
	assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
	return path;
}

static inline struct buffer folder_load(const char *name)
{
	struct buffer b = { 0 };
	char *path CLEANUP_TEXT = folder_path(name);
	assert_ok(fd_read_file(AT_FDCWD, path, 1 << 20, &b, err));
	return b;
}

static inline void folder_save(const char *name, const void *data, size_t len)
{
	char *path CLEANUP_TEXT = folder_path(name);
	int fd CLEANUP_FD = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fd_write(fd, data, len), 0);
}

#endif
