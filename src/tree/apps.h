/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_TREE_APPS_H
#define COFFER_TREE_APPS_H

#include "definition/definition.h"

/* The apps of a definition (SCIF): spec deffile.md 10. */

/*
 * Makes the folders, scripts, labels and environment of each app in the tree, and copies what its
 * %appfiles names from the host.
 */
int apps_write(int root, const struct definition *d, struct error **err);
/*
 * Appends what %post does for the apps: each one's %appinstall, in its folder and with its
 * variables. Nothing without apps.
 */
int apps_install_text(const struct definition *d, struct buffer *ret, struct error **err);
/*
 * One line of %appfiles, split: the source up to the first blank, then the destination, which is
 * the source again when there is none. *ret_source stays NULL for a line that says nothing.
 */
int apps_files_line(struct span line, char **ret_source, char **ret_destination,
		    struct error **err);

#endif
