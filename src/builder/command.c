/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builder/agents/bootstrap.h"
#include "tree/tree.h"

/* The command's part of a build: see internal.h for who does what. */

/* ------------------------------------------------------------------ the builder */

static int builder_work(void *context, int socket, struct error **err)
{
	struct build *build = context;
	/* First of all: the key is none of the builder's business, nor of what it starts. */
	key_free(&build->wish->key);
	key_free(&build->base_key);
	secret_wipe_all();
	struct remote command = { .process = PROCESS_NONE, .socket = socket };
	struct builder b = { .build = build, .socket = socket, .root = -1 };
	enum message tag;
	int fd;
	/*
	 * The command is not dumpable, and this copy stays so: the way to the tree leads through
	 * it. Its maps are written, and its namespaces opened, through a member that has nothing.
	 */
	struct process member = PROCESS_NONE;
	pid_t name;
	if (member_start(0, &member, &name, err) < 0 ||
	    remote_send(socket, MESSAGE_NAMESPACES, member.pid_fd, err) < 0 ||
	    remote_receive(&command, false, &tag, &fd, err) < 0)
		return -1;
	process_kill(&member);
	umask(0002);
	if (workspace_make(&b, err) < 0)
		return -1;
	if (stages_build(&b, err) < 0)
		return -1;
	/* The tree lives as long as this process: until the command has what it wants. */
	return remote_receive(&command, true, &tag, &fd, err) < 0 ? -1 : 0;
}

static int start_builder(struct build *b, struct remote *ret, struct namespaces *ret_ns,
			 struct error **err)
{
	CLEANUP_REMOTE struct remote r = REMOTE_NONE;
	enum message tag;
	int fd;
	/* As pid 1 it takes all with it that the sections have started, however it ends. */
	unsigned long long flags =
		CLONE_NEWNS | CLONE_NEWPID | (b->user_namespace ? CLONE_NEWUSER : 0);
	if (remote_start(b, flags, builder_work, b, &r, err) < 0) {
		int errnum = error_to_errno(*err);
		if (errnum != ENOSPC && errnum != EUSERS && (!b->user_namespace || errnum != EPERM))
			return error_hint(err, "building needs mount and pid namespaces: see "
					       "/proc/sys/user");
		error_free(err);
		return namespace_error(errnum, flags, err);
	}
	if (remote_receive(&r, false, &tag, &fd, err) < 0)
		return -1;
	CLEANUP_FD int member = fd;
	pid_t pid;
	if (process_number(member, &pid, err) < 0 ||
	    (b->user_namespace && userns_write(pid, b->map, err) < 0) ||
	    namespaces_open(pid, b->user_namespace, ret_ns, err) < 0 ||
	    remote_send(r.socket, MESSAGE_GO, -1, err) < 0)
		return -1;
	*ret = r;
	r = REMOTE_NONE;
	return 0;
}

/* ------------------------------------------------------------------ unpacking, packing, cleaning
 */

/* What the command and the processes that it forks work with. */
struct job {
	struct build *build;
	struct namespaces ns;
	int root; /* the tree */
	struct buffer metadata, oci;
	int out;
	int parent; /* cleaner: of what is removed */
	const char *name;
	bool grafted;	     /* the tree is partly the source itself */
	bool told_of_device; /* packer */
};

static void job_free(struct job *j)
{
	namespaces_free(&j->ns);
	fd_close(&j->root);
	buffer_free(&j->metadata);
	buffer_free(&j->oci);
}
#define CLEANUP_JOB __attribute__((cleanup(job_free)))

/* What such a process ends with when it has done its work, but not all memory for keys was locked.
 */
#define STATUS_UNLOCKED 3

static int status_of_memory(void)
{
	return secret_any_unlocked() ? STATUS_UNLOCKED : 0;
}

/* Of memory that is not locked the command speaks, so that it is said once. */
static int run_helper(remote_work work, struct job *j, const char *name, struct error **err)
{
	int status = remote_run(j->build, work, j, err);
	if (status == STATUS_UNLOCKED) {
		secret_note_unlocked();
		secret_report_unlocked();
		return 0;
	}
	if (status > 0)
		return error_set(err, ERROR_INTERNAL, "the %s ended with status %d", name, status);
	return status;
}

static int unpacker_work(void *context, int socket, struct error **err)
{
	struct job *j = context;
	const struct build *b = j->build;
	(void)socket;
	key_free(&b->wish->key);
	secret_keep_all();
	CLEANUP_IMAGE struct image *image = NULL;
	CLEANUP_IMAGE_TREE struct image_tree *tree = NULL;
	bool unmapped = false;
	const struct squash_extract_rules rules = {
		.owners = b->map == USERNS_ROOT_SUBIDS,
		.unmapped_to_root = b->real_root ? NULL : &unmapped,
		.devices = b->real_root,
		.setuid = true,
	};
	if (bootstrap_open_base(j->build, &image, err) < 0 ||
	    image_unseal(image, b->base_key, NULL, &tree, err) < 0 ||
	    namespaces_enter(&j->ns, err) < 0)
		return -1;
	if (squash_extract(tree->squash, j->root, &rules, err) < 0)
		return error_wrap(err, "%s", image->path);
	bootstrap_tell_unmapped(unmapped);
	return status_of_memory();
}

static int unpack_base(struct job *j, struct error **err)
{
	if (bootstrap_is_encrypted(j->build, err) < 0)
		return -1;
	int r = run_helper(unpacker_work, j, "unpacker", err);
	/* What was got lies in the memory that the tree is in: no longer than it is needed. */
	fd_close(&j->build->base->fd);
	if (!bootstrap_later_base(j->build))
		key_free(&j->build->base_key);
	return r;
}

static void left_out(void *context, enum squash_left_out what, const char *path, const char *why)
{
	struct job *j = context;
	if (what == SQUASH_LEFT_DEVICE && !j->told_of_device)
		log_warning("%s is a device and left out: making it needs root", path);
	else
		log_say(LOG_VERBOSE, "%s is left out: %s", path, why);
	j->told_of_device |= what == SQUASH_LEFT_DEVICE;
}

static int packer_work(void *context, int socket, struct error **err)
{
	struct job *j = context;
	const struct build *b = j->build;
	const struct build_wish *wish = b->wish;
	(void)socket;
	const struct seal *seal = wish->encrypt ? wish->seal : NULL;
	key_free(&j->build->base_key);
	secret_keep_all();
	if (image_pack_load(seal, wish->codec, err) < 0 || namespaces_enter(&j->ns, err) < 0)
		return -1;
	char arch[3] = { j->metadata.data[0], j->metadata.data[1], '\0' };
	struct image_json json[2] = {
		{ "inspect-metadata.json", j->metadata.data + 2, j->metadata.len - 2 },
		{ "oci-config.json", j->oci.data, j->oci.len },
	};
	struct image_pack_plan pack = {
		.root = j->root,
		.definition = b->last->text.data,
		.definition_len = b->last->text.len,
		.json = json,
		.json_count = j->oci.len ? 2 : 1,
		.arch = arch,
		.seal = seal,
		.key = wish->encrypt ? wish->key : NULL,
		.squash = { .codec = wish->codec,
			    .level = wish->level,
			    .block_size = wish->block_size,
			    .threads = wish->threads,
			    .clamp_time = b->deterministic,
			    .time = (uint64_t)b->time,
			    .in_place = j->grafted,
			    .in_place_as_user = j->grafted && !b->real_root,
			    .left_out = left_out,
			    .context = j },
		.sif = { .time = b->time, .deterministic = b->deterministic },
	};
	return image_pack(&pack, j->out, err) < 0 ? -1 : status_of_memory();
}

static int cleaner_work(void *context, int socket, struct error **err)
{
	struct job *j = context;
	(void)socket;
	key_free(&j->build->wish->key);
	key_free(&j->build->base_key);
	secret_wipe_all();
	if (j->ns.mount >= 0 && namespaces_enter(&j->ns, err) < 0)
		return -1;
	return copy_remove(j->parent, j->name, err);
}

/* Removes something of the build from the disk; says so when it cannot. */
static void remove_from_disk(struct job *j, int parent, const char *name)
{
	CLEANUP_ERROR struct error *err = NULL;
	struct remote r = REMOTE_NONE;
	enum message tag;
	int fd;
	j->parent = parent;
	j->name = name;
	/* Signals wait until it is done: it is what they ask for. */
	interrupt_defer();
	if (remote_start(j->build, 0, cleaner_work, j, &r, &err) == 0)
		(void)remote_receive(&r, true, &tag, &fd, &err);
	if (err)
		log_warning("Could not remove the temporary folder %s: %s", name,
			    error_message(err));
	(void)process_wait(&r.process);
	remote_end(&r);
}

/* ------------------------------------------------------------------ the conversation */

static int read_text(int fd, struct buffer *ret, struct error **err)
{
	if (fd < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return error_set(err, ERROR_INTERNAL, "a message without its text");
	return fd_read_all(fd, METADATA_TEXTS_MAX, "the metadata", ret, err);
}

/* Serves the builder until its tree is complete. */
static int follow_builder(struct job *j, struct remote *builder, struct error **err)
{
	for (;;) {
		enum message tag;
		CLEANUP_FD int fd = -1;
		if (remote_receive(builder, false, &tag, &fd, err) < 0)
			return -1;
		switch (tag) {
		case MESSAGE_BASE:
			if (bootstrap_take_base(j->build, &fd, err) < 0 ||
			    remote_send(builder->socket, MESSAGE_GO, -1, err) < 0)
				return -1;
			break;
		case MESSAGE_UNPACK:
			fd_close(&j->root);
			j->root = fd_steal(&fd);
			if (unpack_base(j, err) < 0) {
				error_wrap(err, "packer failed to pack: while unpacking local "
						"image");
				workspace_explain(j->build, j->root, err);
				return -1;
			}
			if (remote_send(builder->socket, MESSAGE_GO, -1, err) < 0)
				return -1;
			break;
		case MESSAGE_STAGE:
			if (j->build->definition->stages >= j->build->last->stages)
				return error_set(err, ERROR_INTERNAL, "a stage too many");
			build_enter_stage(j->build, j->build->definition->stages);
			break;
		case MESSAGE_METADATA:
			if (read_text(fd, &j->metadata, err) < 0)
				return -1;
			break;
		case MESSAGE_OCI:
			if (read_text(fd, &j->oci, err) < 0)
				return -1;
			break;
		case MESSAGE_GRAFTED:
			j->grafted = true;
			break;
		case MESSAGE_TREE:
			fd_close(&j->root);
			j->root = fd_steal(&fd);
			if (j->root < 0 || j->metadata.len < 2)
				return error_set(err, ERROR_INTERNAL, "a tree without metadata");
			return 0;
		default:
			return error_set(err, ERROR_INTERNAL, "a message of kind %d", (int)tag);
		}
	}
}

/* ------------------------------------------------------------------ a SIF */

static int write_sif(struct job *j, struct output *out, struct error **err)
{
	log_info("Creating SIF file...");
	j->out = out->file.fd;
	if (run_helper(packer_work, j, "packer", err) < 0)
		return error_wrap(err, "while creating SIF");
	if (j->build->wish->force && target_may_go(AT_FDCWD, out->path, out->path, err) < 0)
		return error_wrap(err, "while creating SIF");
	if (output_commit(out, 0777 & ~j->build->umask, j->build->wish->force, err) < 0)
		return -1;
	if (out->old_folder)
		remove_from_disk(j, out->folder, out->file.name);
	return 0;
}

/* ------------------------------------------------------------------ a sandbox */

static int place_sandbox(struct job *j, struct error **err)
{
	struct build *b = j->build;
	CLEANUP_TEXT char *tree = path_join(b->disk, "rootfs", err);
	CLEANUP_TEXT char *old = tree ? path_join(b->disk, "replaced", err) : NULL;
	CLEANUP_TEXT char *target = old ? path_absolute(b->wish->target, err) : NULL;
	log_info("Creating sandbox directory...");
	if (!target)
		return -1;
	bool replace = b->wish->force || b->wish->update;
	if (replace && target_may_go(AT_FDCWD, target, target, err) < 0)
		return error_wrap(err, "while creating sandbox");
	/* What was there before goes with the temporary folder. */
	bool keep = false;
	int r = output_place_folder(tree, target, b->wish->target, old, replace, &keep, err);
	if (keep)
		text_free(&b->disk);
	return r;
}

/* ------------------------------------------------------------------ on disk */

static void remove_disk_folder(struct job *j)
{
	if (!j->build->disk)
		return;
	if (j->build->wish->no_cleanup) {
		log_info(
			"Build performed with no clean up option, build bundle(s) located at: [%s]",
			j->build->disk);
		return;
	}
	remove_from_disk(j, AT_FDCWD, j->build->disk);
}

/* ------------------------------------------------------------------ all of it */

int build_as_command(struct build *b, struct error **err)
{
	CLEANUP_OUTPUT struct output out = OUTPUT_NONE;
	CLEANUP_JOB struct job j = { .build = b, .ns = { -1, -1 }, .root = -1, .out = -1 };
	struct remote builder = REMOTE_NONE;
	bool on_disk = b->wish->sandbox || b->wish->tmpdir;
	if ((on_disk && workspace_make_on_disk(b, err) < 0) ||
	    (!b->wish->sandbox && output_open(b->wish->target, &out, err) < 0)) {
		remove_disk_folder(&j);
		return -1;
	}
	log_info("Starting build...");
	int result = start_builder(b, &builder, &j.ns, err);
	if (result == 0)
		result = follow_builder(&j, &builder, err);
	if (result == 0)
		result = bootstrap_check_key_used(b, err);
	if (result == 0)
		result = b->wish->sandbox ? place_sandbox(&j, err) : write_sif(&j, &out, err);
	remote_end(&builder);
	remove_disk_folder(&j);
	return result;
}
