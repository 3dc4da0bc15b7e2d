/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A squashfs unpacked into a folder: whatever the image, nothing is made or changed outside that
 * folder, there is no device in it and no set-user-id file.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "squash/squash.h"

#define CACHE_BYTES ((size_t)256 << 10)
#define FILE_MAX ((rlim_t)1 << 40) /* of a sparse file, too */

static char base[] = "/dev/shm/coffer-fuzz-XXXXXX";
static int base_fd = -1;
static pid_t owner;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static void remove_base(void)
{
	if (owner == getpid())
		(void)nftw(base, remove_one, 64, FTW_DEPTH | FTW_PHYS);
}

/* base/beside is what an escape would meet first; base/out is unpacked into. */
void fuzz_start(void)
{
	owner = getpid();
	umask(0);
	if (!mkdtemp(base) || (base_fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
	    mkdirat(base_fd, "beside", 0700) < 0)
		fuzz_bug("no folder to unpack into");
	(void)atexit(remove_base);
	/* A file of too many bytes is an error, not a signal. */
	(void)signal(SIGXFSZ, SIG_IGN);
}

/* The names at the top, and that `beside` is as it was. */
static void check_outside(void)
{
	struct stat st;
	if (fstatat(base_fd, "beside", &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode) ||
	    (st.st_mode & 07777) != 0700 || st.st_nlink != 2)
		fuzz_bug("something outside the folder was changed");
	if (unlinkat(base_fd, "beside", AT_REMOVEDIR) < 0 || mkdirat(base_fd, "beside", 0700) < 0)
		fuzz_bug("something outside the folder was made");
	if (fstat(base_fd, &st) < 0 || st.st_nlink != 4 || (st.st_mode & 07777) != 0700)
		fuzz_bug("the folder above was changed");
}

static uint64_t objects;

static int check_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)type;
	objects++;
	if (S_ISBLK(st->st_mode) || S_ISCHR(st->st_mode))
		fuzz_bug("a device was made");
	if (S_ISREG(st->st_mode) && st->st_mode & (S_ISUID | S_ISGID))
		fuzz_bug("a file got the bit of a set-user-id program");
	return at->level ? remove(path) : 0;
}

int fuzz_run(const uint8_t *data, size_t len, struct error **err)
{
	struct source *source CLEANUP_SOURCE = NULL;
	const struct squash_options options = { .cache_bytes = CACHE_BYTES };
	const struct squash_extract_rules rules = { 0 };
	struct squash *sq CLEANUP_SQUASH = NULL;
	char path[sizeof(base) + 8];
	if (fuzz_source(data, len, &source, err) < 0 || squash_open(source, &options, &sq, err) < 0)
		return -1;
	fault_pause();
	(void)snprintf(path, sizeof(path), "%s/out", base);
	if (mkdirat(base_fd, "out", 0700) < 0)
		fuzz_bug("no folder to unpack into");
	int out = openat(base_fd, "out", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fault_resume();
	int r = squash_extract(sq, out, &rules, err);
	fault_pause();
	check_outside();
	objects = 0;
	/* Folders that may not be written are not root's alone to remove. */
	(void)fchmod(out, 0700);
	(void)close(out);
	if (nftw(path, check_one, 64, FTW_DEPTH | FTW_PHYS) != 0 || rmdir(path) < 0) {
		char command[sizeof(path) + 64];
		(void)snprintf(command, sizeof(command), "chmod -R u+rwX %s; rm -rf %s", path,
			       path);
		if (system(command) != 0)
			fuzz_bug("the folder cannot be removed");
	}
	fault_resume();
	fuzz_saw_number(objects);
	/* What the file system below cannot hold is the machine's matter. */
	if (r < 0 && !fault_armed() &&
	    (error_kind(*err) == ERROR_IO || error_kind(*err) == ERROR_SYSTEM))
		error_set_kind(err, ERROR_LIMIT);
	return r;
}
