/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_BUILDER_AGENTS_INTERNAL_H
#define COFFER_BUILDER_AGENTS_INTERNAL_H

#include "builder/agents/bootstrap.h"

/*
 * The agents that have a file of their own: what is checked by the command before anything is done,
 * and what the builder does. Their table is in bootstrap.c.
 */
int bootstrap_local_check(const struct build *b, struct error **err);
int bootstrap_file_check(const struct build *b, struct error **err);
int bootstrap_file(struct builder *b, struct error **err);
int bootstrap_debootstrap_check(const struct build *b, struct error **err);
int bootstrap_debootstrap(struct builder *b, struct error **err);
int bootstrap_oci_check(const struct build *b, struct error **err);
int bootstrap_oci(struct builder *b, struct error **err);

/* Whether the stage begins with what the target is, whatever its header says. */
bool bootstrap_is_update(const struct build *b, const struct definition *d);
/* Whether it begins with an image, here or elsewhere, which may be encrypted. */
bool bootstrap_is_upon_image(const struct build *b, const struct definition *d);
/* Refuses a header that wants signatures looked at. */
int bootstrap_check_fingerprints(const struct build *b, struct error **err);
/* Unpacks the image that is built upon: with its key, by another process, where it is encrypted. */
int bootstrap_unpack(struct builder *b, struct error **err);
/* What the command does about a plain image that it is told of only now: key.c. */
int bootstrap_is_plain(const struct build *b, const char *name, struct error **err);
/* The login for the registry of the stage, where there is one, into b->wish->fetch. */
int bootstrap_log_in(const struct build *b, const char *from, struct error **err);
/* Forgets it, unless a later stage has need of it: what runs from now on does not find it. */
void bootstrap_end_login(struct builder *b);

#endif
