/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_TESTS_FUZZ_KDF_H
#define COFFER_TESTS_FUZZ_KDF_H

#include "base/base.h"

/* kdf.c stands in for crypto_scrypt: one hash, so that thousands of runs fit in a second. */
#define FUZZ_PASSWORD "fuzz"
#define FUZZ_MASTER "the master key of 32 bytes......"

/* Appends a gocryptfs.conf with this password and master key, always the same. */
int fuzz_conf(struct buffer *ret, struct error **err);

#endif
