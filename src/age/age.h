/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_AGE_AGE_H
#define COFFER_AGE_AGE_H

#include "base/base.h"
#include "crypto/crypto.h"
#include "secret/secret.h"

/*
 * The door of age/: files of the format age-encryption.org/v1 (C2SP), binary, read whole
 * and written in one chunk. Such a file is a text that is encrypted with a file key, and before it
 * a header, in which one stanza for each recipient wraps that key.
 *
 * Reading goes in steps, as each fails in its own way: age_read (the header's form), age_unwrap
 * (which key opens it), age_authenticate (that nobody has changed it), age_payload.
 */

enum age_kind { AGE_X25519, AGE_SCRYPT, AGE_SSH_ED25519, AGE_SSH_RSA };

/*
 * A recipient, to whom a file can be written, or an identity, which can read what was written to
 * its recipient. A passphrase is both.
 */
struct age_key;
/* Wipes and frees *k, if any, and sets it to NULL. */
void age_key_free(struct age_key **k);
#define CLEANUP_AGE_KEY __attribute__((cleanup(age_key_free)))

/*
 * From the text of a native key: "age1..." is a recipient, "AGE-SECRET-KEY-1..." an identity.
 * ERROR_KEY_INVALID, the text not quoted; ERROR_UNSUPPORTED for those of plugins and other kinds.
 */
int age_key_from_text(const char *text, size_t len, struct age_key **ret, struct error **err);
/* Whether a text is for age_key_from_text, as far as its beginning tells. */
bool age_text_is_key(const char *text, size_t len);
/* A new X25519 identity. */
int age_key_generate(struct age_key **ret, struct error **err);
/* The log2 of scrypt's cost when writing, age's default; reading takes it from the file. */
#define AGE_WORK 18
int age_key_passphrase(const struct secret *passphrase, unsigned work, struct age_key **ret,
		       struct error **err);
/* OpenSSH's Ed25519 key; with its seed an identity. ERROR_KEY_INVALID. */
int age_key_ssh_ed25519(const uint8_t point[CRYPTO_X25519_LEN], const struct secret *seed,
			struct age_key **ret, struct error **err);
/* An RSA key as OpenSSH names it; *rsa is taken over, and half is which one it is. */
int age_key_ssh_rsa(struct crypto_rsa **rsa, enum crypto_rsa_form half, struct age_key **ret,
		    struct error **err);

/* The kind, for people: "age X25519". Static. */
const char *age_key_title(const struct age_key *k);
bool age_key_is_identity(const struct age_key *k);
/*
 * Appends what everybody may know of it: "age1..." of either half of an X25519 key, "SHA256:..." as
 * ssh-keygen -l prints it of OpenSSH's; "a passphrase".
 */
int age_key_describe(const struct age_key *k, struct buffer *ret, struct error **err);
/* Appends the public half whole, as a line that names a recipient: "age1...", or
 * "ssh-ed25519 AAAA..." without a comment. Not of a passphrase: ERROR_INTERNAL. */
int age_key_recipient(const struct age_key *k, struct buffer *ret, struct error **err);
/* "AGE-SECRET-KEY-1..." of an X25519 identity; a new secret without a NUL. */
int age_key_text(const struct age_key *k, struct secret **ret, struct error **err);

/* ------------------------------------------------------------------ reading */

/* Whether it begins as such a file does, of whatever version. */
bool age_is_file(const void *data, size_t len);

struct age_file;
/*
 * Reads and vets the header. data is borrowed and outlives *ret. ERROR_DAMAGED, ERROR_UNSUPPORTED
 * (another version), ERROR_LIMIT.
 */
int age_read(const void *data, size_t len, struct age_file **ret, struct error **err);
void age_file_free(struct age_file **f);
#define CLEANUP_AGE_FILE __attribute__((cleanup(age_file_free)))
size_t age_stanza_count(const struct age_file *f);
/*
 * Appends the type of the stanza and, where it tells one, the beginning of its key's fingerprint:
 * "ssh-ed25519 SHA256:AbCdE...". At most 80 characters, all of them harmless.
 */
int age_stanza_describe(const struct age_file *f, size_t i, struct buffer *ret, struct error **err);

/*
 * Tries the identities by turns. *ret_which, unless NULL, is the one that opens it. ERROR_KEY_WRONG
 * when none does, ERROR_DAMAGED when a stanza that one has to look at is no good.
 */
int age_unwrap(const struct age_file *f, struct age_key *const *keys, size_t count,
	       size_t *ret_which, struct secret **ret_file_key, struct error **err);
/* ERROR_DAMAGED when the header is not what was written with this file key. */
int age_authenticate(const struct age_file *f, const struct secret *file_key, struct error **err);
/* The text, whole or not at all. ERROR_DAMAGED; ERROR_LIMIT when it has more than max bytes. An
 * empty one is a secret of size 0. */
int age_payload(const struct age_file *f, const struct secret *file_key, size_t max,
		struct secret **ret, struct error **err);
/* All four steps. */
int age_open(const void *data, size_t len, struct age_key *const *keys, size_t count, size_t max,
	     struct secret **ret, struct error **err);

/* ------------------------------------------------------------------ writing */

#define AGE_TEXT_MAX 65536
/* Appends a file with the text, of at most AGE_TEXT_MAX bytes, for all the keys: recipients, or one
 * passphrase alone. */
int age_seal(struct age_key *const *keys, size_t count, const struct secret *text,
	     struct buffer *ret, struct error **err);

#endif
