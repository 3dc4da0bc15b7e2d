/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_SEAL_LUKS2_INTERNAL_H
#define COFFER_SEAL_LUKS2_INTERNAL_H

#include "crypto/crypto.h"
#include "seal/luks2/cryptsetup.h"
#include "seal/luks2/format.h"
#include "seal/luks2/luks2.h"

/* header.c: finds the valid one of the two headers and vets it, without a key. */
int luks2_header_read(struct source *device, struct luks2_header *ret, struct error **err);
/* header.c: one of its two copies, of header_len bytes, written anew from what was vetted into
 * *ret, in the place of what is there. */
int luks2_header_print(const struct luks2_header *header, bool second, struct buffer *ret,
		       struct error **err);
/*
 * A memory file with the header written anew from what was vetted, both copies alike, and the
 * keyslot areas: all that libcryptsetup ever sees of an image. *ret_fd is the caller's.
 */
int luks2_header_to_memory(const struct luks2_header *header, struct source *device, int *ret_fd,
			   struct error **err);

/*
 * json.c: vets the JSON text and fills all of *ret but uuid; header_len is that of the binary
 * header, device_len the size of what the header lies on.
 */
int luks2_json_read(const char *text, size_t len, uint64_t header_len, uint64_t device_len,
		    struct luks2_header *ret, struct error **err);
/* Of a name in a header that was vetted. */
enum crypto_hash luks2_hash(const char *name);
int luks2_json_write(const struct luks2_header *header, struct buffer *ret, struct error **err);

/* device.c: a context of libcryptsetup that keeps its words to itself. Stays where it is made. */
struct luks2_device {
	struct crypt_device *cd;
	char words[256]; /* the last error that the library logged */
};
/*
 * header_fd: the memory file (borrowed); data: the path of the block device that the payload is
 * on, or NULL when only the header is needed.
 */
int luks2_device_init(struct luks2_device *d, int header_fd, const char *data, struct error **err);
/* The header, of a memory file that luks2_header_to_memory has made. */
int luks2_device_load(struct luks2_device *d, struct error **err);
void luks2_device_done(struct luks2_device *d);
#define CLEANUP_LUKS2_DEVICE __attribute__((cleanup(luks2_device_done)))
/* Makes an error from what the library returned. Returns -1. */
int luks2_device_error(const struct luks2_device *d, int result, const char *what,
		       struct error **err);

/* af.c: stripes of a keyslot, merged one after another. */
struct luks2_af {
	struct secret *key; /* the volume key after the last stripe */
	/* The rest is for af.c itself. */
	struct secret *piece;
	struct crypto_digest *digest;
	size_t digest_len;
};
/* *af is zeroed; also when this fails, it is the caller's to be done with. */
int luks2_af_init(struct luks2_af *af, enum crypto_hash hash, size_t key_len, struct error **err);
void luks2_af_done(struct luks2_af *af);
#define CLEANUP_LUKS2_AF __attribute__((cleanup(luks2_af_done)))
/* A stripe is as long as the key. */
int luks2_af_merge(struct luks2_af *af, const uint8_t *stripe, bool last, struct error **err);

/* source.c: the payload in clear, of a header that was vetted. `device` is borrowed. */
int luks2_open_with_key(const struct luks2_header *header, struct source *device,
			const struct secret *key, struct source **ret, struct error **err);

/*
 * kernel.c: maps the payload through dm-crypt, read-only (root). `device` is where the header was
 * read from; block_device the path of a block device with the same bytes, from the same offset on.
 * *ret_fd is the mapped block device, open: the mapping is already marked to be removed and goes
 * when its last user has gone, however that ends.
 */
int luks2_kernel_map(const struct luks2_header *header, struct source *device,
		     const char *block_device, const struct secret *key, int *ret_fd,
		     struct error **err);

/* keyslot.c: the volume key. */
int luks2_unlock(const struct luks2_header *header, struct source *device,
		 const struct secret *passphrase, struct secret **ret, struct error **err);
/* keyslot.c: no keyslot opens. Returns -1. */
int luks2_wrong_key(struct error **err);
/* keyslot.c: ERROR_DAMAGED when it is not the volume key of this header. */
int luks2_check_key(const struct luks2_header *header, const struct secret *key,
		    struct error **err);
/* keyslot.c: ERROR_MEMORY when a slot's KDF wants more than crypto_kdf_check lets it have. */
int luks2_check_memory(const struct luks2_header *header, struct error **err);

/* change.c: another passphrase in the place of one: the row's `change`. *ret_ways: how many
 * keyslots there are then. */
int luks2_change(const struct luks2_header *header, struct source *device, const struct secret *old,
		 const struct secret *passphrase, const struct seal_cost *cost,
		 const struct seal_file *file, unsigned *ret_ways, struct error **err);

/* create.c: a fresh header area of LUKS2_NEW_DATA_OFF bytes in a memory file, and its key. Fills
 * options->made, if any. */
int luks2_format(const struct secret *passphrase, const struct luks2_create_options *options,
		 int *ret_fd, struct secret **ret_key, struct error **err);

#endif
