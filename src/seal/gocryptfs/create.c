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
	    gocryptfs_config_print(&config, ret_conf, err) < 0)
		return -1;
	*ret = take_pointer(&made);
	return 0;
}
