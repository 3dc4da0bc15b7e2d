/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/agents/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tree/tree.h"

/* An image or a folder of this machine: spec deffile.md 4, localimage. */

bool bootstrap_is_update(const struct build *b, const struct definition *d)
{
	return b->wish->update && d == b->last;
}

/* The file of another place as it is named there; what follows "?" may let others in. */
static char *name_of_file(const struct build *b, struct error **err)
{
	const char *from = definition_header(b->definition, "from");
	return text_printf(err, "%s://%.*s", definition_header(b->definition, "bootstrap"),
			   (int)strcspn(from, "?"), from);
}

static char *image_path(const struct build *b, struct error **err)
{
	if (b->base->path)
		return text_dup(b->base->path, err);
	if (bootstrap_is_update(b, b->definition))
		return path_absolute(b->wish->target, err);
	const char *from = definition_header(b->definition, "from");
	return path_absolute(from && *from ? from : ".", err);
}

int bootstrap_open_base(struct build *b, struct image **ret, struct error **err)
{
	CLEANUP_IMAGE struct image *image = NULL;
	CLEANUP_TEXT char *path = image_path(b, err);
	struct stat st;
	if (!path || image_open(path, &image, err) < 0)
		return -1;
	if (b->base->path) {
		text_free(&image->path);
		if (!(image->path = name_of_file(b, err)))
			return -1;
	}
	if (fstat(image_descriptor(image), &st) < 0)
		return error_errno(err, errno, "look at %s", image->path);
	if (b->base->known && (st.st_dev != b->base->device || st.st_ino != b->base->inode))
		return error_set(err, ERROR_POLICY, "%s is not the file that it was", image->path);
	if (!b->base->known && run_policy_image(b->wish->config, image, err) < 0)
		return -1;
	b->base->known = true;
	b->base->device = st.st_dev;
	b->base->inode = st.st_ino;
	*ret = take_pointer(&image);
	return 0;
}

int bootstrap_local_check(const struct build *b, struct error **err)
{
	const char *from = definition_header(b->definition, "from");
	/* As with Apptainer; but whoever forgot a line has his keys in an image then. */
	if (!from || !*from)
		log_warning("The definition has no From: the image is made of the current folder");
	return bootstrap_check_fingerprints(b, err);
}

int bootstrap_check_fingerprints(const struct build *b, struct error **err)
{
	if (!definition_header(b->definition, "fingerprints"))
		return 0;
	/* To go on without the check that was asked for would be to fail open. */
	return error_set(err, ERROR_UNSUPPORTED,
			 "Fingerprints: signatures are not checked by coffer yet");
}

/* Its unpacker has the key, so it is another process: see internal.h. */
static int unpack_encrypted(struct builder *b, struct error **err)
{
	struct remote command = { .process = PROCESS_NONE, .socket = b->socket };
	enum message tag;
	CLEANUP_FD int fd = -1;
	if (remote_send(b->socket, MESSAGE_UNPACK, b->root, err) < 0 ||
	    remote_receive(&command, false, &tag, &fd, err) < 0)
		return -1;
	return tag == MESSAGE_GO ? 0 : error_set(err, ERROR_INTERNAL, "an answer got mixed up");
}

void bootstrap_tell_unmapped(bool unmapped)
{
	if (unmapped)
		log_warning("Files whose owners in the image have no number here belong to root");
}

/*
 * A folder that nothing is run on, and nothing put into but its description, need not be copied:
 * to copy 1.6 GB took a fifth of a build, and as much memory.
 */
static bool may_graft(const struct builder *b)
{
	static const char *const writers[] = { "setup", "files", "post", "test" };
	/* On disk, the tree is to be found there: whole, and without us. */
	if (b->build->disk || b->no_grafts || definition_has_apps(b->build->definition))
		return false;
	for (size_t i = 0; i < sizeof(writers) / sizeof(writers[0]); i++)
		if (definition_section(b->build->definition, writers[i]))
			return false;
	return true;
}

static int unpack_plain(struct builder *b, const struct image *image, struct error **err)
{
	const struct build *build = b->build;
	bool owners = build->map == USERNS_ROOT_SUBIDS, unmapped = false;
	if (image_is_folder(image)) {
		b->grafted = may_graft(b);
		const struct copy_rules rules = { .owners = owners,
						  .unmapped_to_root = !build->real_root,
						  .devices = build->real_root,
						  .changed = b->grafted ? metadata_folders : NULL };
		return copy_tree(image->directory, b->root, &rules, err) < 0
			       ? -1
			       : sandbox_open_root(b->root, err);
	}
	const struct squash_extract_rules rules = { .owners = owners,
						    .unmapped_to_root =
							    build->real_root ? NULL : &unmapped,
						    .devices = build->real_root,
						    .setuid = true };
	CLEANUP_IMAGE_TREE struct image_tree *tree = NULL;
	if (image_unseal(image, NULL, NULL, &tree, err) < 0)
		return -1;
	if (squash_extract(tree->squash, b->root, &rules, err) < 0)
		return error_wrap(err, "%s", image->path);
	bootstrap_tell_unmapped(unmapped);
	return 0;
}

int bootstrap_unpack(struct builder *b, struct error **err)
{
	CLEANUP_IMAGE struct image *image = NULL;
	if (bootstrap_open_base(b->build, &image, err) < 0)
		return error_kind(*err) == ERROR_POLICY ? -1
							: error_wrap(err, "conveyor failed to get");
	if (image->sif) {
		if (sif_find(image->sif, SIF_SIGNATURE, NULL))
			log_warning("The signature of %s is not checked.", image->path);
		const struct sif_descriptor *oci =
			sif_find(image->sif, SIF_JSON, "oci-config.json");
		if (oci && sif_object(image->file, oci, METADATA_FILE_MAX, &b->oci_config, err) < 0)
			return error_wrap(err, "conveyor failed to get");
	}
	if (bootstrap_is_update(b->build, b->build->definition))
		log_info("Building into existing container: %s", image->path);
	else if (!b->no_grafts && !b->build->base->path)
		log_info("Extracting local image...");
	int result =
		image_is_encrypted(image) ? unpack_encrypted(b, err) : unpack_plain(b, image, err);
	if (result < 0) {
		error_wrap(err, "packer failed to pack: while unpacking local image");
		workspace_explain(b->build, b->root, err);
		return -1;
	}
	if (b->build->wish->fix_perms && !image_is_folder(image)) {
		log_warning("The --fix-perms option modifies the filesystem permissions on the "
			    "resulting container.");
		return copy_fix_permissions(b->root, err);
	}
	return 0;
}
