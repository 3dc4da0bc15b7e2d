/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_SEAL_LUKS2_LUKS2_H
#define COFFER_SEAL_LUKS2_LUKS2_H

#include "seal/seal.h"

/*
 * What seal/luks2/ does besides its row in the table of seals: a LUKS2 device image as a source and
 * as a sink. Format: LUKS2 On-Disk Format Specification 1.1; what Apptainer writes: spec
 * encryption.md, section 5.
 */

/* Loads libcryptsetup: the row's `load`. */
int luks2_load(struct error **err);

/*
 * The vetting alone, without a key. Kinds: ERROR_DAMAGED, ERROR_UNSUPPORTED (null cipher,
 * reencryption, unknown requirement, ...), ERROR_LIMIT (absurd KDF cost).
 */
int luks2_check(struct source *device, struct error **err);

struct luks2_create_options {
	bool random_passphrase; /* as long as a key: the KDF need not be slow */
	struct seal_made *made; /* NULL, or to be filled */
};

/*
 * Writes the header area (2 MiB) into device, which begins empty, and gives a sink for the
 * payload in clear; what is written arrives encrypted. sink_finish pads the payload to a whole
 * number of sectors. `device` is borrowed and outlives *ret.
 */
int luks2_create(struct sink *device, const struct secret *passphrase,
		 const struct luks2_create_options *options, struct sink **ret, struct error **err);

#endif
