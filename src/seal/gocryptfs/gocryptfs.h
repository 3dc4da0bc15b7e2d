/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_SEAL_GOCRYPTFS_GOCRYPTFS_H
#define COFFER_SEAL_GOCRYPTFS_GOCRYPTFS_H

#include "io/io.h"
#include "secret/secret.h"

/*
 * The door of seal/gocryptfs/: one gocryptfs content file with its gocryptfs.conf, as a source
 * and as a sink. Format: spec encryption.md, section 4.
 */

/* The largest gocryptfs.conf that is read. */
#define GOCRYPTFS_CONF_MAX 65536

/*
 * Unlocks the configuration with the password and gives the content of the file in clear. `file`
 * is borrowed and outlives *ret; *ret holds the content key. A block that does not authenticate,
 * an all-zero one included, is ERROR_DAMAGED when it is read. ERROR_KEY_WRONG for the password;
 * ERROR_UNSUPPORTED for other features, ERROR_LIMIT for scrypt's cost. Threads may share *ret.
 */
int gocryptfs_open(struct source *file, const char *conf, size_t conf_len,
		   const struct secret *password, struct source **ret, struct error **err);

struct gocryptfs_create_options {
	bool random_password; /* as long as a key: the smallest scrypt cost that gocryptfs takes */
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
