/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_SEAL_SEAL_H
#define COFFER_SEAL_SEAL_H

#include "io/io.h"
#include "secret/secret.h"

/*
 * The door of seal/: the ways in which the root file system of an image can be encrypted. Each way
 * is one row, `struct seal`, defined in a folder of its own; nobody outside asks which one it is.
 *
 * Reading goes in three steps, each of which needs what the one before gave:
 *
 *     probe    the sealed bytes         → a volume: everything that can be vetted without a key
 *     unlock   what the user has        → the volume key
 *     open     the volume key           → the bytes in clear, as a source
 *
 * unlock is the slow step, made so on purpose (key derivation). Who has the volume key can open the
 * image without it, so the key lies in a struct secret, and is freed as soon as nobody needs it.
 */

/* What lies in an image under a seal. Borrowed by the volume, which it outlives. */
struct sealed {
	struct source *bytes; /* as they are in the file */
	const char *conf; /* the text of the configuration beside them, where the seal has one */
	size_t conf_len;
};

/* Something sealed, vetted. Holds no secret. Each seal has more behind this. */
struct seal_volume {
	const struct seal *seal;
};
/* Frees *v, if any, and sets it to NULL. What was opened of it stays. */
void seal_volume_free(struct seal_volume **v);
#define CLEANUP_SEAL_VOLUME __attribute__((cleanup(seal_volume_free)))

struct seal {
	const char *name;

	/*
	 * Whether the sealed bytes are a file in a file system of its own, which holds a
	 * configuration as well, or else the whole partition.
	 */
	bool in_outer;
	size_t conf_max; /* the largest such configuration that is read */

	/*
	 * Loads the libraries that `create` needs: to be called before it by who has entered
	 * another root directory by then, where the libraries are not the host's. May be NULL.
	 */
	int (*load)(struct error **err);

	/*
	 * ERROR_DAMAGED; ERROR_UNSUPPORTED for what a valid image may have and we do not read;
	 * ERROR_LIMIT for costs that are absurd. No byte of it is believed before this.
	 */
	int (*probe)(const struct sealed *sealed, struct seal_volume **ret, struct error **err);
	void (*free)(struct seal_volume *v);

	/* *ret is the caller's. ERROR_KEY_WRONG when the secret is not the one. */
	int (*unlock)(const struct seal_volume *v, const struct secret *secret, struct secret **ret,
		      struct error **err);

	/* *ret holds what it needs of the key, and may be read by several threads at once. */
	int (*open)(const struct seal_volume *v, const struct secret *volume_key,
		    struct source **ret, struct error **err);

	/*
	 * Has the kernel decrypt it, read-only (root alone): block_device is the path of a block
	 * device with the sealed bytes, from the same offset on. *ret_fd is a block device in
	 * clear, which goes when its last user has gone, however that ends. NULL where the kernel
	 * knows no such seal.
	 */
	int (*map)(const struct seal_volume *v, const struct secret *volume_key,
		   const char *block_device, int *ret_fd, struct error **err);

	/*
	 * Gives a sink for the bytes in clear over `below`, which begins empty, is borrowed and
	 * outlives *ret; what arrives below is encrypted, with a new volume key. `random`: the
	 * secret is as long as a key and nobody can guess it, so unlocking need not be slow. The
	 * configuration, where there is one, is appended to *ret_conf.
	 */
	int (*create)(struct sink *below, const struct secret *secret, bool random,
		      struct buffer *ret_conf, struct sink **ret, struct error **err);
};

extern const struct seal seal_luks2;	 /* luks2/: spec encryption.md, section 5 */
extern const struct seal seal_gocryptfs; /* gocryptfs/: spec encryption.md, section 4 */

/* All three steps. */
int seal_open(const struct seal *seal, const struct sealed *sealed, const struct secret *secret,
	      struct source **ret, struct error **err);

#endif
