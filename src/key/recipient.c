/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recipients: the public keys that the key object of an image is written for; and that object
 * itself as far as keys go.
 *
 * A file of recipients has one a line, "age1...", "ssh-ed25519 AAAA..." or "ssh-rsa AAAA...", with
 * comments; or it is an RSA public key or a certificate in PEM.
 */
#include "key/internal.h"
#include "key/openssh/openssh.h"

#include <stdlib.h>
#include <string.h>

static bool begins(const char *text, size_t len, const char *with)
{
	return len >= strlen(with) && !memcmp(text, with, strlen(with));
}

static bool is_recipient(const char *line, size_t len)
{
	return begins(line, len, "ssh-") || begins(line, len, "ecdsa-") ||
	       begins(line, len, "sk-") || age_text_is_key(line, len);
}

static int from_line(const char *line, size_t len, struct key *k, struct error **err)
{
	struct age_key *one CLEANUP_AGE_KEY = NULL;
	int r = age_text_is_key(line, len) ? age_key_from_text(line, len, &one, err)
					   : key_openssh_line(line, len, &one, err);
	if (r < 0)
		return -1;
	if (age_key_is_identity(one)) {
		error_set(err, ERROR_KEY_INVALID,
			  "this is an identity, which is private, and a recipient is needed");
		return error_hint(err, "give its public half, age1..., which coffer keygen and "
				       "age-keygen -y print");
	}
	return key_add_age(k, &one, err);
}

static int from_pem(const struct key_request *request, const char *origin,
		    const struct secret *text, struct key *k, struct error **err)
{
	struct age_key *one CLEANUP_AGE_KEY = NULL;
	struct crypto_rsa *rsa = NULL;
	int r = rsa_from_pem((const char *)secret_bytes(text), secret_size(text), request, origin,
			     &rsa, err);
	if (r == 0)
		r = age_key_ssh_rsa(&rsa, CRYPTO_RSA_PUBLIC, &one, err);
	crypto_rsa_free(&rsa);
	return r < 0 ? error_wrap(err, "%s", origin) : key_add_age(k, &one, err);
}

static bool has_pem(const struct secret *text)
{
	return key_find(text, PEM_BEGIN) != NULL;
}

int recipient_add(const struct key_request *request, const char *origin, const struct secret *text,
		  struct key *k, struct error **err)
{
	struct secret *clean CLEANUP_SECRET = NULL;
	size_t len, before = k->age_count;
	const char *line;
	if (has_pem(text))
		return from_pem(request, origin, text, k, err);
	if (key_text_clean((const char *)secret_bytes(text), secret_size(text), &clean, err) < 0)
		return -1;
	struct key_lines lines = { .at = (const char *)secret_bytes(clean) };
	while ((line = key_next_line(&lines, &len)) != NULL) {
		if (!is_recipient(line, len)) {
			error_set(err, ERROR_KEY_INVALID, "line %zu of %s is no recipient",
				  lines.number, origin);
			return error_hint(err, "a line is age1..., ssh-ed25519 AAAA..., ssh-rsa "
					       "AAAA..., or a comment that begins with #");
		}
		if (from_line(line, len, k, err) < 0)
			return error_wrap(err, "line %zu of %s", lines.number, origin);
	}
	if (k->age_count > before)
		return 0;
	return error_set(err, ERROR_KEY_INVALID, "%s has no recipient in it", origin);
}

bool recipient_is_text(const struct secret *text)
{
	struct secret *clean CLEANUP_SECRET = NULL;
	struct error *ignored CLEANUP_ERROR = NULL;
	const char *line;
	size_t len;
	if (has_pem(text) || key_text_clean((const char *)secret_bytes(text), secret_size(text),
					    &clean, &ignored) < 0)
		return false;
	struct key_lines lines = { .at = (const char *)secret_bytes(clean) };
	line = key_next_line(&lines, &len);
	return line && (begins(line, len, OPENSSH_ED25519) || age_text_is_key(line, len));
}

static int from_file(const struct key_request *request, const char *path, struct key *k,
		     struct error **err)
{
	struct secret *text CLEANUP_SECRET = NULL;
	if (key_refuse_as_path(path, err) < 0 || key_file_read(path, &text, err) < 0)
		return -1;
	return recipient_add(request, path, text, k, err);
}

int recipient_add_all(const struct key_request *request, struct key *k, struct error **err)
{
	size_t count = request->recipients ? request->recipients->len : 0;
	size_t files = request->recipients_files ? request->recipients_files->len : 0;
	for (size_t i = 0; i < count; i++) {
		const char *word = request->recipients->items[i];
		int r = is_recipient(word, strlen(word)) ? from_line(word, strlen(word), k, err)
							 : from_file(request, word, k, err);
		if (r < 0)
			return error_wrap(err, "--recipient");
	}
	for (size_t i = 0; i < files; i++)
		if (from_file(request, request->recipients_files->items[i], k, err) < 0)
			return error_wrap(err, "--recipients-file");
	if (k->age_count && !k->origin)
		k->origin = text_dup("the recipients", err);
	return k->age_count && !k->origin ? -1 : 0;
}

/* ------------------------------------------------------------------ the key object */

int key_seal_object(const struct key *k, const struct secret *text, struct buffer *ret,
		    struct error **err)
{
	return age_seal(k->ages, k->age_count, text, ret, err);
}

/* A private RSA key that was given as Apptainer wants one opens what was written to it, too. */
static int as_identity(const struct key *k, struct age_key **ret, struct error **err)
{
	struct crypto_rsa *rsa = NULL;
	if (!k->rsa)
		return 0;
	int r = crypto_rsa_copy(k->rsa, &rsa, err);
	if (r == 0)
		r = age_key_ssh_rsa(&rsa, CRYPTO_RSA_PRIVATE, ret, err);
	crypto_rsa_free(&rsa);
	return r;
}

int key_open_object(const struct key *k, const void *object, size_t len, struct secret **ret,
		    struct error **err)
{
	struct age_key *rsa CLEANUP_AGE_KEY = NULL, *all[AGE_KEYS_MAX + 1];
	size_t count = k->age_count;
	if (as_identity(k, &rsa, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		all[i] = k->ages[i];
	if (rsa)
		all[count++] = rsa;
	if (age_open(object, len, all, count, PEM_TEXT_MAX, ret, err) == 0)
		return 1;
	if (error_kind(*err) != ERROR_KEY_WRONG)
		return -1;
	error_free(err);
	return 0;
}

int key_list_object(const void *object, size_t len, struct buffer *ret, struct error **err)
{
	struct age_file *f CLEANUP_AGE_FILE = NULL;
	if (age_read(object, len, &f, err) < 0)
		return -1;
	for (size_t i = 0; i < age_stanza_count(f); i++)
		if (age_stanza_describe(f, i, ret, err) < 0 || buffer_puts(ret, "\n", err) < 0)
			return -1;
	return 0;
}

int key_count_object(const void *object, size_t len, size_t *ret, struct error **err)
{
	struct age_file *f CLEANUP_AGE_FILE = NULL;
	if (age_read(object, len, &f, err) < 0)
		return -1;
	*ret = age_stanza_count(f);
	return 0;
}

int key_recipients(const struct key *k, struct strings *ret, struct error **err)
{
	for (size_t i = 0; i < k->age_count; i++) {
		struct buffer line CLEANUP_BUFFER = { 0 };
		if (age_key_recipient(k->ages[i], &line, err) < 0 ||
		    strings_add(ret, line.data, err) < 0)
			return -1;
	}
	return 0;
}

int key_for_recipients(const struct strings *lines, struct key **ret, struct error **err)
{
	struct key *k CLEANUP_KEY = calloc(1, sizeof(*k));
	if (!k)
		return error_no_memory(err);
	k->use = KEY_FOR_BUILD;
	for (size_t i = 0; i < lines->len; i++)
		if (from_line(lines->items[i], strlen(lines->items[i]), k, err) < 0)
			return -1;
	k->origin = text_dup("the recipients", err);
	if (!k->origin)
		return -1;
	*ret = take_pointer(&k);
	return 0;
}

/* ------------------------------------------------------------------ what they are called */

size_t key_age_count(const struct key *k)
{
	return k->age_count;
}

int key_age_describe(const struct key *k, size_t i, struct buffer *ret_kind, struct buffer *ret,
		     struct error **err)
{
	const struct age_key *one = k->ages[i];
	if (buffer_printf(ret_kind, err, "%s %s", age_key_title(one),
			  age_key_is_identity(one) ? "identity" : "recipient") < 0)
		return -1;
	return age_key_describe(one, ret, err);
}

/* ------------------------------------------------------------------ a new one */

static int identity_file(const struct secret *line, const char *public, struct secret **ret,
			 struct error **err)
{
	static const char head[] = "# public key: ";
	struct secret *text CLEANUP_SECRET = NULL;
	size_t len = strlen(head) + strlen(public) + 1 + secret_size(line) + 1;
	if (secret_new(len, &text, err) < 0)
		return -1;
	char *p = stpcpy(stpcpy((char *)secret_data(text), head), public);
	*p++ = '\n';
	memcpy(p, secret_bytes(line), secret_size(line));
	p[secret_size(line)] = '\n';
	*ret = take_pointer(&text);
	return 0;
}

int key_generate(const struct secret *passphrase, struct secret **ret_text,
		 struct buffer *ret_public, struct error **err)
{
	struct age_key *k CLEANUP_AGE_KEY = NULL, *lock CLEANUP_AGE_KEY = NULL;
	struct secret *line CLEANUP_SECRET = NULL, *text CLEANUP_SECRET = NULL;
	struct buffer public CLEANUP_BUFFER = { 0 }, sealed CLEANUP_BUFFER = { 0 };
	if (age_key_generate(&k, err) < 0 || age_key_text(k, &line, err) < 0 ||
	    age_key_describe(k, &public, err) < 0 ||
	    identity_file(line, public.data, &text, err) < 0)
		return -1;
	if (passphrase) {
		if (age_key_passphrase(passphrase, AGE_WORK, &lock, err) < 0 ||
		    age_seal(&lock, 1, text, &sealed, err) < 0)
			return -1;
		secret_free(&text);
		if (secret_copy(sealed.data, sealed.len, &text, err) < 0)
			return -1;
	}
	if (buffer_puts(ret_public, public.data, err) < 0)
		return -1;
	*ret_text = take_pointer(&text);
	return 0;
}
