/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_BUILD_FORMAT_H
#define COFFER_BUILD_FORMAT_H

/*
 * Limits of what is read while building. Definitions are written by hand and metadata files by
 * builders; whatever is larger than these is a mistake or an attack on memory.
 */
#define BUILD_DEFINITION_MAX ((size_t)16 << 20) /* a definition, also after its substitutions */
#define BUILD_ARGUMENT_FILE_MAX ((size_t)1 << 20)
#define BUILD_STAGES_MAX 256
#define BUILD_SECTIONS_MAX 4096
#define BUILD_HEADERS_MAX 256
#define BUILD_METADATA_FILE_MAX ((size_t)16 << 20) /* each file that inspection reads */
#define BUILD_LABELS_MAX 65536
#define BUILD_JSON_DEPTH_MAX 32
/* Paths that one line of %files stands for. A fuzzer would do little else than make them. */
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
#define BUILD_EXPANSION_MAX 500
#else
#define BUILD_EXPANSION_MAX 100000
#endif
#define BUILD_EXPANSION_BYTES_MAX ((size_t)16 << 20)
#define BUILD_TREE_DEPTH_MAX 4096 /* folders in folders when a tree is copied or removed */

#endif
