/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands/convert/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "builder/builder.h"

/* The image that is there, held as it is; the new file, and how it gets its place. */

void convert_work_free(struct convert_work *w)
{
	image_free(&w->img);
	key_free(&w->key);
	key_free(&w->named);
	fd_close(&w->lock);
}
mode_t convert_mode(mode_t mode)
{
	mode_t mask = umask(0);
	umask(mask);
	return mode & ~mask;
}

int convert_check_target(const struct convert_work *w, struct error **err)
{
	struct stat st;
	if (lstat(w->target, &st) < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "%s", w->target);
	if (S_ISDIR(st.st_mode)) {
		error_set(err, ERROR_EXISTS, "%s is a folder", w->target);
		return error_hint(err, "give the name of the new file");
	}
	if (!w->replace) {
		error_set(err, ERROR_EXISTS, "%s is there already", w->target);
		return error_hint(err, "choose another name, or overwrite it with --force");
	}
	return target_may_go(AT_FDCWD, w->target, w->target, err);
}

void convert_say_left_out(const struct image_converted *done)
{
	if (done->signatures)
		log_warning("%zu signature%s over what is now encrypted in another way %s left "
			    "out: sign the new image (`coffer sign`)",
			    done->signatures, done->signatures > 1 ? "s" : "",
			    done->signatures > 1 ? "are" : "is");
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static int changed(const char *path, struct error **err)
{
	error_set(err, ERROR_SYSTEM, "%s has been changed meanwhile", path);
	return error_hint(err, "somebody has written to it, or put another image there: try again");
}

/* Where there are no locks nobody has waited for us: what was read may be half of this and that. */
static int check_unchanged(const struct convert_work *w, struct error **err)
{
	struct stat now;
	bool same = fstat(image_descriptor(w->img), &now) == 0 && now.st_size == w->was.st_size &&
		    now.st_mtim.tv_sec == w->was.st_mtim.tv_sec &&
		    now.st_mtim.tv_nsec == w->was.st_mtim.tv_nsec;
	/* What has been put there is not overwritten. */
	if (same && w->in_place)
		same = lstat(w->target, &now) == 0 && same_file(&now, &w->was);
	return same ? 0 : changed(w->img->path, err);
}

/*
 * Labels and definition are in clear in the new image, too: who may not read the old one may not
 * read it. The bits of a group are for those of this group, and where there is an ACL they are no
 * group's: then it gets what all get; so it does where the new file goes to who has called sudo. A
 * folder's default ACL names people whom the old file does not know.
 */
static mode_t new_mode(const struct convert_work *w, int out)
{
	struct stat is;
	mode_t old = w->was.st_mode;
	(void)fremovexattr(out, "system.posix_acl_access");
	if (fstat(out, &is) < 0 || is.st_gid != w->was.st_gid ||
	    (geteuid() == 0 && getenv("SUDO_GID")) ||
	    fgetxattr(w->lock, "system.posix_acl_access", NULL, 0) > 0)
		old = (old & ~(mode_t)S_IRWXG) | (old & S_IRWXO) << 3;
	return w->mode & (S_IRWXU | (old & 0666) | (old & 0444) >> 2);
}

int convert_write_by(const struct convert_work *w,
		     int (*fill)(void *context, int out_fd, struct error **err), void *context,
		     struct error **err)
{
	CLEANUP_OUTPUT struct output out = OUTPUT_NONE;
	if (output_open(w->target, &out, err) < 0 || fill(context, out.file.fd, err) < 0)
		return -1;
	if (w->in_place && output_take_rights(&out, image_descriptor(w->img), err) < 0)
		return -1;
	if (check_unchanged(w, err) < 0)
		return -1;
	if (w->replace && target_may_go(AT_FDCWD, w->target, w->target, err) < 0)
		return -1;
	/* In place the rights are those of the old one already. */
	return output_commit(&out, w->in_place ? 0 : new_mode(w, out.file.fd), w->replace, err);
}

struct conversion {
	const struct convert_work *work;
	struct image_converted *done;
};

static int fill_converted(void *context, int out_fd, struct error **err)
{
	const struct conversion *c = context;
	const struct image_convert_plan plan = { .from = c->work->img,
						 .key = c->work->key,
						 .seal = c->work->seal,
						 .named = c->work->named,
						 .time = time(NULL) };
	return image_convert(&plan, out_fd, c->done, err);
}

int convert_write(const struct convert_work *w, struct image_converted *ret, struct error **err)
{
	struct conversion c = { .work = w, .done = ret };
	return convert_write_by(w, fill_converted, &c, err);
}

/* flock(2), come what may; -1 with errno. */
static int try_lock(int fd, int how)
{
	int r;
	do
		r = flock(fd, how);
	while (r < 0 && errno == EINTR);
	return r;
}

/* Whole file systems have no locks, and the image is to be had from there, too. */
static int lock_image(const struct convert_work *w, const char *path, struct error **err)
{
	int how = w->in_place ? LOCK_EX : LOCK_SH;
	int r = try_lock(w->lock, how | LOCK_NB);
	/* NFS wants a descriptor that may write for the one, and one that may read for the other.
	 */
	if (r < 0 && errno == EBADF && how == LOCK_EX) {
		how = LOCK_SH;
		r = try_lock(w->lock, how | LOCK_NB);
	}
	if (r < 0 && errno == EWOULDBLOCK) {
		log_info("waiting for %s, which another program has locked", path);
		r = try_lock(w->lock, how);
	}
	if (r == 0)
		return 0;
	if (errno != ENOSYS && errno != ENOLCK && errno != EBADF && errno != EOPNOTSUPP)
		return error_errno(err, errno, "lock %s", path);
	log_verbose("%s cannot be locked where it lies: whether it has been changed is looked at "
		    "when all is done",
		    path);
	return 0;
}

static int check_itself(struct convert_work *w, struct error **err)
{
	struct stat target;
	w->in_place = lstat(w->target, &target) == 0 && same_file(&target, &w->was);
	if (!w->in_place || w->itself)
		return 0;
	error_set(err, ERROR_USAGE, "%s is the image itself", w->target);
	return error_hint(err,
			  "give the new one a name of its own: remove the old one when the new "
			  "one has been tried");
}

/* The file that has this name when the lock is ours: who had it may have put another one there. */
static int open_locked(struct convert_work *w, const char *path, struct error **err)
{
	struct stat now;
	do {
		fd_close(&w->lock);
		w->lock = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		/* In the words of who opens images. */
		if (w->lock < 0)
			return image_open(path, &w->img, err);
		if (fstat(w->lock, &w->was) < 0)
			return error_errno(err, errno, "look at %s", path);
		if (check_itself(w, err) < 0 || lock_image(w, path, err) < 0)
			return -1;
	} while (stat(path, &now) == 0 && !same_file(&now, &w->was));
	if (fstat(w->lock, &w->was) < 0)
		return error_errno(err, errno, "look at %s", path);
	if (image_open(path, &w->img, err) < 0)
		return -1;
	if (fstat(image_descriptor(w->img), &now) < 0 || !same_file(&now, &w->was))
		return changed(path, err);
	return 0;
}

int convert_open(struct convert_work *w, const char *path, struct error **err)
{
	if (open_locked(w, path, err) < 0)
		return -1;
	if (!image_is_folder(w->img))
		return 0;
	error_set(err, ERROR_USAGE, "%s is a folder", path);
	return error_hint(err, "make an encrypted image of it with `coffer build`");
}

int convert_not_encrypted(const struct image *img, struct error **err)
{
	error_set(err, ERROR_USAGE, "%s is not encrypted", img->path);
	return error_hint(err, "`coffer encrypt` makes an encrypted image of it");
}

int convert_opener(const struct invocation *in, struct convert_work *w, struct error **err)
{
	if (keys_limit(in, err) < 0 || keys_opener(in, w->img, &w->key, err) < 0)
		return -1;
	return w->key ? 0 : keys_none(err);
}
