/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of image/: what a file can be as a whole, and what the file systems are that a SIF
 * names by a number. An image is then a list of partitions, and who uses it asks them: whether the
 * root is sealed, and by what, does not depend on the format that it lies in.
 */
#include "image/internal.h"

#include <stdlib.h>

/* sif.md 5.1: one number says what the file system is and how it is sealed. */
static const struct {
	int32_t number; /* enum sif_filesystem */
	enum image_filesystem filesystem;
	const struct seal *seal;
} sif_filesystems[] = {
	{ SIF_SQUASHFS, IMAGE_SQUASHFS, NULL },
	{ SIF_EXT3, IMAGE_EXT3, NULL },
	{ SIF_RAW, IMAGE_RAW, NULL },
	{ SIF_ENCRYPTED_SQUASHFS, IMAGE_SQUASHFS, &seal_luks2 },
	{ SIF_GOCRYPTFS_SQUASHFS, IMAGE_SQUASHFS, &seal_gocryptfs },
};
#define SIF_FILESYSTEMS (sizeof(sif_filesystems) / sizeof(*sif_filesystems))

enum sif_filesystem image_sif_filesystem(const struct seal *seal)
{
	size_t i = 0;
	while (sif_filesystems[i].filesystem != IMAGE_SQUASHFS || sif_filesystems[i].seal != seal)
		i++;
	return (enum sif_filesystem)sif_filesystems[i].number;
}

/* ------------------------------------------------------------------ listing partitions */

/* False where the number is none that we know. */
static bool describe_partition(const struct sif_descriptor *d, enum image_role role,
			       struct image_partition *ret)
{
	for (size_t i = 0; i < SIF_FILESYSTEMS; i++) {
		if (sif_filesystems[i].number != d->filesystem)
			continue;
		*ret = (struct image_partition){ .role = role,
						 .filesystem = sif_filesystems[i].filesystem,
						 .seal = sif_filesystems[i].seal,
						 .off = d->off,
						 .len = d->len,
						 .descriptor = d };
		return true;
	}
	return false;
}

/* The role of a partition beside the root, as the peer finds it: sif.md 9.1. */
static bool role_of(const struct sif_descriptor *d, const struct sif_descriptor *primary,
		    enum image_role *ret)
{
	bool ours = !primary || !primary->group || d->group == primary->group;
	*ret = d->partition == SIF_OVERLAY ? IMAGE_OVERLAY : IMAGE_DATA;
	return d->type == SIF_PARTITION &&
	       (d->partition == SIF_DATA || (d->partition == SIF_OVERLAY && ours));
}

/* Those beside the root. What is not known is left out. */
static void list_others(struct image *img, const struct sif_descriptor *primary)
{
	for (size_t i = 0; i < img->sif->count; i++) {
		const struct sif_descriptor *d = &img->sif->descriptors[i];
		enum image_role role;
		if (role_of(d, primary, &role) &&
		    describe_partition(d, role, &img->partitions[img->partition_count]))
			img->partition_count++;
	}
}

static int list_root(struct image *img, const struct sif_descriptor *primary, struct error **err)
{
	bool known = primary && describe_partition(primary, IMAGE_ROOT, img->partitions);
	img->partition_count = known;
	if (img->beside || (known && img->partitions->filesystem == IMAGE_SQUASHFS))
		return 0;
	error_set(err, ERROR_UNSUPPORTED,
		  "the primary partition holds a file system of type %d (%s)", primary->filesystem,
		  sif_filesystem_name(primary->filesystem));
	return error_hint(err, "coffer reads squashfs, plain or encrypted");
}

static int read_sif(struct image *img, uint64_t off, struct error **err)
{
	(void)off;
	if (sif_read(img->file, &img->sif, err) < 0)
		return -1;
	const struct sif_descriptor *primary = sif_primary(img->sif);
	if (!primary && !img->beside) {
		error_set(err, ERROR_NOT_FOUND,
			  "while getting root filesystem in %s: no root filesystem found",
			  img->path);
		return error_hint(err, "the SIF has no primary system partition: see `sif list`");
	}
	img->partitions = calloc(img->sif->count + 1, sizeof(*img->partitions));
	if (!img->partitions)
		return error_no_memory(err);
	if (list_root(img, primary, err) < 0)
		return -1;
	list_others(img, primary);
	return 0;
}

/* One partition, from where the launch line ends. */
static int read_bare(struct image *img, enum image_filesystem filesystem, uint64_t off,
		     struct error **err)
{
	img->partitions = calloc(1, sizeof(*img->partitions));
	if (!img->partitions)
		return error_no_memory(err);
	*img->partitions = (struct image_partition){ .role = IMAGE_ROOT,
						     .filesystem = filesystem,
						     .off = off,
						     .len = img->file->size - off };
	img->partition_count = 1;
	return 0;
}

static int read_squashfs(struct image *img, uint64_t off, struct error **err)
{
	return read_bare(img, IMAGE_SQUASHFS, off, err);
}

static int read_ext3(struct image *img, uint64_t off, struct error **err)
{
	return read_bare(img, IMAGE_EXT3, off, err);
}

/* ------------------------------------------------------------------ the formats */

const struct image_format image_sandbox = {
	.name = "sandbox",
	.title = "a sandbox",
	.containers = "sandbox",
	.allowed = CONFIG_PERMISSION("allow container dir", allow_container_dir),
	.folder = true,
};

const struct image_format image_squashfs = {
	.name = "squashfs",
	.title = "a squashfs file",
	.containers = "squashFS",
	.allowed = CONFIG_PERMISSION("allow container squashfs", allow_container_squashfs),
	.read = read_squashfs,
};

const struct image_format image_ext3 = {
	.name = "ext3",
	.title = "an ext3 file system",
	.containers = "extFS",
	.allowed = CONFIG_PERMISSION("allow container extfs", allow_container_extfs),
	.read = read_ext3,
};

const struct image_format image_sif = {
	.name = "sif",
	.title = "a SIF",
	.containers = "unencrypted SIF",
	.allowed = CONFIG_PERMISSION("allow container sif", allow_container_sif),
	.read = read_sif,
};

int image_describe(const struct image *img, struct buffer *ret, struct error **err)
{
	const struct seal *seal = image_seal(img);
	if (seal)
		return buffer_printf(ret, err, "%s with an encrypted squashfs (%s)",
				     img->format->title, seal->title);
	return buffer_printf(ret, err, "%s%s", img->format->title,
			     img->sif ? " with a plain squashfs" : "");
}
