/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_KEY_KEY_H
#define COFFER_KEY_KEY_H

#include "base/base.h"
#include "crypto/crypto.h"
#include "secret/secret.h"

/*
 * The door of key/: what the user has (a passphrase or an RSA key) and the secret that opens a
 * seal. Formats and order: spec encryption.md, sections 2 and 3.
 */

enum key_use {
	KEY_FOR_BUILD, /* a public key wraps */
	KEY_FOR_RUN,   /* a private key unwraps */
};

/* What the user has. */
struct key;
/* Wipes and frees *k, if any, and sets it to NULL. */
void key_free(struct key **k);
#define CLEANUP_KEY __attribute__((cleanup(key_free)))
/* Whether there is one; else there is half of an RSA key, or keys of age's, or both. */
bool key_is_passphrase(const struct key *k);
/* Half of an RSA key in the place of Apptainer's: for its own message in the image. */
bool key_is_rsa(const struct key *k);
/* How many keys there are for the key object of an image (image/image.h): identities, or to build
 * recipients. */
size_t key_age_count(const struct key *k);
/* Appends what one of them is: "X25519 identity", and what everybody may know of it. */
int key_age_describe(const struct key *k, size_t i, struct buffer *ret_kind, struct buffer *ret,
		     struct error **err);
/* Where it came from, for messages: a path, a variable's name, "the passphrase". Borrowed. */
const char *key_origin(const struct key *k);
/* The length of an RSA key's modulus: key_is_rsa. */
size_t key_bits(const struct key *k);
/* Appends what kind of key it is, for a log: "none" (NULL), "passphrase", or "rsa-sha256:" and the
 * digest of its public half in hexadecimal; of each of age's keys its public half or its
 * fingerprint; joined by "+". Nothing of a passphrase. */
int key_describe(const struct key *k, struct buffer *ret, struct error **err);

/*
 * Asks a person for something secret: shows the prompt, reads one line without echo. Returns the
 * answer without its newline as a new secret, *ret NULL when it was empty. cli/ has one for the
 * terminal; NULL where nobody can be asked.
 */
typedef int (*key_ask)(void *context, const char *prompt, struct secret **ret, struct error **err);

#define KEY_PROMPT "Enter encryption passphrase: "
#define KEY_PROMPT_CONFIRM "Confirm encryption passphrase: "

struct key_request {
	enum key_use use;
	const char *pem_path; /* --pem-path, or NULL */
	/* NULL, or where the text of pem_path is kept: a file that was read once, as a pipe can
	 * only be, is tried as either half. The caller's to free. */
	struct secret **pem_text;
	bool ask_passphrase; /* --passphrase */
	bool has_key_fd;     /* --key-fd, which is closed when it was read; 0 becomes /dev/null */
	int key_fd;
	const char *key_command;		/* --key-command, for the shell; or NULL */
	const struct strings *identities;	/* --identity: files; or NULL */
	const struct strings *recipients;	/* --recipient: keys, or names of files; or NULL */
	const struct strings *recipients_files; /* --recipients-file; or NULL */
	/* What pem_path names may be an identity, or to build recipients, too. */
	bool any_form;
	bool use_environment; /* whether the variables and systemd's credentials count */
	bool confirm;	      /* ask a passphrase twice */
	key_ask ask;	      /* for the passphrase, and for that of a protected private key */
	void *ask_context;
};

/*
 * Finds the user's key in the order of encryption.md 2.1: --pem-path, --passphrase, our own
 * --key-fd and --key-command,
 * APPTAINER_ENCRYPTION_PEM_PATH, _PEM_DATA, _PASSPHRASE, and these by their older names, and
 * a credential of systemd's. A key file
 * is read and checked here, so that a bad one is found before any work. *ret is NULL when there is
 * none at all.
 *
 * Identities and recipients come besides what an option has given; where there are some, neither
 * variables nor credentials are looked at.
 */
int key_choose(const struct key_request *request, struct key **ret, struct error **err);

/* The variables that may hold a key; each has an older name, see environment.c. */
enum key_variable { KEY_VARIABLE_PEM_PATH, KEY_VARIABLE_PEM_DATA, KEY_VARIABLE_PASSPHRASE };
/* What it holds, or NULL; borrowed, until key_environment_wipe. *ret_name, unless NULL, is set to
 * the name that it was looked for by. */
const char *key_variable(enum key_variable which, const char **ret_name);
/* Says by which name it was found, where that matters to the user. */
void key_variable_note(enum key_variable which);
/* True when any of the three is set, by its new name also to nothing. */
bool key_environment_set(void);
/* Takes the variables, under both names, out of the environment and wipes their text in place
 * (after key_choose). */
void key_environment_wipe(void);

/* For a build, before it is begun: whether the form can take the key. ERROR_KEY_INVALID. */
int key_check(const struct key *k, const struct secret_form *form, struct error **err);

/*
 * For a build. With a passphrase: the secret is the passphrase (checked for what the form can
 * take), *ret_message stays empty, *ret_random false. With a public key: a random secret, its
 * wrapped form appended to *ret_message (the PEM text for the SIF), *ret_random true.
 */
int key_make_secret(const struct key *k, const struct secret_form *form, struct secret **ret,
		    bool *ret_random, struct buffer *ret_message, struct error **err);

/*
 * For a run. message: the SIF's crypto message, or NULL with len 0 where the image has none.
 * With a passphrase the message is not looked at. ERROR_KEY_WRONG when the private key is not
 * the one, or when a private key is given for a passphrase image.
 */
int key_open_secret(const struct key *k, const struct secret_form *form, const char *message,
		    size_t message_len, struct secret **ret, struct error **err);

/*
 * Text for the recipients of a build, as an age file, appended to *ret: for the key object. k has
 * recipients. ERROR_LIMIT.
 */
int key_seal_object(const struct key *k, const struct secret *text, struct buffer *ret,
		    struct error **err);
/* The other way, by the identities and a private RSA key: 1 with *ret, 0 when none of them opens
 * it, -1. */
int key_open_object(const struct key *k, const void *object, size_t len, struct secret **ret,
		    struct error **err);
/*
 * The recipients of a key to build with, as the lines that name them ("age1...", "ssh-rsa
 * AAAA..."), are added to *ret; and a key to build with, for those that such lines name.
 * ERROR_KEY_INVALID.
 */
int key_recipients(const struct key *k, struct strings *ret, struct error **err);
int key_for_recipients(const struct strings *lines, struct key **ret, struct error **err);
/*
 * A key to build with, for the recipients that such lines name, and besides, unless NULL, for what
 * `opened` opens an image by: its passphrase, or the public half of its RSA key.
 */
int key_again(const struct key *opened, const struct strings *recipients, struct key **ret,
	      struct error **err);
/*
 * Appends a line for each recipient that a key object names: what kind, and the beginning of the
 * fingerprint where the object tells it. Needs no key.
 */
int key_list_object(const void *object, size_t len, struct buffer *ret, struct error **err);
/* How many they are. Needs no key. */
int key_count_object(const void *object, size_t len, size_t *ret, struct error **err);

/*
 * A new X25519 identity. *ret_text: the file for its owner, encrypted with the passphrase unless
 * that is NULL; *ret_public: its recipient's text is appended.
 */
int key_generate(const struct secret *passphrase, struct secret **ret_text,
		 struct buffer *ret_public, struct error **err);

/*
 * Keys and certificates for signatures of images, from PEM files: key/signing/signing.c. The words
 * of the errors are Apptainer's, without its frame; ERROR_KEY_INVALID, or that of open. What is
 * read is the caller's.
 */
int key_signer_read(const char *path, bool private, struct crypto_signer **ret, struct error **err);
/* The first certificate of a file (all false), or all that it has. */
int key_certificates_read(const char *path, bool all, struct crypto_certificates **ret,
			  struct error **err);

#endif
