/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_BUILDER_INTERNAL_H
#define COFFER_BUILDER_INTERNAL_H

#include "builder/builder.h"
#include "builder/output.h"
#include "builder/remote.h"
#include "definition/definition.h"
#include "os/os.h"

/*
 * The processes of a build:
 *
 *   command   holds the key of the new image and that of an encrypted base; runs nothing foreign
 *   builder   forked early; frees both keys first, then lives in namespaces of its own, where the
 *             tree is, and runs the sections
 *   unpacker  forked by the command with the base's key; unpacks into the tree
 *   packer    forked by the command with the new image's key; packs the tree
 *   cleaner   forked by the command; removes what lies on disk
 *
 * The last three enter the builder's namespaces to reach a tree whose files belong to
 * subordinate ids, and run nothing. The tree lies on a tmpfs of the builder's mount namespace and
 * is gone with the last of them.
 */

/* The image that a stage is built upon. */
struct base_image {
	bool known; /* whether it is there, and allowed: this one */
	dev_t device;
	ino_t inode;
	int fd;	    /* the command's, of one that the builder has got; -1: none */
	char *path; /* by which each of them opens that; NULL: what the header says */
};

/* A build as all its processes know it. Made by the command before it forks. */
struct build {
	struct build_wish *wish;
	struct definition *last;	     /* stage of the definition, and with it all; owned */
	const struct definition *definition; /* the stage that is being built */
	struct base_image *base;	     /* the same one's, of bases */
	struct base_image *bases;	     /* of each stage; owned */
	struct key *base_key;		     /* of all that are encrypted; owned; NULL: none */
	bool any_encrypted;		     /* an image that is built upon, as far as is known */
	bool user_namespace;		     /* one is made for the builder */
	bool real_root;			     /* root of the machine: may make devices */
	enum userns_map map; /* _ROOT_ALONE: all files are root's; else _ROOT_SUBIDS */
	char *arch;	     /* the --arch value or the machine's: a name */
	char *variant;	     /* of that, as images say it: "v7"; NULL: any */
	char *disk;	     /* where the tree goes on disk: a folder of its own; NULL: tmpfs */
	int64_t time;
	bool deterministic;
	mode_t umask; /* the caller's */
};

/* The tree of a stage that is done. */
struct stage_tree {
	int root; /* -1: nobody asks for it any more */
	char *path;
	bool grafted;
};

/* What the builder alone has. */
struct builder {
	struct build *build;
	int socket; /* to the command */
	char *root_path;
	char *scripts_path;
	int root;		 /* O_PATH */
	bool grafted;		 /* parts of the tree are the source's own folders */
	bool no_grafts;		 /* it was tried, and did not do */
	struct stage_tree *done; /* of the stages before this one */
	struct buffer oci_config;
};

/* ------------------------------------------------------------------ the builder */

/* Its namespaces, as descriptors of the command. */
struct namespaces {
	int user, mount; /* -1: none */
};
void namespaces_free(struct namespaces *n);
#define CLEANUP_NAMESPACES __attribute__((cleanup(namespaces_free)))
int namespaces_open(pid_t pid, bool user, struct namespaces *ret, struct error **err);
/* Enters them; this process dies with its parent all the same, and nobody may look into it. */
int namespaces_enter(const struct namespaces *n, struct error **err);

/* workspace.c: the place of the trees, in the builder's mount namespace. */
int workspace_make(struct builder *b, struct error **err);
/* For the command, before: the folder of what is to lie on a disk, into b->disk. */
int workspace_make_on_disk(struct build *b, struct error **err);
/* An empty folder for the tree of the stage; again: another one, when the first did not do. */
int workspace_open_tree(struct builder *b, bool again, struct error **err);
/* Removes the tree of a stage that is done, unless it is to be found on the disk. */
void workspace_drop_tree(struct builder *b, struct stage_tree *tree);
/* A hint when the file system of the tree is full. */
void workspace_explain(const struct build *build, int root, struct error **err);
/* A hint for what may have been killed for want of memory, when the tree takes of it. */
void workspace_explain_kill(const struct build *build, struct error **err);

/* sections.c */
int section_run_on_host(struct builder *b, const char *section, struct error **err);
int section_run_post(struct builder *b, struct error **err);
int section_run_test(struct builder *b, struct error **err);

/* sandbox.c: the tree, at its end, for a folder of this machine: nobody else's to enter. */
int sandbox_close(const struct build *b, int root, struct error **err);
/* The root of an image is for everybody in the container, whoever may enter the sandbox. */
int sandbox_open_root(int root, struct error **err);

/* stages.c: the whole work of the builder, from the first section to the last message. */
int stages_build(struct builder *b, struct error **err);
/* The two-digit code of the tree's architecture, by its ELF files: sif.md 8.1. */
const char *stages_architecture(int root);

/* plan.c: goes on to a stage, 0 being the first. */
void build_enter_stage(struct build *b, size_t number);
/* command.c: the command's part, once all has been looked at (plan.c). */
int build_as_command(struct build *b, struct error **err);

#endif
