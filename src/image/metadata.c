/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an image says about itself, without a key: runtime.md 16. A SIF repeats it outside of the
 * sealed partition (sif.md 8.3); a folder and a tree that lies there in clear are read. The peer
 * runs a shell of the image for that; nothing of the image is run here.
 */
#include "image/internal.h"

#include <stdlib.h>
#include <string.h>

#include "tree/tree.h"

#define METADATA_MAX ((size_t)16 << 20)
/* A few small files are looked for. */
#define CACHE_BYTES ((size_t)1 << 20)

/* ------------------------------------------------------------------ the tree of an image */

static int packed_read(void *context, const char *path, size_t limit, struct buffer *ret,
		       struct error **err)
{
	struct squash_inode in;
	int r = image_find(context, path, &in, err);
	if (r <= 0 || !S_ISREG(in.mode))
		return r < 0 ? -1 : 0;
	if (in.size > limit)
		return error_set(err, ERROR_LIMIT, "%s is larger than %zu bytes", path, limit);
	char *to = buffer_reserve(ret, (size_t)in.size, err);
	if (!to)
		return -1;
	ssize_t n = squash_read(context, &in, to, (size_t)in.size, 0, err);
	if (n < 0)
		return error_wrap(err, "read %s of the container", path);
	ret->len += (size_t)n;
	ret->data[ret->len] = '\0';
	return 1;
}

struct listing {
	struct strings *names;
	struct error *err;
};

static int add_name(void *context, const struct squash_dirent *entry, uint64_t next)
{
	struct listing *l = context;
	(void)next;
	CLEANUP_TEXT char *name = text_dup_len(entry->name, entry->len, &l->err);
	return !name || strings_add(l->names, name, &l->err) < 0;
}

static int packed_list(void *context, const char *path, struct strings *ret, struct error **err)
{
	struct squash_inode in;
	struct listing listing = { .names = ret };
	int r = image_find(context, path, &in, err);
	if (r <= 0 || !S_ISDIR(in.mode))
		return r < 0 ? -1 : 0;
	if (squash_readdir(context, &in, 0, add_name, &listing, err) < 0)
		return -1;
	if (listing.err) {
		*err = listing.err;
		return -1;
	}
	strings_sort(ret);
	return 1;
}

static int show_packed(const struct image *img, const struct metadata_asked *asked,
		       struct buffer *ret, struct error **err)
{
	CLEANUP_IMAGE_TREE struct image_tree *tree = NULL;
	const struct squash_options options = { .cache_bytes = CACHE_BYTES };
	if (image_unseal(img, NULL, &options, &tree, err) < 0)
		return -1;
	return metadata_show(&(struct metadata_view){ tree->squash, packed_read, packed_list },
			     asked, ret, err);
}

int image_metadata(const struct image *img, const struct metadata_asked *asked, struct buffer *ret,
		   bool *ret_repeated, struct error **err)
{
	*ret_repeated = false;
	if (image_is_folder(img))
		return metadata_show_folder(img->directory, asked, ret, err);
	const struct sif_descriptor *d =
		img->sif ? sif_find(img->sif, SIF_JSON, "inspect-metadata.json") : NULL;
	*ret_repeated = d != NULL;
	if (d)
		return sif_object(img->file, d, METADATA_MAX, ret, err);
	if (!image_is_encrypted(img))
		return show_packed(img, asked, ret, err);
	error_set(err, ERROR_UNSUPPORTED, "%s carries no metadata that could be shown", img->path);
	return error_hint(err, "look into it: coffer exec %s ls /.singularity.d", img->path);
}
