/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_KEY_OPENSSH_OPENSSH_H
#define COFFER_KEY_OPENSSH_OPENSSH_H

#include "key/internal.h"

/*
 * Keys in OpenSSH's own forms, as DER of PKCS#1 (a new secret). The public one is the first line of
 * the text with an RSA key: returns 1, or 0 when there is none.
 */
int key_openssh_public(const char *text, size_t len, struct secret **ret, struct error **err);
/*
 * What a block "OPENSSH PRIVATE KEY" holds. Where it is protected the request's `ask` is asked for
 * the passphrase, once it is clear that the key is of the kind that is wanted; `origin` is for the
 * prompt. ERROR_KEY_WRONG, ERROR_KEY_MISSING; ERROR_NOT_FOUND where there is no ssh-keygen.
 */
int key_openssh_private(const struct key_request *request, const char *origin,
			const struct secret *blob, struct secret **ret, struct error **err);
/* An Ed25519 identity of OpenSSH's: 1, or 0 when the block holds another kind. */
int key_openssh_ed25519(const struct key_request *request, const char *origin,
			const struct secret *blob, struct age_key **ret, struct error **err);
/* protected.c: the same block without its protection, as ssh-keygen writes it. */
int key_openssh_unprotect(const struct key_request *request, const char *origin,
			  const struct secret *blob, struct secret **ret, struct error **err);

/* A line "ssh-ed25519 AAAA..." or "ssh-rsa AAAA...", as a recipient. */
int key_openssh_line(const char *line, size_t len, struct age_key **ret, struct error **err);

#endif
