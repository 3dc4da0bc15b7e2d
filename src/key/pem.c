/* SPDX-License-Identifier: Apache-2.0 */
#include "key/internal.h"

#include <string.h>

/*
 * PEM (RFC 7468, and RFC 1421 for the headers of protected keys): the frame, strictly. As in
 * Apptainer the first block of the text counts, whatever stands before it, and its label does not
 * matter for what it is (encryption.md 3.1): that is told from the DER. A key file is put in order
 * before (text.c).
 */

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
	size_t head = strlen(begin), tail = strlen(PEM_RULE);
	if (len < head + tail || !starts_with(line, len, begin) ||
	    memcmp(line + len - tail, PEM_RULE, tail) != 0)
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
	while (!is_rule(line, line_len, PEM_BEGIN, &label, &label_len));
	if (label_len > PEM_LABEL_MAX || memchr(label, 0, label_len))
		return malformed(err);
	memcpy(pem.label, label, label_len);

	/* Headers, if any, end with an empty line; then the text up to the closing rule. */
	size_t body_off = b.off;
	bool headers = true;
	for (;;) {
		size_t line_off = b.off;
		if (!take_line(&b, &line, &line_len))
			return error_set(err, ERROR_KEY_INVALID,
					 "the PEM data is damaged: its line END is missing");
		if (is_rule(line, line_len, PEM_END, &end_label, &end_len)) {
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
			pem.end = b.off;
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
	if (buffer_printf(ret, err, PEM_BEGIN "%s" PEM_RULE "\n", label) < 0 ||
	    base64_encode(der, len, PEM_LINE_LEN, ret, err) < 0)
		return -1;
	return buffer_printf(ret, err, PEM_END "%s" PEM_RULE "\n", label);
}
