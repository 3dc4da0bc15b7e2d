/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_KEY_FORMAT_H
#define COFFER_KEY_FORMAT_H

#define PEM_TEXT_MAX 65536 /* of a key file; a private key of 16384 bits has 13 KiB */
#define PEM_LABEL_MAX 64
#define PEM_DEK_MAX 96
#define PEM_LINE_LEN 64 /* RFC 7468, section 2 */
#define PEM_BEGIN "-----BEGIN "
#define PEM_END "-----END "
#define PEM_RULE "-----"

/* The names of systemd's credentials that are looked for. */
#define CREDENTIAL_RUN "coffer.key"
#define CREDENTIAL_BUILD "coffer.pub"

/* OpenSSH: PROTOCOL.key, and RFC 4253 6.6 */
#define OPENSSH_LABEL "OPENSSH PRIVATE KEY"
#define OPENSSH_MAGIC "openssh-key-v1" /* with its NUL */
#define OPENSSH_RSA "ssh-rsa"

/* encryption.md 3.3: the secret of an image */
#define LUKS2_SECRET_LEN 64
#define GOCRYPTFS_RANDOM_LEN 16
#define GOCRYPTFS_SECRET_LEN 32 /* the same as hexadecimal characters */
#define MESSAGE_LABEL "MESSAGE"
/* The wrapped pieces together: one of the largest key is 2048 bytes. */
#define WRAPPED_MAX 4096

/* encryption.md 2.5 */
#define GOCRYPTFS_PASSPHRASE_MAX 2048
#define LUKS2_PASSPHRASE_MAX (8 << 20)

#endif
