/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_TREE_TREE_H
#define COFFER_TREE_TREE_H

/* The door of tree/: a root tree on a file system, and what it says about itself. */
#include "tree/apps.h"
#include "tree/files.h"
#include "tree/metadata.h"

#endif
