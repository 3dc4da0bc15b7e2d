/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_BUILDER_AGENTS_BOOTSTRAP_H
#define COFFER_BUILDER_AGENTS_BOOTSTRAP_H

#include "builder/internal.h"

/* What a stage is built upon, by the agent that its header names. */

/* bootstrap.c: checks are made by the command before anything is done. */
int bootstrap_check(const struct build *b, struct error **err);
int bootstrap_run(struct builder *b, struct error **err);
/*
 * Opens the image that is built upon and asks the policy about it; each time after that it must be
 * the same file.
 */
int bootstrap_open_base(struct build *b, struct image **ret, struct error **err);
/* Warns where owners of its files became root: squash_extract_rules. */
void bootstrap_tell_unmapped(bool unmapped);
/*
 * In the command, at MESSAGE_BASE: takes the file that the builder has got, asks the policy about
 * it, and finds its key. *fd becomes the build's.
 */
int bootstrap_take_base(struct build *b, int *fd, struct error **err);
/*
 * Finds the key of the images that are built upon, as far as they are there: one for all that are
 * encrypted. It may ask on the terminal.
 */
int bootstrap_find_key(struct build *b, struct error **err);
/*
 * At an image that is encrypted: finds the key, if there is none yet. At the end, before the new
 * image gets its name: refuses a key of the command line that none of the images had need of, as
 * somebody may have put a plain one in the place of that.
 */
int bootstrap_is_encrypted(struct build *b, struct error **err);
int bootstrap_check_key_used(const struct build *b, struct error **err);
/* Whether a stage begins with an image file which is got from elsewhere. */
bool bootstrap_is_file(const struct build *b, const struct definition *d);
/* Whether a stage that comes later may need the key, too. */
bool bootstrap_later_base(const struct build *b);

#endif
