/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_CLI_COMMANDS_SIF_INTERNAL_H
#define COFFER_CLI_COMMANDS_SIF_INTERNAL_H

#include "cli/commands/internal.h"

/* sif.c: the number of an object, in Apptainer's words where it is none: sif.md 11.9. */
int parse_object_id(const char *text, uint32_t *ret, struct error **err);
/* The same: a file, and what its table says. */
struct source;
struct sif;
int cli_open_sif(const char *path, struct source **ret_file, struct sif **ret, struct error **err);

#endif
