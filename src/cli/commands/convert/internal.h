/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_CLI_COMMANDS_CONVERT_INTERNAL_H
#define COFFER_CLI_COMMANDS_CONVERT_INTERNAL_H

#include <sys/stat.h>

#include "cli/commands/internal.h"
#include "image/image.h"

/* What the commands share that make another image of one that is there. */

#define OPTION_SEAL(words)                                                     \
	{                                                                      \
		.name = "encryption", .kind = OPTION_TEXT, .argument = "kind", \
		.choices = "luks2 gocryptfs", .help = (words)                  \
	}
#define OPTION_FORCE(words)                                                            \
	{                                                                              \
		.name = "force", .letter = 'F', .kind = OPTION_SWITCH, .help = (words) \
	}
#define OPTIONS_NAMED                                                                \
	{ .name = "recipient",                                                       \
	  .letter = 'r',                                                             \
	  .kind = OPTION_ARRAY,                                                      \
	  .argument = "key",                                                         \
	  .help = "the new image is for this public key, age1..., ssh-ed25519 ..., " \
		  "ssh-rsa ..., or for those in this file; any number of times" },   \
	{                                                                            \
		.name = "recipients-file", .letter = 'R', .kind = OPTION_ARRAY,      \
		.argument = "file",                                                  \
		.help = "the new image is for the public keys in this "              \
			"file, one a line"                                           \
	}
/* Where one key opens the image and another one is to open the new one. */
#define OPTIONS_NEW_KEY                                                                    \
	{ .name = "new-passphrase",                                                        \
	  .kind = OPTION_SWITCH,                                                           \
	  .no_value_ever = true,                                                           \
	  .help = "ask for the passphrase of the new image" },                             \
	{                                                                                  \
		.name = "new-pem-path", .kind = OPTION_TEXT, .argument = "file",           \
		.help = "the new image is for this RSA public key, in Apptainer's own way" \
	}

/* The seal of --encryption; `usual` where it is not given. ERROR_USAGE. */
int convert_seal(const struct invocation *in, const struct seal *usual, const struct seal **ret,
		 struct error **err);
/* encrypt: the key to build with, as `build --encrypt` finds it. */
int convert_key(const struct invocation *in, struct key **ret, struct error **err);
/* The key to build with that OPTIONS_NEW_KEY and OPTIONS_NAMED name; *ret NULL where none is. */
int convert_new_key(const struct invocation *in, struct key **ret, struct error **err);

/* key_ask for a new passphrase, of which it says that it is one. */
int convert_ask_new(void *context, const char *prompt, struct secret **ret, struct error **err);

/* ------------------------------------------------------------------ work.c */

/* What is to be done, and the keys for it. */
struct convert_work {
	struct image *img;
	struct key *key, *named;
	const struct seal *seal; /* of the new image; NULL: in clear */
	const char *target;
	mode_t mode;	 /* of the new file at most; not where in_place */
	bool replace;	 /* what is there */
	bool itself;	 /* the target may be the image itself */
	bool in_place;	 /* and it is: the new file gets its owner and rights */
	int lock;	 /* on the image, of this process alone; -1: none */
	struct stat was; /* the image, when it was locked */
};
void convert_work_free(struct convert_work *w);
#define CLEANUP_WORK __attribute__((cleanup(convert_work_free)))

/* What the process's umask leaves of it. */
mode_t convert_mode(mode_t mode);
/* ERROR_EXISTS where something is there that may not go. */
int convert_check_target(const struct convert_work *w, struct error **err);
/*
 * Fills w->img, in_place, lock and was. recipient add and remove wait for the lock, and find
 * another file in the image's place then. A folder is ERROR_USAGE, and so is a target that is the
 * image itself, where it may not be.
 */
int convert_open(struct convert_work *w, const char *path, struct error **err);
/* Fills w->key; none is ERROR_KEY_MISSING. */
int convert_opener(const struct invocation *in, struct convert_work *w, struct error **err);
/*
 * Writes the new image without a name, or under a hidden one, and gives it its place when it is
 * whole.
 */
int convert_write(const struct convert_work *w, struct image_converted *ret, struct error **err);
/* The same, for what `fill` writes. */
int convert_write_by(const struct convert_work *w,
		     int (*fill)(void *context, int out_fd, struct error **err), void *context,
		     struct error **err);
/* Tells what the new image has not. */
void convert_say_left_out(const struct image_converted *done);
/* Returns -1. */
int convert_not_encrypted(const struct image *img, struct error **err);

#endif
