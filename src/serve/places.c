/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mount points that the image lacks, shown by the server as if they were in it.
 *
 * A mount needs a directory or a file to lie on, and an image cannot be written. An overlay would
 * give one, but costs at every look-up for as long as the container runs. So the container's
 * process tells the server its list once, by an ioctl on the mount's root, and the server answers
 * look-ups and listings with these names besides the image's own (ops.c).
 *
 * The ioctl comes from whoever has the root open, and later that is the payload. Hence: the
 * first list alone is taken, an empty one counts, and the container's process always sends one
 * before anything of the image runs. The list is a message of bounded size whose paths come
 * resolved: no link is followed here, and a path that leads through a file is an error. A place can
 * cover nothing of the image but a link at its end: the mount that follows would cover the link's
 * target otherwise.
 *
 * Threads that answer requests read the list while it is being filled. An entry is written whole
 * before `count` says that it is there, and never changes afterwards; so they need no lock.
 */
#include "serve/places.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "serve/serve.h"

/* ------------------------------------------------------------------ the container's side */

static int add_text(struct places_message *m, const char *letter, const char *path,
		    struct error **err)
{
	size_t len = strlen(path) + 1;
	if (len + 2 > sizeof(m->text) - m->len)
		return error_set(err, ERROR_LIMIT, "too many mount points that the image lacks");
	memcpy(m->text + m->len, letter, 2);
	memcpy(m->text + m->len + 2, path, len);
	m->len += (uint32_t)(len + 2);
	return 0;
}

int serve_places(int root, const struct serve_place *places, size_t count, struct error **err)
{
	CLEANUP_FD int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct places_message *m = calloc(1, sizeof(*m));
	int r = 0;
	if (fd < 0)
		r = error_errno(err, errno, "open the image's root");
	else if (!m)
		r = error_no_memory(err);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = add_text(m, places[i].directory ? "d" : "f", places[i].path, err);
	if (r == 0 && ioctl(fd, PLACES_CALL, m) < 0)
		r = error_errno(err, errno, "tell the image server the mount points");
	free(m);
	return r;
}

/* ------------------------------------------------------------------ the server's side */

uint64_t places_next(const struct places *places, uint64_t parent, uint64_t from)
{
	size_t count = atomic_load_explicit(&places->count, memory_order_acquire);
	for (size_t i = from - PLACES_NODE; i < count; i++)
		if (places->list[i].parent == parent)
			return PLACES_NODE + i;
	return 0;
}

uint64_t places_find(const struct places *places, uint64_t parent, const char *name, size_t len)
{
	uint64_t node = PLACES_NODE;
	for (; (node = places_next(places, parent, node)); node++) {
		const char *found = places->list[node - PLACES_NODE].name;
		if (!strncmp(found, name, len) && found[len] == '\0')
			break;
	}
	return node;
}

const char *places_inode(const struct places *places, uint64_t node, struct squash_inode *ret)
{
	const struct place *place = &places->list[node - PLACES_NODE];
	*ret = (struct squash_inode){
		.ref = node - 2, /* as if it were one of the image's (node_of) */
		.mode = place->directory ? S_IFDIR | 0755 : S_IFREG | 0644,
		.links = place->directory ? 2 : 1,
		.mtime = place->mtime,
		.fragment = UINT32_MAX,
		.xattr = UINT32_MAX,
	};
	return place->name;
}

/* Returns the new place's node, or 0. */
static uint64_t add(struct places *places, uint64_t parent, const char *name, size_t len,
		    bool directory, uint32_t mtime, struct error **err)
{
	size_t count = atomic_load_explicit(&places->count, memory_order_relaxed);
	if (count == PLACES_MAX) {
		error_set(err, ERROR_LIMIT, "too many mount points that the image lacks");
		return 0;
	}
	char *copy = text_dup_len(name, len, err);
	if (!copy)
		return 0;
	places->list[count] = (struct place){
		.parent = parent, .name = copy, .directory = directory, .mtime = mtime
	};
	atomic_store_explicit(&places->count, count + 1, memory_order_release);
	return PLACES_NODE + count;
}

/*
 * One step of a path: to the node of the name. Returns 1 when a place has to be made: where there
 * is none, or at the end of a path over a link of the image; on the way there is no link, as paths
 * come resolved. *mtime: that of the last directory of the image on the way.
 */
static int step(const struct places *places, struct squash *sq, uint64_t *node, const char *name,
		size_t len, bool last, uint32_t *mtime, struct error **err)
{
	CLEANUP_ERROR struct error *failed = NULL;
	struct squash_inode inode;
	squash_ref ref, root = squash_root(sq);
	uint64_t place = places_find(places, *node, name, len);
	if (place) {
		*node = place;
		*mtime = places->list[place - PLACES_NODE].mtime;
		return 0;
	}
	if (places_is(*node))
		return 1;
	if (squash_inode(sq, ref_of(root, *node), &inode, err) < 0)
		return -1;
	*mtime = inode.mtime;
	if (!S_ISDIR(inode.mode))
		return error_set(err, ERROR_NOT_FOUND, "a mount point below a file");
	if (squash_lookup(sq, &inode, name, len, &ref, &failed) < 0) {
		if (error_kind(failed) == ERROR_NOT_FOUND)
			return 1;
		*err = take_pointer(&failed);
		return -1;
	}
	if (squash_inode(sq, ref, &inode, err) < 0)
		return -1;
	*node = node_of(root, ref);
	return last && S_ISLNK(inode.mode);
}

static int take_path(struct places *places, struct squash *sq, const char *path, bool directory,
		     places_tell tell, void *context, struct error **err)
{
	uint64_t node = 1; /* the root */
	uint32_t mtime = 0;
	for (;;) {
		path += strspn(path, "/");
		size_t len = strcspn(path, "/");
		if (!len)
			return 0;
		if (len > NAME_MAX)
			return error_set(err, ERROR_LIMIT, "a name of %zu bytes", len);
		bool last = !path[len + strspn(path + len, "/")];
		uint64_t parent = node;
		int r = step(places, sq, &node, path, len, last, &mtime, err);
		if (r < 0)
			return -1;
		if (r > 0) {
			node = add(places, parent, path, len, directory || !last, mtime, err);
			if (!node)
				return -1;
			tell(context, parent, places->list[node - PLACES_NODE].name);
		}
		path += len;
	}
}

int places_take(struct places *places, struct squash *squash, const struct places_message *message,
		places_tell tell, void *context, struct error **err)
{
	if (atomic_exchange(&places->given, true))
		return error_set(err, ERROR_POLICY, "the mount points are known already");
	if (message->len > sizeof(message->text))
		return error_set(err, ERROR_DAMAGED, "no list of mount points");
	struct bytes b = bytes_of(message->text, message->len);
	if (!bytes_left(&b))
		return 0;
	places->list = calloc(PLACES_MAX, sizeof(*places->list));
	if (!places->list)
		return error_no_memory(err);
	while (bytes_left(&b)) {
		const char *letter = bytes_take(&b, 2);
		const char *path = (const char *)b.data + b.off;
		const char *end = memchr(path, 0, bytes_left(&b));
		if (!letter || !end || letter[1] || (*letter != 'd' && *letter != 'f') ||
		    *path != '/')
			return error_set(err, ERROR_DAMAGED, "no list of mount points");
		bytes_skip(&b, (size_t)(end - path) + 1);
		if (take_path(places, squash, path, *letter == 'd', tell, context, err) < 0)
			return -1;
	}
	return 0;
}

void places_free(struct places *places)
{
	size_t count = atomic_load_explicit(&places->count, memory_order_acquire);
	for (size_t i = 0; i < count; i++)
		free(places->list[i].name);
	free(places->list);
	*places = (struct places){ 0 };
}
