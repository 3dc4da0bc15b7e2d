/* SPDX-License-Identifier: Apache-2.0 */
#include "key/internal.h"

#include <string.h>

/*
 * PEM (RFC 7468, and RFC 1421 for the headers of protected keys). As in Apptainer the first block
 * of the text counts, whatever stands before it, and its label does not matter for what it is
 * (encryption.md 3.1): that is told from the DER.
 */

#define BEGIN "-----BEGIN "
#define END "-----END "
#define RULE "-----"

void pem_done(struct pem *p)
{
	secret_free(&p->der);
}

/* The next line without its end and trailing blanks; false at the end of the text. */
static bool take_line(struct bytes *b, const char **ret, size_t *ret_len)
{
	size_t left = bytes_left(b);
	if (!left)
		return false;
	const char *line = (const char *)b->data + b->off;
	const char *end = memchr(line, '\n', left);
	size_t len = end ? (size_t)(end - line) : left;
	bytes_skip(b, end ? len + 1 : len);
	while (len && (line[len - 1] == '\r' || line[len - 1] == ' ' || line[len - 1] == '\t'))
		len--;
	*ret = line;
	*ret_len = len;
	return true;
}

static bool starts_with(const char *line, size_t len, const char *word)
{
	return len >= strlen(word) && !memcmp(line, word, strlen(word));
}

/* "-----BEGIN label-----" */
static bool is_rule(const char *line, size_t len, const char *begin, const char **ret_label,
		    size_t *ret_label_len)
{
	size_t head = strlen(begin), tail = strlen(RULE);
	if (len < head + tail || !starts_with(line, len, begin) ||
	    memcmp(line + len - tail, RULE, tail) != 0)
		return false;
	*ret_label = line + head;
	*ret_label_len = len - head - tail;
	return true;
}

static int malformed(struct error **err)
{
	return error_set(err, ERROR_KEY_INVALID, "the PEM data is damaged");
}

static bool take_header(const char *line, size_t len, struct pem *pem)
{
	const char *colon = memchr(line, ':', len);
	if (!colon)
		return false;
	const char *value = colon + 1;
	size_t name_len = (size_t)(colon - line), value_len = len - name_len - 1;
	while (value_len && (*value == ' ' || *value == '\t')) {
		value++;
		value_len--;
	}
	if (name_len == 9 && !memcmp(line, "Proc-Type", 9))
		pem->protected_by_dek = memmem(value, value_len, "ENCRYPTED", 9) != NULL;
	if (name_len == 8 && !memcmp(line, "DEK-Info", 8) && value_len <= PEM_DEK_MAX &&
	    !memchr(value, 0, value_len)) {
		memcpy(pem->dek, value, value_len);
		pem->dek[value_len] = 0;
	}
	return true;
}

int pem_parse(const char *text, size_t len, struct pem *ret, struct error **err)
{
	struct pem pem CLEANUP_PEM = { 0 };
	struct bytes b = bytes_of(text, len);
	const char *line, *label, *end_label;
	size_t line_len, label_len, end_len;
	if (len > PEM_TEXT_MAX)
		return error_set(err, ERROR_KEY_INVALID, "more than %d bytes are no key",
				 PEM_TEXT_MAX);
	do
		if (!take_line(&b, &line, &line_len))
			return error_set(err, ERROR_KEY_INVALID, "no PEM data");
	while (!is_rule(line, line_len, BEGIN, &label, &label_len));
	if (label_len > PEM_LABEL_MAX || memchr(label, 0, label_len))
		return malformed(err);
	memcpy(pem.label, label, label_len);

	/* Headers, if any, end with an empty line; then the text up to the closing rule. */
	size_t body_off = b.off;
	bool headers = true;
	for (;;) {
		size_t line_off = b.off;
		if (!take_line(&b, &line, &line_len))
			return malformed(err);
		if (is_rule(line, line_len, END, &end_label, &end_len)) {
			if (end_len != label_len || memcmp(end_label, label, label_len) != 0)
				return malformed(err);
			size_t body_len = line_off - body_off, der_len;
			if (secret_new(base64_decoded_max(body_len), &pem.der, err) < 0)
				return -1;
			if (!base64_decode(text + body_off, body_len, true, secret_data(pem.der),
					   &der_len) ||
			    !der_len)
				return malformed(err);
			secret_shorten(pem.der, der_len);
			break;
		}
		if (headers && (!line_len || take_header(line, line_len, &pem)))
			body_off = b.off;
		headers = headers && line_len && memchr(line, ':', line_len);
	}
	*ret = pem;
	pem.der = NULL;
	return 0;
}

int pem_print(const char *label, const void *der, size_t len, struct buffer *ret,
	      struct error **err)
{
	if (buffer_printf(ret, err, BEGIN "%s" RULE "\n", label) < 0 ||
	    base64_encode(der, len, PEM_LINE_LEN, ret, err) < 0)
		return -1;
	return buffer_printf(ret, err, END "%s" RULE "\n", label);
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

int rsa_from_pem(const char *text, size_t len, const struct key_request *request,
		 const char *origin, struct crypto_rsa **ret, struct error **err)
{
	struct pem pem CLEANUP_PEM = { 0 };
	struct secret *opened CLEANUP_SECRET = NULL;
	bool build = request->use == KEY_FOR_BUILD;
	if (pem_parse(text, len, &pem, err) < 0) {
		/* what ssh-keygen puts into FILE.pub */
		if (memmem(text, len, "ssh-rsa ", 8))
			error_hint(err, build ? "a key of OpenSSH's own form is converted with: "
						"ssh-keygen -f FILE.pub -e -m pem"
					      : "this is a public key: give the private key that "
						"belongs to it");
		return -1;
	}
	if (!strcmp(pem.label, "OPENSSH PRIVATE KEY")) {
		/* The public half is in it in clear, and no other sort can become PEM. */
		if (!memmem(secret_bytes(pem.der), secret_size(pem.der), "ssh-rsa", 7))
			return error_set(err, ERROR_KEY_INVALID, "the key is not an RSA key");
		error_set(err, ERROR_KEY_INVALID,
			  build ? "this is a private key, and a public key is needed"
				: "a private key in OpenSSH's own form is not supported");
		return error_hint(err, build ? "make the public one with: ssh-keygen -f FILE -e "
					       "-m pem"
					     : "convert a copy of it, in place, with: "
					       "ssh-keygen -p -N '' -m pem -f COPY");
	}
	enum crypto_rsa_form form =
		request->use == KEY_FOR_BUILD ? CRYPTO_RSA_PUBLIC : CRYPTO_RSA_PRIVATE;
	const struct secret *der = pem.der;
	bool sealed = crypto_der_is_encrypted_key(secret_bytes(der), secret_size(der));
	if (pem.protected_by_dek && form == CRYPTO_RSA_PUBLIC)
		return error_set(err, ERROR_KEY_INVALID,
				 "this is a private key, and a public key is needed");
	if (form == CRYPTO_RSA_PRIVATE && (pem.protected_by_dek || sealed)) {
		if (open_protected(&pem, request, origin, &opened, err) < 0)
			return -1;
		der = opened;
	}
	return crypto_rsa_from_der(secret_bytes(der), secret_size(der), form, ret, err);
}
