/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "image/image.h"
#include "os/os.h"

/*
 * overlay create: an ext3 file system for a container's changes, as a file of its own or as one
 * more partition of a SIF, in Apptainer's words and layout. Nothing of it is encrypted, which is
 * said of an encrypted image, where Apptainer refuses LUKS2 and adds to gocryptfs in silence.
 */

#define SIZE_MIN 64 /* MiB, as Apptainer's, and what it is without --size */
#define SIZE_MAX_MIB (INT64_MAX >> 20)

/* ------------------------------------------------------------------ a file that nobody sees yet */

/* In the folder of `beside`, which has the room that the file is to take. */
static int open_beside(const char *beside, int *ret_folder, struct hidden *ret, struct error **err)
{
	int r = hidden_open_beside(beside, ret_folder, ret);
	if (r == 0)
		return 0;
	error_errno(err, -r, "while zero'ing overlay image %s.ext3", beside);
	return error_hint(err, "its folder must be there, and one that you may write into");
}

/* Nothing that is there is replaced. */
static int give_name(struct hidden *h, const char *path, struct error **err)
{
	if (fsync(h->fd) < 0)
		return error_errno(err, errno, "write %s", path);
	int r = hidden_place_new(h, path);
	return r < 0 ? error_errno(err, -r, "while renaming %s.ext3 to %s", path, path) : 0;
}

/* ------------------------------------------------------------------ into a SIF */

/* What keeps an overlay out of it, in the order of Apptainer's questions. */
static int check_image(const struct invocation *in, const struct image *img, const char *path,
		       struct error **err)
{
	if (img->format == &image_ext3)
		return error_set(err, ERROR_EXISTS, "EXT3 overlay image %s already exists", path);
	if (img->format != &image_sif)
		return error_set(err, ERROR_USAGE, "destination image must be SIF image");
	if (!sif_primary(img->sif))
		return error_set(err, ERROR_NOT_FOUND,
				 "while getting root FS partition: no root filesystem found");
	for (size_t i = 0; i < img->sif->count; i++)
		if (img->sif->descriptors[i].type == SIF_SIGNATURE) {
			error_set(err, ERROR_POLICY,
				  "SIF image %s is signed: could not add writable overlay", path);
			return error_hint(err, "make a file of its own, and name it when it is to "
					       "be used: --overlay FILE");
		}
	for (size_t i = 0; i < img->partition_count; i++) {
		const struct image_partition *part = &img->partitions[i];
		if (part->role == IMAGE_OVERLAY && part->filesystem == IMAGE_EXT3)
			return error_set(err, ERROR_EXISTS,
					 "a writable overlay partition already exists in %s "
					 "(ID: %u), delete it first with \"%s sif del %u %s\"",
					 path, (unsigned)part->descriptor->id, in->program,
					 (unsigned)part->descriptor->id, path);
	}
	return 0;
}

static int add_to_image(const struct invocation *in, const char *path,
			const struct image_ext3_wish *wish, struct error **err)
{
	CLEANUP_IMAGE struct image *img = NULL;
	CLEANUP_FD int folder = -1;
	CLEANUP_HIDDEN struct hidden file = HIDDEN_NONE;
	CLEANUP_FD int fd = -1;
	if (sif_open_locked(path, &fd, err) < 0)
		return -1;
	if (image_open_beside(path, &img, err) < 0)
		return error_wrap(err, "while opening image file %s", path);
	if (check_image(in, img, path, err) < 0 || open_beside(path, &folder, &file, err) < 0 ||
	    image_make_ext3(file.fd, path, wish, err) < 0)
		return -1;
	struct sif_addition a = { .fd = file.fd,
				  .type = SIF_PARTITION,
				  .group = 1,
				  .name = "",
				  .alignment = SIF_ALIGNMENT };
	const char *arch = sif_primary(img->sif)->arch;
	if (!strcmp(sif_arch_name(arch), "unknown"))
		arch = sif_arch_native();
	sif_extra_partition(a.extra, SIF_EXT3, SIF_OVERLAY, arch);
	if (sif_add_object(fd, &a, time(NULL), err) < 0)
		return error_wrap(err, "while adding ext3 overlay partition to %s", path);
	if (image_is_encrypted(img))
		log_warning("%s is encrypted, and its overlay partition is not: what a container "
			    "writes there is in clear, and it is used only where it is named, by "
			    "--overlay %s",
			    path, path);
	return 0;
}

/* ------------------------------------------------------------------ the command */

static int make_file(const char *path, const struct image_ext3_wish *wish, struct error **err)
{
	CLEANUP_FD int folder = -1;
	CLEANUP_HIDDEN struct hidden file = HIDDEN_NONE;
	return open_beside(path, &folder, &file, err) < 0 ||
			       image_make_ext3(file.fd, path, wish, err) < 0 ||
			       give_name(&file, path, err) < 0
		       ? -1
		       : 0;
}

static int find_wish(const struct invocation *in, struct image_ext3_wish *ret, struct error **err)
{
	const struct option_value *size = invocation_option(in, "size");
	long mib = size->set ? size->number : SIZE_MIN;
	if (mib < SIZE_MIN)
		return error_set(err, ERROR_USAGE,
				 "image size must be equal or greater than %d MiB", SIZE_MIN);
	if (mib > SIZE_MAX_MIB)
		return error_set(err, ERROR_USAGE, "image size must be at most %lld MiB",
				 (long long)SIZE_MAX_MIB);
	*ret = (struct image_ext3_wish){ .len = (uint64_t)mib << 20,
					 .sparse = invocation_on(in, "sparse"),
					 .as_root = invocation_on(in, "fakeroot"),
					 .folders = invocation_option(in, "create-dir")->list };
	for (size_t i = 0; i < ret->folders.len; i++)
		if (path_goes_up(ret->folders.items[i])) {
			error_set(err, ERROR_USAGE,
				  "overlay directory created outside of overlay layout: %s",
				  ret->folders.items[i]);
			return error_hint(err, "name a folder of the container, without '..'");
		}
	return 0;
}

static int run_create(const struct invocation *in, struct error **err)
{
	const char *path = in->arguments[0];
	struct image_ext3_wish wish;
	struct stat st;
	if (find_wish(in, &wish, err) < 0)
		return -1;
	bool there = lstat(path, &st) == 0;
	if (there && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return error_set(err, ERROR_USAGE, "destination image must be SIF image");
	/* Apptainer puts a new file in its place, the user's only copy of an image maybe. */
	if (there && faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) < 0) {
		error_errno(err, errno, "while opening image file %s", path);
		return error_hint(err, "give a name that is free, or make the image writable to "
				       "add an overlay to it");
	}
	if (geteuid() != 0 && !wish.as_root && !userns_has_subids()) {
		log_info("Creating overlay image for use without fakeroot.");
		log_info("Consider re-running with --fakeroot option.");
	}
	return there ? add_to_image(in, path, &wish, err) : make_file(path, &wish, err);
}

static const struct option create_options[] = {
	{ .name = "create-dir",
	  .kind = OPTION_LIST,
	  .argument = "dir",
	  .help = "a folder that the overlay begins with, by its path in the container; several, "
		  "with commas between them, or any number of times" },
	{ .name = "fakeroot",
	  .letter = 'f',
	  .kind = OPTION_SWITCH,
	  .help = "for containers that are run with --fakeroot: root owns the overlay's folders, "
		  "and not you" },
	{ .name = "size",
	  .letter = 's',
	  .kind = OPTION_INT,
	  .argument = "MiB",
	  .help = "its size; 64, which is also the least, without this" },
	{ .name = "sparse",
	  .letter = 'S',
	  .kind = OPTION_SWITCH,
	  .help = "a new file takes room on the disk only as it fills; without this it is "
		  "reserved" },
	OPTION_HELP,
	{ 0 },
};

const struct command cli_overlay = {
	.name = "overlay",
	.summary = "Make an ext3 image that lies over another",
	.usage = "overlay",
	.description = "Makes what --overlay of run and its like takes: an image of its own, with\n"
		       "what lies over the image that is run.\n",
	.examples = "$ %s overlay create --size 1024 changes.img\n"
		    "$ %s help overlay create\n",
	.options = options_help_only,
	.max_arguments = -1,
	.intermixed = true,
	.group = true,
};

const struct command cli_overlay_create = {
	.name = "overlay create",
	.summary = "Make an ext3 overlay, as a file or in a SIF",
	.usage = "overlay create <options> image",
	.description =
		"Makes an ext3 file system for what lies over an image: a new file, or,\n"
		"where the name is that of a SIF, a partition more in it. It is not\n"
		"encrypted, which is said of an encrypted image; there it is used only where\n"
		"--overlay names it.\n",
	.examples = "$ %s overlay create --size 1024 --sparse changes.img\n"
		    "$ %s overlay create --create-dir /data/results image.sif\n",
	.options = create_options,
	.min_arguments = 1,
	.max_arguments = 1,
	.intermixed = true,
	.image = true,
	.run = run_create,
};
