/* SPDX-License-Identifier: Apache-2.0 */
#include "run/internal.h"

#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Nearly every program begins with the loader and the C library, and touches them all over, a few
 * pages at a time; so the kernel would ask for one piece after another, each out of step with the
 * image's blocks, and wait for it. Asked for at once, whole blocks are unpacked by all threads of
 * the server while the program starts.
 */

/* A call reads no more than the mount does at once (mm/readahead.c, force_page_cache_ra). */
#define STEP ((off_t)128 << 10)
/*
 * C libraries have about as much; what a larger program needs of the rest, nobody knows. Three
 * files make fewer steps than the mount lets wait at once (mount/ops.c, BACKGROUND_MAX).
 */
#define LEN_MAX (20 * STEP)

/* The image says what lies there: a device is not even opened. */
static bool file_ahead(const char *path)
{
	struct stat st;
	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	CLEANUP_FD int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return false;
	for (off_t at = 0; at < st.st_size && at < LEN_MAX; at += STEP)
		if (readahead(fd, at, (size_t)STEP) < 0)
			return false;
	return true;
}

/* Its path is part of an architecture's ABI, and so of glibc's on most systems the same. */
static int find_loader(struct dl_phdr_info *program, size_t size, void *context)
{
	(void)size;
	const char **ret = context;
	for (int i = 0; i < program->dlpi_phnum; i++)
		if (program->dlpi_phdr[i].p_type == PT_INTERP)
			*ret = (const char *)(program->dlpi_addr + program->dlpi_phdr[i].p_vaddr);
	return 1;
}

void run_program_ahead(const char *program)
{
	static const char libc[] = "libc.so.6";
	const char *loader = NULL;
	char path[PATH_MAX + sizeof(libc)];
	(void)dl_iterate_phdr(find_loader, &loader);
	(void)file_ahead(program);
	if (!loader || !file_ahead(loader) || !realpath(loader, path))
		return;
	/* glibc's is installed beside the loader; another C library is its own loader. */
	memcpy(strrchr(path, '/') + 1, libc, sizeof(libc));
	(void)file_ahead(path);
}
