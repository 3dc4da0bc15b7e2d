/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which key the user means, and reading it (encryption.md 2).
 *
 * Several places may have one; the first in a fixed order counts, and the others are not looked at:
 * a variable that was left over must not change what an option said. A variable that is set and
 * empty counts as there, as with Apptainer: who set it meant something, and to go on to the next
 * place, or to build without encryption, would be to guess.
 *
 * A key file is read, parsed and vetted here, before any image is opened and before anything is
 * built. So whoever gave the wrong file hears of it at once, and in words about the file.
 *
 * The text of a key goes from the file into guarded memory and nowhere else. Variables cannot: the
 * kernel has put them on the stack of the process. They are taken out of the environment and their
 * text is overwritten where it lies (environment.c), before any program is started.
 */
#include "key/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void key_free(struct key **k)
{
	if (!*k)
		return;
	secret_free(&(*k)->passphrase);
	crypto_rsa_free(&(*k)->rsa);
	for (size_t i = 0; i < (*k)->age_count; i++)
		age_key_free(&(*k)->ages[i]);
	free((*k)->ages);
	free((*k)->origin);
	free(*k);
	*k = NULL;
}

bool key_is_passphrase(const struct key *k)
{
	return k->passphrase;
}

bool key_is_rsa(const struct key *k)
{
	return k->rsa;
}

size_t key_bits(const struct key *k)
{
	return 8 * crypto_rsa_size(k->rsa);
}

static int describe_rsa(const struct key *k, struct buffer *ret, struct error **err)
{
	uint8_t digest[CRYPTO_SHA256_LEN];
	if (crypto_rsa_fingerprint(k->rsa, digest, err) < 0 ||
	    buffer_puts(ret, "rsa-sha256:", err) < 0)
		return -1;
	return buffer_hex(ret, digest, sizeof(digest), err);
}

int key_describe(const struct key *k, struct buffer *ret, struct error **err)
{
	bool first = true;
	if (!k)
		return buffer_puts(ret, "none", err);
	if (k->passphrase || k->rsa) {
		first = false;
		if ((k->rsa ? describe_rsa(k, ret, err) : buffer_puts(ret, "passphrase", err)) < 0)
			return -1;
	}
	for (size_t i = 0; i < k->age_count; i++, first = false)
		if ((!first && buffer_puts(ret, "+", err) < 0) ||
		    age_key_describe(k->ages[i], ret, err) < 0)
			return -1;
	return 0;
}

const char *key_origin(const struct key *k)
{
	return k->origin;
}

/* Not only regular files: a key may come from a pipe, as in --pem-path <(command). */
int key_file_read(const char *path, struct secret **ret, struct error **err)
{
	int fd CLEANUP_FD = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return error_errno(err, errno, "could not read %s", path);
	return key_file_read_fd(fd, path, ret, err);
}

int key_file_read_fd(int fd, const char *path, struct secret **ret, struct error **err)
{
	struct stat st;
	struct secret *text CLEANUP_SECRET = NULL;
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		return error_set(err, ERROR_KEY_INVALID, "read %s: is a directory", path);
	if (secret_new(PEM_TEXT_MAX + 1, &text, err) < 0)
		return -1;
	ssize_t n = fd_read(fd, secret_data(text), PEM_TEXT_MAX + 1);
	if (n < 0)
		return error_errno(err, (int)-n, "could not read %s", path);
	if (n > PEM_TEXT_MAX)
		return error_set(err, ERROR_KEY_INVALID,
				 "could not read %s: it is too long for a key", path);
	if (n == 0)
		return error_set(err, ERROR_KEY_INVALID, "could not read %s: no PEM data", path);
	secret_shorten(text, (size_t)n);
	*ret = take_pointer(&text);
	return 0;
}

/* The words are Apptainer's: cli-messages 3.3 and 5.2. */
int key_frame(const struct key_request *request, struct error **err)
{
	bool build = request->use == KEY_FOR_BUILD;
	if (error_kind(*err) == ERROR_KEY_INVALID)
		error_hint(err, build ? "give the public half of an RSA key: a certificate, "
					"OpenSSH's KEY.pub, or what this writes: openssl rsa -in "
					"PRIVATE -pubout -out PUBLIC"
				      : "give the private RSA key, in PEM form, that belongs to "
					"the public one the image was built with");
	return error_wrap(err, build ? "Invalid encryption public key"
				     : "Invalid encryption private key");
}

int key_refuse_as_path(const char *path, struct error **err)
{
	if (!strchr(path, '\n') && !strstr(path, "-----BEGIN") && strlen(path) < PATH_MAX &&
	    !strstr(path, "AGE-SECRET-KEY-"))
		return 0;
	error_set(err, ERROR_KEY_INVALID, "a key was given where the name of its file belongs");
	return error_hint(
		err,
		"give the name of the file; the text of a key belongs in "
		"APPTAINER_ENCRYPTION_PEM_DATA, and never in an argument, which every user can "
		"see");
}

/* kept: see key_request.pem_text; or NULL. */
static int from_file(const struct key_request *request, const char *path, struct secret **kept,
		     struct key *k, struct error **err)
{
	struct secret *own CLEANUP_SECRET = NULL;
	struct secret **text = kept ? kept : &own;
	if (key_refuse_as_path(path, err) < 0)
		return -1;
	k->origin = text_dup(path, err);
	if (!k->origin)
		return -1;
	if (!*text && access(path, F_OK) < 0 && (errno == ENOENT || errno == ENOTDIR))
		return error_set(err, ERROR_NOT_FOUND, "Specified PEM file %s: does not exist.",
				 path);
	if (!*text && key_file_read(path, text, err) < 0)
		return key_frame(request, err);
	if (request->any_form && request->use == KEY_FOR_RUN && identity_is_text(*text))
		return identity_add(request, path, *text, k, err);
	if (request->any_form && request->use == KEY_FOR_BUILD && recipient_is_text(*text))
		return recipient_add(request, path, *text, k, err);
	if (rsa_from_pem((const char *)secret_bytes(*text), secret_size(*text), request, path,
			 &k->rsa, err) < 0) {
		error_wrap(err, "could not read %s", path);
		return key_frame(request, err);
	}
	return 0;
}

static int from_data(const struct key_request *request, const char *data, const char *name,
		     struct key *k, struct error **err)
{
	k->origin = text_dup(name, err);
	if (!k->origin)
		return -1;
	if (!*data) {
		error_set(err, ERROR_KEY_INVALID, "data in %s PEM env var is invalid",
			  request->use == KEY_FOR_BUILD ? "public" : "private");
		return error_hint(err, "%s is set, and empty", name);
	}
	if (rsa_from_pem(data, strlen(data), request, name, &k->rsa, err) < 0) {
		error_wrap(err, "could not read %s", name);
		return key_frame(request, err);
	}
	return 0;
}

/* text: what the variable holds, or NULL to ask. */
static int from_passphrase(const struct key_request *request, const char *text, const char *name,
			   struct key *k, struct error **err)
{
	k->origin = text_dup(text ? name : "the passphrase", err);
	if (!k->origin)
		return -1;
	if (!text)
		return passphrase_ask(request, &k->passphrase, err);
	if (!*text) {
		passphrase_is_empty(err);
		return error_hint(err, "%s is set, and empty", name);
	}
	return secret_copy(text, strlen(text), &k->passphrase, err);
}

/* 0 with *k as it was when no variable has a key. */
static int from_environment(const struct key_request *request, struct key *k, struct error **err)
{
	static const enum key_variable order[] = { KEY_VARIABLE_PEM_PATH, KEY_VARIABLE_PEM_DATA,
						   KEY_VARIABLE_PASSPHRASE };
	const char *value = NULL, *name = NULL;
	size_t i = 0;
	while (i < sizeof(order) / sizeof(order[0]) &&
	       (value = key_variable(order[i], &name)) == NULL)
		i++;
	if (!value)
		return 0;
	key_variable_note(order[i]);
	switch (order[i]) {
	case KEY_VARIABLE_PEM_PATH:
		return from_file(request, value, NULL, k, err);
	case KEY_VARIABLE_PEM_DATA:
		return from_data(request, value, name, k, err);
	case KEY_VARIABLE_PASSPHRASE:
		break;
	}
	return from_passphrase(request, value, name, k, err);
}

/* A variable that was left over must not open, or lock, what an option has named keys for. */
static bool names_keys(const struct key_request *request)
{
	return (request->identities && request->identities->len) ||
	       (request->recipients && request->recipients->len) ||
	       (request->recipients_files && request->recipients_files->len);
}

int key_choose(const struct key_request *request, struct key **ret, struct error **err)
{
	struct key *k CLEANUP_KEY = calloc(1, sizeof(*k));
	if (!k)
		return error_no_memory(err);
	k->use = request->use;
	bool use_environment = request->use_environment && !names_keys(request);
	int r = 0;
	if (request->pem_path)
		r = from_file(request, request->pem_path, request->pem_text, k, err);
	else if (request->ask_passphrase)
		r = from_passphrase(request, NULL, NULL, k, err);
	else if (request->has_key_fd)
		r = key_from_fd(request, k, err);
	else if (request->key_command)
		r = key_from_command(request, k, err);
	else if (use_environment)
		r = from_environment(request, k, err);
	if (r == 0 && !k->origin && use_environment)
		r = key_from_credentials(request, k, err);
	if (r < 0 || identity_add_all(request, k, err) < 0 ||
	    recipient_add_all(request, k, err) < 0)
		return -1;
	*ret = k->origin ? take_pointer(&k) : NULL;
	return 0;
}
