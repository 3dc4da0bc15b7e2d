/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_SEAL_SEAL_H
#define COFFER_SEAL_SEAL_H

#include "config/config.h"
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

/* What `create` has made: for who keeps another way to the volume key than the secret. */
#define SEAL_VOLUME_ID_MAX 64
struct seal_made {
	struct secret *volume_key;
	char volume_id[SEAL_VOLUME_ID_MAX];
};
/* Wipes and frees what is in it. */
void seal_made_done(struct seal_made *made);
#define CLEANUP_SEAL_MADE __attribute__((cleanup(seal_made_done)))

/* What it shall cost to unlock with a passphrase; 0: what it cost before. */
struct seal_cost {
	uint64_t memory;  /* at most so many bytes */
	uint32_t time_ms; /* on this machine */
};
/* Where the sealed bytes begin in a regular file that is open for reading and writing. */
struct seal_file {
	int fd;
	uint64_t off;
};

struct seal {
	const char *name;  /* as options and the site's log have it: "luks2" */
	const char *title; /* as people have it: "LUKS2" */

	bool authentic;	      /* a block that somebody changed is an error, and never other bytes */
	bool peer_wants_root; /* stock Apptainer opens it for root alone */
	struct config_permission allowed;

	/*
	 * Whether the sealed bytes are a file in a file system of its own, which holds a
	 * configuration as well, or else the whole partition.
	 */
	bool in_outer;
	size_t conf_max; /* the largest such configuration that is read */

	struct secret_form secret; /* how the secret looks that unlocks it */

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

	/*
	 * A name that the volume was given at random, and keeps: letters, digits and hyphens. Not
	 * secret, and in the image's hand as all of it is.
	 */
	void (*identify)(const struct seal_volume *v, char ret[SEAL_VOLUME_ID_MAX]);

	/*
	 * For a volume key that does not come from `unlock`: ERROR_DAMAGED when it is that of
	 * another volume. NULL where each block that is read tells.
	 */
	int (*check)(const struct seal_volume *v, const struct secret *volume_key,
		     struct error **err);

	/* How many secrets unlock it. NULL: one. */
	unsigned (*ways)(const struct seal_volume *v);

	/*
	 * Puts another passphrase in the place of one that unlocks it; the volume key stays, and so
	 * do other ways to it: *ret_ways says how many secrets unlock it then. Where there is a
	 * configuration beside, the new one is appended to *ret_conf, as long as the old one, and
	 * `file` is not looked at. Else `file` is written, and settled: whatever ends that, one of
	 * the two passphrases unlocks it then. ERROR_KEY_WRONG; ERROR_USAGE for a cost that the
	 * format cannot have; ERROR_LIMIT without room for it.
	 */
	int (*change)(const struct seal_volume *v, const struct secret *old,
		      const struct secret *passphrase, const struct seal_cost *cost,
		      const struct seal_file *file, struct buffer *ret_conf, unsigned *ret_ways,
		      struct error **err);
	/* The bounds of seal_cost; with a time of 0 it cannot be chosen. */
	struct seal_cost cost_min, cost_max;

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
	 * configuration, where there is one, is appended to *ret_conf. *ret_made, unless NULL, is
	 * filled.
	 */
	int (*create)(struct sink *below, const struct secret *secret, bool random,
		      struct buffer *ret_conf, struct seal_made *ret_made, struct sink **ret,
		      struct error **err);
};

extern const struct seal seal_luks2;	 /* luks2/: spec encryption.md, section 5 */
extern const struct seal seal_gocryptfs; /* gocryptfs/: spec encryption.md, section 4 */

extern const struct seal *const seal_table[]; /* all of them; NULL at the end */
/* The one of that name, or NULL. */
const struct seal *seal_by_name(const char *name);
/* The one for an image whose maker did not say which, so that stock Apptainer opens it for them. */
const struct seal *seal_usual(bool root);

/* All three steps. */
int seal_open(const struct seal *seal, const struct sealed *sealed, const struct secret *secret,
	      struct source **ret, struct error **err);

#endif
