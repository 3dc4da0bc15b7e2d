/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_SEAL_GOCRYPTFS_GOCRYPTFS_H
#define COFFER_SEAL_GOCRYPTFS_GOCRYPTFS_H

#include "seal/seal.h"

/*
 * What seal/gocryptfs/ does besides its row in the table of seals: one gocryptfs content file with
 * its gocryptfs.conf, as a source and as a sink. Format: spec encryption.md, section 4.
 */

/* The largest gocryptfs.conf that is read. */
#define GOCRYPTFS_CONF_MAX 65536

struct gocryptfs_create_options {
	bool random_password; /* as long as a key: the smallest scrypt cost that gocryptfs takes */
	struct seal_made *made; /* NULL, or to be filled */
};

/*
 * Makes a new master key, appends the text of gocryptfs.conf to *ret_conf and gives a sink for
 * the content in clear; `file` begins empty, is borrowed and outlives *ret. Writes of less than a
 * block are gathered; sink_finish writes out the last one.
 */
int gocryptfs_create(struct sink *file, const struct secret *password,
		     const struct gocryptfs_create_options *options, struct buffer *ret_conf,
		     struct sink **ret, struct error **err);

#endif
