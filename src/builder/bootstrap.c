/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/agents.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builder/bootstrap.h"
#include "tree/tree.h"

/* Where a tree comes from: spec deffile.md 4. */

/* ------------------------------------------------------------------ localimage */

/* Whether the stage begins with what the target is, whatever its header says. */
static bool is_update(const struct build *b, const struct definition *d)
{
	return b->wish->update && d == b->last;
}

static char *image_path(const struct build *b, struct error **err)
{
	if (is_update(b, b->definition))
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

static int localimage_check(const struct build *b, struct error **err)
{
	const char *from = definition_header(b->definition, "from");
	/* As with Apptainer; but whoever forgot a line has his keys in an image then. */
	if (!from || !*from)
		log_warning("The definition has no From: the image is made of the current folder");
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
	bool owners = build->map == USERNS_ROOT_SUBIDS;
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
						    .devices = build->real_root,
						    .setuid = true };
	CLEANUP_IMAGE_TREE struct image_tree *tree = NULL;
	if (image_unseal(image, NULL, NULL, &tree, err) < 0)
		return -1;
	if (squash_extract(tree->squash, b->root, &rules, err) < 0)
		return error_wrap(err, "%s", image->path);
	return 0;
}

static int localimage_run(struct builder *b, struct error **err)
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
	if (is_update(b->build, b->build->definition))
		log_info("Building into existing container: %s", image->path);
	else if (!b->no_grafts)
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

/* ------------------------------------------------------------------ the key of what is built upon
 */

/* What was secret is about to be written in the clear, by a command that says nothing of it. */
static void warn_of_clear_target(const struct build *b)
{
	const char *from = definition_header(b->definition, "from");
	if (b->wish->encrypt)
		return;
	if (b->wish->sandbox)
		log_warning("%s is encrypted, %s will not be: a sandbox lies in the clear.", from,
			    b->wish->target);
	else
		log_warning("%s is encrypted, but --encrypt was not specified. NOT encrypting %s.",
			    from, b->wish->target);
}

int bootstrap_choose_key(struct build *b, struct error **err)
{
	warn_of_clear_target(b);
	interrupt_pause(true);
	int r = key_choose(&b->wish->base_key, &b->base_key, err);
	interrupt_pause(false);
	if (r < 0)
		return error_wrap(err, "the key of the base image");
	if (b->base_key)
		return 0;
	error_set(err, ERROR_KEY_MISSING, "the base image is encrypted and there is no key for it");
	return error_hint(err, "give it with --base-pem-path FILE or --base-passphrase");
}

static bool is_upon_image(const struct build *b, const struct definition *d)
{
	return !is_update(b, d) && !strcmp(definition_header(d, "bootstrap"), "localimage");
}

bool bootstrap_later_base(const struct build *b)
{
	for (size_t i = b->definition->stages; i < b->last->stages; i++)
		if (is_upon_image(b, definition_stage(b->last, i)))
			return true;
	return false;
}

/* 1 when the image that the stage is built upon is encrypted, 0 when not; -1 with *err. */
static int look_at_base(struct build *b, char **ret_plain, struct error **err)
{
	CLEANUP_ERROR struct error *not_yet = NULL;
	CLEANUP_IMAGE struct image *image = NULL;
	if (!is_upon_image(b, b->definition))
		return 0;
	/* %pre may make the image: then it is looked at, and the key asked for, when it is there.
	 */
	if (bootstrap_open_base(b, &image, &not_yet) < 0) {
		if (error_kind(not_yet) != ERROR_POLICY)
			return 0;
		*err = take_pointer(&not_yet);
		return -1;
	}
	if (image_is_encrypted(image))
		return 1;
	text_free(ret_plain);
	*ret_plain = text_dup(image->path, err);
	return *ret_plain ? 0 : -1;
}

int bootstrap_find_key(struct build *b, struct error **err)
{
	CLEANUP_TEXT char *plain = NULL;
	int encrypted = 0;
	for (size_t i = 0; i < b->last->stages && encrypted == 0; i++) {
		build_enter_stage(b, i);
		encrypted = look_at_base(b, &plain, err);
	}
	int result = encrypted > 0 ? bootstrap_choose_key(b, err) : encrypted;
	build_enter_stage(b, 0);
	if (encrypted || !b->wish->base_key_given || !plain)
		return result;
	error_set(err, ERROR_USAGE, "%s is not encrypted, but a key is given for it", plain);
	return error_hint(err, "it may not be the image that is meant; to build upon it as it is "
			       "leave out --base-pem-path and --base-passphrase");
}

/* ------------------------------------------------------------------ the table */

static int nothing_check(const struct build *b, struct error **err)
{
	(void)b;
	(void)err;
	return 0;
}

static int nothing_run(struct builder *b, struct error **err)
{
	(void)b;
	(void)err;
	return 0;
}

static const struct agent {
	const char *name;
	int (*check)(const struct build *b, struct error **err);
	int (*run)(struct builder *b, struct error **err);
	bool keeps_metadata; /* what it has of the standard files stays */
} agents[] = {
	{ "localimage", localimage_check, localimage_run, true },
	{ "scratch", nothing_check, nothing_run, false },
	{ "debootstrap", bootstrap_debootstrap_check, bootstrap_debootstrap, false },
	{ "docker", bootstrap_oci_check, bootstrap_oci, true },
	{ "docker-daemon", bootstrap_oci_check, bootstrap_oci, true },
	{ "docker-archive", bootstrap_oci_check, bootstrap_oci, true },
	{ "oci", bootstrap_oci_check, bootstrap_oci, true },
	{ "oci-archive", bootstrap_oci_check, bootstrap_oci, true },
	{ "containers-storage", bootstrap_oci_check, bootstrap_oci, true },
};

static const char *const other_agents[] = {
	"library", "oras",    "shub",	"yum",	    "dnf",
	"arch",	   "busybox", "zypper", "buildkit", "dockerfile"
};

static const struct agent *find_agent(const struct build *b)
{
	static const struct agent update = { "", nothing_check, localimage_run, true };
	if (is_update(b, b->definition))
		return &update;
	const char *name = definition_header(b->definition, "bootstrap");
	for (size_t i = 0; i < sizeof(agents) / sizeof(agents[0]); i++)
		if (!strcmp(agents[i].name, name))
			return &agents[i];
	return NULL;
}

int bootstrap_check(const struct build *b, struct error **err)
{
	const char *name = definition_header(b->definition, "bootstrap");
	const struct agent *agent = find_agent(b);
	if (agent)
		return agent->check(b, err);
	for (size_t i = 0; i < sizeof(other_agents) / sizeof(other_agents[0]); i++)
		if (!strcmp(other_agents[i], name)) {
			error_set(err, ERROR_UNSUPPORTED,
				  "the bootstrap agent %s is not supported by coffer yet", name);
			return error_hint(err, "coffer knows localimage, docker, docker-archive, "
					       "docker-daemon, oci, oci-archive, "
					       "containers-storage, debootstrap and scratch");
		}
	return error_set(err, ERROR_DAMAGED,
			 "unable to get conveyorpacker: invalid build source %s", name);
}

static int owner_may_write(int root, const char *path, struct error **err)
{
	struct stat st;
	if (fstat(root, &st) < 0)
		return error_errno(err, errno, "look at %s", path);
	if (st.st_mode & S_IWUSR)
		return 0;
	log_info("Adding owner write permission to build path: %s", path);
	return fchmod(root, (st.st_mode & 07777) | S_IWUSR) < 0
		       ? error_errno(err, errno, "change the mode of %s", path)
		       : 0;
}

int bootstrap_run(struct builder *b, struct error **err)
{
	const struct agent *agent = find_agent(b->build);
	if (agent->run(b, err) < 0 || owner_may_write(b->root, b->root_path, err) < 0)
		return -1;
	if (metadata_write_base(b->root, !agent->keeps_metadata, err) < 0)
		return error_wrap(err, "packer failed to pack: while inserting base environment");
	return agent->keeps_metadata ? 0 : metadata_reset_runscript(b->root, err);
}
