/* SPDX-License-Identifier: Apache-2.0 */
#include "seal/gocryptfs/internal.h"

/* encryption.md 4.4, the other way round. */
static int wrap(struct gocryptfs_config *config, const struct secret *password,
		const struct secret *master, struct error **err)
{
	static const uint8_t aad[8];
	struct crypto_gcm *kek = NULL;
	uint8_t *body = config->wrapped + CRYPTO_GCM_NONCE_LEN;
	if (crypto_random(config->wrapped, CRYPTO_GCM_NONCE_LEN, err) < 0 ||
	    gocryptfs_config_kek(config, password, CRYPTO_ENCRYPT, &kek, err) < 0)
		return -1;
	int r = crypto_gcm_seal(kek, config->wrapped, aad, sizeof(aad), secret_bytes(master),
				KEY_LEN, body, body + KEY_LEN, err);
	crypto_gcm_free(&kek);
	return r;
}

void gocryptfs_name(const uint8_t id[FILE_ID_LEN], char ret[SEAL_VOLUME_ID_MAX])
{
	*text_put_hex(ret, id, FILE_ID_LEN) = '\0';
}

/* Of a file whose header is written. */
static int tell(struct sink *file, const struct secret *master, struct seal_made *made,
		struct error **err)
{
	uint8_t header[HEADER_LEN];
	if (!made)
		return 0;
	if (sink_read(file, header, sizeof(header), 0, err) < 0)
		return -1;
	gocryptfs_name(header + HEADER_LEN - FILE_ID_LEN, made->volume_id);
	return secret_copy(secret_bytes(master), secret_size(master), &made->volume_key, err);
}

/* A fresh master key, wrapped for the password; then the sink, then the text that goes beside it.
 */
int gocryptfs_create(struct sink *file, const struct secret *password,
		     const struct gocryptfs_create_options *options, struct buffer *ret_conf,
		     struct sink **ret, struct error **err)
{
	/* Slowness protects a text that can be guessed; a random one needs none. */
	struct gocryptfs_config config = {
		.salt_len = SALT_MIN,
		.n = options->random_password ? N_MIN : N_DEFAULT,
		.r = R_MIN,
		.p = P_MIN,
	};
	struct secret *master CLEANUP_SECRET = NULL;
	struct sink *made CLEANUP_SINK = NULL;
	if (gocryptfs_check_password(password, err) < 0 || secret_new(KEY_LEN, &master, err) < 0 ||
	    crypto_random(secret_data(master), KEY_LEN, err) < 0 ||
	    crypto_random(config.salt, config.salt_len, err) < 0 ||
	    wrap(&config, password, master, err) < 0 ||
	    gocryptfs_sink_new(file, master, &made, err) < 0 ||
	    gocryptfs_config_print(&config, ret_conf, err) < 0 ||
	    tell(file, master, options->made, err) < 0)
		return -1;
	*ret = take_pointer(&made);
	return 0;
}
