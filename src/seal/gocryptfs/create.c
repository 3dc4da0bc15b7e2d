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

/*
 * The new text takes the old one's place in a file system that has no room for more. Blanks mean
 * nothing in JSON: without the tabs there is room for longer numbers and another creator's name,
 * and what is left over is filled with them.
 */
static int fit(struct buffer *text, size_t begin, size_t len, struct error **err)
{
	char *from = text->data + begin, *to = from;
	if (text->len - begin > len) {
		for (; *from; from++)
			if (*from != '\t' && *from != '\n')
				*to++ = *from;
		text->len = (size_t)(to - text->data);
	}
	if (text->len - begin > len) {
		error_set(err, ERROR_LIMIT, "there is no room for the new gocryptfs.conf");
		return error_hint(err, "`coffer rekey --new-passphrase` makes an image with one");
	}
	while (text->len - begin < len)
		if (buffer_puts(text, text->len - begin + 1 < len ? " " : "\n", err) < 0)
			return -1;
	return 0;
}

/*
 * What the new text costs. A cost that is next to nothing nobody has chosen for a passphrase; who
 * chooses one hears what it means, as no time makes up for less memory here.
 */
static void set_cost(struct gocryptfs_config *config, const struct seal_cost *cost)
{
	uint64_t was = SCRYPT_BLOCK_LEN * config->n * config->r * config->p;
	if (!cost->memory && was >= SCRYPT_WORK_LOW)
		return;
	config->r = R_MIN;
	config->p = P_MIN;
	config->n = N_DEFAULT;
	if (!cost->memory) {
		log_warning("Guessing the old passphrase cost next to nothing (scrypt with N = "
			    "%llu), which is not kept: unlocking the image takes 64 MiB now",
			    (unsigned long long)was / (SCRYPT_BLOCK_LEN * R_MIN));
		return;
	}
	/* RFC 7914, 2: N is a power of two. */
	config->n = N_MIN;
	while (config->n * 2 * SCRYPT_BLOCK_LEN * R_MIN <= cost->memory)
		config->n *= 2;
	if (SCRYPT_BLOCK_LEN * config->n * R_MIN < SCRYPT_WORK_LOW)
		log_warning("Guessing the passphrase costs %llu times less than with gocryptfs' "
			    "own 64 MiB: take one that is drawn at random",
			    (unsigned long long)(N_DEFAULT / config->n));
}

int gocryptfs_change(const struct gocryptfs_config *config, size_t len, const struct secret *old,
		     const struct secret *password, const struct seal_cost *cost,
		     struct buffer *ret_conf, struct error **err)
{
	struct secret *master CLEANUP_SECRET = NULL;
	struct gocryptfs_config changed = *config;
	size_t begin = ret_conf->len;
	changed.salt_len = SALT_MIN;
	if (gocryptfs_check_password(password, err) < 0 ||
	    gocryptfs_unlock(config, old, &master, err) < 0)
		return -1;
	set_cost(&changed, cost);
	if (crypto_random(changed.salt, changed.salt_len, err) < 0 ||
	    wrap(&changed, password, master, err) < 0 ||
	    gocryptfs_config_print(&changed, ret_conf, err) < 0)
		return -1;
	return fit(ret_conf, begin, len, err);
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
