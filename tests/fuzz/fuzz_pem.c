/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A key file: the PEM frame, the protection, the RSA key in it. The first byte says which half is
 * wanted and whether somebody answers when a password is asked for.
 */
#include "fuzz.h"

#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#include <string.h>

#include "key/internal.h"

#define PASSWORD "fuzz"
#define COST_MAX 4096

enum { FOR_BUILD = 1, NOBODY = 2, NO_ANSWER = 4 };

/*
 * The cost of a protected key is its owner's to choose, and may be hours: here all that is not
 * cheap is a wrong password.
 */
PKCS8_PRIV_KEY_INFO *__real_PKCS8_decrypt(const X509_SIG *sig, const char *password, int len);
PKCS8_PRIV_KEY_INFO *__wrap_PKCS8_decrypt(const X509_SIG *sig, const char *password, int len);

static bool has_large_number(struct bytes b)
{
	struct bytes inner;
	int tag;
	while ((tag = crypto_der_peek(&b)) >= 0) {
		if (!crypto_der_take(&b, (uint8_t)tag, &inner))
			return true;
		if (tag & 0x20 && has_large_number(inner))
			return true;
		if (tag == CRYPTO_DER_INTEGER &&
		    (inner.len > 4 || bytes_be(&inner, inner.len) > COST_MAX))
			return true;
	}
	return false;
}

PKCS8_PRIV_KEY_INFO *__wrap_PKCS8_decrypt(const X509_SIG *sig, const char *password, int len)
{
	const X509_ALGOR *algorithm;
	unsigned char *der = NULL;
	X509_SIG_get0(sig, &algorithm, NULL);
	int der_len = i2d_X509_ALGOR(algorithm, &der);
	bool dear = der_len <= 0 || has_large_number(bytes_of(der, (size_t)der_len));
	OPENSSL_free(der);
	return dear ? NULL : __real_PKCS8_decrypt(sig, password, len);
}

static int answer(void *context, const char *prompt, struct secret **ret, struct error **err)
{
	(void)prompt;
	if (*(const uint8_t *)context & NO_ANSWER) {
		*ret = NULL;
		return 0;
	}
	return secret_copy(PASSWORD, strlen(PASSWORD), ret, err);
}

int fuzz_run(const uint8_t *data, size_t len, struct error **err)
{
	struct bytes b = bytes_of(data, len);
	uint8_t switches = bytes_u8(&b);
	struct key_request request = {
		.use = switches & FOR_BUILD ? KEY_FOR_BUILD : KEY_FOR_RUN,
		.ask = switches & NOBODY ? NULL : answer,
		.ask_context = &switches,
	};
	struct crypto_rsa *rsa = NULL;
	size_t left = bytes_left(&b);
	const char *text = bytes_take(&b, left);
	int r = left > PEM_TEXT_MAX ? 1 : rsa_is_key_text(text ? text : "", left, err);
	if (r < 0)
		return -1;
	if (rsa_from_pem(text ? text : "", left, &request, "the key", &rsa, err) < 0)
		return -1;
	if (r == 0)
		fuzz_bug("a key would be taken for a passphrase");
	fuzz_saw_number(crypto_rsa_size(rsa));
	crypto_rsa_free(&rsa);
	return 0;
}
