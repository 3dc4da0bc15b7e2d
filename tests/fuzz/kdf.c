/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include <string.h>

#include "kdf.h"
#include "seal/gocryptfs/internal.h"

int __wrap_crypto_scrypt(const struct secret *password, const void *salt, size_t salt_len,
			 uint64_t n, uint32_t r, uint32_t p, size_t len, struct secret **ret,
			 struct error **err);

int __wrap_crypto_scrypt(const struct secret *password, const void *salt, size_t salt_len,
			 uint64_t n, uint32_t r, uint32_t p, size_t len, struct secret **ret,
			 struct error **err)
{
	uint8_t sum[CRYPTO_SHA256_LEN];
	uint64_t cost[] = { n, r, p, salt_len };
	struct secret *out CLEANUP_SECRET = NULL;
	if (len != sizeof(sum))
		fuzz_bug("scrypt is asked for %zu bytes", len);
	if (secret_new(len, &out, err) < 0 || crypto_sha256(salt, salt_len, sum, err) < 0)
		return -1;
	for (size_t i = 0; i < len; i++)
		secret_data(out)[i] = (uint8_t)(sum[i] ^ cost[i % 4] ^
						secret_bytes(password)[i % secret_size(password)]);
	*ret = out;
	out = NULL;
	return 0;
}

int fuzz_conf(struct buffer *ret, struct error **err)
{
	static const uint8_t aad[8];
	struct gocryptfs_config config = {
		.n = N_MIN, .r = R_MIN, .p = P_MIN, .salt_len = SALT_MIN
	};
	struct secret *password CLEANUP_SECRET = NULL;
	struct crypto_gcm *kek = NULL;
	uint8_t *body = config.wrapped + CRYPTO_GCM_NONCE_LEN;
	memset(config.salt, 's', SALT_MIN);
	memset(config.wrapped, 'n', CRYPTO_GCM_NONCE_LEN);
	if (secret_copy(FUZZ_PASSWORD, strlen(FUZZ_PASSWORD), &password, err) < 0 ||
	    gocryptfs_config_kek(&config, password, CRYPTO_ENCRYPT, &kek, err) < 0)
		return -1;
	int r = crypto_gcm_seal(kek, config.wrapped, aad, sizeof(aad), FUZZ_MASTER, KEY_LEN, body,
				body + KEY_LEN, err);
	crypto_gcm_free(&kek);
	return r < 0 ? -1 : gocryptfs_config_print(&config, ret, err);
}
