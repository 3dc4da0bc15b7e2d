/* SPDX-License-Identifier: Apache-2.0 */
#include "os/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

/* ------------------------------------------------------------------ the way down */

int way_enter(struct way *w, int fd, struct stat *ret)
{
	CLEANUP_FD int taken = fd;
	CLEANUP_ERROR struct error *failed = NULL;
	struct way_level *grown = array_grow(w->levels, w->depth, &w->cap, sizeof(*grown), &failed);
	if (!grown)
		return -ENOMEM;
	w->levels = grown;
	if (fstat(fd, ret) < 0)
		return -errno;
	w->levels[w->depth++] = (struct way_level){
		.fd = fd_steal(&taken),
		.device = ret->st_dev,
		.inode = ret->st_ino,
	};
	if (w->depth > WAY_OPEN + 1)
		fd_close(&w->levels[w->depth - 1 - WAY_OPEN].fd);
	return 0;
}

int way_here(const struct way *w)
{
	return w->levels[w->depth - 1].fd;
}

int way_above(struct way *w)
{
	struct way_level *above = &w->levels[w->depth - 2];
	struct stat st;
	if (above->fd >= 0)
		return above->fd;
	CLEANUP_FD int fd = openat(way_here(w), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_dev != above->device || st.st_ino != above->inode)
		return -ESTALE;
	above->fd = fd_steal(&fd);
	return above->fd;
}

int way_leave(struct way *w)
{
	int above = w->depth > 1 ? way_above(w) : 0;
	fd_close(&w->levels[--w->depth].fd);
	return above < 0 ? above : 0;
}

void way_free(struct way *w)
{
	while (w->depth)
		fd_close(&w->levels[--w->depth].fd);
	free(w->levels);
	*w = (struct way){ 0 };
}

/* ------------------------------------------------------------------ the walk */

struct folder {
	struct stat st;
	struct strings names;
	size_t next;	 /* of the names */
	size_t path_len; /* of its own path */
};

struct walk {
	const struct walk_visitor *visitor;
	void *context;
	struct way way;
	struct folder *folders; /* one a level of the way */
	size_t cap;
	struct buffer path;
	bool alone; /* the first folder stands for one entry, whose path has no slash in front */
	struct error **err;
};

static int failed(struct walk *w, int errnum)
{
	if (errnum == ESTALE)
		return error_set(w->err, ERROR_IO, "the folder above %s%s was moved meanwhile",
				 w->path.data, w->visitor->of);
	return error_errno(w->err, errnum, "read %s%s", w->path.len ? w->path.data : "/",
			   w->visitor->of);
}

static void cut_path(struct walk *w, size_t len)
{
	w->path.len = len;
	w->path.data[len] = '\0';
}

/* Enters the folder at w->path. Takes fd over. */
static int enter(struct walk *w, int fd)
{
	struct folder *grown =
		array_grow(w->folders, w->way.depth, &w->cap, sizeof(*grown), w->err);
	if (!grown) {
		fd_close(&fd);
		return -1;
	}
	w->folders = grown;
	struct folder *f = &w->folders[w->way.depth];
	*f = (struct folder){ .path_len = w->path.len };
	int r = way_enter(&w->way, fd, &f->st);
	return r < 0 ? failed(w, -r) : 0;
}

static int read_names(struct walk *w)
{
	int r = directory_names(way_here(&w->way), ".", &w->folders[w->way.depth - 1].names);
	return r < 0 ? failed(w, -r) : 0;
}

/* Opens the folder that is shown, shows it again, and goes in. */
static int open_folder(struct walk *w, const struct walk_at *at)
{
	const struct walk_visitor *v = w->visitor;
	struct stat st;
	/* The first level is where the walk begins. */
	if (w->way.depth > v->depth_max)
		return error_set(w->err, ERROR_LIMIT, "folders are nested deeper than %zu",
				 v->depth_max);
	CLEANUP_FD int fd =
		openat(at->folder, at->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return failed(w, errno);
	int step = v->enter ? v->enter(w->context, at, fd, &st, w->err) : WALK_ENTER;
	if (step != WALK_ENTER)
		return step;
	return enter(w, fd_steal(&fd)) < 0 || read_names(w) < 0 ? -1 : WALK_ENTER;
}

static int next_entry(struct walk *w, struct folder *f)
{
	const char *name = f->names.items[f->next++];
	size_t len = f->path_len;
	if (buffer_printf(&w->path, w->err, "%s%s", w->alone && !len ? "" : "/", name) < 0)
		return -1;
	const struct walk_at at = { way_here(&w->way), &f->st, name, w->path.data };
	int step = w->visitor->entry(w->context, &at, w->err);
	if (step == WALK_ENTER)
		step = open_folder(w, &at);
	if (step == WALK_ON)
		cut_path(w, len);
	return step;
}

static int leave(struct walk *w)
{
	size_t depth = w->way.depth;
	struct folder *f = &w->folders[depth - 1];
	int step = WALK_ON;
	if (depth > 1) {
		struct folder *above = f - 1;
		int fd = way_above(&w->way);
		if (fd < 0)
			return failed(w, -fd);
		const struct walk_at at = { fd, &above->st, above->names.items[above->next - 1],
					    w->path.data };
		if (w->visitor->leave)
			step = w->visitor->leave(w->context, &at, way_here(&w->way), &f->st,
						 w->err);
		cut_path(w, above->path_len);
	}
	strings_free(&f->names);
	(void)way_leave(&w->way); /* the folder above is open */
	return step;
}

static int go(struct walk *w)
{
	int step = WALK_ON;
	while (step >= 0 && w->way.depth) {
		struct folder *f = &w->folders[w->way.depth - 1];
		step = f->next < f->names.len ? next_entry(w, f) : leave(w);
	}
	return step < 0 ? -1 : 0;
}

static int walk_from(int folder, const char *alone, const struct walk_visitor *visitor,
		     void *context, struct error **err)
{
	struct walk w = { .visitor = visitor, .context = context, .alone = alone, .err = err };
	int flags = alone ? O_PATH : O_RDONLY;
	int result = buffer_puts(&w.path, "", err);
	if (result == 0) {
		int fd = openat(folder, ".", flags | O_DIRECTORY | O_CLOEXEC);
		result = fd < 0 ? failed(&w, errno) : enter(&w, fd);
	}
	if (result == 0)
		result = alone ? strings_add(&w.folders[0].names, alone, err) : read_names(&w);
	if (result == 0)
		result = go(&w);
	for (size_t i = 0; i < w.way.depth; i++)
		strings_free(&w.folders[i].names);
	free(w.folders);
	way_free(&w.way);
	buffer_free(&w.path);
	return result;
}

int walk_tree(int folder, const struct walk_visitor *visitor, void *context, struct error **err)
{
	return walk_from(folder, NULL, visitor, context, err);
}

int walk_entry(int folder, const char *name, const struct walk_visitor *visitor, void *context,
	       struct error **err)
{
	return walk_from(folder, name, visitor, context, err);
}
