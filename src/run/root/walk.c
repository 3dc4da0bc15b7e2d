/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The image chooses its links, so where a target lies inside it is a hostile question. run_walk()
 * answers it as text, by steps of its own: each step looks at one name without following it, and a
 * link's text is put in front of what is still to go, as a process with that root would take it.
 * What comes out has no link in it, so the server and the layer can use it as it is. Nothing rests
 * on its being right: when the mount is made, the target is opened anew below the new root by the
 * kernel (path_open_in_root), which keeps every step inside. A tree that changes meanwhile costs a
 * mount.
 */
#include "run/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* As many as the kernel follows on one way: path_resolution(7). */
#define LINKS_MAX 40

/* The first name of what is still to go, and what comes after it: both within that text. */
struct step {
	const char *name, *rest;
	size_t len;
};

static bool next_step(const char *todo, struct step *ret)
{
	ret->name = todo + strspn(todo, "/");
	ret->len = strcspn(ret->name, "/");
	ret->rest = ret->name + ret->len;
	ret->rest += strspn(ret->rest, "/");
	return ret->len > 0;
}

static bool step_is(const struct step *s, const char *word)
{
	return s->len == strlen(word) && !memcmp(s->name, word, s->len);
}

static void cut(struct buffer *path, size_t len)
{
	path->len = len;
	path->data[len] = '\0';
}

/* The root is its own parent. */
static void go_up(struct buffer *path)
{
	const char *slash = strrchr(path->data, '/');
	cut(path, slash ? (size_t)(slash - path->data) : 0);
}

/*
 * What is at path, whose last name alone can be a link, as the names before it were looked at: 1,
 * and it is a directory where one is needed; 0: nothing; -ELOOP: a link; or another -errno.
 */
static int look(int root, const char *path, bool directory)
{
	struct stat st;
	CLEANUP_FD int fd = path_open_no_links(root, path, O_PATH, 0);
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	return directory && !S_ISDIR(st.st_mode) ? -ENOTDIR : 1;
}

/*
 * The link that the step names in the folder `done`: *ret (the caller frees it) is what is to go
 * from there, and `done` becomes the root where the text begins there. Returns 0 or -errno.
 */
static int follow(int root, struct buffer *done, const struct step *s, char **ret,
		  struct error **err)
{
	char text[4096];
	CLEANUP_TEXT char *name = text_dup_len(s->name, s->len, err);
	if (!name)
		return -ENOMEM;
	CLEANUP_FD int dir =
		path_open_no_links(root, done->len ? done->data : "/", O_PATH | O_DIRECTORY, 0);
	if (dir < 0)
		return -ELOOP;
	ssize_t n = readlinkat(dir, name, text, sizeof(text));
	if (n <= 0 || n == sizeof(text))
		return -ELOOP;
	*ret = text_printf(err, "%.*s/%s", (int)n, text, s->rest);
	if (!*ret)
		return -ENOMEM;
	if (text[0] == '/')
		cut(done, 0);
	return 0;
}

int run_walk(int root, const char *target, bool keep_last, bool no_links, struct buffer *ret,
	     struct error **err)
{
	CLEANUP_TEXT char *todo = text_dup(target, err);
	if (!todo || buffer_puts(ret, "", err) < 0)
		return -ENOMEM;
	bool there = true;
	int links = 0;
	struct step s;
	for (const char *at = todo; next_step(at, &s);) {
		at = s.rest;
		if (step_is(&s, "."))
			continue;
		if (step_is(&s, "..")) {
			go_up(ret);
			continue;
		}
		if (s.len > NAME_MAX)
			return -ENAMETOOLONG;
		size_t folder = ret->len;
		if (buffer_printf(ret, err, "/%.*s", (int)s.len, s.name) < 0)
			return -ENOMEM;
		if (!there)
			continue;
		if (keep_last && !*s.rest)
			return 0;
		int r = look(root, ret->data, *s.rest);
		if (r == -ELOOP && !no_links && ++links <= LINKS_MAX) {
			char *further = NULL;
			cut(ret, folder);
			r = follow(root, ret, &s, &further, err);
			if (r < 0)
				return r;
			text_free(&todo);
			at = todo = further;
		} else if (r < 0) {
			return r;
		} else if (r == 0) {
			there = false;
		}
	}
	return there;
}
