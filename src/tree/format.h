/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_TREE_FORMAT_H
#define COFFER_TREE_FORMAT_H

#define TREE_META "/.singularity.d" /* where a tree says what it is */

/* Limits of what is read of a tree, and of what names files of the host. */
#define TREE_LABELS_MAX 65536
#define TREE_JSON_DEPTH_MAX 32
/* Paths that one line of %files stands for. A fuzzer would do little else than make them. */
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
#define TREE_EXPANSION_MAX 500
#else
#define TREE_EXPANSION_MAX 100000
#endif
#define TREE_EXPANSION_BYTES_MAX ((size_t)16 << 20)
#define TREE_DEPTH_MAX 4096 /* folders in folders when a tree is copied or removed */

#endif
