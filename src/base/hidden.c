/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

char *hidden_name(const char *name, struct error **err)
{
	uint64_t number;
	if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number)) {
		error_errno(err, errno, "draw a random number");
		return NULL;
	}
	/* Long names are cut: the whole must fit into 255 bytes. */
	return text_printf(err, ".%.200s.%016llx", name, (unsigned long long)number);
}

/* Errors are words of the callers. */
static char *draw_name(const char *name)
{
	CLEANUP_ERROR struct error *err = NULL;
	return hidden_name(name, &err);
}

int hidden_open(int folder, const char *name, struct hidden *ret)
{
	struct hidden h = { .folder = folder };
	h.fd = openat(folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (h.fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT)) {
		h.name = draw_name(name);
		if (!h.name)
			return -ENOMEM;
		h.fd = openat(folder, h.name, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC,
			      0600);
	}
	if (h.fd < 0) {
		int r = -errno;
		text_free(&h.name);
		return r;
	}
	*ret = h;
	return 0;
}

int hidden_open_beside(const char *path, int *ret_folder, struct hidden *ret)
{
	CLEANUP_ERROR struct error *err = NULL;
	const char *name = path_base_name(path);
	CLEANUP_TEXT char *folder = text_dup_len(path, (size_t)(name - path), &err);
	if (!folder)
		return -ENOMEM;
	*ret_folder = open(*folder ? folder : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return *ret_folder < 0 ? -errno : hidden_open(*ret_folder, name, ret);
}

static int link_to(const struct hidden *h, int folder, const char *path)
{
	char link[32];
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", h->fd);
	return linkat(AT_FDCWD, link, folder, path, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

int hidden_place_new(struct hidden *h, const char *path)
{
	int r = h->name ? fd_rename_new(h->folder, h->name, AT_FDCWD, path)
			: link_to(h, AT_FDCWD, path);
	if (r == 0)
		text_free(&h->name);
	return r;
}

int hidden_link(struct hidden *h, const char *name)
{
	if (h->name)
		return 0;
	CLEANUP_TEXT char *drawn = draw_name(name);
	if (!drawn)
		return -ENOMEM;
	int r = link_to(h, h->folder, drawn);
	if (r == 0)
		h->name = take_pointer(&drawn);
	return r;
}

void hidden_free(struct hidden *h)
{
	fd_close(&h->fd);
	if (h->name)
		(void)unlinkat(h->folder, h->name, 0);
	text_free(&h->name);
}
