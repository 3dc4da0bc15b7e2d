/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_BUILDER_AGENTS_H
#define COFFER_BUILDER_AGENTS_H

#include "builder/internal.h"

/*
 * The agents that have a file of their own: what is checked by the command before anything is done,
 * and what the builder does. Their table is in bootstrap.c.
 */
int bootstrap_debootstrap_check(const struct build *b, struct error **err);
int bootstrap_debootstrap(struct builder *b, struct error **err);
int bootstrap_oci_check(const struct build *b, struct error **err);
int bootstrap_oci(struct builder *b, struct error **err);

#endif
