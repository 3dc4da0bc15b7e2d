/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_KEY_KEY_H
#define COFFER_KEY_KEY_H

#include "base/base.h"
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
/* Else it is half of an RSA key. */
bool key_is_passphrase(const struct key *k);
/* Where it came from, for messages: a path, a variable's name, "the passphrase". Borrowed. */
const char *key_origin(const struct key *k);
/* The length of an RSA key's modulus. */
size_t key_bits(const struct key *k);
/* Appends what kind of key it is, for a log: "none" (NULL), "passphrase", or "rsa-sha256:" and the
 * digest of its public half in hexadecimal. Nothing of a passphrase. */
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
	const char *key_command; /* --key-command, for the shell; or NULL */
	bool use_environment;	 /* whether the variables and systemd's credentials count */
	bool confirm;		 /* ask a passphrase twice */
	key_ask ask;		 /* for the passphrase, and for that of a protected private key */
	void *ask_context;
};

/*
 * Finds the user's key in the order of encryption.md 2.1: --pem-path, --passphrase, our own
 * --key-fd and --key-command,
 * APPTAINER_ENCRYPTION_PEM_PATH, _PEM_DATA, _PASSPHRASE, and these by their older names, and
 * a credential of systemd's. A key file
 * is read and checked here, so that a bad one is found before any work. *ret is NULL when there is
 * none at all.
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

/* How the secret of a fresh image looks: encryption.md 3.3. */
enum key_secret_form {
	KEY_SECRET_LUKS2,     /* 64 random bytes */
	KEY_SECRET_GOCRYPTFS, /* 32 hexadecimal characters */
};

/* For a build, before it is begun: whether the form can take the key. ERROR_KEY_INVALID. */
int key_check(const struct key *k, enum key_secret_form form, struct error **err);

/*
 * For a build. With a passphrase: the secret is the passphrase (checked for what the form can
 * take), *ret_message stays empty, *ret_random false. With a public key: a random secret, its
 * wrapped form appended to *ret_message (the PEM text for the SIF), *ret_random true.
 */
int key_make_secret(const struct key *k, enum key_secret_form form, struct secret **ret,
		    bool *ret_random, struct buffer *ret_message, struct error **err);

/*
 * For a run. message: the SIF's crypto message, or NULL with len 0 where the image has none.
 * With a passphrase the message is not looked at. ERROR_KEY_WRONG when the private key is not
 * the one, or when a private key is given for a passphrase image.
 */
int key_open_secret(const struct key *k, enum key_secret_form form, const char *message,
		    size_t message_len, struct secret **ret, struct error **err);

#endif
