/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_KEY_INTERNAL_H
#define COFFER_KEY_INTERNAL_H

#include "age/age.h"
#include "crypto/crypto.h"
#include "key/format.h"
#include "key/key.h"

struct key {
	struct secret *passphrase; /* or NULL */
	struct crypto_rsa *rsa;	   /* or NULL */
	enum key_use use;	   /* which half rsa is */
	struct age_key **ages;	   /* identities, or to build recipients; each owned */
	size_t age_count, age_cap;
	char *origin;
};

/* The first PEM block of a text. */
struct pem {
	char label[PEM_LABEL_MAX + 1];
	char dek[PEM_DEK_MAX + 1]; /* the text of "DEK-Info:", or "" */
	bool protected_by_dek;	   /* "Proc-Type: 4,ENCRYPTED" */
	struct secret *der;
	size_t end; /* where the text goes on behind it */
};
void pem_done(struct pem *p);
#define CLEANUP_PEM __attribute__((cleanup(pem_done)))
/* ERROR_KEY_INVALID "no PEM data", or what is wrong with it. The text is not quoted. */
int pem_parse(const char *text, size_t len, struct pem *ret, struct error **err);
/* Appends a block without headers. */
int pem_print(const char *label, const void *der, size_t len, struct buffer *ret,
	      struct error **err);

/*
 * A key file's text with lines as pem_parse wants them: text.c. A new secret, with a NUL behind it.
 * ERROR_KEY_INVALID when it is too long for a key.
 */
int key_text_clean(const char *text, size_t len, struct secret **ret, struct error **err);
/* Whether key_text_refuse has a name for it. */
bool key_text_is_known(const char *text, size_t len);
/* What a text without PEM data is instead, as far as that can be told: returns -1. */
int key_text_refuse(const char *text, size_t len, enum key_use use, struct error **err);

/*
 * identity.c, recipient.c: the keys of a file's text are added to k; `origin` is for messages. The
 * others tell whether a text is for it.
 */
int identity_add(const struct key_request *request, const char *origin, const struct secret *text,
		 struct key *k, struct error **err);
bool identity_is_text(const struct secret *text);
int recipient_add(const struct key_request *request, const char *origin, const struct secret *text,
		  struct key *k, struct error **err);
bool recipient_is_text(const struct secret *text);
/* What the request names, all of it. */
int identity_add_all(const struct key_request *request, struct key *k, struct error **err);
int recipient_add_all(const struct key_request *request, struct key *k, struct error **err);
/* Takes *one over. */
int key_add_age(struct key *k, struct age_key **one, struct error **err);
/* The lines of a text that ends with NUL. */
struct key_lines {
	const char *at; /* what is left */
	size_t number;	/* of the last one */
};
/* The next one, without blanks round it. Empty lines and comments (#) are counted, and passed over.
 * NULL at the end. */
const char *key_next_line(struct key_lines *lines, size_t *ret_len);
/* Where a word begins in a text, or NULL. */
const char *key_find(const struct secret *text, const char *word);

/* The RSA key in the text of a key file; `origin` is for prompts. */
int rsa_from_pem(const char *text, size_t len, const struct key_request *request,
		 const char *origin, struct crypto_rsa **ret, struct error **err);
/*
 * Whether a text is for rsa_from_pem: all that it reads, and all that it refuses by name. Returns
 * 1, or 0 for what may be a passphrase. The text is no longer than PEM_TEXT_MAX.
 */
int rsa_is_key_text(const char *text, size_t len, struct error **err);

/*
 * Keys without a file of the user's, for key_choose: sources.c. They fill k->passphrase or k->rsa,
 * and k->origin. ERROR_KEY_INVALID, ERROR_LIMIT, and for the command ERROR_NOT_FOUND and
 * ERROR_SYSTEM.
 */
int key_from_fd(const struct key_request *request, struct key *k, struct error **err);
int key_from_command(const struct key_request *request, struct key *k, struct error **err);
/* k is left as it is where there is no such credential. */
int key_from_credentials(const struct key_request *request, struct key *k, struct error **err);
/* Puts Apptainer's frame round an error of a key that cannot be used. Returns -1. */
int key_frame(const struct key_request *request, struct error **err);

/* A key where its file's name belongs, by mistake: it must not be repeated as a name. */
int key_refuse_as_path(const char *path, struct error **err);

/* A key file's text. */
int key_file_read(const char *path, struct secret **ret, struct error **err);
int key_file_read_fd(int fd, const char *path, struct secret **ret, struct error **err);

int passphrase_ask(const struct key_request *request, struct secret **ret, struct error **err);
int passphrase_is_empty(struct error **err);
/* What of it the seal is opened with: encryption.md 2.5. */
int passphrase_for_form(const struct secret *passphrase, const struct secret_form *form,
			bool only_line, struct secret **ret, struct error **err);

#endif
