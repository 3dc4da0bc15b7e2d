/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/agents/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fetch/fetch.h"
#include "tree/tree.h"

/*
 * An image file that lies elsewhere: oras, library, http, https. The builder, which has no key,
 * gets it beside the trees, where nobody else sees it: in memory, unless they are to lie on a disk.
 * From there on it is an image of this machine (local.c), but for two things. The command, which
 * has the key of an encrypted one, does not see the builder's file system, and is sent the file's
 * descriptor. And it is the command that asks the policy: it alone knows whose a file is.
 */

#define NAME_LIBRARY "library"

static struct fetch_options options_of(const struct build *b)
{
	struct fetch_options o = b->wish->fetch;
	const char *library = definition_header(b->definition, NAME_LIBRARY);
	/* The command line's word goes before the file's. */
	if (!o.library && library && *library)
		o.library = library;
	return o;
}

/* What is asked for: the text is the caller's. */
static char *source_of(const struct build *b, struct error **err)
{
	const char *from = definition_header(b->definition, "from");
	const char *more = b->definition->unshown;
	return text_printf(err, "%s%s", from ? from : "", more ? more : "");
}

static struct fetch_wish wish_of(const struct build *b, const char *from,
				 const struct fetch_options *options)
{
	return (struct fetch_wish){
		.transport = fetch_transport(definition_header(b->definition, "bootstrap")),
		.from = from,
		.arch = b->arch,
		.options = options,
	};
}

/* A written definition goes into the image as it is, and that may be for others. */
static void warn_of_query(const struct build *b)
{
	const char *from = definition_header(b->definition, "from");
	if (from && strchr(from, '?'))
		log_warning(
			"What follows \"?\" in From: %.*s stays in the image, in its definition "
			"file: a token there lets others in. Given on the command line, it is "
			"kept in no image.",
			(int)strcspn(from, "?"), from);
}

/* It means something for a stage of layers, if there is one. */
static int check_variant(const struct build *b, struct error **err)
{
	const char *agent = definition_header(b->definition, "bootstrap");
	for (size_t i = 0; i < b->last->stages; i++) {
		const struct definition *d = definition_stage(b->last, i);
		const struct fetch_transport *t =
			fetch_transport(definition_header(d, "bootstrap"));
		if (t && !fetch_has_file(t))
			return 0;
	}
	return b->variant ? fetch_refuse_variant(agent, err) : 0;
}

int bootstrap_file_check(const struct build *b, struct error **err)
{
	const struct fetch_options options = options_of(b);
	CLEANUP_TEXT char *from = source_of(b, err);
	if (!from)
		return -1;
	const struct fetch_wish wish = wish_of(b, from, &options);
	if (fetch_by_web(wish.transport))
		warn_of_query(b);
	if (check_variant(b, err) < 0 || bootstrap_check_fingerprints(b, err) < 0 ||
	    fetch_check(&wish, err) < 0)
		return -1;
	return bootstrap_log_in(b, from, err);
}

/* ------------------------------------------------------------------ in the builder */

/* Tells the command of the file, and waits for what it makes of it. */
static int show_to_command(struct builder *b, const char *path, struct error **err)
{
	struct remote command = { .process = PROCESS_NONE, .socket = b->socket };
	struct base_image *base = b->build->base;
	enum message tag;
	struct stat st;
	CLEANUP_FD int none = -1;
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, errno, "open what was got");
	if (remote_send(b->socket, MESSAGE_BASE, fd, err) < 0 ||
	    remote_receive(&command, false, &tag, &none, err) < 0)
		return -1;
	if (tag != MESSAGE_GO)
		return error_set(err, ERROR_INTERNAL, "an answer got mixed up");
	base->known = true;
	base->device = st.st_dev;
	base->inode = st.st_ino;
	return 0;
}

static int get(struct builder *b, const char *path, struct error **err)
{
	const struct fetch_options options = options_of(b->build);
	CLEANUP_TEXT char *from = source_of(b->build, err);
	if (!from)
		return -1;
	const struct fetch_wish wish = wish_of(b->build, from, &options);
	log_info("Downloading %s image", fetch_title(wish.transport));
	int r = fetch_file(&wish, path, 0600, false, err);
	bootstrap_end_login(b);
	if (r == 0)
		return 0;
	workspace_explain(b->build, b->root, err);
	return error_wrap(err, "conveyor failed to get");
}

int bootstrap_file(struct builder *b, struct error **err)
{
	struct base_image *base = b->build->base;
	CLEANUP_TEXT char *folder = text_printf(err, "%s/fetched", b->scripts_path);
	if (!folder)
		return -1;
	text_free(&base->path);
	base->path = path_join(folder, "image", err);
	if (!base->path)
		return -1;
	if (mkdir(folder, 0700) < 0)
		return error_errno(err, errno, "make a folder");
	if (get(b, base->path, err) < 0 || show_to_command(b, base->path, err) < 0 ||
	    bootstrap_unpack(b, err) < 0)
		return -1;
	return copy_remove(AT_FDCWD, folder, err);
}

/* ------------------------------------------------------------------ in the command */

int bootstrap_take_base(struct build *b, int *fd, struct error **err)
{
	CLEANUP_IMAGE struct image *image = NULL;
	struct base_image *base = b->base;
	if (*fd < 0 || base->path)
		return error_set(err, ERROR_INTERNAL, "a base without its file");
	base->fd = fd_steal(fd);
	base->path = text_printf(err, "/proc/self/fd/%d", base->fd);
	if (!base->path || bootstrap_open_base(b, &image, err) < 0)
		return -1;
	if (image_is_encrypted(image))
		return bootstrap_is_encrypted(b, err);
	/* The builder needs nobody for it: it is to take no memory once that has unpacked it. */
	fd_close(&base->fd);
	return bootstrap_is_plain(b, image->path, err);
}
