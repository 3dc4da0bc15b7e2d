/* SPDX-License-Identifier: Apache-2.0 */
#include "run/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Mount points that the image lacks (runtime.md 9). The image's server shows them beside what the
 * image has. Where there is no server of ours, or the container's root can be written, they are
 * made in a directory of the session, which an overlay puts above the image; that costs a quarter
 * to a third of the time that it takes to walk a tree. That directory is ours alone: it holds no
 * links, so it may be walked by plain openat; the image is looked at without following anything.
 * Where a target lies inside the image is a hostile question, which walk.c answers.
 */

/* A directory of the layer that stands above one of the image looks like it. */
static void look_alike(int root, const char *path, int made)
{
	struct stat st;
	CLEANUP_FD int fd = path_open_no_links(root, path, O_PATH | O_DIRECTORY, 0);
	if (fd < 0 || fstat(fd, &st) < 0)
		return;
	/* An owner that is not mapped here cannot be given, and that is no harm. */
	struct timespec times[2] = { st.st_atim, st.st_mtim };
	int r = fchown(made, st.st_uid, st.st_gid);
	if (fchmod(made, st.st_mode & 07777) < 0 || futimens(made, times) < 0 || r < 0)
		log_debug("%s of the layer: %s", path, strerror(errno));
}

/* A path of the layer, step by step: folders that the image has too look like those. */
static int make_place(int root, int lower, const struct serve_place *place, struct error **err)
{
	CLEANUP_TEXT char *path = text_dup(place->path, err);
	CLEANUP_FD int at = fcntl(lower, F_DUPFD_CLOEXEC, 3);
	if (!path || at < 0)
		return path ? -errno : -ENOMEM;
	for (char *name = path; *name;) {
		name += strspn(name, "/");
		size_t len = strcspn(name, "/");
		bool last = !name[len];
		char kept = name[len];
		name[len] = '\0';
		if (last && !place->directory) {
			int fd =
				openat(at, name, O_CREAT | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0644);
			if (fd < 0)
				return -errno;
			(void)close(fd);
			return 0;
		}
		bool made = mkdirat(at, name, 0755) == 0;
		if (!made && errno != EEXIST)
			return -errno;
		int next = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return -errno;
		if (made)
			look_alike(root, path, next);
		name[len] = kept;
		fd_close(&at);
		at = next;
		name += len;
	}
	return 0;
}

/* True when an earlier mount of a host directory will decide what is there. */
static bool beneath_another(const struct run_plan *plan, size_t index)
{
	const char *target = plan->mounts[index].target;
	for (size_t i = 0; i < index; i++) {
		size_t len = strlen(plan->mounts[i].target);
		if (plan->mounts[i].directory && !strncmp(target, plan->mounts[i].target, len) &&
		    target[len] == '/')
			return true;
	}
	return false;
}

/* The places of all mounts of the plan. */
struct place_list {
	struct serve_place *list; /* owned: paths too */
	size_t count;
};

static void free_places(struct place_list *places)
{
	for (size_t i = 0; i < places->count; i++)
		free((char *)places->list[i].path);
	free(places->list);
}

/*
 * The mount points that the image lacks. Below a folder of the host that is mounted first nothing
 * is to be made: there the host's folder decides. Where a link is in the place of a system file,
 * the link is covered and not followed: in many images /etc/localtime leads somewhere else.
 */
static int find_places(const struct run_plan *plan, const struct run_session *session,
		       struct place_list *ret, struct error **err)
{
	ret->list = calloc(plan->mount_count, sizeof(*ret->list));
	if (!ret->list && plan->mount_count)
		return error_no_memory(err);
	for (size_t i = 0; i < plan->mount_count; i++) {
		const struct run_mount *m = &plan->mounts[i];
		if (!m->layered || beneath_another(plan, i))
			continue;
		CLEANUP_BUFFER struct buffer path = { 0 };
		bool cover = false;
		if (m->over_link) {
			CLEANUP_FD int fd = path_open_no_links(session->root, m->target, O_PATH, 0);
			cover = fd == -ELOOP;
		}
		int r = run_walk(session->root, m->target, cover, m->kind == RUN_MOUNT_CWD, &path,
				 err);
		if (*err)
			return -1;
		/* What cannot be made is said when the mount is tried. */
		if (r < 0)
			log_debug("no place for %s: %s", m->target, strerror(-r));
		if (r != 0 || !path.len)
			continue;
		ret->list[ret->count].path = buffer_steal(&path, err);
		if (!ret->list[ret->count].path)
			return -1;
		ret->list[ret->count++].directory = run_mount_is_directory(session, m);
	}
	return 0;
}

/* Returns how many places are new. */
static size_t make_places(const struct place_list *places, int root, int lower)
{
	size_t made = 0;
	for (size_t i = 0; i < places->count; i++) {
		CLEANUP_ERROR struct error *failed = NULL;
		const struct serve_place *place = &places->list[i];
		int r = make_place(root, lower, place, &failed);
		if (r == 0)
			made++;
		else
			log_debug("no place for %s in the layer: %s", place->path, strerror(-r));
	}
	return made;
}

static int make_directory(int dir, const char *name, mode_t mode, struct error **err)
{
	if (mkdirat(dir, name, mode) < 0 && errno != EEXIST)
		return error_errno(err, errno, "make %s in the session directory", name);
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? error_errno(err, errno, "open %s in the session directory", name) : fd;
}

/* The names of the overlay's layers, below the session directory. */
struct layers {
	struct buffer lower; /* with colons between them, the uppermost first */
	struct buffer upper; /* before the names upper and work: nothing, or a folder and a slash */
};

static void free_layers(struct layers *l)
{
	buffer_free(&l->lower);
	buffer_free(&l->upper);
}
#define CLEANUP_LAYERS __attribute__((cleanup(free_layers)))

/* What --overlay names lies above our own layer, as that lies above the image. */
static int list_layers(const struct run_plan *plan, struct run_session *session, struct layers *ret,
		       struct error **err)
{
	if (buffer_puts(&ret->upper, "", err) < 0 ||
	    run_overlays_place(plan, session, &ret->lower, &ret->upper, err) < 0)
		return -1;
	return buffer_puts(&ret->lower, "lower:rootfs", err);
}

static int mount_overlay(const struct run_plan *plan, const struct run_session *session,
			 const struct layers *layers, struct error **err)
{
	const char *options[16];
	size_t n = 0;
	/* Names relative to the session directory: they say nothing to those who look at
	 * mountinfo inside. */
	if (fchdir(session->dir) < 0)
		return error_errno(err, errno, "enter the session directory");
	options[n++] = "lowerdir";
	options[n++] = layers->lower.data;
	CLEANUP_TEXT char *upper = text_printf(err, "%supper", layers->upper.data);
	CLEANUP_TEXT char *work = text_printf(err, "%swork", layers->upper.data);
	if (!upper || !work)
		return -1;
	if (run_plan_has_upper(plan)) {
		options[n++] = "upperdir";
		options[n++] = upper;
		options[n++] = "workdir";
		options[n++] = work;
		/* An upper layer may be laid over another image another time. */
		options[n++] = "index";
		options[n++] = "off";
	}
	/* Folders that hide what lies below say so by attributes, which users write under a name of
	 * their own: without them an rm -r of the image's folder is an I/O error, and so is a new
	 * one in its place. With those the kernel follows no redirects. (On a tmpfs since
	 * Linux 6.6; before, it does without and says nothing.) */
	bool marks = run_plan_has_upper(plan) || plan->overlay_count;
	if (marks && (plan->user_namespace || plan->own_all)) {
		options[n++] = "userxattr";
		options[n++] = NULL;
	} else {
		/* The image's attributes shall not lead the overlay anywhere. */
		options[n++] = "redirect_dir";
		options[n++] = "nofollow";
		options[n++] = "metacopy";
		options[n++] = "off";
	}
	options[n++] = NULL;
	return run_new_filesystem("overlay", options, MOUNT_ATTR_NODEV | run_plan_nosuid(plan),
				  err);
}

/* The mount of the image becomes the root. Ours and the kernel's are nosuid from birth. */
static int use_root(const struct run_plan *plan, struct run_session *session, struct error **err)
{
	bool nosuid = run_plan_nosuid(plan) || image_is_folder(plan->image);
	int r = nosuid ? 0 : mnt_set(session->root, 0, MOUNT_ATTR_NOSUID);
	if (r < 0)
		return error_errno(err, -r, "set the options of the image's mount");
	session->final = fcntl(session->root, F_DUPFD_CLOEXEC, 3);
	return session->final < 0 ? error_errno(err, errno, "open the image's root") : 0;
}

static int no_overlay(const struct run_plan *plan, struct error *cause, struct error **err)
{
	*err = cause;
	if (plan->upper) {
		error_wrap(err, "while creating the overlay that writes to %s", plan->upper->path);
		return error_hint(
			err,
			"the kernel must allow overlay in user namespaces (Linux 5.11), and "
			"%s must be on a file system that can take what it writes: not NFS, "
			"FUSE or another overlay",
			plan->upper->path);
	}
	error_wrap(err, "while creating the overlay for missing mount points");
	return error_hint(err,
			  "the kernel must allow overlay in user namespaces (Linux 5.11), over "
			  "the file system that holds the image");
}

/*
 * lower (ours) over rootfs (the image), the folders of --overlay over both, and for
 * --writable-tmpfs upper and work over all. Where the kernel refuses an overlay that would have had
 * nothing to add, the image does without.
 */
static int make_overlay(const struct run_plan *plan, const struct place_list *places,
			struct run_session *session, struct error **err)
{
	CLEANUP_FD int lower = make_directory(session->dir, "lower", 0755, err);
	CLEANUP_FD int upper = lower < 0 ? -1 : make_directory(session->dir, "upper", 0755, err);
	CLEANUP_FD int work = upper < 0 ? -1 : make_directory(session->dir, "work", 0755, err);
	CLEANUP_FD int final = work < 0 ? -1 : make_directory(session->dir, "final", 0755, err);
	if (final < 0)
		return -1;
	look_alike(session->root, "/", lower);
	look_alike(session->root, "/", upper);
	/* A sandbox is closed to others on this machine; that is not meant for those inside. */
	struct stat st;
	if (image_is_folder(plan->image) && fstat(lower, &st) == 0 &&
	    (fchmod(lower, (st.st_mode & 07777) | 0755) < 0 ||
	     fchmod(upper, (st.st_mode & 07777) | 0755) < 0))
		return error_errno(err, errno, "let others into the layer");
	size_t made = make_places(places, session->root, lower);
	CLEANUP_LAYERS struct layers layers = { 0 };
	if (list_layers(plan, session, &layers, err) < 0)
		return -1;
	CLEANUP_ERROR struct error *failed = NULL;
	CLEANUP_FD int overlay = mount_overlay(plan, session, &layers, &failed);
	if (overlay < 0 && !made && !run_plan_has_upper(plan) && !plan->overlay_count) {
		log_verbose("no overlay, and none is needed: %s", error_message(failed));
		return use_root(plan, session, err);
	}
	if (overlay < 0)
		return no_overlay(plan, take_pointer(&failed), err);
	if (run_tree_place(overlay, final, err) < 0)
		return -1;
	session->final = fd_steal(&overlay);
	return 0;
}

/* By the server where that can do it, by an overlay elsewhere. */
static int make_layer(const struct run_plan *plan, const struct place_list *places,
		      struct run_session *session, struct error **err)
{
	bool served = run_plan_is_served(plan);
	bool shown = served && !run_plan_has_upper(plan) && !plan->overlay_count;
	CLEANUP_ERROR struct error *failed = NULL;
	/*
	 * The server takes one list: an empty one where the overlay has them. Too many places, or a
	 * root that may not be listed, are the overlay's, too; nothing reaches the server past it.
	 */
	if (served &&
	    serve_places(session->root, places->list, shown ? places->count : 0, &failed) < 0) {
		log_verbose("%s: in an overlay", error_message(failed));
		shown = false;
	}
	/* `enable overlay = no`: what the image lacks is then missing, and said so. */
	if (shown || plan->config->overlay == CONFIG_OVERLAY_NO)
		return use_root(plan, session, err);
	return make_overlay(plan, places, session, err);
}

int run_layer_make(const struct run_plan *plan, struct run_session *session, struct error **err)
{
	if (plan->writable)
		return use_root(plan, session, err);
	struct place_list places = { 0 };
	int r = find_places(plan, session, &places, err);
	if (r == 0)
		r = make_layer(plan, &places, session, err);
	free_places(&places);
	return r;
}
