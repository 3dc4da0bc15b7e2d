/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Asked for at the beginning, so that a full disk is found before an hour of %post. */
#define FIRST_BYTES (1 << 20)

static int try_space(int fd, const char *target, struct error **err)
{
	if (fallocate(fd, 0, 0, FIRST_BYTES) < 0 && (errno == ENOSPC || errno == EDQUOT))
		return error_errno(err, errno, "while creating SIF: write %s", target);
	if (ftruncate(fd, 0) < 0)
		return error_errno(err, errno, "while creating SIF: write %s", target);
	return 0;
}

int output_open(const char *target, struct output *ret, struct error **err)
{
	CLEANUP_OUTPUT struct output o = OUTPUT_NONE;
	o.path = text_dup(target, err);
	if (!o.path)
		return -1;
	o.name = path_base_name(o.path);
	if (!*o.name || !strcmp(o.name, ".") || !strcmp(o.name, ".."))
		return error_set(err, ERROR_USAGE, "while creating SIF: %s names no file", target);
	CLEANUP_TEXT char *folder = text_dup_len(o.path, (size_t)(o.name - o.path), err);
	if (!folder)
		return -1;
	o.folder = open(*folder ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (o.folder < 0) {
		error_errno(err, errno, "while creating SIF: open %s", target);
		return error_hint(err, "make the folder first: nothing was built");
	}
	int r = hidden_open(o.folder, o.name, &o.file);
	if (r < 0)
		return error_errno(err, -r, "while creating SIF: create %s", target);
	if (try_space(o.file.fd, target, err) < 0)
		return -1;
	*ret = o;
	o.folder = o.file.fd = -1;
	o.path = o.file.name = NULL;
	return 0;
}

#define ACL "system.posix_acl_access"
#define ACL_MAX 65536 /* XATTR_SIZE_MAX of the kernel */

/* The ACL of `from`; where it has none, none: the new file may have one by its folder's default. */
static bool copy_acl(int from, int to)
{
	char acl[ACL_MAX];
	ssize_t n = fgetxattr(from, ACL, acl, sizeof(acl));
	if (n >= 0)
		return fsetxattr(to, ACL, acl, (size_t)n, 0) == 0;
	if (errno == ENODATA && fremovexattr(to, ACL) == 0)
		return true;
	return errno == ENODATA || errno == ENOTSUP;
}

int output_take_rights(struct output *o, int old, struct error **err)
{
	struct stat was, is;
	if (fstat(old, &was) < 0 || fstat(o->file.fd, &is) < 0)
		return error_errno(err, errno, "look at %s", o->path);
	/* Not compared with the process: a folder may give its own group to what is in it. */
	if ((was.st_uid != is.st_uid || was.st_gid != is.st_gid) &&
	    fchown(o->file.fd, was.st_uid, was.st_gid) < 0)
		return error_errno(err, errno, "give the new %s to the owner of the old one",
				   o->path);
	o->mode = was.st_mode & 0777;
	if (!copy_acl(old, o->file.fd))
		o->mode &= (mode_t)~S_IRWXG;
	o->like_old = true;
	return 0;
}

/* Under sudo the file is for who called it: deffile.md 15. */
static int give_to_caller(int fd, const char *path, struct error **err)
{
	const char *command = getenv("SUDO_COMMAND"), *uid = getenv("SUDO_UID"),
		   *gid = getenv("SUDO_GID");
	char *end;
	if (geteuid() != 0 || !command || !uid || !gid ||
	    (!strstr(command, "coffer") && !strstr(command, "apptainer")))
		return 0;
	errno = 0;
	unsigned long u = strtoul(uid, &end, 10);
	if (errno || *end || end == uid || u >= UINT32_MAX)
		return 0;
	unsigned long g = strtoul(gid, &end, 10);
	if (errno || *end || end == gid || g >= UINT32_MAX)
		return 0;
	return fchown(fd, (uid_t)u, (gid_t)g) < 0
		       ? error_errno(err, errno, "give %s to its user", path)
		       : 0;
}

/*
 * Looks at the folder that has changed places with a new target: what lay there when it was looked
 * at before may have been another one. Where it may not go both change back. The two are below
 * the folder, or have absolute paths; *ret_keep: that failed, and it is at `old` now.
 */
static int check_exchanged(int folder, const char *old, const char *target, bool *ret_keep,
			   struct error **err)
{
	if (target_may_go(folder, old, target, err) == 0)
		return 0;
	if (renameat2(folder, old, folder, target, RENAME_EXCHANGE) < 0) {
		log_warning("What was %s before is %s now", target, old);
		*ret_keep = true;
	}
	return -1;
}

/* From the temporary name to its own. */
static int place(struct output *o, bool replace, struct error **err)
{
	bool keep = false;
	if (!replace) {
		/* What has appeared since the target was looked at is not overwritten. */
		int r = fd_rename_new(o->folder, o->file.name, o->folder, o->name);
		return r < 0 ? error_errno(err, -r, "while creating SIF: create %s", o->path) : 0;
	}
	if (renameat(o->folder, o->file.name, o->folder, o->name) == 0)
		return 0;
	/* An old sandbox: both change places, and the caller removes it. */
	if ((errno != EISDIR && errno != EEXIST && errno != ENOTEMPTY) ||
	    renameat2(o->folder, o->file.name, o->folder, o->name, RENAME_EXCHANGE) < 0)
		return error_errno(err, errno, "while creating SIF: create %s", o->path);
	if (check_exchanged(o->folder, o->file.name, o->name, &keep, err) < 0) {
		o->done = keep;
		return error_wrap(err, "while creating SIF");
	}
	o->old_folder = true;
	return 0;
}

int output_commit(struct output *o, mode_t mode, bool replace, struct error **err)
{
	if (!o->like_old && give_to_caller(o->file.fd, o->path, err) < 0)
		return -1;
	if (fchmod(o->file.fd, o->like_old ? o->mode : mode) < 0 || fsync(o->file.fd) < 0)
		return error_errno(err, errno, "while creating SIF: write %s", o->path);
	int r = hidden_link(&o->file, o->name);
	if (r < 0)
		return error_errno(err, -r, "while creating SIF: create %s", o->path);
	if (place(o, replace, err) < 0)
		return -1;
	o->done = true;
	if (fsync(o->folder) < 0 && errno != EINVAL)
		return error_errno(err, errno, "while creating SIF: write the folder of %s",
				   o->path);
	return 0;
}

/* ------------------------------------------------------------------ a folder */

/*
 * Where the file system takes no flags (NFS): the same in steps, which others may see. Returns -1
 * with errno, and with *err where what was there may not go.
 */
static int place_in_steps(const char *tree, const char *target, const char *shown, const char *old,
			  bool replace, bool *ret_keep, struct error **err)
{
	struct stat st;
	if (lstat(target, &st) < 0)
		return errno == ENOENT ? rename(tree, target) : -1;
	if (!replace) {
		errno = EEXIST;
		return -1;
	}
	if (rename(target, old) < 0)
		return -1;
	if (target_may_go(AT_FDCWD, old, target, err) == 0 && rename(tree, target) == 0)
		return 0;
	int errnum = errno;
	if (rename(old, target) < 0) {
		/* It is not ours to remove now. */
		log_warning("What was %s before is %s now", shown, old);
		*ret_keep = true;
	}
	errno = errnum;
	return -1;
}

int output_place_folder(const char *tree, const char *target, const char *shown, const char *old,
			bool replace, bool *ret_keep, struct error **err)
{
	if (renameat2(AT_FDCWD, tree, AT_FDCWD, target, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno == EEXIST && replace &&
	    renameat2(AT_FDCWD, tree, AT_FDCWD, target, RENAME_EXCHANGE) == 0) {
		if (check_exchanged(AT_FDCWD, tree, target, ret_keep, err) == 0)
			return 0;
		return error_wrap(err, "while creating sandbox");
	}
	if (errno == EINVAL &&
	    place_in_steps(tree, target, shown, old, replace, ret_keep, err) == 0)
		return 0;
	if (*err)
		return error_wrap(err, "while creating sandbox");
	return error_errno(err, errno, "while creating sandbox: create %s", shown);
}

void output_free(struct output *o)
{
	if (o->done)
		text_free(&o->file.name);
	hidden_free(&o->file);
	fd_close(&o->folder);
	text_free(&o->path);
}
