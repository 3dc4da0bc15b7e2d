/* SPDX-License-Identifier: Apache-2.0 */
#include "key/internal.h"

/* The secret of a fresh image, and the way it is put into the SIF: encryption.md 3.3. */

/*
 * A public key cannot encrypt much: at most its own length less CRYPTO_RSA_OVERHEAD. So what is
 * wrapped is never data, but a fresh random secret, which then opens the seal as a passphrase
 * would. Its form is Apptainer's: 64 bytes for LUKS2, and for gocryptfs, whose passphrase is a line
 * of text, hexadecimal digits.
 */
static int generate(enum key_secret_form form, struct secret **ret, struct error **err)
{
	struct secret *random CLEANUP_SECRET = NULL, *out CLEANUP_SECRET = NULL;
	if (form == KEY_SECRET_LUKS2) {
		if (secret_new(LUKS2_SECRET_LEN, &out, err) < 0 ||
		    crypto_random(secret_data(out), LUKS2_SECRET_LEN, err) < 0)
			return -1;
	} else {
		if (secret_new(GOCRYPTFS_RANDOM_LEN, &random, err) < 0 ||
		    secret_new(GOCRYPTFS_SECRET_LEN, &out, err) < 0 ||
		    crypto_random(secret_data(random), GOCRYPTFS_RANDOM_LEN, err) < 0)
			return -1;
		for (size_t i = 0; i < GOCRYPTFS_RANDOM_LEN; i++) {
			unsigned v = secret_bytes(random)[i];
			secret_data(out)[2 * i] = (unsigned char)"0123456789abcdef"[v >> 4];
			secret_data(out)[2 * i + 1] = (unsigned char)"0123456789abcdef"[v & 15];
		}
	}
	*ret = take_pointer(&out);
	return 0;
}

static int wrap(struct crypto_rsa *rsa, const struct secret *secret, struct buffer *message,
		struct error **err)
{
	struct buffer der CLEANUP_BUFFER = { 0 };
	size_t size = crypto_rsa_size(rsa), step = size - CRYPTO_RSA_OVERHEAD;
	size_t len = secret_size(secret), pieces = (len + step - 1) / step;
	/* Small keys need several messages for one secret; they stand in a row, each `size` long.
	 */
	size_t total = pieces * size, digits = 0;
	/* Header of the OCTET STRING, lengths in their shortest form (X.690 10.1). */
	uint8_t head[2 + sizeof(total)] = { CRYPTO_DER_OCTET_STRING, (uint8_t)total };
	if (total >= 0x80) {
		while (total >> (8 * digits))
			digits++;
		head[1] = (uint8_t)(0x80 | digits);
		bytes_put_be(head + 2, total, digits);
	}
	if (buffer_append(&der, head, 2 + digits, err) < 0)
		return -1;
	for (size_t off = 0; off < len; off += step) {
		size_t piece = len - off < step ? len - off : step;
		char *to = buffer_reserve(&der, size, err);
		if (!to || crypto_rsa_encrypt(rsa, secret_bytes(secret) + off, piece, to, err) < 0)
			return -1;
		der.len += size;
	}
	return pem_print(MESSAGE_LABEL, der.data, der.len, message, err);
}

int key_check(const struct key *k, enum key_secret_form form, struct error **err)
{
	struct secret *secret CLEANUP_SECRET = NULL;
	return k->passphrase ? passphrase_for_form(k->passphrase, form, true, &secret, err) : 0;
}

int key_make_secret(const struct key *k, enum key_secret_form form, struct secret **ret,
		    bool *ret_random, struct buffer *ret_message, struct error **err)
{
	struct secret *secret CLEANUP_SECRET = NULL;
	if (k->passphrase) {
		if (passphrase_for_form(k->passphrase, form, true, &secret, err) < 0)
			return -1;
	} else if (k->use != KEY_FOR_BUILD) {
		return error_set(err, ERROR_INTERNAL, "wrapping with a private key");
	} else if (generate(form, &secret, err) < 0 || wrap(k->rsa, secret, ret_message, err) < 0) {
		return -1;
	}
	*ret_random = !k->passphrase;
	*ret = take_pointer(&secret);
	return 0;
}
