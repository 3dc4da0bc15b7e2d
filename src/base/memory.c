/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool read_number(int root, const char *path, uint64_t *ret)
{
	CLEANUP_ERROR struct error *ignored = NULL;
	CLEANUP_BUFFER struct buffer text = { 0 };
	char *end;
	if (fd_read_file(root, path, 4096, &text, &ignored) < 0 || !text.len)
		return false;
	errno = 0;
	unsigned long long v = strtoull(text.data, &end, 10);
	if (end == text.data || errno)
		return false; /* "max" */
	*ret = v;
	return true;
}

/* The two versions of control groups: how /proc/self/cgroup marks a group, and where it lies. */
static const struct {
	const char *mark, *place, *max, *used, *files[2];
} group_versions[] = {
	{ "0::",
	  "sys/fs/cgroup",
	  "memory.max",
	  "memory.current",
	  { "inactive_file", "active_file" } },
	{ ":memory:",
	  "sys/fs/cgroup/memory",
	  "memory.limit_in_bytes",
	  "memory.usage_in_bytes",
	  { "total_inactive_file", "total_active_file" } },
};

/* The number in a line "KEY NUMBER" of the text; 0 without one. */
static uint64_t stat_number(const char *text, const char *key)
{
	size_t len = strlen(key);
	for (const char *line = text, *end; line; line = end ? end + 1 : NULL) {
		end = strchr(line, '\n');
		if (strncmp(line, key, len) == 0 && line[len] == ' ' && line[len + 1] >= '0' &&
		    line[len + 1] <= '9')
			return strtoull(line + len, NULL, 10);
	}
	return 0;
}

/*
 * Of what a group uses, the files that the kernel keeps in memory only until it is wanted. A group
 * that has read much is full of them, and has room all the same.
 */
static uint64_t group_files(int root, size_t version, const char *group, uint64_t used)
{
	CLEANUP_ERROR struct error *err = NULL;
	CLEANUP_BUFFER struct buffer text = { 0 };
	uint64_t files = 0;
	CLEANUP_TEXT char *path =
		text_printf(&err, "%s%s/memory.stat", group_versions[version].place, group);
	if (!path || fd_read_file(root, path, 65536, &text, &err) < 0 || !text.len)
		return 0;
	for (size_t i = 0; i < 2; i++) {
		uint64_t n = stat_number(text.data, group_versions[version].files[i]);
		files += n < used - files ? n : used - files;
	}
	return files;
}

/* What this group, or one above it, leaves to us. Cuts `group` off. */
static uint64_t group_left(int root, size_t version, char *group, uint64_t limit)
{
	CLEANUP_ERROR struct error *err = NULL;
	for (;;) {
		uint64_t max, current = 0;
		const char *place = group_versions[version].place;
		CLEANUP_TEXT char *path =
			text_printf(&err, "%s%s/%s", place, group, group_versions[version].max);
		CLEANUP_TEXT char *used =
			text_printf(&err, "%s%s/%s", place, group, group_versions[version].used);
		if (path && used && read_number(root, path, &max)) {
			(void)read_number(root, used, &current);
			current -= group_files(root, version, group, current);
			uint64_t left = max > current ? max - current : 0;
			limit = left < limit ? left : limit;
		}
		char *slash = strrchr(group, '/');
		if (!slash)
			return limit;
		*slash = '\0';
	}
}

/* What the control groups above this process leave to it. */
static uint64_t group_memory(int root, uint64_t limit)
{
	CLEANUP_ERROR struct error *err = NULL;
	CLEANUP_BUFFER struct buffer text = { 0 };
	if (fd_read_file(root, "proc/self/cgroup", 65536, &text, &err) < 0 || !text.len)
		return limit;
	char *rest = text.data;
	for (char *line; (line = strsep(&rest, "\n"));) {
		for (size_t v = 0; v < sizeof(group_versions) / sizeof(group_versions[0]); v++) {
			char *at = strstr(line, group_versions[v].mark);
			if (at)
				limit = group_left(root, v, at + strlen(group_versions[v].mark),
						   limit);
		}
	}
	return limit;
}

uint64_t memory_available(const char *root_path)
{
	CLEANUP_ERROR struct error *err = NULL;
	CLEANUP_BUFFER struct buffer text = { 0 };
	uint64_t available = (uint64_t)1 << 30;
	CLEANUP_FD int root = open(root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return available;
	if (fd_read_file(root, "proc/meminfo", 65536, &text, &err) == 0 && text.len) {
		const char *at = strstr(text.data, "MemAvailable:");
		if (at)
			available = strtoull(at + 13, NULL, 10) << 10;
	}
	return group_memory(root, available);
}
