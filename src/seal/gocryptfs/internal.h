/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_SEAL_GOCRYPTFS_INTERNAL_H
#define COFFER_SEAL_GOCRYPTFS_INTERNAL_H

#include "crypto/crypto.h"
#include "seal/gocryptfs/format.h"
#include "seal/gocryptfs/gocryptfs.h"

/* gocryptfs.conf, vetted. */
struct gocryptfs_config {
	uint8_t salt[SALT_MAX];
	size_t salt_len;
	uint64_t n;
	uint32_t r, p;
	uint8_t wrapped[WRAPPED_LEN]; /* the master key: nonce, ciphertext, tag */
};

int gocryptfs_config_parse(const char *conf, size_t len, struct gocryptfs_config *ret,
			   struct error **err);
/* create.c: the master key of `config` that `old` opens, under another password and cost; the text
 * is as long as `len`, that of the old one. */
int gocryptfs_change(const struct gocryptfs_config *config, size_t len, const struct secret *old,
		     const struct secret *password, const struct seal_cost *cost,
		     struct buffer *ret_conf, struct error **err);
int gocryptfs_config_print(const struct gocryptfs_config *config, struct buffer *ret,
			   struct error **err);
/* The key that wraps the master key: encryption.md 4.4. */
int gocryptfs_config_kek(const struct gocryptfs_config *config, const struct secret *password,
			 enum crypto_direction direction, struct crypto_gcm **ret,
			 struct error **err);
/* What cannot be a password is refused before the costly part is done: too long, or several lines.
 */
int gocryptfs_check_password(const struct secret *password, struct error **err);

/* source.c: the master key. ERROR_KEY_WRONG when the password is not the one. */
int gocryptfs_unlock(const struct gocryptfs_config *config, const struct secret *password,
		     struct secret **ret_master, struct error **err);

/* source.c: what a content file says of itself. */
struct gocryptfs_file {
	uint8_t id[FILE_ID_LEN];
	uint64_t size; /* in clear */
};
int gocryptfs_header_read(struct source *file, struct gocryptfs_file *ret, struct error **err);
/*
 * source.c: the content in clear. A block that does not authenticate, an all-zero one included, is
 * ERROR_DAMAGED when it is read. `file` is borrowed and outlives *ret.
 */
int gocryptfs_open_with_key(const struct gocryptfs_file *header, struct source *file,
			    const struct secret *master, struct source **ret, struct error **err);

/* create.c: the id of a content file as text. */
void gocryptfs_name(const uint8_t id[FILE_ID_LEN], char ret[SEAL_VOLUME_ID_MAX]);

/* What blocks are encrypted with. */
struct gocryptfs_content {
	struct crypto_gcm *gcm;
	uint8_t file_id[FILE_ID_LEN];
};
int gocryptfs_content_key(const struct secret *master, enum crypto_direction directions,
			  struct crypto_gcm **ret, struct error **err);

/*
 * Blocks in a row, of `cipher`, whose first has the given number: `len` bytes in clear from `skip`
 * bytes into the first one. Only the last block may be short: cipher_len says it. `cipher` is
 * altered.
 */
int gocryptfs_blocks_open(const struct gocryptfs_content *content, uint64_t number, uint8_t *cipher,
			  size_t cipher_len, size_t skip, void *buf, size_t len,
			  struct error **err);
/* The other way; every block gets a fresh nonce. *ret_len: bytes of cipher. */
int gocryptfs_blocks_seal(const struct gocryptfs_content *content, uint64_t number,
			  const uint8_t *plain, size_t len, uint8_t *cipher, size_t *ret_len,
			  struct error **err);

/* The sink of the content under a master key; writes the header. `file` is borrowed. */
int gocryptfs_sink_new(struct sink *file, const struct secret *master, struct sink **ret,
		       struct error **err);

/* Where a block begins in the file. */
static inline uint64_t gocryptfs_block_off(uint64_t number)
{
	return HEADER_LEN + number * CIPHER_LEN;
}

#endif
