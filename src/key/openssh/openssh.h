/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_KEY_OPENSSH_OPENSSH_H
#define COFFER_KEY_OPENSSH_OPENSSH_H

#include "key/internal.h"

/*
 * Keys in OpenSSH's own forms, as DER of PKCS#1 (a new secret). The public one is the first line of
 * the text with an RSA key: returns 1, or 0 when there is none.
 */
int key_openssh_public(const char *text, size_t len, struct secret **ret, struct error **err);
/* What a block "OPENSSH PRIVATE KEY" holds. ERROR_UNSUPPORTED when it is protected. */
int key_openssh_private(const struct secret *blob, struct secret **ret, struct error **err);

/* An Ed25519 identity of OpenSSH's: 1, or 0 when the block holds another kind. */
int key_openssh_ed25519(const struct secret *blob, struct age_key **ret, struct error **err);
/* A line "ssh-ed25519 AAAA..." or "ssh-rsa AAAA...", as a recipient. */
int key_openssh_line(const char *line, size_t len, struct age_key **ret, struct error **err);

#endif
