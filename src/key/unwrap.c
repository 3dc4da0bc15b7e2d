/* SPDX-License-Identifier: Apache-2.0 */
#include "key/internal.h"

#include <string.h>

/* Apptainer's words: cli-messages 5.2. */
static int wrong_key(struct error **err)
{
	return error_set(err, ERROR_KEY_WRONG,
			 "could not decrypt LUKS key: crypto/rsa: decryption error");
}

/* encryption.md 3.3, reading. What stands after the OCTET STRING does not count there either. */
static int unwrap(struct crypto_rsa *rsa, const char *message, size_t message_len,
		  struct secret **ret, struct error **err)
{
	struct pem pem CLEANUP_PEM = { 0 };
	struct secret *out CLEANUP_SECRET = NULL;
	struct bytes wrapped;
	if (pem_parse(message, message_len, &pem, err) < 0) {
		if (error_kind(*err) == ERROR_KEY_INVALID)
			error_set_kind(err, ERROR_DAMAGED);
		return error_wrap(err, "the image's wrapped key");
	}
	struct bytes b = bytes_of(secret_bytes(pem.der), secret_size(pem.der));
	if (!crypto_der_take(&b, CRYPTO_DER_OCTET_STRING, &wrapped) || !wrapped.len ||
	    wrapped.len > WRAPPED_MAX)
		return error_set(err, ERROR_DAMAGED, "the image's wrapped key is damaged");
	/* Pieces of another length were made with a key of another length. */
	size_t size = crypto_rsa_size(rsa), len = 0;
	if (wrapped.len % size)
		return wrong_key(err);
	if (secret_new(wrapped.len, &out, err) < 0)
		return -1;
	while (bytes_left(&wrapped)) {
		struct secret *piece CLEANUP_SECRET = NULL;
		if (crypto_rsa_decrypt(rsa, "", bytes_take(&wrapped, size), &piece, err) < 0) {
			if (error_kind(*err) != ERROR_KEY_WRONG)
				return -1;
			error_free(err);
			return wrong_key(err);
		}
		memcpy(secret_data(out) + len, secret_bytes(piece), secret_size(piece));
		len += secret_size(piece);
	}
	if (!len)
		return error_set(err, ERROR_DAMAGED, "the image's wrapped key is empty");
	secret_shorten(out, len);
	*ret = take_pointer(&out);
	return 0;
}

int key_open_secret(const struct key *k, const struct secret_form *form, const char *message,
		    size_t message_len, struct secret **ret, struct error **err)
{
	struct secret *secret CLEANUP_SECRET = NULL;
	if (k->passphrase)
		return passphrase_for_form(k->passphrase, form, false, ret, err);
	if (k->use != KEY_FOR_RUN)
		return error_set(err, ERROR_INTERNAL, "unwrapping with a public key");
	if (!k->rsa)
		return error_set(err, ERROR_INTERNAL, "identities in the place of a private key");
	if (!message || !message_len) {
		error_set(err, ERROR_KEY_WRONG, "encrypted key not found");
		return error_hint(err, "the image was encrypted with a passphrase: use "
				       "--passphrase or APPTAINER_ENCRYPTION_PASSPHRASE");
	}
	if (unwrap(k->rsa, message, message_len, &secret, err) < 0) {
		if (error_kind(*err) == ERROR_KEY_WRONG)
			error_hint(err, "give the private key that belongs to the public key the "
					"image was built with");
		return -1;
	}
	return passphrase_for_form(secret, form, false, ret, err);
}
