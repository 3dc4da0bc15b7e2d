/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key of a certificate (RFC 5280), once a chain of certificates leads from it to one that is
 * trusted: today, and with leave to sign code where it says what it is for. What was revoked is not
 * asked for.
 *
 * All certificates are files that the user names. OpenSSL reads them and goes along the chain;
 * its words are not shown, as they quote what they are about.
 */
#include "crypto/sign/internal.h"

#include <limits.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#define CHAIN_MAX 8 /* certificates between it and the trusted one */

struct crypto_certificates {
	STACK_OF(X509) * all;
};

int crypto_certificates_new(struct crypto_certificates **ret, struct error **err)
{
	crypto_start();
	struct crypto_certificates *c = calloc(1, sizeof(*c));
	if (c)
		c->all = sk_X509_new_null();
	if (!c || !c->all) {
		free(c);
		return error_no_memory(err);
	}
	*ret = c;
	return 0;
}

void crypto_certificates_free(struct crypto_certificates **c)
{
	if (!*c)
		return;
	sk_X509_pop_free((*c)->all, X509_free);
	free(*c);
	*c = NULL;
}

int crypto_certificates_add(struct crypto_certificates *c, const void *der, size_t len,
			    struct error **err)
{
	crypto_start();
	const unsigned char *at = der;
	X509 *one = len <= LONG_MAX ? d2i_X509(NULL, &at, (long)len) : NULL;
	if (one && at == (const unsigned char *)der + len) {
		if (sk_X509_push(c->all, one) > 0)
			return 0;
		X509_free(one);
		return error_no_memory(err);
	}
	X509_free(one);
	crypto_refuse(err, ERROR_KEY_INVALID, "x509: malformed certificate");
	return error_hint(err, "it has to be a certificate in a PEM file: openssl x509 -in FILE "
			       "-noout -text shows it");
}

/* In Go's words, where it has some. */
static int chain_error(int code, struct error **err)
{
	switch (code) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		error_set(err, ERROR_KEY_INVALID,
			  "x509: certificate has expired or is not yet valid");
		return error_hint(err, "one of the chain is not valid today: openssl x509 -in FILE "
				       "-noout -dates tells from when to when");
	case X509_V_ERR_OUT_OF_MEM:
		return error_no_memory(err);
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		error_set(err, ERROR_KEY_INVALID, "x509: certificate signed by unknown authority");
		return error_hint(err, "name the trusted certificates by --certificate-roots, and "
				       "those between by --certificate-intermediates");
	default:
		error_set(err, ERROR_KEY_INVALID,
			  "x509: the chain of certificates does not hold (code %d)", code);
		return error_hint(err, "openssl verify -CAfile ROOTS -untrusted INTERMEDIATES "
				       "FILE tells more");
	}
}

/* Each certificate of the chain, the trusted one included, allows it where it restricts the use. */
static int check_use(X509_STORE_CTX *context, struct error **err)
{
	STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(context);
	for (int i = 0; i < sk_X509_num(chain); i++) {
		X509 *one = sk_X509_value(chain, i);
		uint32_t uses = X509_get_extended_key_usage(one);
		if (uses == UINT32_MAX || uses & (XKU_CODE_SIGN | XKU_ANYEKU))
			continue;
		error_set(err, ERROR_KEY_INVALID,
			  "x509: certificate specifies an incompatible key usage");
		return error_hint(err, "one that says what it is for has to say codeSigning");
	}
	return 0;
}

static int walk(X509 *one, STACK_OF(X509) * between, X509_STORE *store, X509_STORE_CTX *context,
		struct error **err)
{
	if (X509_STORE_CTX_init(context, store, one, between) != 1)
		return crypto_fail(err, "prepare a chain of certificates");
	X509_VERIFY_PARAM *how = X509_STORE_CTX_get0_param(context);
	X509_VERIFY_PARAM_set_depth(how, CHAIN_MAX);
	/* A certificate that is named as trusted is so, whoever has signed it. */
	X509_VERIFY_PARAM_set_flags(how, X509_V_FLAG_PARTIAL_CHAIN);
	if (X509_verify_cert(context) != 1)
		return chain_error(X509_STORE_CTX_get_error(context), err);
	return check_use(context, err);
}

static int fill_store(X509_STORE *store, const struct crypto_certificates *roots,
		      const char *system_roots, struct error **err)
{
	if (!roots)
		return X509_STORE_load_file(store, system_roots) == 1
			       ? 0
			       : crypto_refuse(err, ERROR_NOT_FOUND,
					       "the system has no trusted certificates");
	for (int i = 0; i < sk_X509_num(roots->all); i++)
		if (X509_STORE_add_cert(store, sk_X509_value(roots->all, i)) != 1)
			return crypto_fail(err, "keep a certificate");
	return 0;
}

int crypto_signer_from_certificate(const struct crypto_certificates *one,
				   const struct crypto_certificates *between,
				   const struct crypto_certificates *roots,
				   const char *system_roots, struct crypto_signer **ret,
				   struct error **err)
{
	crypto_start();
	X509 *leaf = sk_X509_value(one->all, 0);
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *context = X509_STORE_CTX_new();
	EVP_PKEY *key = NULL;
	int r = !leaf || !store || !context ? crypto_fail(err, "prepare a chain of certificates")
					    : fill_store(store, roots, system_roots, err);
	if (r == 0)
		r = crypto_name_digests(err);
	if (r == 0)
		r = walk(leaf, between ? between->all : NULL, store, context, err);
	if (r == 0 && !(key = X509_get_pubkey(leaf)))
		r = crypto_refuse(err, ERROR_KEY_INVALID, "x509: malformed certificate");
	if (r == 0)
		r = crypto_signer_adopt(&key, false, ret, err);
	EVP_PKEY_free(key);
	X509_STORE_CTX_free(context);
	X509_STORE_free(store);
	return r;
}
