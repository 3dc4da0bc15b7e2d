/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identities: the private keys by which a key object is opened. A file holds one of these:
 *
 * - lines "AGE-SECRET-KEY-1...", several of them, with comments and empty lines;
 * - the same as an age file with a passphrase, binary or as text (age -p, coffer keygen);
 * - a private key of OpenSSH's, Ed25519 or RSA, protected or not;
 * - a private RSA key in any of the forms of PEM that --pem-path takes.
 *
 * All of it stays in guarded memory, and nothing of it is repeated in a message.
 */
#include "key/internal.h"
#include "key/openssh/openssh.h"

#include <string.h>
#include <sys/stat.h>

int key_add_age(struct key *k, struct age_key **one, struct error **err)
{
	if (k->age_count == AGE_KEYS_MAX)
		return error_set(err, ERROR_LIMIT, "more than %d keys are given", AGE_KEYS_MAX);
	struct age_key **grown =
		array_grow(k->ages, k->age_count, &k->age_cap, sizeof(struct age_key *), err);
	if (!grown)
		return -1;
	k->ages = grown;
	k->ages[k->age_count++] = take_pointer(one);
	return 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Without blanks round it. */
static const char *trimmed(const char *line, size_t *len)
{
	while (*len && is_blank(line[*len - 1]))
		--*len;
	while (*len && is_blank(*line)) {
		line++;
		--*len;
	}
	return line;
}

const char *key_next_line(struct key_lines *lines, size_t *ret_len)
{
	while (*lines->at) {
		const char *line = lines->at;
		*ret_len = strcspn(line, "\n");
		lines->at += *ret_len + (line[*ret_len] == '\n');
		lines->number++;
		line = trimmed(line, ret_len);
		if (*ret_len && *line != '#')
			return line;
	}
	return NULL;
}

const char *key_find(const struct secret *text, const char *word)
{
	return memmem(secret_bytes(text), secret_size(text), word, strlen(word));
}

static bool has(const struct secret *text, const char *word)
{
	return key_find(text, word) != NULL;
}

/* The block of PEM that begins there. */
static int parse_at(const struct secret *text, const char *begin, struct pem *ret,
		    struct error **err)
{
	size_t before = (size_t)(begin - (const char *)secret_bytes(text));
	return pem_parse(begin, secret_size(text) - before, ret, err);
}

/* OpenSSH's block: 1, 0 when there is none, -1. */
static int parse_openssh(const struct secret *text, struct pem *ret, struct error **err)
{
	const char *begin = key_find(text, PEM_BEGIN OPENSSH_LABEL PEM_RULE);
	if (!begin)
		return 0;
	return parse_at(text, begin, ret, err) < 0 ? -1 : 1;
}

static bool is_armoured(const struct secret *text)
{
	return has(text, PEM_BEGIN AGE_ARMOUR_LABEL PEM_RULE);
}

/* ------------------------------------------------------------------ forms of a file */

static int add_lines(const char *origin, const struct secret *text, struct key *k,
		     struct error **err)
{
	struct secret *clean CLEANUP_SECRET = NULL;
	size_t len, before = k->age_count;
	const char *line;
	if (key_text_clean((const char *)secret_bytes(text), secret_size(text), &clean, err) < 0)
		return -1;
	struct key_lines lines = { .at = (const char *)secret_bytes(clean) };
	while ((line = key_next_line(&lines, &len)) != NULL) {
		struct age_key *one CLEANUP_AGE_KEY = NULL;
		if (!age_text_is_key(line, len)) {
			error_set(err, ERROR_KEY_INVALID, "line %zu of %s is no identity",
				  lines.number, origin);
			return error_hint(err, "a line is AGE-SECRET-KEY-1..., or a comment that "
					       "begins with #");
		}
		if (age_key_from_text(line, len, &one, err) < 0)
			return error_wrap(err, "line %zu of %s", lines.number, origin);
		if (!age_key_is_identity(one)) {
			error_set(err, ERROR_KEY_INVALID,
				  "line %zu of %s is a recipient, and an identity is needed",
				  lines.number, origin);
			return error_hint(err, "give the file that coffer keygen or age-keygen has "
					       "made; a recipient is for --recipient");
		}
		if (key_add_age(k, &one, err) < 0)
			return -1;
	}
	if (k->age_count > before)
		return 0;
	return error_set(err, ERROR_KEY_INVALID, "%s has no identity in it", origin);
}

/* *ret is NULL where it was not typed. */
static int ask_passphrase(const struct key_request *request, const char *origin,
			  struct secret **ret, struct error **err)
{
	char *prompt CLEANUP_TEXT = text_printf(err, "Enter passphrase of %s: ", origin);
	if (!prompt)
		return -1;
	if (request->ask && request->ask(request->ask_context, prompt, ret, err) < 0)
		return -1;
	if (*ret)
		return 0;
	error_set(err, ERROR_KEY_MISSING, "%s is protected with a passphrase, and %s", origin,
		  request->ask ? "none was given for it" : "nobody can be asked for it");
	return error_hint(err,
			  "give its passphrase when asked, or write it without one with: "
			  "age -d -o NEW %s",
			  origin);
}

static int add_protected(const struct key_request *request, const char *origin, const void *data,
			 size_t len, struct key *k, struct error **err)
{
	struct secret *passphrase CLEANUP_SECRET = NULL, *text CLEANUP_SECRET = NULL;
	struct age_key *opener CLEANUP_AGE_KEY = NULL;
	struct age_file *f CLEANUP_AGE_FILE = NULL;
	/* What is no such file needs no passphrase. */
	if (age_read(data, len, &f, err) < 0)
		return error_wrap(err, "%s", origin);
	if (ask_passphrase(request, origin, &passphrase, err) < 0 ||
	    age_key_passphrase(passphrase, AGE_WORK, &opener, err) < 0)
		return -1;
	if (age_open(data, len, &opener, 1, PEM_TEXT_MAX, &text, err) < 0) {
		if (error_kind(*err) != ERROR_KEY_WRONG)
			return error_wrap(err, "%s", origin);
		error_free(err);
		error_set(err, ERROR_KEY_WRONG, "the passphrase does not open %s", origin);
		return error_hint(err, "check the passphrase: it is that of the file of the key");
	}
	if (!secret_size(text))
		return error_set(err, ERROR_KEY_INVALID, "%s has no identity in it", origin);
	return add_lines(origin, text, k, err);
}

static int add_armoured(const struct key_request *request, const char *origin,
			const struct secret *text, struct key *k, struct error **err)
{
	struct pem pem CLEANUP_PEM = { 0 };
	if (parse_at(text, key_find(text, PEM_BEGIN), &pem, err) < 0)
		return error_wrap(err, "%s", origin);
	return add_protected(request, origin, secret_bytes(pem.der), secret_size(pem.der), k, err);
}

/* A key of OpenSSH's, or PEM. */
static int add_pem(const struct key_request *request, const char *origin, const struct secret *text,
		   struct key *k, struct error **err)
{
	struct age_key *one CLEANUP_AGE_KEY = NULL;
	struct crypto_rsa *rsa = NULL;
	struct pem pem CLEANUP_PEM = { 0 };
	int r = parse_openssh(text, &pem, err);
	if (r > 0)
		r = key_openssh_ed25519(request, origin, pem.der, &one, err);
	if (r == 0) {
		r = rsa_from_pem((const char *)secret_bytes(text), secret_size(text), request,
				 origin, &rsa, err);
		/* It may be the one of Apptainer's message, too. */
		if (r == 0 && !k->rsa && !k->passphrase)
			r = crypto_rsa_copy(rsa, &k->rsa, err);
		if (r == 0)
			r = age_key_ssh_rsa(&rsa, CRYPTO_RSA_PRIVATE, &one, err);
		crypto_rsa_free(&rsa);
	}
	if (r < 0)
		return error_wrap(err, "%s", origin);
	return key_add_age(k, &one, err);
}

int identity_add(const struct key_request *request, const char *origin, const struct secret *text,
		 struct key *k, struct error **err)
{
	const void *data = secret_bytes(text);
	size_t len = secret_size(text);
	if (age_is_file(data, len))
		return add_protected(request, origin, data, len, k, err);
	if (is_armoured(text))
		return add_armoured(request, origin, text, k, err);
	if (has(text, PEM_BEGIN))
		return add_pem(request, origin, text, k, err);
	return add_lines(origin, text, k, err);
}

static bool is_openssh_ed25519(const struct secret *text)
{
	struct pem pem CLEANUP_PEM = { 0 };
	struct error *ignored CLEANUP_ERROR = NULL;
	return parse_openssh(text, &pem, &ignored) > 0 && has(pem.der, OPENSSH_ED25519);
}

/* RSA keys are --pem-path's own, in any form. */
bool identity_is_text(const struct secret *text)
{
	return age_is_file(secret_bytes(text), secret_size(text)) || is_armoured(text) ||
	       has(text, "AGE-SECRET-KEY-") || has(text, "AGE-PLUGIN-") || is_openssh_ed25519(text);
}

/* As ssh does; who it belongs to is asked, not who we are. */
static void warn_of_mode(const char *path, const struct secret *text)
{
	struct stat st;
	bool open_text = !age_is_file(secret_bytes(text), secret_size(text)) && !is_armoured(text);
	if (open_text && stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_mode & 077)
		log_warning("%s can be read by others, and a private key lies in it: chmod 600 it",
			    path);
}

int identity_add_all(const struct key_request *request, struct key *k, struct error **err)
{
	size_t count = request->identities ? request->identities->len : 0;
	for (size_t i = 0; i < count; i++) {
		const char *path = request->identities->items[i];
		struct secret *text CLEANUP_SECRET = NULL;
		if (key_refuse_as_path(path, err) < 0 || key_file_read(path, &text, err) < 0)
			return -1;
		warn_of_mode(path, text);
		if (identity_add(request, path, text, k, err) < 0)
			return -1;
		if (!k->origin && (k->origin = text_dup(path, err)) == NULL)
			return -1;
	}
	return 0;
}
