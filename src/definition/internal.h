/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_DEFINITION_INTERNAL_H
#define COFFER_DEFINITION_INTERNAL_H

#include "definition/definition.h"

/* ------------------------------------------------------------------ pieces of text (lines.c) */

/* White space of ASCII alone: the locale must not change what a definition means. */
bool span_blank(char c);
/* Takes the next run without blanks off *rest: false when nothing but blanks is left. */
bool span_word(struct span *rest, struct span *ret);
/* Copies, owned by the caller; NULL with *err. The second has the ASCII letters small. */
char *span_dup(struct span s, struct error **err);
char *span_dup_lower(struct span s, struct error **err);

/* ------------------------------------------------------------------ parts of a stage */

/* Parses the lines of a header into *d: ERROR_DAMAGED, ERROR_LIMIT (header.c). */
int definition_read_header(struct definition *d, struct span text, struct error **err);
/* Sets a key, whose value it takes out of the buffer. */
int definition_put_header(struct definition *d, struct span key, struct buffer *value,
			  struct error **err);
/* Header and sections of one stage (sections.c). */
int definition_read_stage(struct definition *d, struct span text, struct error **err);

#endif
