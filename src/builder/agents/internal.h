/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_BUILDER_AGENTS_INTERNAL_H
#define COFFER_BUILDER_AGENTS_INTERNAL_H

#include "builder/agents/bootstrap.h"

/*
 * The agents that have a file of their own: what is checked by the command before anything is done,
 * and what the builder does. Their table is in bootstrap.c.
 */
int bootstrap_local_check(const struct build *b, struct error **err);
int bootstrap_local(struct builder *b, struct error **err);
int bootstrap_debootstrap_check(const struct build *b, struct error **err);
int bootstrap_debootstrap(struct builder *b, struct error **err);
int bootstrap_oci_check(const struct build *b, struct error **err);
int bootstrap_oci(struct builder *b, struct error **err);

/* Whether the stage begins with what the target is, whatever its header says. */
bool bootstrap_is_update(const struct build *b, const struct definition *d);

#endif
