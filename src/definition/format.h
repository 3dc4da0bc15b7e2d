/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_DEFINITION_FORMAT_H
#define COFFER_DEFINITION_FORMAT_H

/* Limits: definitions are written by hand; what is larger than these is a mistake or an attack. */
#define DEFINITION_STAGES_MAX 256
#define DEFINITION_SECTIONS_MAX 4096
#define DEFINITION_HEADERS_MAX 256

#endif
