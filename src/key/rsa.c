/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the text of a key file to an RSA key: which block of it is meant, its protection taken off.
 *
 * A file may hold more than the key: a certificate before it, parameters, text around. Of its
 * blocks the first counts that is what is wanted: a private key to run, a public one or a
 * certificate to build. Where none is, the first one is named in the error, as it is what the
 * person has given.
 */
#include "key/internal.h"
#include "key/openssh/openssh.h"

#include <string.h>

static bool is_openssh(const struct pem *pem)
{
	return !strcmp(pem->label, OPENSSH_LABEL);
}

static enum crypto_der_shape shape_of(const struct pem *pem)
{
	return crypto_der_shape(secret_bytes(pem->der), secret_size(pem->der));
}

/* Whether it is of the half that is wanted, RSA or not. */
static bool suits(const struct pem *pem, enum key_use use)
{
	if (is_openssh(pem) || pem->protected_by_dek)
		return use == KEY_FOR_RUN;
	switch (shape_of(pem)) {
	case CRYPTO_SHAPE_PKCS1_PRIVATE:
	case CRYPTO_SHAPE_PKCS8:
	case CRYPTO_SHAPE_PKCS8_ENCRYPTED:
	case CRYPTO_SHAPE_EC_PRIVATE:
		return use == KEY_FOR_RUN;
	case CRYPTO_SHAPE_PKCS1_PUBLIC:
	case CRYPTO_SHAPE_SPKI:
	case CRYPTO_SHAPE_CERTIFICATE:
		return use == KEY_FOR_BUILD;
	default:
		return false;
	}
}

/*
 * Finds the block that is meant: 1, or 0 when there is none at all. A damaged key is an error only
 * if no other one suits; words that only look like the beginning of a block are none.
 */
static int find_block(const char *text, size_t len, enum key_use use, struct pem *ret,
		      struct error **err)
{
	struct pem first CLEANUP_PEM = { 0 };
	struct error *damage CLEANUP_ERROR = NULL;
	size_t off = 0;
	const char *begin;
	while ((begin = memmem(text + off, len - off, PEM_BEGIN, strlen(PEM_BEGIN))) != NULL) {
		struct pem pem CLEANUP_PEM = { 0 };
		struct error *why CLEANUP_ERROR = NULL;
		off = (size_t)(begin - text);
		if (pem_parse(begin, len - off, &pem, &why) < 0) {
			if (error_kind(why) != ERROR_KEY_INVALID) {
				*err = take_pointer(&why);
				return -1;
			}
			if (!damage)
				damage = take_pointer(&why);
			off += strlen(PEM_BEGIN);
			continue;
		}
		off += pem.end;
		bool good = suits(&pem, use);
		if (!good && first.der)
			continue;
		struct pem *to = good ? ret : &first;
		*to = pem;
		pem.der = NULL;
		if (good)
			return 1;
	}
	if (first.der) {
		*ret = first;
		first.der = NULL;
		return 1;
	}
	if (!damage)
		return 0;
	*err = take_pointer(&damage);
	return -1;
}

/* The DER inside the protection. */
static int open_protected(const struct pem *pem, const struct key_request *request,
			  const char *origin, struct secret **ret, struct error **err)
{
	struct secret *password CLEANUP_SECRET = NULL;
	const void *der = secret_bytes(pem->der);
	size_t len = secret_size(pem->der);
	static const char hint[] = "give its password when asked, or take the protection off with: "
				   "openssl rsa -in FILE -traditional -out UNPROTECTED";
	if (!request->ask) {
		error_set(err, ERROR_KEY_MISSING,
			  "the private key is protected with a password, and nobody can be asked "
			  "for it");
		return error_hint(err, "%s", hint);
	}
	char *prompt CLEANUP_TEXT = text_printf(err, "Enter password of %s: ", origin);
	if (!prompt || request->ask(request->ask_context, prompt, &password, err) < 0)
		return -1;
	if (!password) {
		error_set(err, ERROR_KEY_MISSING,
			  "the private key is protected, and no password was given for it");
		return error_hint(err, "%s", hint);
	}
	return pem->protected_by_dek ? crypto_dek_decrypt(pem->dek, der, len, password, ret, err)
				     : crypto_pkcs8_decrypt(der, len, password, ret, err);
}

static int private_for_build(const char *command, struct error **err)
{
	error_set(err, ERROR_KEY_INVALID, "this is a private key, and a public key is needed");
	return error_hint(err, "make the public one with: %s", command);
}

/* A block that was found, or DER without a frame. */
static int from_block(const struct pem *pem, const struct key_request *request, const char *origin,
		      struct crypto_rsa **ret, struct error **err)
{
	struct secret *opened CLEANUP_SECRET = NULL;
	const struct secret *der = pem->der;
	enum crypto_rsa_form form =
		request->use == KEY_FOR_BUILD ? CRYPTO_RSA_PUBLIC : CRYPTO_RSA_PRIVATE;
	bool sealed = shape_of(pem) == CRYPTO_SHAPE_PKCS8_ENCRYPTED;
	if (is_openssh(pem)) {
		/* No other sort can become PEM: ssh-keygen would not help either. */
		if (form == CRYPTO_RSA_PUBLIC &&
		    memmem(secret_bytes(der), secret_size(der), OPENSSH_RSA, strlen(OPENSSH_RSA)))
			return private_for_build("ssh-keygen -f FILE -e -m pem >PUBLIC", err);
		if (key_openssh_private(request, origin, der, &opened, err) < 0)
			return -1;
		der = opened;
	} else if (form == CRYPTO_RSA_PUBLIC && (pem->protected_by_dek || sealed)) {
		return private_for_build("openssl rsa -in PRIVATE -pubout -out PUBLIC", err);
	} else if (pem->protected_by_dek || sealed) {
		if (open_protected(pem, request, origin, &opened, err) < 0)
			return -1;
		der = opened;
	}
	return crypto_rsa_from_der(secret_bytes(der), secret_size(der), form, ret, err);
}

static bool is_der(const void *data, size_t len)
{
	struct bytes all, b = bytes_of(data, len);
	return crypto_der_take(&b, CRYPTO_DER_SEQUENCE, &all) && !bytes_left(&b);
}

/* The bytes of a key without a frame, in DER or in the base64 of it: 1, or 0 when it is neither. */
static int without_frame(const char *text, size_t len, struct secret **ret, struct error **err)
{
	struct secret *der CLEANUP_SECRET = NULL;
	size_t der_len;
	if (is_der(text, len))
		return secret_copy(text, len, ret, err) < 0 ? -1 : 1;
	if (len > PEM_TEXT_MAX)
		return 0;
	if (secret_new(base64_decoded_max(len), &der, err) < 0)
		return -1;
	if (!base64_decode(text, len, true, secret_data(der), &der_len) || !der_len ||
	    !is_der(secret_bytes(der), der_len))
		return 0;
	secret_shorten(der, der_len);
	*ret = take_pointer(&der);
	return 1;
}

int rsa_is_key_text(const char *text, size_t len, struct error **err)
{
	struct pem bare CLEANUP_PEM = { 0 };
	struct secret *clean CLEANUP_SECRET = NULL;
	int r = without_frame(text, len, &bare.der, err);
	if (r < 0)
		return -1;
	/* Random letters may be some DER, as a passphrase in base64; they are hardly a key. */
	if (r > 0 && shape_of(&bare) != CRYPTO_SHAPE_UNKNOWN)
		return 1;
	if (key_text_clean(text, len, &clean, err) < 0)
		return -1;
	const char *lines = (const char *)secret_bytes(clean);
	size_t lines_len = secret_size(clean) - 1;
	/* OpenSSH's public line is among the names, too. */
	return memmem(lines, lines_len, PEM_BEGIN, strlen(PEM_BEGIN)) != NULL ||
	       key_text_is_known(lines, lines_len);
}

int rsa_from_pem(const char *text, size_t len, const struct key_request *request,
		 const char *origin, struct crypto_rsa **ret, struct error **err)
{
	struct pem pem CLEANUP_PEM = { 0 };
	struct secret *clean CLEANUP_SECRET = NULL;
	int r = without_frame(text, len, &pem.der, err);
	if (r != 0)
		return r < 0 ? -1 : from_block(&pem, request, origin, ret, err);
	if (key_text_clean(text, len, &clean, err) < 0)
		return -1;
	const char *lines = (const char *)secret_bytes(clean);
	size_t lines_len = secret_size(clean) - 1;
	r = find_block(lines, lines_len, request->use, &pem, err);
	if (r > 0)
		return from_block(&pem, request, origin, ret, err);
	if (r < 0 && !memmem(lines, lines_len, "-----BEGIN PGP ", 15))
		return -1;
	error_free(err);
	r = key_openssh_public(lines, lines_len, &pem.der, err);
	if (r < 0)
		return -1;
	if (r > 0 && request->use == KEY_FOR_RUN) {
		error_set(err, ERROR_KEY_INVALID,
			  "no PEM data: this is a public key, and the private key is needed");
		return error_hint(err, "give the private key that belongs to it");
	}
	return r > 0 ? from_block(&pem, request, origin, ret, err)
		     : key_text_refuse(lines, lines_len, request->use, err);
}
