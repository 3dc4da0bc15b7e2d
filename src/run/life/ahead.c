/* SPDX-License-Identifier: Apache-2.0 */
#include "run/internal.h"

#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/*
 * Nearly every program begins with the loader and the C library, and touches them all over, a few
 * pages at a time; so the kernel would ask for one piece after another, each out of step with the
 * image's blocks, and wait for it. Asked for at once, whole blocks are unpacked by all threads of
 * the server while the program starts.
 *
 * Requests are answered in the order in which they come. So every name is looked up before anything
 * is read, and of each file the two ends come first: there exec and the loader find headers and
 * what they write to.
 */

/* A call reads no more than the mount does at once (mm/readahead.c, force_page_cache_ra). */
#define STEP ((off_t)128 << 10)
/*
 * C libraries have about as much; what a larger program needs of the rest but its end, nobody
 * knows. Three files make fewer steps than the mount lets wait at once (serve/ops.c,
 * BACKGROUND_MAX).
 */
#define LEN_MAX (20 * STEP)

/* What a program begins with: itself, its loader, the C library. */
#define FILES 3
struct ahead_file {
	int fd; /* owned, or -1 */
	off_t len;
};

/* The image says what lies there: a device is not even opened. */
static void file_open(const char *path, struct ahead_file *file)
{
	struct stat st;
	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	file->fd = open(path, O_RDONLY | SERVE_AS_ASKED | O_NOCTTY | O_CLOEXEC);
	file->len = st.st_size;
}

/* Waits for nothing. */
static void step_ahead(const struct ahead_file *file, off_t at)
{
	if (file->fd >= 0 && at < file->len)
		(void)readahead(file->fd, at, (size_t)STEP);
}

static off_t last_step(const struct ahead_file *file)
{
	return (file->len - 1) / STEP * STEP;
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
	struct ahead_file files[FILES] = { { .fd = -1 }, { .fd = -1 }, { .fd = -1 } };
	const char *loader = NULL;
	char path[PATH_MAX + sizeof(libc)];
	file_open(program, &files[0]);
	(void)dl_iterate_phdr(find_loader, &loader);
	if (loader && realpath(loader, path)) {
		file_open(path, &files[1]);
		/* glibc's is installed beside the loader; another C library is its own loader. */
		memcpy(strrchr(path, '/') + 1, libc, sizeof(libc));
		file_open(path, &files[2]);
	}
	/* exec asks for it, but once only where an image has no attributes at all. */
	if (files[0].fd >= 0)
		(void)fgetxattr(files[0].fd, "security.capability", NULL, 0);
	for (size_t i = 0; i < FILES; i++) {
		step_ahead(&files[i], 0);
		if (last_step(&files[i]) > 0)
			step_ahead(&files[i], last_step(&files[i]));
	}
	for (size_t i = 0; i < FILES; i++) {
		for (off_t at = STEP; at < LEN_MAX && at < last_step(&files[i]); at += STEP)
			step_ahead(&files[i], at);
		fd_close(&files[i].fd);
	}
}
