/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A layer unpacked into a folder: whatever it says, nothing is made or changed outside that folder,
 * and there is no device in it.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "oci/oci.h"

static char base[] = "/dev/shm/coffer-fuzz-XXXXXX";
static int base_fd = -1, home = -1;
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
	if (owner == getpid() && chdir("/") == 0)
		(void)nftw(base, remove_one, 64, FTW_DEPTH | FTW_PHYS);
}

/* base/beside is what an escape would meet first; base/out is unpacked into. */
void fuzz_start(void)
{
	struct error *err = NULL;
	owner = getpid();
	umask(0);
	if ((home = open(".", O_PATH | O_CLOEXEC)) < 0 || !mkdtemp(base) ||
	    (base_fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
	    mkdirat(base_fd, "beside", 0700) < 0 || mkdirat(base_fd, "blobs", 0700) < 0 ||
	    mkdirat(base_fd, "blobs/sha256", 0700) < 0 || oci_load(&err) < 0)
		fuzz_bug("no folder to unpack into");
	(void)atexit(remove_base);
}

static void check_outside(void)
{
	struct stat st;
	if (fstatat(base_fd, "beside", &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode) ||
	    (st.st_mode & 07777) != 0700 || st.st_nlink != 2)
		fuzz_bug("something outside the folder was changed");
	if (unlinkat(base_fd, "beside", AT_REMOVEDIR) < 0 || mkdirat(base_fd, "beside", 0700) < 0)
		fuzz_bug("something outside the folder was made");
	if (fstat(base_fd, &st) < 0 || st.st_nlink != 5 || (st.st_mode & 07777) != 0700)
		fuzz_bug("the folder above was changed");
}

static uint64_t objects;

static int check_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)type;
	objects++;
	if (S_ISBLK(st->st_mode) || S_ISCHR(st->st_mode))
		fuzz_bug("a device was made");
	return at->level ? remove(path) : 0;
}

static int unpack(int out, const struct oci_layer *layer, struct error **err)
{
	struct oci_unpacker *u CLEANUP_OCI_UNPACKER = NULL;
	const struct oci_rules rules = { 0 };
	if (oci_unpacker_new(out, &rules, &u, err) < 0)
		return -1;
	/* Upon itself, so that there are lower files for all that takes them away. */
	return oci_unpack_layer(u, base_fd, layer, err) < 0
		       ? -1
		       : oci_unpack_layer(u, base_fd, layer, err);
}

int fuzz_run(const uint8_t *data, size_t len, struct error **err)
{
	struct oci_layer layer = { .blob.size = len };
	char path[sizeof(base) + 8];
	fault_pause();
	if (crypto_sha256(data, len, layer.blob.digest, err) < 0)
		fuzz_bug("no digest");
	memcpy(layer.content, layer.blob.digest, sizeof(layer.content));
	char *name = oci_blob_path(&layer.blob, err);
	int fd = name ? openat(base_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
	if (fd < 0 || fd_write(fd, data, len) < 0 || mkdirat(base_fd, "out", 0700) < 0)
		fuzz_bug("no folder to unpack into");
	(void)close(fd);
	int out = openat(base_fd, "out", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fault_resume();
	int r = unpack(out, &layer, err);
	fault_pause();
	check_outside();
	(void)unlinkat(base_fd, name, 0);
	free(name);
	objects = 0;
	(void)fchmod(out, 0700);
	(void)close(out);
	(void)snprintf(path, sizeof(path), "%s/out", base);
	if (fchdir(home) < 0 || nftw(path, check_one, 64, FTW_DEPTH | FTW_PHYS) != 0 ||
	    rmdir(path) < 0) {
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
