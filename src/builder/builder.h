/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_BUILDER_BUILDER_H
#define COFFER_BUILDER_BUILDER_H

#include "builder/output.h"
#include "fetch/fetch.h"
#include "image/image.h"
#include "run/run.h"

/*
 * The door of builder/: from a definition, a sandbox or an image to a new image. Behaviour: spec
 * deffile.md.
 */
struct build_wish {
	const char *target; /* as typed */
	const char *spec;   /* as typed */
	bool sandbox;	    /* write a directory */
	bool force;	    /* overwrite */
	bool update; /* with sandbox: the target is what is built upon, and the header is not looked
			at */
	bool notest;
	bool pull; /* nothing is said at the end */
	bool encrypt;
	const struct seal *seal;     /* with encrypt */
	struct key *key;	     /* with encrypt; owned by the caller */
	struct key_request base_key; /* how to find the key of an encrypted base image */
	bool base_key_given;	     /* on the command line: the base must be encrypted */
	const char *tmpdir;	 /* --tmpdir: the tree goes to disk there; NULL: a private tmpfs */
	struct strings sections; /* --section */
	struct strings build_args;
	const char *build_arg_file;
	bool warn_unused_build_args;
	bool fakeroot, fix_perms, no_cleanup, ignore_subuid;
	struct strings bind;
	const char *arch;	  /* --arch, or NULL */
	const char *arch_variant; /* --arch-variant, or NULL */
	enum squash_codec codec;
	int level;
	uint32_t block_size;	    /* 0: the usual */
	unsigned threads;	    /* 0: one per CPU */
	struct fetch_options fetch; /* .login is closed by the build */
	const struct config *config;
};

/*
 * Everything that can be refused before work begins and before a passphrase is asked: whether the
 * target may be written (deffile.md 13). May ask on the terminal through `confirm` (NULL: nobody
 * to ask), which sets wish->force.
 */
int build_check_target(struct build_wish *wish,
		       bool (*confirm)(void *context, const char *question), void *context,
		       struct error **err);

/*
 * Builds the target of the wish, which appears whole, or stays as it was. For the command's main
 * thread, before any other is started: it forks the builder and the packer. It asks for the key of
 * an encrypted base image through wish->base_key.
 */
int build_image(struct build_wish *wish, struct error **err);

#endif
