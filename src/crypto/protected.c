/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/internal.h"

#include <limits.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#include <string.h>

/* What OpenSSL writes under "DEK-Info:", as far as it is not broken. */
static const char *const dek_names[] = { "AES-128-CBC", "AES-192-CBC", "AES-256-CBC",
					 "DES-EDE3-CBC" };

/*
 * Protected private keys come in two forms. PKCS#8 says inside its DER how it is protected, and
 * OpenSSL opens it. The traditional form says so in a header of the PEM frame; its key is one MD5
 * of password and salt (EVP_BytesToKey), which is weak, and still what people have.
 *
 * Neither has a check of its own that is worth the name: a wrong password gives, nearly always, bad
 * padding, and else bytes that are no key. Both are told as a wrong password.
 */
static int damaged(struct error **err)
{
	return crypto_refuse(err, ERROR_KEY_INVALID, "the key is damaged, or is no key");
}

static int unsupported(struct error **err)
{
	error_set(err, ERROR_UNSUPPORTED,
		  "the private key is protected with a cipher that is not supported");
	return error_hint(err, "protect it with one that is: openssl pkcs8 -topk8 -v2 aes-256-cbc "
			       "-provider legacy -provider default -in KEY -out NEW");
}

/* OpenSSL did not open it: for want of memory, of the cipher, or of the right password. */
static int not_opened(struct error **err)
{
	unsigned long code;
	switch (crypto_cause(&code)) {
	case CRYPTO_NO_MEMORY:
		return error_no_memory(err);
	case CRYPTO_UNSUPPORTED:
		return unsupported(err);
	case CRYPTO_OTHER:
		break;
	}
	error_set(err, ERROR_KEY_WRONG, "the password does not open the private key");
	return error_hint(err, "check the password: it is that of the key's file");
}

static int dek_decrypt(const char *dek, const void *in, size_t len, const struct secret *password,
		       struct secret **ret, struct error **err)
{
	const char *name = NULL;
	size_t name_len = strcspn(dek, ",");
	for (size_t i = 0; i < sizeof(dek_names) / sizeof(dek_names[0]); i++)
		if (strlen(dek_names[i]) == name_len && !memcmp(dek_names[i], dek, name_len))
			name = dek_names[i];
	if (!name)
		return unsupported(err);
	if (!len || len > INT_MAX)
		return damaged(err);

	uint8_t iv[EVP_MAX_IV_LENGTH];
	struct secret *key CLEANUP_SECRET = NULL, *out CLEANUP_SECRET = NULL;
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	int r = -1, head = 0, tail = 0;
	if (!cipher || !context) {
		crypto_fail(err, "find a cipher");
		goto out;
	}
	size_t iv_len = (size_t)EVP_CIPHER_get_iv_length(cipher), got = 0;
	for (const char *p = dek + name_len + 1; dek[name_len] && got < iv_len && p[0] && p[1];
	     p += 2, got++) {
		int high = OPENSSL_hexchar2int((unsigned char)p[0]);
		int low = OPENSSL_hexchar2int((unsigned char)p[1]);
		if (high < 0 || low < 0)
			break;
		iv[got] = (uint8_t)(high << 4 | low);
	}
	if (got != iv_len || len % (size_t)EVP_CIPHER_get_block_size(cipher)) {
		damaged(err);
		goto out;
	}
	if (secret_new(EVP_MAX_KEY_LENGTH, &key, err) < 0 ||
	    secret_new(len + EVP_MAX_BLOCK_LENGTH, &out, err) < 0)
		goto out;
	/* One round of MD5 is what this old form has; the newer one is PKCS#8. */
	if (!EVP_BytesToKey(cipher, EVP_md5(), iv, secret_bytes(password),
			    (int)secret_size(password), 1, secret_data(key), NULL)) {
		crypto_fail(err, "derive a key");
		goto out;
	}
	if (EVP_DecryptInit_ex2(context, cipher, secret_bytes(key), iv, NULL) != 1 ||
	    EVP_DecryptUpdate(context, secret_data(out), &head, in, (int)len) != 1 ||
	    EVP_DecryptFinal_ex(context, secret_data(out) + head, &tail) != 1) {
		not_opened(err);
		goto out;
	}
	secret_shorten(out, (size_t)head + (size_t)tail);
	/* About one wrong password in 256 leaves a padding that looks right. */
	struct bytes all, b = bytes_of(secret_bytes(out), secret_size(out));
	if (!crypto_der_take(&b, CRYPTO_DER_SEQUENCE, &all)) {
		not_opened(err);
		goto out;
	}
	*ret = take_pointer(&out);
	r = 0;
out:
	EVP_CIPHER_CTX_free(context);
	EVP_CIPHER_free(cipher);
	return r;
}

int crypto_dek_decrypt(const char *dek, const void *in, size_t len, const struct secret *password,
		       struct secret **ret, struct error **err)
{
	crypto_start();
	crypto_guard_begin();
	int r = dek_decrypt(dek, in, len, password, ret, err);
	crypto_guard_end();
	return r;
}

static int pkcs8_decrypt(const void *der, size_t len, const struct secret *password,
			 struct secret **ret, struct error **err)
{
	if (len > INT_MAX || secret_size(password) > INT_MAX)
		return error_set(err, ERROR_LIMIT, "a protected key of %zu bytes", len);
	const unsigned char *p = der;
	X509_SIG *sealed = d2i_X509_SIG(NULL, &p, (long)len);
	if (!sealed)
		return damaged(err);
	PKCS8_PRIV_KEY_INFO *info = PKCS8_decrypt(sealed, (const char *)secret_bytes(password),
						  (int)secret_size(password));
	X509_SIG_free(sealed);
	if (!info)
		return not_opened(err);
	int out_len = i2d_PKCS8_PRIV_KEY_INFO(info, NULL);
	int r = -1;
	if (out_len <= 0) {
		crypto_fail(err, "read a protected key");
	} else if (secret_new((size_t)out_len, ret, err) == 0) {
		unsigned char *to = secret_data(*ret);
		r = i2d_PKCS8_PRIV_KEY_INFO(info, &to) == out_len ? 0 : -1;
		if (r < 0) {
			secret_free(ret);
			crypto_fail(err, "read a protected key");
		}
	}
	PKCS8_PRIV_KEY_INFO_free(info);
	return r;
}

int crypto_pkcs8_decrypt(const void *der, size_t len, const struct secret *password,
			 struct secret **ret, struct error **err)
{
	crypto_start();
	crypto_guard_begin();
	int r = pkcs8_decrypt(der, len, password, ret, err);
	crypto_guard_end();
	return r;
}
