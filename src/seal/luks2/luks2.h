/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_SEAL_LUKS2_LUKS2_H
#define COFFER_SEAL_LUKS2_LUKS2_H

#include "io/io.h"
#include "secret/secret.h"

/*
 * The door of seal/luks2/: a LUKS2 device image as a source and as a sink. Format: LUKS2 On-Disk
 * Format Specification 1.1; what Apptainer writes: spec encryption.md, section 5.
 */

/*
 * Loads libcryptsetup, which some of the functions below need. A process that will enter another
 * root directory calls this first, since the libraries there are not the host's.
 */
int luks2_load(struct error **err);

/*
 * Vets the headers strictly, unlocks a keyslot with the passphrase and gives the payload in
 * clear. `device` is borrowed and outlives *ret; *ret holds the volume key. Kinds: ERROR_KEY_WRONG,
 * ERROR_DAMAGED, ERROR_UNSUPPORTED (null cipher, reencryption, unknown requirement, ...),
 * ERROR_LIMIT (absurd KDF cost), ERROR_MEMORY (a KDF that wants more than there is). Threads may
 * share *ret. A changed sector is not noticed: it reads as rubbish.
 */
int luks2_open(struct source *device, const struct secret *passphrase, struct source **ret,
	       struct error **err);

/* The vetting alone, without a key; the same kinds of error. */
int luks2_check(struct source *device, struct error **err);

struct luks2_create_options {
	bool random_passphrase; /* as long as a key: the KDF need not be slow */
};

/*
 * Writes the header area (2 MiB) into device, which begins empty, and gives a sink for the
 * payload in clear; what is written arrives encrypted. sink_finish pads the payload to a whole
 * number of sectors. `device` is borrowed and outlives *ret.
 */
int luks2_create(struct sink *device, const struct secret *passphrase,
		 const struct luks2_create_options *options, struct sink **ret, struct error **err);

/*
 * Maps the payload through dm-crypt, read-only (root). `device` is the image for vetting, as above;
 * block_device the path of a block device with the same bytes, from the same offset on. *ret_fd is
 * the mapped block device, open: the mapping is already marked to be removed and goes when its last
 * user has gone, however that ends.
 */
int luks2_kernel_map(struct source *device, const char *block_device,
		     const struct secret *passphrase, int *ret_fd, struct error **err);

#endif
