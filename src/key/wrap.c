/* SPDX-License-Identifier: Apache-2.0 */
#include "key/internal.h"

/* The secret of a fresh image, and the way it is put into the SIF: encryption.md 3.3. */

/*
 * A public key cannot encrypt much: at most its own length less CRYPTO_RSA_OVERHEAD. So what is
 * wrapped is never data, but a fresh random secret, which then opens the seal as a passphrase
 * would. Its form is Apptainer's, and stands with the seal.
 */
static int generate(const struct secret_form *form, struct secret **ret, struct error **err)
{
	struct secret *random CLEANUP_SECRET = NULL, *out CLEANUP_SECRET = NULL;
	if (secret_new(form->random_len, &random, err) < 0 ||
	    crypto_random(secret_data(random), form->random_len, err) < 0)
		return -1;
	if (!form->line) {
		*ret = take_pointer(&random);
		return 0;
	}
	if (secret_new(2 * form->random_len, &out, err) < 0)
		return -1;
	text_put_hex((char *)secret_data(out), secret_bytes(random), form->random_len);
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
		if (!to ||
		    crypto_rsa_encrypt(rsa, "", secret_bytes(secret) + off, piece, to, err) < 0)
			return -1;
		der.len += size;
	}
	return pem_print(MESSAGE_LABEL, der.data, der.len, message, err);
}

int key_check(const struct key *k, const struct secret_form *form, struct error **err)
{
	struct secret *secret CLEANUP_SECRET = NULL;
	return k->passphrase ? passphrase_for_form(k->passphrase, form, true, &secret, err) : 0;
}

int key_make_secret(const struct key *k, const struct secret_form *form, struct secret **ret,
		    bool *ret_random, struct buffer *ret_message, struct error **err)
{
	struct secret *secret CLEANUP_SECRET = NULL;
	if (k->passphrase) {
		if (passphrase_for_form(k->passphrase, form, true, &secret, err) < 0)
			return -1;
	} else if (k->use != KEY_FOR_BUILD) {
		return error_set(err, ERROR_INTERNAL, "wrapping with a private key");
	} else if (generate(form, &secret, err) < 0 ||
		   (k->rsa && wrap(k->rsa, secret, ret_message, err) < 0)) {
		return -1;
	}
	*ret_random = !k->passphrase;
	*ret = take_pointer(&secret);
	return 0;
}

static int public_half(const struct crypto_rsa *rsa, struct crypto_rsa **ret, struct error **err)
{
	struct bytes numbers[2] = { 0 };
	struct secret *der CLEANUP_SECRET = NULL;
	if (crypto_rsa_numbers(rsa, &numbers[0], &numbers[1], err) < 0 ||
	    crypto_rsa_encode(numbers, 2, &der, err) < 0)
		return -1;
	return crypto_rsa_from_der(secret_bytes(der), secret_size(der), CRYPTO_RSA_PUBLIC, ret,
				   err);
}

int key_again(const struct key *opened, const struct strings *recipients, struct key **ret,
	      struct error **err)
{
	struct key *k CLEANUP_KEY = NULL;
	if (key_for_recipients(recipients, &k, err) < 0)
		return -1;
	if (opened && opened->passphrase &&
	    secret_copy(secret_bytes(opened->passphrase), secret_size(opened->passphrase),
			&k->passphrase, err) < 0)
		return -1;
	if (opened && !opened->passphrase && opened->rsa &&
	    public_half(opened->rsa, &k->rsa, err) < 0)
		return -1;
	*ret = take_pointer(&k);
	return 0;
}
