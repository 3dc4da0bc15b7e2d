/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file system with one file under several names, each bad in its own way, as network file
 * systems are: for images that fail while they are in use.
 *
 *   badfs FILE FLAG MOUNTPOINT     (until it is unmounted)
 *
 *   good    as FILE is
 *   short   no read gives more than 1009 bytes
 *   slow    each read takes 30 ms longer
 *   once    while the file FLAG exists, a read removes it and fails with EIO
 *   broken  while FLAG exists, reads fail with EIO
 *   stale   while FLAG exists, reads fail with ESTALE
 */
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SHORT_LEN 1009

static const char *const names[] = { "good", "short", "slow", "once", "broken", "stale" };
static int file;
static char *flag;

static int index_of(const char *path)
{
	for (int i = 0; i < (int)(sizeof(names) / sizeof(names[0])); i++)
		if (*path && !strcmp(path + 1, names[i]))
			return i;
	return -1;
}

static void *bad_init(struct fuse_conn_info *conn, struct fuse_config *config)
{
	(void)conn;
	/* Else the kernel would take what is short for the end, and keep what it has read. */
	config->direct_io = 1;
	return NULL;
}

static int bad_getattr(const char *path, struct stat *st, struct fuse_file_info *fi)
{
	(void)fi;
	if (!strcmp(path, "/")) {
		*st = (struct stat){ .st_mode = S_IFDIR | 0755, .st_nlink = 2 };
		return 0;
	}
	if (index_of(path) < 0)
		return -ENOENT;
	return fstat(file, st) < 0 ? -errno : 0;
}

static int bad_readdir(const char *path, void *buf, fuse_fill_dir_t fill, off_t off,
		       struct fuse_file_info *fi, enum fuse_readdir_flags flags)
{
	(void)path;
	(void)off;
	(void)fi;
	(void)flags;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)fill(buf, names[i], NULL, 0, 0);
	return 0;
}

static int bad_read(const char *path, char *buf, size_t len, off_t off, struct fuse_file_info *fi)
{
	static const struct timespec a_while = { .tv_nsec = 30000000 };
	(void)fi;
	switch (index_of(path)) {
	case 1:
		len = len < SHORT_LEN ? len : SHORT_LEN;
		break;
	case 2:
		(void)nanosleep(&a_while, NULL);
		break;
	case 3:
		if (unlink(flag) == 0)
			return -EIO;
		break;
	case 4:
		if (access(flag, F_OK) == 0)
			return -EIO;
		break;
	case 5:
		if (access(flag, F_OK) == 0)
			return -ESTALE;
		break;
	default:
		break;
	}
	ssize_t n = pread(file, buf, len, off);
	return n < 0 ? -errno : (int)n;
}

static const struct fuse_operations operations = {
	.init = bad_init,
	.getattr = bad_getattr,
	.readdir = bad_readdir,
	.read = bad_read,
};

int main(int argc, char **argv)
{
	if (argc != 4) {
		fputs("usage: badfs FILE FLAG MOUNTPOINT\n", stderr);
		return 2;
	}
	file = open(argv[1], O_RDONLY | O_CLOEXEC);
	flag = argv[2];
	if (file < 0) {
		perror(argv[1]);
		return 1;
	}
	/* Its own user alone may look in, as with any; the tests run it as who runs coffer. */
	char foreground[] = "-f";
	char *words[] = { argv[0], foreground, argv[3], NULL };
	return fuse_main(3, words, &operations, NULL);
}
