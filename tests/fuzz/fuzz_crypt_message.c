/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wrapped key of an image, opened with a known private key. The first byte says for which seal
 * (bit 0), and whether the key is one that was not used before (bit 6), which takes longer.
 */
#include "fuzz.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "key/internal.h"
#include "rsa.h"
#include "seal/seal.h"

#define PIECE 256
#define DECRYPT_EVERY 64

static struct key opener;

/*
 * RSA takes a thousand times longer than all else: pieces are decrypted for one in many, the others
 * are answered as those that the key does not open. The pieces of good messages are remembered.
 */
static struct {
	uint8_t in[PIECE], out[PIECE];
	size_t out_len;
} known[8];
static size_t known_count;

int __real_EVP_PKEY_decrypt(EVP_PKEY_CTX *c, unsigned char *out, size_t *ret_len,
			    const unsigned char *in, size_t len);
int __wrap_EVP_PKEY_decrypt(EVP_PKEY_CTX *c, unsigned char *out, size_t *ret_len,
			    const unsigned char *in, size_t len);

int __wrap_EVP_PKEY_decrypt(EVP_PKEY_CTX *c, unsigned char *out, size_t *ret_len,
			    const unsigned char *in, size_t len)
{
	uint32_t sum = 0;
	if (fault_now() || len != PIECE)
		return 0;
	for (size_t i = 0; i < known_count; i++)
		if (!memcmp(known[i].in, in, PIECE)) {
			memcpy(out, known[i].out, known[i].out_len);
			*ret_len = known[i].out_len;
			return 1;
		}
	for (size_t i = 0; i < len; i++)
		sum = sum * 31 + in[i];
	bool room = known_count < sizeof(known) / sizeof(known[0]);
	if (sum % DECRYPT_EVERY && !room)
		return 0;
	int r = __real_EVP_PKEY_decrypt(c, out, ret_len, in, len);
	if (r == 1 && room) {
		memcpy(known[known_count].in, in, PIECE);
		memcpy(known[known_count].out, out, *ret_len);
		known[known_count++].out_len = *ret_len;
	}
	return r;
}

static int known_key(struct key *ret, struct error **err)
{
	static const struct key_request request = { .use = KEY_FOR_RUN };
	ret->use = KEY_FOR_RUN;
	return rsa_from_pem(FUZZ_RSA_PRIVATE, strlen(FUZZ_RSA_PRIVATE), &request, "the key",
			    &ret->rsa, err);
}

void fuzz_start(void)
{
	struct error *err CLEANUP_ERROR = NULL;
	if (known_key(&opener, &err) < 0)
		fuzz_bug("the known key: %s", error_message(err));
}

int fuzz_seed(struct buffer *ret, struct error **err)
{
	static const struct key_request request = { .use = KEY_FOR_BUILD };
	struct key maker = { .use = KEY_FOR_BUILD };
	struct secret *secret CLEANUP_SECRET = NULL;
	bool random;
	if (buffer_puts(ret, "0", err) < 0 ||
	    rsa_from_pem(FUZZ_RSA_PUBLIC, strlen(FUZZ_RSA_PUBLIC), &request, "the key", &maker.rsa,
			 err) < 0)
		return -1;
	int r = key_make_secret(&maker, &seal_luks2.secret, &secret, &random, ret, err);
	crypto_rsa_free(&maker.rsa);
	return r;
}

int fuzz_run(const uint8_t *data, size_t len, struct error **err)
{
	struct bytes b = bytes_of(data, len);
	struct secret *secret CLEANUP_SECRET = NULL;
	uint8_t switches = bytes_u8(&b);
	const struct secret_form *form = switches & 1 ? &seal_gocryptfs.secret : &seal_luks2.secret;
	struct key fresh = { 0 };
	if (switches & 1 << 6 && known_key(&fresh, err) < 0)
		return -1;
	size_t left = bytes_left(&b);
	int r = key_open_secret(fresh.rsa ? &fresh : &opener, form, bytes_take(&b, left), left,
				&secret, err);
	crypto_rsa_free(&fresh.rsa);
	if (r < 0)
		return -1;
	fuzz_saw(secret_bytes(secret), secret_size(secret));
	return 0;
}
