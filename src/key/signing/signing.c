/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys and certificates for signatures of images, as PEM files: which labels there are, and what
 * Apptainer says of others. Unlike the keys that images are encrypted with, the label tells here
 * what the block is: Apptainer goes by it, and refuses the rest.
 */
#include "key/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define CERTIFICATES_MAX (4 << 20) /* a system's file of them has some 200 KiB */

/* The file's text, put in order. */
static int read_text(const char *path, struct secret **ret, struct error **err)
{
	struct secret *raw CLEANUP_SECRET = NULL;
	int fd CLEANUP_FD = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return error_errno(err, errno, "open %s", path);
	if (key_file_read_fd(fd, path, &raw, err) < 0)
		return -1;
	return key_text_clean((const char *)secret_bytes(raw), secret_size(raw), ret, err);
}

static const struct form {
	const char *label;
	bool private;
	enum crypto_signer_form form;
} forms[] = {
	{ "PRIVATE KEY", true, CRYPTO_SIGNER_PRIVATE },
	{ "RSA PRIVATE KEY", true, CRYPTO_SIGNER_PRIVATE },
	{ "EC PRIVATE KEY", true, CRYPTO_SIGNER_PRIVATE },
	{ "PUBLIC KEY", false, CRYPTO_SIGNER_PUBLIC },
	{ "RSA PUBLIC KEY", false, CRYPTO_SIGNER_PKCS1_PUBLIC },
};

static const struct form *find_form(const char *label, bool private)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
		if (forms[i].private == private && !strcmp(forms[i].label, label))
			return &forms[i];
	return NULL;
}

static int unknown_label(const char *label, bool private, struct error **err)
{
	if (!private) {
		error_set(err, ERROR_KEY_INVALID,
			  "unknown Public key PEM file type: %s. Are you passing the correct "
			  "public key?",
			  label);
		return error_hint(err, "of a private key: openssl pkey -in KEY -pubout; a "
				       "certificate is given by --certificate");
	}
	error_set(err, ERROR_KEY_INVALID, "unknown private key PEM file type: %s", label);
	return error_hint(err, strstr(label, "ENCRYPTED")
				       ? "the key has a password: openssl pkey -in KEY -out "
					 "PLAIN makes one without"
				       : "it has to be the private key that signs");
}

int key_signer_read(const char *path, bool private, struct crypto_signer **ret, struct error **err)
{
	struct secret *text CLEANUP_SECRET = NULL;
	CLEANUP_PEM struct pem pem = { 0 };
	CLEANUP_ERROR struct error *why = NULL;
	if (read_text(path, &text, err) < 0)
		return -1;
	if (pem_parse((const char *)secret_bytes(text), secret_size(text), &pem, &why) < 0) {
		error_set(err, ERROR_KEY_INVALID, "PEM decoding failed");
		return error_hint(err, "%s: %s", path, error_message(why));
	}
	const struct form *form = find_form(pem.label, private);
	if (!form)
		return unknown_label(pem.label, private, err);
	if (pem.protected_by_dek)
		return unknown_label("ENCRYPTED, with DEK-Info", private, err);
	return crypto_signer_from_der(secret_bytes(pem.der), secret_size(pem.der), form->form, ret,
				      err);
}

int key_certificates_read(const char *path, bool all, struct crypto_certificates **ret,
			  struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	CLEANUP_CERTIFICATES struct crypto_certificates *found = NULL;
	int fd CLEANUP_FD = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return error_errno(err, errno, "open %s", path);
	if (fd_read_all(fd, CERTIFICATES_MAX, path, &text, err) < 0 ||
	    crypto_certificates_new(&found, err) < 0)
		return -1;
	size_t count = 0, off = 0;
	do {
		CLEANUP_PEM struct pem pem = { 0 };
		CLEANUP_ERROR struct error *why = NULL;
		size_t left = text.len - off;
		if (!left || pem_parse(text.data + off, left < PEM_TEXT_MAX ? left : PEM_TEXT_MAX,
				       &pem, &why) < 0)
			break;
		if (crypto_certificates_add(found, secret_bytes(pem.der), secret_size(pem.der),
					    err) < 0)
			return -1;
		off += pem.end;
		count++;
	} while (all);
	if (!count)
		return error_set(err, ERROR_KEY_INVALID, "failed to decode PEM");
	*ret = take_pointer(&found);
	return 0;
}
